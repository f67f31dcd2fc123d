"""`tollbridge forget`: a session's words go for good; what it cost stays."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.ports import TollbridgeError

if TYPE_CHECKING:
    from gateway.core.forgetting import Held
    from gateway.domain.place import Session

FORGET: Final = "/v1/forget"
PATIENCE_S: Final = 120.0
"""An agent that rests is ended first."""


def forget(
    session: str = typer.Argument(help="The session's id, or how it begins (see `tollbridge sessions`)."),
    yes: bool = typer.Option(False, "--yes", help="Do not ask."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would go, and leave it there."),
) -> None:
    """Forget a session's prompts, answers, questions and files, for good. Amounts, tokens, times and the ledger stay."""
    from gateway.cli import changing
    from gateway.home import home_directory

    home = home_directory()
    found, held = _found(home, session)
    _list(found, held)
    if dry_run:
        return
    if not yes:
        if not sys.stdin.isatty():
            raise TollbridgeError("nobody can be asked here: write --yes to forget it for good")
        typer.confirm("Forget it, for good?", abort=True)
    changing.say(_through_the_door(home, found.id) or _by_ourselves(home, found.id))


def _found(home: Path, beginning: str) -> "tuple[Session, Held]":
    """The one session that is meant, and what is kept of it. Raises TollbridgeError."""
    from gateway.cli import ledger
    from gateway.engine.forgetting import refusal
    from gateway.store import open_readonly
    from gateway.view import forget_words

    with ledger.naming(home), open_readonly(home) as reader:
        named = reader.read(lambda view: view.sessions_named(beginning, 2)) if beginning else ()
        if len(named) != 1:
            raise TollbridgeError(forget_words.which(len(named)))
        held = reader.read(lambda view: view.held(named[0].id))
    if why := refusal(named[0], held):
        raise TollbridgeError(why)
    return named[0], held


def _list(session: "Session", held: "Held") -> None:
    from gateway.engine.forgetting import counted
    from gateway.view import forget_words

    typer.echo(f"{session.id}  {session.agent}  {session.directory}")
    typer.echo(f"What goes: {counted(held)}; its files, copies, journals and notes here.")
    typer.echo(forget_words.STAYS)
    typer.echo(forget_words.TRANSCRIPT_STAYS)
    typer.echo(forget_words.CHAT_STAYS)


def _through_the_door(home: Path, session_id: str) -> str:
    """What the running gateway says; empty: none runs. Raises TollbridgeError."""
    from gateway.cli import changing
    from gateway.local import client

    try:
        told = client.ask(home, "POST", FORGET, {"session": session_id}, PATIENCE_S)
    except client.NobodyThereError:
        return ""
    changing.must(told)
    return str(told.fields["words"])


def _by_ourselves(home: Path, session_id: str) -> str:
    """Under the home's lock, where no gateway runs. Raises TollbridgeError."""
    import anyio

    from gateway import app, clock, lock
    from gateway.config import load
    from gateway.engine import forgetting
    from gateway.local.peers import family_of
    from gateway.store import open_store
    from gateway.view import forget_words

    family = family_of(os.getpid())
    if family.marked or not family.lineage:
        raise TollbridgeError(forget_words.INSIDE_AGENT)
    beside = app.beside(load())

    async def work() -> Any:
        async with open_store(home) as store:
            return await forgetting.forget(store, beside, session_id, clock.now_ms())

    with lock.hold(home):
        found = anyio.run(work, backend="asyncio")
    if isinstance(found, str):
        raise TollbridgeError(found)
    return forget_words.done(forgetting.counted(found.held), found.transcript, scrubbed=found.scrubbed)
