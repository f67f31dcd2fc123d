"""`tollbridge plugin install --exact`: the second source of figures. Claude Code then tells the gateway of every call that it makes.

What is written goes into the `env` of the person's own Claude settings; what stands there is never changed, only added to.
"""

import json
import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.cli.claude_code import ClaudeCodeError, read, variables

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"
HEADERS: Final = "OTEL_EXPORTER_OTLP_LOGS_HEADERS"
_BLOCK: Final = "env"


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done to a settings file: variables to add, to replace because they are the gateway's own, or to take out.

    `contrary`: the names of those that somebody has set to something else. Then nothing is written.
    """

    path: Path
    before: str
    holds: dict[str, Any] = field(repr=False)
    add: dict[str, str] = field(default_factory=dict, repr=False)
    drop: tuple[str, ...] = ()
    contrary: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.drop or self.contrary)


def wanted(address: str, port: int, token: str) -> dict[str, str]:
    """The variables with which Claude Code tells the loopback listener of its calls, a second after each."""
    host = f"[{address}]" if ":" in address else address
    return {
        "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json",
        ENDPOINT: f"http://{host}:{port}/v1/logs",
        HEADERS: f"Authorization=Bearer {token}",
        "OTEL_LOGS_EXPORT_INTERVAL": "1000",
    }


def addition(path: Path, values: Mapping[str, str]) -> Change:
    """What is to be added to the file. Raises ClaudeCodeError where it is no JSON that could be added to."""
    before, holds, present = _present(path)
    # Another token than the one that stands there for the same listener: it was renewed.
    renewed = present.get(ENDPOINT) == values[ENDPOINT] and present.get(HEADERS, "").startswith("Authorization=Bearer ")
    contrary = tuple(
        name
        for name, value in values.items()
        if present.get(name, value) != value and not (name == HEADERS and renewed)
    )
    add = {name: value for name, value in values.items() if present.get(name) != value and name not in contrary}
    return Change(path, before, holds, add, contrary=contrary)


def removal(path: Path, values: Mapping[str, str]) -> Change:
    """What is to be taken out again: all of it if the file leads to this listener, else nothing. Raises ClaudeCodeError."""
    before, holds, present = _present(path)
    if present.get(ENDPOINT) != values[ENDPOINT]:
        return Change(path, before, holds)
    own = [name for name, value in values.items() if present.get(name) == value or name == HEADERS]
    return Change(path, before, holds, drop=tuple(name for name in own if name in present))


def shown(change: Change) -> str:
    """The change in words, a line each; no token stands in it."""
    lines = [f'  + "{name}": "{_veiled(name, value)}"' for name, value in change.add.items()]
    lines += [f'  - "{name}"' for name in change.drop]
    lines += [f'  ! "{name}" is set to something else' for name in change.contrary]
    return "\n".join([f'{change.path}, in "{_BLOCK}":', *lines])


def written(change: Change) -> None:
    """Carry it out: the file is replaced as a whole, and only if it still is what was read. Raises ClaudeCodeError."""
    block = {**_block(change.path, change.holds), **change.add}
    for name in change.drop:
        block.pop(name, None)
    holds = {**change.holds, _BLOCK: block}
    if not block:
        del holds[_BLOCK]
    # Where the file is a link, as in many a collection of settings, what it leads to is replaced.
    target = Path(os.path.realpath(change.path))
    if read(target)[0] != change.before:
        raise ClaudeCodeError(f"{change.path} has changed meanwhile: run this again")
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            # It holds a token: its owner alone reads it from now on.
            with os.fdopen(os.open(beside, flags, stat.S_IRUSR | stat.S_IWUSR), "w", encoding="utf-8") as file:
                file.write(json.dumps(holds, indent=2, ensure_ascii=False) + "\n")
                file.flush()
                os.fsync(file.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise ClaudeCodeError(f"{target} cannot be written ({error.strerror}): nothing was changed") from None


def _present(path: Path) -> tuple[str, dict[str, Any], dict[str, str]]:
    before, holds = read(path)
    _block(path, holds)
    return before, holds, variables(holds)


def _block(path: Path, holds: Mapping[str, Any]) -> dict[str, Any]:
    block = holds.get(_BLOCK, {})
    if not isinstance(block, dict):
        raise ClaudeCodeError(f'"{_BLOCK}" in {path} is no JSON object: correct it by hand')
    return block


def _veiled(name: str, value: str) -> str:
    return "Authorization=Bearer (the token that `tollbridge mcp token` shows)" if name == HEADERS else value
