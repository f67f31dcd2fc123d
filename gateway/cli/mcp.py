"""`tollbridge mcp`: what MCP clients start, and the token for those that come over HTTP."""

import os
import sys
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
        "", help="Show the handle of this session (its whole id), for a program that speaks for it."
    ),
) -> None:
    """Show the token for MCP over HTTP (`local.listen` in the settings says where)."""
    from gateway import lock
    from gateway.home import home_directory
    from gateway.local.token import handle_of, renew, token_of

    if os.environ.get(AGENT_MARK):
        raise TollbridgeError(
            "this command runs inside an agent, and agents get no token: write it in a terminal of your own"
        )
    home = lock.make_home(home_directory())
    secret = renew(home) if new else token_of(home)
    typer.echo(handle_of(secret, session) if session else secret)


def relay(mode: str) -> None:
    """Become the relay: nothing of this process is left, and nothing but frames goes to stdout."""
    if not RELAY.is_file():
        raise TollbridgeError(f"{RELAY} is missing: install tollbridge again")
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-I", "-S", str(RELAY), mode])  # noqa: S606 - no shell is wanted
