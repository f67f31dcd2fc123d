"""The Claude Code of the person at this machine: what it says of itself, and what its settings files say. Nothing here changes anything."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.cli import machine
from gateway.ports import TollbridgeError

NAME: Final = "tollbridge"
PLUGIN: Final = f"{NAME}@{NAME}"
"""The plugin's id: its name and its marketplace's."""
OLDEST: Final = (2, 1, 128)
"""The oldest Claude Code whose channels and hooks do what the plugin needs."""
MOST_BYTES: Final = 4 * 1024 * 1024
_PATIENCE_S: Final = 60
_MANAGED: Final = "/Library/Application Support/ClaudeCode" if sys.platform == "darwin" else "/etc/claude-code"
_NAME: Final = re.compile(r"\w{1,80}", re.ASCII)

_ANY: Final = ("DISABLE_TELEMETRY", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC")  # whatever they are set to, 0 too
FLAGLESS: Final = (*_ANY, "DO_NOT_TRACK", "CLAUDE_CODE_DISABLE_FEATURE_FLAGS", "DISABLE_GROWTHBOOK")
"""With one of these set, the client does not learn that it has channels."""
_WAYS: Final = frozenset({"PATH", "HOME", "XDG_DATA_HOME", "LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "ENV"})
"""What decides which python3 a hook is, and where it looks for the gateway."""


class ClaudeCodeError(TollbridgeError):
    """Claude Code is not there, too old, or did not do what it was asked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The plugin, as Claude Code lists it. `folder`: from where it runs; None where that is gone, and then none of it runs."""

    version: str
    enabled: bool
    folder: Path | None


@dataclass(frozen=True, slots=True)
class SignIn:
    """How Claude Code is signed in: `method` is its word (`api_key`, `claude.ai`, `none`), `provider` too (`firstParty`, `bedrock`)."""

    method: str
    provider: str


# ------------------------------------------------------------------------------------------------------- its command line
def found(command: str, environ: Mapping[str, str]) -> machine.Program:
    """The program, new enough for the plugin. Raises ClaudeCodeError."""
    program = machine.find(command, environ)
    if program is None:
        words = f"there is no program {command!r}: install Claude Code (npm install -g @anthropic-ai/claude-code)"
        raise ClaudeCodeError(words)
    if program.version is None:
        raise ClaudeCodeError(
            f"{program.path} does not say its version: start it by hand and see what is wrong with it"
        )
    if program.version < OLDEST:
        oldest = machine.dotted(OLDEST)
        raise ClaudeCodeError(f"{program.words} is older than {oldest}, the oldest that has channels: update it")
    return program


def run(program: str, words: Sequence[str], environ: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, output and errors of one of its commands, asked outside of any project. Raises ClaudeCodeError."""
    theirs = {name: value for name, value in environ.items() if not name.startswith("TOLLBRIDGE_")}
    theirs["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1"  # nobody else is told of what is asked here
    try:
        done = subprocess.run(  # noqa: S603 - the program that the settings name
            [program, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
            env=theirs,
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        raise ClaudeCodeError(f"`claude {' '.join(words)}` did not end within {_PATIENCE_S} s") from None
    except OSError as error:
        raise ClaudeCodeError(f"{program} cannot be started ({error.strerror})") from None
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def plugin(program: str, environ: Mapping[str, str]) -> Installed | None:
    """The plugin, if it is installed for this person. Raises ClaudeCodeError."""
    listed = _json(program, ("plugin", "list", "--json"), environ)
    if not isinstance(listed, list):
        raise ClaudeCodeError("`claude plugin list --json` gave no list: is Claude Code newer than this can read?")
    for one in listed:
        if isinstance(one, dict) and one.get("id") == PLUGIN and one.get("scope") == "user":
            folder = one.get("readFromFolder")
            there = isinstance(folder, str) and not one.get("errors") and Path(folder).is_dir()
            version = str(one.get("folderVersion") or one.get("version") or "")
            return Installed(version, one.get("enabled") is True, Path(str(folder)) if there else None)
    return None


def sign_in(program: str, environ: Mapping[str, str]) -> SignIn:
    """How it is signed in, which it looks up on this machine. Raises ClaudeCodeError."""
    told = _json(program, ("auth", "status", "--json"), environ)
    if not isinstance(told, dict) or not isinstance(told.get("authMethod"), str):
        raise ClaudeCodeError("`claude auth status` does not tell how Claude Code is signed in")
    return SignIn(_plain(told["authMethod"]), _plain(told.get("apiProvider", "")))


def _json(program: str, words: Sequence[str], environ: Mapping[str, str]) -> Any:
    _, said, _ = run(program, words, environ)  # it fails where nobody is signed in, and tells all the same
    try:
        return json.loads(said)
    except (ValueError, RecursionError):
        raise ClaudeCodeError(
            f"`claude {' '.join(words)}` gave no JSON: start it by hand and see what is wrong"
        ) from None


def _plain(text: object) -> str:
    return "".join(letter for letter in str(text)[:40] if letter.isprintable())


# --------------------------------------------------------------------------------------------------------- its settings
def directory(environ: Mapping[str, str]) -> Path:
    """Where Claude Code keeps what is the person's own."""
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - falls back to the user database
    return Path(environ.get("CLAUDE_CONFIG_DIR", "").partition(",")[0] or Path(home) / ".claude")


def own_settings(environ: Mapping[str, str]) -> Path:
    """The person's own settings file."""
    return directory(environ) / "settings.json"


def read(path: Path) -> tuple[str, dict[str, Any]]:
    """A settings file: its text and what it holds, both empty where there is none. Raises ClaudeCodeError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return "", {}
    except OSError as error:
        raise ClaudeCodeError(f"{path} cannot be read ({error.strerror})") from None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ClaudeCodeError(f"{path} is no file")
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ClaudeCodeError(f"{path} is larger than {MOST_BYTES >> 20} MB")
    try:
        text = raw.decode("utf-8-sig")
        holds = json.loads(text, object_pairs_hook=_once) if text.strip() else {}
    except (ValueError, RecursionError) as error:
        raise ClaudeCodeError(f"{path} is not JSON ({error}): correct it by hand") from None
    if not isinstance(holds, dict):
        raise ClaudeCodeError(f"{path} holds no JSON object: correct it by hand")
    return text, holds


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of two values for one name one would be lost."""
    held = dict(pairs)
    if len(held) < len(pairs):
        raise ValueError("a name stands there twice")
    return held


def managed(folder: str = _MANAGED) -> dict[str, Any]:
    """What the organization sets on this machine, as far as it stands in files. Raises ClaudeCodeError."""
    place = Path(folder)
    parts = [place / "managed-settings.json", *sorted((place / "managed-settings.d").glob("*.json"))]
    merged: dict[str, Any] = {}
    for part in parts:
        merged |= read(part)[1]
    return merged


def variables(holds: Mapping[str, Any]) -> dict[str, str]:
    """The environment that a settings file sets for the client and all that it starts."""
    env = holds.get("env")
    if not isinstance(env, dict):
        return {}
    return {str(name): str(value) for name, value in env.items() if value is not None}


def ungated(holds: Mapping[str, Any]) -> Iterator[str]:
    """What in a settings file switches gate and meter off, or could lead them astray: in words that follow the file's name."""
    if holds.get("disableAllHooks") is True:
        yield "switches all hooks off (disableAllHooks)"
    enabled = holds.get("enabledPlugins")
    if isinstance(enabled, dict) and enabled.get(PLUGIN, True) is not True:
        yield f"switches the plugin off (enabledPlugins: {PLUGIN})"
    for name in sorted(variables(holds)):
        upper = name.upper()
        if upper.startswith(("TOLLBRIDGE_", "DYLD_")) or upper in _WAYS:
            yield f"sets {_shown(name)}, which decides whether and where hooks ask"


def unheard(holds: Mapping[str, Any]) -> Iterator[str]:
    """What in a settings file changes the second source of figures, or switches channels off."""
    for name, value in sorted(variables(holds).items()):
        if name.startswith("OTEL_") or name in {"CLAUDE_CODE_ENABLE_TELEMETRY", "CLAUDE_CONFIG_DIR"}:
            yield f"sets {_shown(name)}, which changes what is heard of the session's calls"
        elif is_on(name, value):
            yield f"sets {name}, which switches channels off"


def is_on(name: str, value: str) -> bool:
    """Whether a variable of this value keeps the client from learning that it has channels."""
    if name not in FLAGLESS:
        return False
    return bool(value) if name in _ANY else value.lower() in {"1", "true", "yes", "on"}


def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else "a variable with an odd name"
