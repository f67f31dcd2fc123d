"""Whether a command of a shell runs tests, and what its end says of them.

Only what is recognisably a test runner counts, and only where the command's own end is that of the tests: `pytest | tail` ends as
`tail` does.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

COMMAND_MAX: Final = 20_000
"""Characters: a longer one is not looked into."""
DEPTH_MAX: Final = 3
"""So deep may shells start shells."""


@dataclass(frozen=True, slots=True)
class RunsTests:
    """A command that runs tests: with what, and what is known of them if it ends well, or badly (None: nothing)."""

    runner: str
    if_well: bool | None = True
    if_badly: bool | None = False

    def passed(self, well: bool | None) -> bool | None:  # noqa: FBT001 - a fact, not a flag
        """Whether the tests passed; `well`: how the command ended, None where that is not known."""
        return None if well is None else self.if_well if well else self.if_badly


_ANY: Final = re.compile("")
_TEST: Final = re.compile(r"tests?([-_:].*)?")
_CHECK: Final = re.compile(r"(tests?|check|spec)([-_:].*)?|.*[-_:]tests?")
_RUNNERS: Final[dict[str, re.Pattern[str]]] = {
    **dict.fromkeys(("pytest", "py.test", "unittest", "tox", "nox", "jest", "vitest", "mocha", "ava", "rspec"), _ANY),
    **dict.fromkeys(("phpunit", "pest", "ctest", "trial", "nose2", "bats", "prove"), _ANY),
    **dict.fromkeys(("go", "cargo", "dotnet", "deno", "bun", "swift", "mix", "dart", "flutter", "ng"), _TEST),
    **dict.fromkeys(
        ("npm", "pnpm", "yarn", "hatch", "rails", "meson", "bazel", "sbt", "lein", "stack", "cabal"), _TEST
    ),
    **dict.fromkeys(("zig", "xcodebuild", "composer", "playwright", "manage.py", "artisan"), _TEST),
    **dict.fromkeys(("make", "gmake", "just", "rake", "task", "ninja", "gradle", "gradlew"), _CHECK),
    **dict.fromkeys(("mvn", "mvnw"), re.compile("test|verify|integration-test")),
    "nextest": re.compile("run"),
    "cypress": re.compile("run"),
}
"""Programs, and the first word (of a builder any word) after their options that makes them run tests."""
_BUILDERS: Final = frozenset(
    ("make", "gmake", "just", "rake", "task", "ninja", "gradle", "gradlew", "mvn", "mvnw", "sbt", "zig", "xcodebuild")
)
_SCRIPTS: Final = frozenset(("npm", "pnpm", "yarn", "bun", "deno"))
"""They run scripts of a project by name: `run test`, and `t` for short."""
_NOT_RUN: Final = frozenset(
    ("--version", "--help", "-h", "--collect-only", "--co", "--fixtures", "--markers", "--listTests", "--list", "--no-run", "--dry-run", "--just-print", "-N", "--init")
)  # fmt: skip
"""With these nothing is tested."""
_BEFORE: Final = frozenset(
    (
        "env",
        "time",
        "command",
        "exec",
        "sudo",
        "nohup",
        "xvfb-run",
        "npx",
        "bunx",
        "uvx",
        "dotenv",
        "nice",
        "timeout",
        "stdbuf",
        "ionice",
    )
)
_VALUED: Final = {
    "nice": {"-n"},
    "timeout": {"-k", "-s", "--signal", "--kill-after"},
    "sudo": {"-u", "-g"},
    "env": {"-u", "-C"},
    "run": {"--with", "--extra", "--group", "-p", "--python", "--package", "--project", "--directory", "--env-file", "-n", "-e"},
    "python": {"-W", "-X"},
    "make": {"-C", "-f", "-j", "-o", "-W", "-I"},
    "cargo": {"--manifest-path", "-p", "--package", "--config"},
    "dotnet": set[str](),
    "go": {"-C"},
    "npm": {"--prefix", "-w", "--workspace", "-C"},
    "pnpm": {"--filter", "-F", "-C", "--dir"},
    "yarn": {"--cwd"},
    "mvn": {"-f", "-pl", "-P", "-s", "--file", "--projects"},
    "gradle": {"-p", "--project-dir", "-b", "-x"},
    "php": {"-d"},
    "xcodebuild": {"-scheme", "-project", "-workspace", "-destination", "-sdk"},
}  # fmt: skip
"""Options with a word after them that is their value."""
_HARMLESS: Final = frozenset(
    ("cd", "export", "set", "source", ".", "pushd", "unset", "true", "ulimit", "shopt", "umask")
)
"""What stands before tests is not what fails."""
_SHELLS: Final = frozenset(("sh", "bash", "zsh", "dash"))
_PYTHON: Final = re.compile(r"python(\d+(\.\d+)*)?|pypy3?|py")
_ASSIGNED: Final = re.compile(r"[A-Za-z_]\w*=.*", re.DOTALL)
_PART: Final = re.compile(
    r"(?P<blank>[ \t\r]+|\\\n|#[^\n]*)|(?P<redirect>\d*(?:&>>?|<<<|[<>]{1,2})&?-?[ \t]*)|(?P<end>&&|\|\||;;?|\|&?|&|\n|[()])"
    r"""|(?P<word>(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s|&;()<>"'\\])+)""",
    re.DOTALL,
)
_QUOTED: Final = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)""", re.DOTALL)
_ALONE: Final = frozenset(("", ";", "\n"))


def recognised(command: str, depth: int = DEPTH_MAX) -> RunsTests | None:
    """The tests that a command of a shell runs; None: none, as far as can be told."""
    parts = _parts(command) if len(command) <= COMMAND_MAX else []
    found = [_runner(words, depth) for _, words, _ in parts]
    last = max((n for n, one in enumerate(found) if one is not None), default=None)
    if last is None:
        return None
    ran = found[last] or RunsTests("")
    well, badly = ran.if_well, ran.if_badly
    before, after = _chain(parts, found, last), [end for _, _, end in parts[last:-1]]
    piped = any(words[:1] == ["set"] and "pipefail" in words for _, words, _ in parts[:last])
    if before is _CUT or parts[-1][2] == "&":
        return RunsTests(ran.runner, None, None)
    if before is _MAY_FAIL:
        badly = None
    for end in after:
        badly = None
        if end != "&&" and not (piped and end.startswith("|") and end != "||"):
            well = None
    return RunsTests(ran.runner, well, badly)


_SURE: Final = "sure"
_MAY_FAIL: Final = "may fail"
_CUT: Final = "cut"


def _chain(parts: Sequence[tuple[str, list[str], str]], found: Sequence[RunsTests | None], last: int) -> str:
    """What stands before the tests in one chain with them: nothing that can fail, something that may, or what leads around them."""
    how, n = _SURE, last
    while (lead := parts[n][0]) not in _ALONE:
        if lead == "|" and n == last:
            return how  # what is fed to tests does not end them
        if lead != "&&":
            return _CUT
        n -= 1
        one = found[n]
        if not _is_harmless(parts[n][1]) and (one is None or one.if_badly is None):
            how = _MAY_FAIL
    return how


def _is_harmless(words: Sequence[str]) -> bool:
    return not words or words[0] in _HARMLESS or all(_ASSIGNED.fullmatch(word) for word in words)


def _parts(command: str) -> list[tuple[str, list[str], str]]:
    """The simple commands: (what stands before, words, what stands after)."""
    parts: list[tuple[str, list[str], str]] = []
    words: list[str] = []
    lead, at, redirected = "", 0, False
    while at < len(command):
        found = _PART.match(command, at)
        if found is None:  # a quote that is never closed, a backslash at the end: nobody knows what that runs
            return []
        at = found.end()
        if found["redirect"]:
            redirected = True
        elif found["word"]:
            words += [] if redirected else [_plain(found["word"])]
            redirected = False
        elif found["end"]:
            if words:
                parts.append((lead, words, found["end"]))
            lead = found["end"] if words else lead
            words = []
            if found["end"] in "()":
                lead = ""
    if words:
        parts.append((lead, words, ""))
    return parts


def _plain(word: str) -> str:
    return _QUOTED.sub(lambda one: next((group for group in one.groups() if group is not None), ""), word)


def _runner(words: Sequence[str], depth: int) -> RunsTests | None:
    """The tests that one simple command runs."""
    rest = list(words)
    while rest and depth:
        if _ASSIGNED.fullmatch(rest[0]):
            rest = rest[1:]
            continue
        name = rest[0].rpartition("/")[2]
        if name in _SHELLS:
            return _in_shell(rest[1:], depth)
        if name == "node" and "--test" in rest:
            return RunsTests("node --test")
        if name in _RUNNERS and (ran := _named(name, rest[1:])):
            return ran
        after = _after(name, rest[1:])
        if after is None:
            return None
        rest = after
    return None


def _in_shell(rest: Sequence[str], depth: int) -> RunsTests | None:
    for n, word in enumerate(rest[:-1]):
        if word.startswith("-") and word.endswith("c"):
            return recognised(rest[n + 1], depth - 1)
    return None


def _after(name: str, rest: list[str]) -> list[str] | None:  # noqa: PLR0911 - a table
    """What a program starts that only starts others; None: it does not."""
    if _PYTHON.fullmatch(name):
        rest = _beyond(rest, "python")
        if rest[:1] == ["-m"]:
            return rest[1:]
        return rest if rest and rest[0].endswith("manage.py") else None
    if name == "php":
        return _beyond(rest, "php")
    if name == "node":
        return _beyond(rest, "node") or None
    if name == "coverage" and rest[:1] == ["run"]:
        after = _beyond(rest[1:], "run")
        return after[1:] if after[:1] == ["-m"] else after
    if name in ("uv", "poetry", "pipenv", "hatch", "pdm", "rye", "conda", "mise") and "run" in rest[:3]:
        return _beyond(rest[rest.index("run") + 1 :], "run")
    if name in ("bundle", "pnpm", "yarn", "npm") and rest[:1] in (["exec"], ["dlx"]):
        return _beyond(rest[1:], "run")
    if name in ("yarn", "cargo", "rails", "php"):
        return _beyond(rest, name)
    if name in _BEFORE:
        after = _beyond(rest, name)
        return after[1:] if name == "timeout" else after
    return None


def _beyond(rest: Sequence[str], name: str) -> list[str]:
    """The words behind a program's options."""
    valued, n = _VALUED.get(name, set[str]()), 0
    while n < len(rest) and rest[n].startswith(("-", "+")) and rest[n] != "-m":
        if rest[n] == "--":
            return list(rest[n + 1 :])
        n += 2 if rest[n] in valued else 1
    return list(rest[n:])


def _named(name: str, rest: Sequence[str]) -> RunsTests | None:
    """A program of the table, if what follows makes it run tests."""
    own = rest[: rest.index("--")] if "--" in rest else rest
    wanted = _RUNNERS[name]
    if not _NOT_RUN.isdisjoint(own) or (name == "make" and "-n" in own):
        return None
    if wanted is _ANY:
        return RunsTests(name) if tuple(rest[:1]) not in ((("list"),), ("init",)) else None
    words = _beyond(rest, {"gmake": "make", "gradlew": "gradle", "mvnw": "mvn"}.get(name, name))
    if name in _SCRIPTS and words[:1] in (["run"], ["run-script"], ["t"]):
        words = ["test", *words[1:]] if words[0] == "t" else _beyond(words[1:], name)
    said = _goals(words) if name in _BUILDERS else words[:1]
    found = next((word for word in said if wanted.fullmatch(word.removeprefix(":").rpartition(":")[2] if name in ("gradle", "gradlew") else word)), None)  # fmt: skip
    if found is None:
        return None
    return RunsTests(name if name in ("nextest", "playwright", "cypress") else f"{name} {found}")


def _goals(words: Iterable[str]) -> list[str]:
    return [word for word in words if not word.startswith("-") and "=" not in word]
