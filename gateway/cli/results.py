"""`tollbridge report --outcomes`: what came of what was spent; first what became of commits is looked up, where that is due and quick."""

import json
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from gateway.cli import spending
from gateway.cli.called import as_called
from gateway.core.results import GROUPED
from gateway.domain.errors import TollbridgeError
from gateway.domain.spending import By
from gateway.home import home_directory

if TYPE_CHECKING:
    from gateway.reports.looks import Look

LOOK_S: Final = 5.0
"""So long the report waits for git; the rest is due still."""


def asked(named: str, since: str, until: str, by: By, top: int, zone: tzinfo, *, logs: bool) -> spending.Asked:
    """What is asked for. Raises TollbridgeError where that is told by nobody."""
    from gateway import clock

    if by is By.PERSON:
        raise TollbridgeError(
            "what came of it is not told by person: nobody is ranked here (docs/outcomes.md says why). "
            "Choose --by project, session, model or agent"
        )
    if by not in GROUPED:
        raise TollbridgeError(f"--outcomes does not go with --by {by}: choose project, session, model or agent")
    return spending.Asked(named, since, until, by, top, zone, clock.now_ms(), logs=logs, outcomes=True)


def gather(wanted: spending.Asked, *, looks: bool) -> spending.Found:
    """All that is to be told. Raises TollbridgeError."""
    found = spending.gather(wanted)
    if looks and found.due and look(home_directory(), wanted.now_ms):
        return spending.gather(wanted)
    return found


def look(home: Path, now_ms: int, limit_s: float = LOOK_S) -> int:
    """Look up what became of commits that are due; at how many. A gateway that runs does that itself, and nothing is done here.

    Nor is it in a home that cannot be written: the report reads what there is, and says what is due.
    """
    import anyio

    from gateway import lock
    from gateway.engine import fates
    from gateway.ports import StoreError
    from gateway.store import open_store

    async def work() -> int:
        async with open_store(home, lambda: now_ms) as store:
            return (await fates.look_all(store, now_ms, limit_s)).looked

    try:
        with lock.hold(home):
            return anyio.run(work, backend="asyncio")
    except (lock.LockedError, lock.HomeError, StoreError):
        return 0


def show(found: spending.Found, wanted: spending.Asked, heading: str, how: "Look", form: str) -> None:
    """Print it in this form: `--json`, `--csv`, `--markdown`, or as text."""
    told = found.results
    assert told is not None  # noqa: S101 - it was asked for
    if not form:
        from gateway.reports import results

        typer.echo(as_called(results.text(told, found.spending, heading, how, wanted.by, found.due)))
        return
    from gateway.reports import results_values

    if form == "--json":
        values = results_values.as_values(told, found.spending, how, wanted.by, found.due)
        typer.echo(json.dumps(values, indent=2))
    elif form == "--csv":
        typer.echo(results_values.as_csv(told, wanted.by), nl=False)
    else:
        typer.echo(results_values.as_markdown(told, found.spending, heading, how, wanted.by), nl=False)
