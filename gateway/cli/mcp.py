"""`tollbridge mcp`: what MCP clients start, and the token for those that come over HTTP."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import typer

from gateway.ports import AGENT_MARK, TollbridgeError

RELAY: Final = Path(__file__).resolve().parents[2] / "mcp_servers" / "relay.py"

group = typer.Typer(no_args_is_help=True, help="The MCP servers of the running gateway.")


@group.command()
def budget() -> None:
    """Join an MCP client on stdin and stdout to the gateway's budget server."""
    relay("budget")


@group.command()
def channel() -> None:
    """Join a Claude Code session on stdin and stdout to the chat, through the gateway."""
    relay("channel")


@group.command()
def token(
    new: bool = typer.Option(False, "--new", help="Make another one: the one before counts no more."),
    session: str = typer.Option(
        "", help="Show the handle of this session (its id, or how it begins), for a program that speaks for it."
    ),
) -> None:
    """Show the token for MCP over HTTP (`local.listen` in the settings says where)."""
    from gateway import lock
    from gateway.home import home_directory
    from gateway.local.token import handle_of, token_of

    if os.environ.get(AGENT_MARK):
        raise TollbridgeError(
            "this command runs inside an agent, and agents get no token: write it in a terminal of your own"
        )
    home = lock.make_home(home_directory())
    spoken_for = _session(session) if session else ""
    secret = _renewed(home) if new else token_of(home)
    typer.echo(handle_of(secret, spoken_for) if session else secret)


def _renewed(home: Path) -> str:
    """Another token; who holds the one before is told of, beside it."""
    from gateway.cli import claude_code, exact
    from gateway.cli.called import as_called
    from gateway.local.token import TokenError, known_token, renew

    before = ""
    with suppress(TokenError):  # then only the note tells what Claude Code was given
        before = known_token(home)
    path = claude_code.own_settings(os.environ)
    secret = renew(home)
    try:
        held = exact.holds_token(path, home, before)
    except claude_code.ClaudeCodeError:
        return secret
    if held:
        words = f"{path} holds the token before: run `tollbridge plugin install --exact` again, or the gateway hears of no calls."
        typer.echo(as_called(words), err=True)
    return secret


def _session(beginning: str) -> str:
    """The whole id of the one session whose id begins so. Raises TollbridgeError."""
    from gateway.cli import ledger

    found = ledger.read(beginning).sessions
    if len(found) != 1:
        how_many = "more than one session's id begins" if found else "there is no session whose id begins"
        raise TollbridgeError(f"{how_many} with {beginning[:40]!r}: `tollbridge sessions` lists them")
    return found[0].id


def relay(mode: str) -> None:
    """Become the relay: nothing of this process is left, and nothing but frames goes to stdout."""
    if not RELAY.is_file():
        raise TollbridgeError(f"{RELAY} is missing: install tollbridge again")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(RELAY), mode])  # noqa: S606 - no shell is wanted
