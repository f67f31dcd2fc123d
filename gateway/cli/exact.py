"""`tollbridge plugin install --exact`: the second source of figures. Claude Code then tells the gateway of every call that it makes.

What is written goes into the `env` of the person's own Claude settings; what somebody else has put there is never changed. What was
written is noted in the gateway's home, by digests, so that it is known again whatever becomes of the listener and its token.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.cli.claude_code import ClaudeCodeError, read, variables
from gateway.home import replace_file

FILE: Final = "exact.json"
"""The note in the home: by settings file the variables that were written there, each with the digest of its value."""
_PATH: Final = "/v1/logs"
_BEARER: Final = "Authorization=Bearer "
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
    ours: tuple[str, ...] = ()
    """What was written there before, and stays or is replaced."""
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
        ENDPOINT: f"http://{host}:{port}{_PATH}",
        HEADERS: f"{_BEARER}{token}",
        "OTEL_LOGS_EXPORT_INTERVAL": "1000",
    }


def addition(path: Path, values: Mapping[str, str], note: Mapping[str, str]) -> Change:
    """What is to be added to the file, or put in the place of what was written there before. `note`: as `noted` reads it.

    Raises ClaudeCodeError where the file is no JSON that could be added to.
    """
    before, holds, present = _present(path)
    ours = own(present, values[HEADERS].removeprefix(_BEARER), note, values[ENDPOINT])
    contrary = tuple(name for name, value in values.items() if present.get(name, value) != value and name not in ours)
    add = {name: value for name, value in values.items() if present.get(name) != value and name not in contrary}
    return Change(path, before, holds, add, ours=tuple(ours), contrary=contrary)


def removal(path: Path, token: str, note: Mapping[str, str], endpoint: str = "") -> Change:
    """What is to be taken out again: what was written there, and nothing of somebody else's. Raises ClaudeCodeError."""
    before, holds, present = _present(path)
    ours = own(present, token, note, endpoint)
    if ENDPOINT in present and ENDPOINT not in ours:
        ours &= {HEADERS}  # somebody's own collector lives on the others by now; it has no use for the token
    return Change(path, before, holds, drop=tuple(name for name in present if name in ours))


def elsewhere(change: Change) -> str | None:
    """Where the calls go on being told of after a removal, if that is a place on this machine; None: nowhere."""
    leads = variables(change.holds).get(ENDPOINT, "")
    return leads if ENDPOINT not in change.drop and is_loopback(leads) else None


def own(present: Mapping[str, str], token: str, note: Mapping[str, str], endpoint: str = "") -> set[str]:
    """Which of the variables that stand there were written by this home's gateway.

    By its note; and those that lead to a loopback listener with this home's token (empty: none is known), or to `endpoint`, its own.
    """
    ours = {name for name, digest in note.items() if name in present and _digest(present[name]) == digest}
    leads, header = present.get(ENDPOINT, ""), present.get(HEADERS, "")
    knows = bool(token) and header == f"{_BEARER}{token}"
    if is_loopback(leads) and (knows or (leads == endpoint and header.startswith(_BEARER))):
        ours |= {ENDPOINT, HEADERS}
        if not note:  # written before there was a note
            ours |= {name for name, value in wanted("", 0, "").items() if present.get(name) == value}
    return ours


def outdated(path: Path, home: Path, token: str, listen: tuple[str, int] | None) -> str:
    """What is wrong with what `--exact` has written there, in words after the file's name; empty: nothing is, or none of it is ours.

    Raises ClaudeCodeError where the file or the note cannot be read.
    """
    present = _present(path)[2]
    values = wanted(*listen, token) if listen else {}
    ours = own(present, token, noted(home, path), values.get(ENDPOINT, ""))
    if not ours & {ENDPOINT, HEADERS}:
        return ""
    if not values:
        return f"has Claude Code tell {present.get(ENDPOINT)} of its calls, and local.listen is not set: nobody listens there"
    if present.get(ENDPOINT) != values[ENDPOINT]:
        return f"has Claude Code tell {present.get(ENDPOINT)} of its calls; the gateway listens on {values[ENDPOINT]}"
    if present.get(HEADERS) != values[HEADERS]:
        return "holds a token that counts no more: the gateway refuses what Claude Code tells of its calls"
    missing = [name for name, value in values.items() if present.get(name) != value]
    return f"lacks {', '.join(missing)}: Claude Code tells the gateway of no calls" if missing else ""


def holds_token(path: Path, home: Path, token: str) -> bool:
    """Whether the file holds this token, or another one that was written there. Raises ClaudeCodeError."""
    return HEADERS in own(_present(path)[2], token, noted(home, path))


def is_loopback(url: str) -> bool:
    """Whether an address is one at which a gateway of this machine could take calls: `http://127.0.0.1:8731/v1/logs`."""
    with suppress(ValueError):
        parts = urlsplit(url)
        return (parts.scheme, parts.path) == ("http", _PATH) and ip_address(parts.hostname or "").is_loopback
    return False


def noted(home: Path, path: Path) -> dict[str, str]:
    """What was written into this settings file, by the home's note: names, and digests of their values. Raises ClaudeCodeError."""
    found = read(home / FILE)[1].get(str(path), {})
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}


def _note(home: Path, path: Path, names: Mapping[str, str]) -> None:
    before, holds = read(home / FILE)
    after = {name: held for name, held in holds.items() if name != str(path)} | (
        {str(path): dict(names)} if names else {}
    )
    if after != holds:
        _replaced(home / FILE, before, after)


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def shown(change: Change) -> str:
    """The change in words, a line each; no token stands in it."""
    lines = [f'  + "{name}": "{_veiled(name, value)}"' for name, value in change.add.items()]
    lines += [f'  - "{name}"' for name in change.drop]
    lines += [f'  ! "{name}" is set to something else' for name in change.contrary]
    return "\n".join([f'{change.path}, in "{_BLOCK}":', *lines])


def written(change: Change, home: Path) -> None:
    """Carry it out, and note it: each file is replaced as a whole, and only if it still is what was read. Raises ClaudeCodeError."""
    block = {**_block(change.path, change.holds), **change.add}
    for name in change.drop:
        block.pop(name, None)
    holds = {**change.holds, _BLOCK: block}
    if not block:
        del holds[_BLOCK]
    if (
        change.add
    ):  # noted first: what is noted and was never written is no harm, the other way round it would stay for ever
        _note(home, change.path, {name: _digest(str(block[name])) for name in {*change.ours, *change.add}})
    _replaced(change.path, change.before, holds)
    if change.drop:
        _note(home, change.path, {})


def _replaced(path: Path, before: str, holds: Mapping[str, Any]) -> None:
    # Where the file is a link, as in many a collection of settings, what it leads to is replaced.
    target = Path(os.path.realpath(path))
    if read(target)[0] != before:
        raise ClaudeCodeError(f"{path} has changed meanwhile: run this again")
    text = json.dumps(holds, indent=2, ensure_ascii=False) + "\n"
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(target, text.encode())  # It holds a token: its owner alone reads it from now on.
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
    return f"{_BEARER}(the token that `tollbridge mcp token` shows)" if name == HEADERS else value
