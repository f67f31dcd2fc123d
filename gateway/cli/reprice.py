"""`tollbridge reprice`: what was booked without a price gets the one that is known by now."""

import json
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.engine.repricing import Repriced

_SHOWN: Final = 10


def reprice(
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be priced, and write nothing."),
    as_json: bool = typer.Option(
        False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings."
    ),
) -> None:
    """Price calls whose model had no list price when they were made, by new entries in the ledger."""
    from gateway import config
    from gateway.cli import ledger
    from gateway.engine.repricing import Repriced
    from gateway.store import home as homes

    home = config.home_directory()
    found = Repriced()
    if not home.is_dir() or (home / homes.DATABASE).exists():
        with ledger.naming(home):
            homes.find(home)  # before the lock, which would make a home
            found = _foreseen(home) if dry_run else _written(home)
    typer.echo(json.dumps(as_values(found, dry_run=dry_run), indent=2) if as_json else as_text(found, dry_run=dry_run))


def _foreseen(home: "Path") -> "Repriced":
    """Beside a running gateway too: nothing is changed."""
    from gateway.engine.repricing import foresee
    from gateway.pricing import ListPrices
    from gateway.store import open_readonly

    with open_readonly(home) as reader:
        return foresee(reader.read, ListPrices())


def _written(home: "Path") -> "Repriced":
    """Under the home's lock. Raises TollbridgeError while a gateway works with it."""
    import anyio

    from gateway import app, clock, config, lock
    from gateway.engine.repricing import Repriced, reprice_all
    from gateway.ports import TollbridgeError
    from gateway.pricing import ListPrices
    from gateway.store import open_store

    async def work() -> Repriced:
        async with open_store(home, tell=app.tell_of(config.load())) as store:
            return await reprice_all(store, ListPrices(), clock.now_ms())

    try:
        with lock.hold(home):
            return anyio.run(work, backend="asyncio")
    except lock.LockedError as error:
        who = "a gateway" if error.pid is None else f"a gateway (process {error.pid})"
        raise TollbridgeError(
            f"{who} works with {home}, and prices what it can whenever it starts: start it again, or stop it and run this"
        ) from None


def as_values(found: "Repriced", *, dry_run: bool) -> dict[str, Any]:
    """What came of it as JSON values, schema 1. `amount_usd`: every digit."""
    return {
        "schema": 1,
        "dry_run": dry_run,
        "priced": {"calls": found.calls, "turns": found.turns, "amount_usd": found.amount.exact()},
        "unpriced": [{"model": one.model, "calls": one.calls, "why": one.why} for one in found.unknown],
        "open": {"calls": found.open_calls},
    }


def as_text(found: "Repriced", *, dry_run: bool) -> str:
    """What came of it, in sentences."""
    lines: list[str] = []
    if found.calls:
        verb = "Would price" if dry_run else "Priced"
        lines.append(
            f"{verb} {_calls(found.calls)} of {_count(found.turns, 'turn')}: {found.amount}, at the list prices of their days."
        )
    lines += [f"Still without a price: {_calls(one.calls)}: {one.why}." for one in found.unknown[:_SHOWN]]
    if rest := sum(one.calls for one in found.unknown[_SHOWN:]):
        lines.append(f"And {_calls(rest)} on {_count(len(found.unknown) - _SHOWN, 'other model')}: see --json.")
    if found.open_calls:
        lines.append(
            f"Left alone: {_calls(found.open_calls)} of turns that are not over. Run this again when they are."
        )
    return "\n".join(lines or ["Every call has its price: there is nothing to do."])


def _calls(number: int) -> str:
    return _count(number, "call")


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
