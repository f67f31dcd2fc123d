"""`tollbridge plugin`: Claude Code sessions that a person opens at the desk, joined to the gateway."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from gateway.cli import VERSION, claude_code, machine, plugin_files
from gateway.cli.claude_code import NAME, PLUGIN, ClaudeCodeError, Installed
from gateway.cli.terminal import confirm, say
from gateway.home import OFF_VARIABLE as OFF
from gateway.home import is_off
from gateway.ports import AGENT_MARK

if TYPE_CHECKING:
    from gateway.cli.exact import Change
    from gateway.config import Settings

TESTED: Final = machine.OLDEST_CLAUDE
_DEVELOPMENT: Final = "--dangerously-load-development-channels"

group = typer.Typer(no_args_is_help=True, help="Join the Claude Code sessions that you open yourself to the gateway.")

_ONLY_PRINT: Final = typer.Option(False, "--print", help="Show what would be done, and do nothing.")


@group.command()
def install(
    only_print: bool = _ONLY_PRINT,
    exact: bool = typer.Option(
        False, "--exact", help="Let Claude Code tell the gateway of every call as well (asks before it writes)."
    ),
) -> None:
    """Install the plugin into your own Claude Code, for all your projects. Running it again brings it up to date."""
    from gateway import lock
    from gateway.local.token import known_token

    if not only_print:
        _not_from_inside()
    settings = _settings()
    program = claude_code.found(settings.agents.claude.command, os.environ)
    if exact:
        _addition(settings, known_token(settings.home))  # what stands in its way is said before anything is done
    place = settings.home / plugin_files.FOLDER
    steps = [("plugin", "marketplace", "add", str(place)), ("plugin", "install", PLUGIN)]
    if only_print:
        say(f"Copy {plugin_files.SOURCE} to {place}, then:")
        for step in steps:
            say(f"  {program.path} {' '.join(step)}")
    else:
        if program.version is not None and program.version < TESTED:
            say(f"{program.words} is older than {machine.dotted(TESTED)}, with which the plugin was tried.")
        say(f"Copying the plugin's files to {place}")
        plugin_files.copied(lock.make_home(settings.home))
        for step in steps:
            say(f"Running {program.path} {' '.join(step)}")
            _told(program.path, step)
        _sure(claude_code.plugin(program.path, os.environ), place)
        say(f"Installed: the plugin {PLUGIN} {VERSION}, for all your projects.")
        say(
            f"Claude Code runs it from {place}: if that folder goes away, it runs without the plugin and does not say so."
        )
    if exact:
        _exact(settings, only_print=only_print)
    say()
    say(how_to_start(allowed=_is_allowed()))


@group.command()
def remove(only_print: bool = _ONLY_PRINT) -> None:
    """Take the plugin out of your Claude Code, and out of its settings what `--exact` has put there."""
    from gateway.cli import exact

    if not only_print:
        _not_from_inside()
    settings = _settings()
    program = claude_code.found(settings.agents.claude.command, os.environ)
    steps = [("plugin", "uninstall", PLUGIN), ("plugin", "marketplace", "remove", NAME)]
    change = _removal(settings)  # what cannot be read is said before anything is done
    if only_print:
        for step in steps:
            say(f"  {program.path} {' '.join(step)}")
        say(f"Delete {settings.home / plugin_files.FOLDER}.")
        if change.drop:
            say(exact.shown(change))
        return
    present = claude_code.plugin(program.path, os.environ) is not None, _has_marketplace(program.path)
    for step, is_there in zip(steps, present, strict=True):
        if is_there:
            _told(program.path, step)
    copied = (settings.home / plugin_files.FOLDER).exists()
    plugin_files.removed(settings.home)
    change = _removal(settings)  # Claude Code has written to the same file meanwhile
    if change.drop:
        say(exact.shown(change))
        exact.written(change, settings.home)
    if any(present) or copied or change.drop:
        say("Removed. Sessions that are open now keep it until they end.")
    else:
        say("Nothing was left to remove: the plugin is not installed.")
    if (leads := exact.elsewhere(change)) is not None:
        say(
            f"{change.path} has Claude Code tell {leads} of its calls, which is none of this gateway's doing: it stays."
        )


@group.command()
def status(as_json: bool = typer.Option(False, "--json", help="Print JSON for programs: schema 1.")) -> None:
    """Tell whether the plugin is installed and of this version, and how to start a session."""
    settings = _settings()
    program = claude_code.found(settings.agents.claude.command, os.environ)
    found = claude_code.plugin(program.path, os.environ)
    flaw = flaw_of(found, settings.home)
    start = words_to_start(allowed=_is_allowed())
    if as_json:
        told = {
            "schema": 1,
            "installed": found is not None,
            "enabled": found is not None and found.enabled,
            "version": found.version if found else None,
            "folder": str(found.folder) if found and found.folder else None,
            "flaw": flaw,
            "claude": program.words,
            "start": start,
            "off": is_off(),
        }
        typer.echo(json.dumps(told, indent=2))
    elif found is None:
        say("The plugin is not installed: `tollbridge plugin install`.")
    else:
        say(f"{PLUGIN} {found.version} in {program.words}: {flaw or 'installed, enabled, and of this version'}.")
        if flaw:
            say("Run `tollbridge plugin install`, which mends it.")
        else:
            say()
            say(how_to_start(allowed=_is_allowed()))
    if flaw:
        raise typer.Exit(1)


# ------------------------------------------------------------------------------------------------------------- the words
def words_to_start(*, allowed: bool) -> str:
    """The command that starts a session which the phone reaches. `allowed`: the organization has the plugin on its list."""
    return f"claude {'--channels' if allowed else _DEVELOPMENT} plugin:{PLUGIN}"


def how_to_start(*, allowed: bool) -> str:
    """What a person has to know to open a session."""
    asks = "" if allowed else "\n(It asks whether you trust the channel: it is your own.)"
    return (
        "Start the gateway with `tollbridge up`, then a session that your phone reaches:\n"
        f"  {words_to_start(allowed=allowed)}{asks}\n"
        "A session that is started with plain `claude` gets no messages from the phone, but is gated and metered like the others.\n"
        f"Without a running gateway nothing that costs money goes on. {OFF}=1, set before Claude Code starts, lets it work without\n"
        f"limits: `{OFF}=1 claude`. Such a session is reported as unmetered."
    )


def flaw_of(found: Installed | None, home: Path) -> str:
    """What is wrong with the plugin as it is installed, in words that could follow its name; empty if nothing is."""
    if found is None:
        return "not installed"
    if not found.enabled:
        return "installed, but switched off: nothing is gated or metered"
    if found.folder is None:
        return "its folder is gone, and Claude Code runs without it: nothing is gated or metered"
    if found.folder.resolve() != (home / plugin_files.FOLDER).resolve():
        return f"it runs from {found.folder}, which is not this gateway's home"
    try:
        current = plugin_files.is_current(home)
    except OSError as error:
        return f"its folder cannot be read ({error.strerror})"
    return "" if current and found.version == VERSION else f"its files are not those of version {VERSION}"


# ------------------------------------------------------------------------------------------------------------- the shell
def _settings() -> "Settings":
    from gateway import config

    return config.load()


def _not_from_inside() -> None:
    if os.environ.get(AGENT_MARK):
        words = (
            "this command runs inside an agent, and what gates agents is not theirs to change: write it in a terminal"
        )
        raise ClaudeCodeError(f"{words} of your own")


def _told(program: str, step: tuple[str, ...]) -> None:
    """Let Claude Code do one step. Raises ClaudeCodeError with what it says."""
    code, said, complained = claude_code.run(program, step, os.environ)
    if code:
        why = " ".join((complained.strip() or said.strip()).split())[:300]
        raise ClaudeCodeError(f"`claude {' '.join(step)}` failed: {why or f'exit code {code}'}")


def _sure(found: Installed | None, place: Path) -> None:
    """Nothing is said to be installed that is not. Raises ClaudeCodeError."""
    if flaw := flaw_of(found, place.parent):
        raise ClaudeCodeError(f"Claude Code was told to install the plugin, but {flaw}: look at `claude plugin list`")


def _has_marketplace(program: str) -> bool:
    _, said, _ = claude_code.run(program, ("plugin", "marketplace", "list", "--json"), os.environ)
    try:
        listed = json.loads(said)
    except ValueError:
        return True  # then it is told to remove it, and says what is wrong
    return (
        any(isinstance(one, dict) and one.get("name") == NAME for one in listed) if isinstance(listed, list) else True
    )


def _is_allowed() -> bool:
    try:
        return is_allowed(claude_code.managed())
    except ClaudeCodeError:
        return False


def is_allowed(managed: Mapping[str, object]) -> bool:
    """Whether the organization's own list of channels has the plugin."""
    listed = managed.get("allowedChannelPlugins")
    own = {"plugin": NAME, "marketplace": NAME}
    return isinstance(listed, list) and any(
        one == PLUGIN or (isinstance(one, dict) and own.items() <= one.items()) for one in listed
    )


def _addition(settings: "Settings", token: str) -> "Change":
    """What `--exact` would write. Raises ClaudeCodeError where it cannot."""
    from gateway.cli import exact

    listen = settings.local.listen
    if listen is None:
        words = "--exact needs the loopback listener, and nothing was done: set local.listen, like 127.0.0.1:8731, then run this again"
        raise ClaudeCodeError(words)
    path = claude_code.own_settings(os.environ)
    change = exact.addition(path, exact.wanted(*listen, token), exact.noted(settings.home, path))
    if change.contrary:
        say(exact.shown(change))
        raise ClaudeCodeError(
            f"{change.path} sends {', '.join(sorted(change.contrary))} elsewhere: nothing was written there; "
            "take these out by hand if the gateway is to hear of the calls"
        )
    return change


def _removal(settings: "Settings") -> "Change":
    """What `remove` would take out of the person's settings. Raises ClaudeCodeError where they cannot be read."""
    from gateway.cli import exact
    from gateway.local.token import TokenError, known_token

    path, listen = claude_code.own_settings(os.environ), settings.local.listen
    token = ""
    with suppress(TokenError):  # then what was written is known by the note alone
        token = known_token(settings.home)
    endpoint = exact.wanted(*listen, token)[exact.ENDPOINT] if listen else ""
    return exact.removal(path, token, exact.noted(settings.home, path), endpoint)


def _exact(settings: "Settings", *, only_print: bool) -> None:
    """Have Claude Code tell the loopback listener of its calls. Raises ClaudeCodeError."""
    from gateway.cli import exact
    from gateway.local.token import known_token, token_of

    change = _addition(settings, known_token(settings.home) if only_print else token_of(settings.home))
    if change.is_empty:
        say(f"{change.path} has all of it already: Claude Code tells the gateway of every call.")
        return
    say(exact.shown(change))
    if only_print:
        return
    if not confirm("Write this?", default=False):
        say(
            "Nothing was written there. The plugin works without it; compactions and titles are then counted when a session ends."
        )
        return
    exact.written(change, settings.home)
    say("Written: sessions that start from now on tell the gateway of every call.")
