"""Which of the rules that the client offers to keep may be offered to a person. Pure.

The client offers `Bash(npm test *)` for `npm test -- x`. A rule is passed on only where it says no more than what is asked for, or
than a command with its sub-command; never a tool without a condition, never a pattern of a program that can run any other, and
none at all where one of several is not passed on. The gateway's own directory is kept by a hook that no rule goes around.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

RULES_MAX: Final = 4
CHARACTERS_MAX: Final = 120
ANY_MORE: Final = re.compile(r"(?: \*|:\*)\Z")
"""How a rule ends that names the beginning of commands: in the client's present and its older form."""
_WORD: Final = re.compile(r"[A-Za-z0-9_./@+=%,-]+")
_SUB_COMMAND: Final = re.compile(r"[a-z][a-z0-9:-]*")
_WITH_SUB_COMMANDS: Final = frozenset(
    [
        "git",
        "gh",
        "hg",
        "svn",
        "npm",
        "pnpm",
        "yarn",
        "bun",
        "cargo",
        "rustup",
        "go",
        "pip",
        "pip3",
        "uv",
        "poetry",
        "hatch",
        "pdm",
        "pipenv",
        "tox",
        "nox",
        "ruff",
        "dotnet",
        "mvn",
        "gradle",
        "sbt",
        "bundle",
        "gem",
        "composer",
        "mix",
        "rebar3",
        "stack",
        "cabal",
        "dune",
        "opam",
        "swift",
        "flutter",
        "dart",
        "terraform",
        "helm",
        "brew",
        "apt",
        "systemctl",
        "journalctl",
    ]
)
"""Programs whose second word says what they do, so that a rule with both says something."""
_RUN_WORDS: Final = frozenset(
    {"exec", "run", "dlx", "x", "shell", "eval", "config", "alias", "script", "tool", "create", "init"}
)
"""Sub-commands behind which any program, or any setting, can be named."""


def offered(
    tool: str, inputs: Mapping[str, Any], suggestions: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, str], ...]:
    """The rules that may be kept for this use of a tool, as the client writes them; none, where one of them says too much."""
    found: list[dict[str, str]] = []
    for suggestion in suggestions:
        if suggestion.get("type") != "addRules":
            continue
        if suggestion.get("behavior") != "allow" or suggestion.get("destination") != "localSettings":
            return ()
        rules = suggestion.get("rules")
        for rule in rules if isinstance(rules, list) else ():
            content = rule.get("ruleContent") if isinstance(rule, dict) else None
            if not isinstance(content, str) or rule.get("toolName") != tool or not _is_narrow(tool, content, inputs):
                return ()
            found.append({"toolName": tool, "ruleContent": content})
    return tuple(found) if len(found) <= RULES_MAX else ()


def words(rule: Mapping[str, str]) -> str:
    """The rule as people write it in the client's settings."""
    return f"{rule['toolName']}({rule['ruleContent']})"


def kept(rules: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """What makes the client keep them for the project, on this machine only."""
    return [{"type": "addRules", "rules": [*rules], "behavior": "allow", "destination": "localSettings"}]


def _is_narrow(tool: str, content: str, inputs: Mapping[str, Any]) -> bool:
    if len(content) > CHARACTERS_MAX or not content.isascii() or not content.isprintable():
        return False
    match tool:
        case "Bash":
            return _is_narrow_command(content, inputs.get("command"))
        case "WebFetch":
            return _is_host_of(content, inputs.get("url"))
        case _:
            return False


def _is_narrow_command(content: str, command: object) -> bool:
    """Just what is asked for, or the beginning of it: a command that cannot run others, and its sub-command."""
    if not isinstance(command, str):
        return False
    begins = ANY_MORE.sub("", content)
    if "*" in begins or not begins.strip():
        return False
    if begins == content:  # it names one command, and no more than that
        return content == command
    program, *rest = begins.split(" ")
    if program not in _WITH_SUB_COMMANDS or not rest or not all(map(_WORD.fullmatch, rest)):
        return False
    return begins in command and _SUB_COMMAND.fullmatch(rest[0]) is not None and rest[0] not in _RUN_WORDS


def _is_host_of(content: str, url: object) -> bool:
    if not isinstance(url, str) or not content.startswith("domain:"):
        return False
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return bool(host) and content == f"domain:{host}"
