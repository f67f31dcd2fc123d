"""The doctor's checks on sessions that a person opens at the desk: the plugin, what it needs, and what switches gate, meter or channel off."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.cli import claude_code, exact, machine, plugin
from gateway.cli.checks import Check, Status
from gateway.cli.claude_code import ClaudeCodeError
from gateway.home import OFF_VARIABLE, is_off
from gateway.local.autostart import FILE
from gateway.local.token import TokenError, known_token

if TYPE_CHECKING:
    from gateway.config import Settings

OLDEST_PYTHON: Final = (3, 8)
"""The oldest that runs the plugin's hooks and servers."""
MOST_REPOSITORIES: Final = 500
_FILES: Final = ("settings.json", "settings.local.json")
_SIGN_INS: Final = {
    "api_key": "an API key",
    "claude.ai": "claude.ai",
    "oauth_token": "a token of claude.ai's",
    "console": "a Console account",
}
"""With these channels work."""


def desk(everything: "Settings", environ: Mapping[str, str], *, running: bool) -> Iterator[Check]:
    """All of them, or one if the plugin is not installed. `running`: a gateway works with this home."""
    settings, home = everything.agents, everything.home
    program = machine.find(settings.claude.command, environ)
    if program is None:
        return
    if program.version is not None and program.version < claude_code.OLDEST:
        oldest = machine.dotted(claude_code.OLDEST)
        yield _warn(
            "plugin", f"{program.words} is older than {oldest}", "update it: the plugin needs its hooks and channels"
        )
        return
    try:
        found = claude_code.plugin(program.path, environ)
    except ClaudeCodeError as error:
        yield _warn("plugin", str(error), "sessions that you open yourself may be neither gated nor metered")
        return
    if found is None:
        yield _ok("plugin", "not installed: `tollbridge plugin install` joins the sessions that you open yourself")
        return
    flaw = plugin.flaw_of(found, home)
    if flaw:
        yield _warn("plugin", flaw, "run `tollbridge plugin install`")
    else:
        yield _ok("plugin", f"{claude_code.PLUGIN} {found.version}, from {found.folder}")
    if found.enabled and found.folder is not None and not running and not everything.local.autostart:
        words = "no gateway runs: every prompt in a session that you open yourself is blocked"
        yield _warn("desk", words, "run `tollbridge up`, or set local.autostart to have sessions start it")
    yield python(environ)
    yield from sign_in(program.path, environ)
    organization, unread = managed()
    yield from switches(environ, organization, unread)
    yield from repositories([*_here(), settings.directory], settings.roots, environ)
    yield from start(environ, organization)


def calls(settings: "Settings", environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether what `plugin install --exact` has written is what the gateway takes; nothing where it has written nothing."""
    path = claude_code.own_settings(environ)
    try:
        flaw = exact.outdated(path, settings.home, known_token(settings.home), settings.local.listen)
    except (ClaudeCodeError, TokenError) as error:
        yield _warn("exact", str(error), "whether Claude Code tells the gateway of its calls could not be looked at")
        return
    if flaw and settings.local.listen is None:
        yield _warn(
            "exact", f"{path} {flaw}", "set local.listen, or run `tollbridge plugin remove`, then install it again"
        )
    elif flaw:
        yield _warn("exact", f"{path} {flaw}", "run `tollbridge plugin install --exact` again")


def python(environ: Mapping[str, str]) -> Check:
    """The interpreter that Claude Code starts for hooks and servers: `python3` on the PATH."""
    found = machine.find("python3", environ)
    mend = "put a python3 of 3.8 or newer on the PATH: without it the plugin's hooks block every prompt"
    if found is None:
        return _warn("python3", "there is none on the PATH", mend)
    if found.version is None or found.version[:2] < OLDEST_PYTHON:
        return _warn("python3", f"{found.words} cannot run the plugin's hooks", mend)
    return _ok("python3", f"hooks run on {found.words}")


def sign_in(program: str, environ: Mapping[str, str]) -> Iterator[Check]:
    """By what kind of account: gate and meter work with each, channels not."""
    try:
        found = claude_code.sign_in(program, environ)
    except ClaudeCodeError as error:
        yield _warn("channels", str(error), "see with `claude auth status` how Claude Code is signed in")
        return
    if found.provider != "firstParty":
        words = f"signed in with {found.provider or 'another provider'}, where Claude Code has no channels"
        yield _warn(
            "channels",
            words,
            "gate and meter work; for messages from the phone sign in with claude.ai or a Console key",
        )
    elif found.method == "none":
        yield _warn(
            "channels",
            "Claude Code is not signed in",
            "start `claude` once and sign in with claude.ai or a Console key",
        )
    elif found.method in _SIGN_INS:
        yield _ok("channels", f"signed in with {_SIGN_INS[found.method]}: with that Claude Code can have channels")
    else:
        yield _warn(
            "channels", f"signed in with {found.method}", "channels were tried with claude.ai and Console keys only"
        )


def managed() -> tuple[dict[str, Any], str]:
    """What the organization sets, and why that cannot be read, empty if it can."""
    try:
        return claude_code.managed(), ""
    except (ClaudeCodeError, OSError) as error:
        return {}, str(error)


def switches(environ: Mapping[str, str], organization: dict[str, Any], unread: str = "") -> Iterator[Check]:
    """What in the environment, the organization's settings or one's own switches hooks or channels off."""
    own = claude_code.own_settings(environ)
    holds: dict[str, Any] = {}
    try:
        holds = claude_code.read(own)[1]
    except ClaudeCodeError as error:
        yield _warn("claude settings", str(error), "Claude Code may ignore all of it, and the plugin with it")
    if unread:
        yield _warn("claude settings", unread, "what your organization has set could not be looked at")
    theirs = claude_code.variables(holds)
    quiet = [
        name
        for name in claude_code.FLAGLESS
        for set_ in (environ, theirs)
        if claude_code.is_on(name, set_.get(name, ""))
    ]
    if quiet:
        words = f"{quiet[0]} is set: Claude Code then does not learn that it has channels"
        yield _warn("channels", words, "unset it for messages from the phone; gate and meter work all the same")
    if organization and organization.get("channelsEnabled") is not True:
        words = "your organization's settings do not allow channels (channelsEnabled)"
        yield _warn("channels", words, "ask whoever manages them; gate and meter work all the same")
    if organization.get("disableAllHooks") is True or organization.get("allowManagedHooksOnly") is True:
        words = (
            "your organization's settings let no hooks of yours run: sessions at the desk are neither gated nor metered"
        )
        yield _warn("hooks", words, "ask whoever manages them to let the plugin's hooks run")
    if (organization | holds).get("respondToBashCommands") is not False:
        words = "after `! COMMAND` Claude Code makes a call that no hook can gate; it is metered all the same"
        yield _warn("bash mode", words, f'set "respondToBashCommands": false in {own} to have no such calls')
    for words in claude_code.ungated(holds):
        yield _warn("hooks", f"{own} {words}", "take it out: sessions at the desk would not be gated or metered")


def repositories(places: Iterable[Path], roots: Iterable[Path], environ: Mapping[str, str]) -> Iterator[Check]:
    """Settings that stand in repositories: whoever wrote one can switch gate and meter off in it, and that must not stay unseen."""
    looked = list(dict.fromkeys(islice(_repositories(places, roots), MOST_REPOSITORIES)))
    own = claude_code.directory(environ)  # which `switches` has looked at
    folders = [folder for place in looked if (folder := place / ".claude") != own]
    before = 0
    for path in (folder / name for folder in folders for name in _FILES):
        try:
            holds = claude_code.read(path)[1]
        except ClaudeCodeError as error:
            yield _warn("repository", _printable(str(error)), "look at it before you open a session there")
            before += 1
            continue
        for words in claude_code.ungated(holds):
            mend = "take it out before you open a session there: what it starts may be neither gated nor metered"
            yield _warn("repository", f"{_printable(str(path))} {words}", mend)
            before += 1
        for words in claude_code.unheard(holds):
            mend = "gate and meter work there, with less to go by: take it out if that was not meant"
            yield _warn("repository", f"{_printable(str(path))} {words}", mend)
            before += 1
    if not before:
        yield _ok("repositories", f"none of {len(looked)} that were looked at switches gate or meter off")


def _here() -> list[Path]:
    """The directory in which the doctor was called, if it is still there."""
    try:
        return [Path.cwd()]
    except OSError:
        return []


def _repositories(places: Iterable[Path], roots: Iterable[Path]) -> Iterator[Path]:
    """The directories, those above them up to their repository's top, and what lies in the roots."""
    for place in places:
        for path in (place, *place.parents):
            yield path
            if (path / ".git").exists():
                break
    for root in roots:
        yield root
        try:
            yield from sorted(path for path in root.iterdir() if path.is_dir())
        except OSError:  # the checks of directories say so
            continue


def start(environ: Mapping[str, str], organization: Mapping[str, Any]) -> Iterator[Check]:
    """How a session is started from here, and whether it would be gated."""
    if is_off(environ):
        words = f"{OFF_VARIABLE} is set here: sessions that are started from this terminal are not gated, and reported as unmetered"
        yield _warn("off", words, f"unset {OFF_VARIABLE} unless you mean it")
    allowed = plugin.is_allowed(organization)
    yield _ok("session", f"start one that the phone reaches with: {plugin.words_to_start(allowed=allowed)}")


def autostart(home: Path, *, allowed: bool) -> Iterator[Check]:
    """Whether a session that opens would start the gateway."""
    if allowed and (home / FILE).is_file():
        yield _ok("autostart", "a session at the desk starts the gateway, if none works")
    elif allowed:
        words = "local.autostart is set, and nothing is noted of how to start the gateway"
        yield _warn("autostart", words, "run `tollbridge up` once; its log says if something stands in the way")


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def _ok(name: str, found: str) -> Check:
    return Check(name, Status.OK, found)


def _warn(name: str, found: str, mend: str) -> Check:
    return Check(name, Status.WARN, found, mend)
