"""`tollbridge export`: what was spent, for other programs."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import typer

from gateway.cli.choices import one_of, shown

if TYPE_CHECKING:
    from gateway.domain.usage import Rates, Unpriced, Usage

group = typer.Typer(no_args_is_help=True, help="What was spent, for other programs.", rich_markup_mode=None)

_EPOCH: Final = date(1970, 1, 1)
_DAY_MS: Final = 24 * 3_600_000
_DAYS_MAX: Final = 5
"""Digits of a number of days."""


class Project(StrEnum):
    """What a project is called in an export."""

    LAST = "last"
    HASH = "hash"
    FULL = "full"


@group.callback()
def _group() -> None:
    """What was spent, for other programs."""


@group.command()
def focus(
    since: str = typer.Option(
        "", "--since", help="The first day (UTC), like 2026-11-01, or 30d (default: from the beginning)."
    ),
    until: str = typer.Option(
        "", "--until", help="The first day (UTC) that is not in it any more (default: up to now)."
    ),
    out: Path | None = typer.Option(None, "--out", help="Write to this file (default: the terminal)."),
    subscription: bool = typer.Option(
        False,
        "--subscription",
        help="You pay a subscription: nothing is billed by the call, the list price is told beside it.",
    ),
    priced_only: bool = typer.Option(
        False, "--priced-only", help="Leave out usage without a known price, whose costs are empty cells."
    ),
    account: str = typer.Option("tollbridge", "--account", help="What BillingAccountId says."),
    project: Project = typer.Option(
        Project.LAST,
        "--project",
        parser=one_of(Project),
        metavar=shown(Project),
        help="What a project is called: its directory's name, a hash of its path, or the path.",
    ),
) -> None:
    """Write the ledger as FOCUS 1.2 CSV: rows by day, agent, model, class of tokens and project."""
    from gateway import clock, config
    from gateway.cli import ledger
    from gateway.core.hooks import project_name
    from gateway.domain.money import Usd
    from gateway.ports import TollbridgeError
    from gateway.pricing import provider
    from gateway.reports.focus import Told, write
    from gateway.store import open_readonly

    today = datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date()
    first = _day(since, "--since", today) if since else _EPOCH
    beyond = _day(until, "--until", today) if until else today + timedelta(days=2)
    if beyond <= first:
        raise TollbridgeError(f"no day lies from {first} on and before {beyond}: --until is a later day than --since")
    if not account.strip():
        raise TollbridgeError("--account is empty: FOCUS wants a BillingAccountId")
    told = Told(account.strip(), provider, subscription=subscription, priced_only=priced_only)
    home = config.home_directory()
    with ledger.naming(home), open_readonly(home) as reader, _file(out) as file:
        charges = reader.charges(_ms(first), _ms(beyond), lambda path: project_name(path, project.value))
        found = write(charges, _rates(), told, file)
    said = f"{found.rows} rows, ${Usd(found.nano).exact()} at list price"
    if found.unpriced_calls > 0:
        kept = "they are left out" if priced_only else "the cells of their costs are empty, and not 0"
        said += f"; no price is known of {_calls(found.unpriced_calls)}: {kept}"
    typer.echo(f"{said}.", err=True)


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number} calls"


def _day(text: str, option: str, today: date) -> date:
    """`2026-11-01`, or so many days ago: `30d`. Raises TollbridgeError."""
    from gateway.ports import TollbridgeError

    days = text.removesuffix("d")
    try:
        if text.endswith("d") and days.isascii() and days.isdigit() and len(days) <= _DAYS_MAX:
            return today - timedelta(days=int(days))
        return date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise TollbridgeError(f"{option} {text[:40]!r} is no day: write it like 2026-11-01, or 30d") from None


def _ms(day: date) -> int:
    return (day - _EPOCH).days * _DAY_MS


def _rates() -> "Callable[[Usage, date], Rates | Unpriced]":
    from gateway.pricing import ListPrices

    prices = ListPrices()
    return lambda usage, on: prices.rates(usage.model, on, usage.service_tier, usage.speed, usage.geo)


@contextmanager
def _file(out: Path | None) -> Iterator[TextIO]:
    """Where it is written: a file is there once it is whole, and for this user alone."""
    if out is None:
        yield sys.stdout
        sys.stdout.flush()
        return
    part = out.with_name(f"{out.name}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8", newline="") as file:  # noqa: PTH123 - opened by number
            yield file
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
