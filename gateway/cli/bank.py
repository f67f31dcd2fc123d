"""`tollbridge bank`: the limits that several gateways share. Whoever can log in to the bank's database owns the team's limits."""

import json
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

from gateway.cli.called import as_called
from gateway.cli.choices import one_of, shown

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Settings
    from gateway.domain.lease import FigureSum, Lease, TeamScope, TeamStatus
    from gateway.ports import Bank

T = TypeVar("T")

SCHEMA: Final = 1

group = typer.Typer(
    help="The limits that several gateways share: see them, set them, keep them whole.", no_args_is_help=True
)

_AS_JSON = typer.Option(False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings.")


class Period(StrEnum):
    """What a limit is for."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    EVER = "ever"


@group.command()
def migrate() -> None:
    """Make the bank in its database, or bring it up to date. Gateways that are older are refused from then on."""
    from gateway.bank import migrate_bank
    from gateway.bank.schema import HEAD

    where = _where()[1]
    found = _run(lambda: migrate_bank(where))
    typer.echo(
        "The bank was made."
        if not found
        else "The bank is up to date."
        if found == HEAD
        else f"Was {found}, is now {HEAD}."
    )


@group.command()
def status(as_json: bool = _AS_JSON) -> None:
    """Show each shared limit: what is spent, what is lent to which gateway, and what is left."""
    settings, _ = _where()
    found = _with(lambda bank: _statuses(bank, settings))
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "scopes": [_values(one) for one in found]}, indent=2))
        return
    for one in found:
        balance = one.balance
        limit = f"{balance.limit}, {balance.left} left" if balance.limit is not None else _unset(balance.scope)
        typer.echo(f"{balance.scope}: {limit} ({balance.spent} spent, {balance.lent} lent)")
        for lease in one.leases:
            typer.echo(f"  {_lease_line(lease)}")
    if any(one.leases for one in found):
        typer.echo("What gateways have spent since they renewed a lease is not in these figures yet.")


def _unset(scope: "TeamScope") -> str:
    period = scope.standing.period if scope.standing else Period.EVER
    return as_called(f"no limit was set: nothing is lent before there is one (`tollbridge bank limit {period} 500`)")


async def _statuses(bank: "Bank", settings: "Settings") -> "list[TeamStatus]":
    return [await bank.status(scope) for scope in _scopes(settings)]


def _lease_line(lease: "Lease") -> str:
    from gateway.core.summary import duration

    lasts = f"for {duration(lease.lasts_ms // 1000)} more" if lease.lasts_ms else "its time is over"
    return f"{lease.id}  {lease.gateway}  {lease.remainder} of {lease.lent} not spent  {lease.state}, {lasts}"


def _values(status: "TeamStatus") -> dict[str, Any]:
    balance = status.balance
    return {
        "team": balance.scope.team,
        "period": balance.scope.period,
        "limit_usd": None if balance.limit is None else balance.limit.exact(),
        "spent_usd": balance.spent.exact(),
        "lent_usd": balance.lent.exact(),
        "left_usd": None if balance.limit is None else balance.left.exact(),
        "leases": [
            {
                "id": lease.id,
                "gateway": lease.gateway,
                "state": lease.state.value,
                "lent_usd": lease.lent.exact(),
                "remainder_usd": lease.remainder.exact(),
                "lasts_ms": lease.lasts_ms,
            }
            for lease in status.leases
        ],
    }


@group.command()
def limit(
    period: Period = typer.Argument(
        parser=one_of(Period), metavar=shown(Period), help="What it is for: each day, week or month, or for ever."
    ),
    amount: str = typer.Argument(help="The limit in dollars, like 500."),
    why: str = typer.Option("", "--why", help="Why, for the bank's entry."),
) -> None:
    """Set the limit of each day, week or month from now on, and of the present one."""
    from gateway.domain.lease import TeamScope
    from gateway.domain.money import AmountError, Usd
    from gateway.ports import TollbridgeError

    settings, _ = _where()
    team = settings.bank.team or ""
    try:
        usd = Usd.parse(amount)
    except AmountError as error:
        raise TollbridgeError(str(error)) from None
    _agreed(f"Set the limit of the team {team} for {'each ' if period is not Period.EVER else ''}{period} to {usd}?")
    who, reason = _who(), why or "tollbridge bank limit"

    async def work(bank: "Bank") -> "TeamStatus":
        present = _scope(settings, period)
        if period is not Period.EVER:
            await bank.set_limit(TeamScope(team, period.value), usd, who, reason)
        await bank.set_limit(present, usd, who, reason)
        return await bank.status(present)

    balance = _with(work).balance
    typer.echo(f"{balance.scope}: {balance.limit}, {balance.left} left.")
    if period.value not in settings.bank.periods:
        typer.echo(f"No gateway with these settings asks for it: bank.periods has no {period}.")


@group.command("write-off")
def write_off(
    lease: str = typer.Argument(help="The lease's id, as `tollbridge bank status` shows it."),
    why: str = typer.Option(..., "--why", help="Why its gateway will not come back, for the bank's entry."),
) -> None:
    """Free what a gateway that will not come back has not spent. What it spends all the same is an overdraft."""
    from gateway.domain.lease import Reason, Refused
    from gateway.ports import TollbridgeError

    _where()
    _agreed(f"Write off the lease {lease}? What its gateway still spends of it will be beyond the limit.")
    who = _who()
    found = _with(lambda bank: bank.write_off(lease, who, why))
    if not isinstance(found, Refused):
        typer.echo(f"Written off: {found.id} of {found.gateway}.")
        return
    words = {
        Reason.LIVE: f"{lease} is still live: wait until its time is over (`tollbridge bank status` shows how long)",
        Reason.CLOSED: f"{lease} was repaid: there is nothing to write off",
        Reason.UNKNOWN: f"the bank knows no lease {lease[:60]}: `tollbridge bank status` lists the open ones",
    }
    raise TollbridgeError(words.get(found.reason, f"the bank refused: {found.reason}"))


@group.command()
def verify() -> None:
    """Check that the bank's entries, balances and leases are as they were written; exit code 1 if they are not."""
    flaws = _with(lambda bank: bank.verify())
    for flaw in flaws:
        typer.echo(flaw)
    if flaws:
        raise typer.Exit(1)
    typer.echo("The bank is whole: its entries are as they were written, and its balances are their sums.")


def figures(since: str) -> "tuple[str, int, tuple[FigureSum, ...]]":
    """For `tollbridge report --team`: the team, since when, and its figures. Raises TollbridgeError."""
    from gateway import clock

    settings, _ = _where()
    since_ms = _since(since, datetime.fromtimestamp(clock.now_ms() / 1000, settings.zone))
    team = settings.bank.team or ""
    return team, since_ms, _with(lambda bank: bank.figures(team, since_ms))


# ----------------------------------------------------------------------------------------------------------- the shell
def _where() -> "tuple[Settings, str | Path]":
    """The settings and where the bank is. Raises TollbridgeError where there is none."""
    from gateway.config import load
    from gateway.ports import TollbridgeError

    settings = load()
    where = settings.bank.where
    if where is None:
        raise TollbridgeError("there is no team's bank in the settings: set bank.url and bank.team (see docs/team.md)")
    return settings, where


def _with(work: "Callable[[Bank], Awaitable[T]]") -> T:
    """Do something with the bank, which has to be there. Raises TollbridgeError."""
    from pathlib import Path

    from gateway.bank import open_bank
    from gateway.ports import TollbridgeError

    _, where = _where()
    if isinstance(where, Path) and not where.exists():
        raise TollbridgeError(f"there is no bank at {where} yet: run `tollbridge bank migrate`")

    async def opened() -> T:
        async with open_bank(where, upgrade=False) as bank:
            return await work(bank)

    return _run(opened)


def _run(work: "Callable[[], Awaitable[T]]") -> T:
    import anyio

    return anyio.run(work, backend="asyncio")


def _scopes(settings: "Settings") -> "list[TeamScope]":
    return [_scope(settings, Period(period)) for period in settings.bank.periods]


def _scope(settings: "Settings", period: Period) -> "TeamScope":
    """The shared scope of the present day, week or month."""
    from gateway import clock
    from gateway.core import scopes
    from gateway.domain.budget import ScopeKind
    from gateway.domain.lease import TeamScope

    today = datetime.fromtimestamp(clock.now_ms() / 1000, settings.zone).date()
    name = "" if period is Period.EVER else scopes.period(ScopeKind(period.value), today)
    return TeamScope(settings.bank.team or "", name)


def _agreed(question: str) -> None:
    """What widens a limit is said at a terminal, by a person: an agent's shell has none. Raises TollbridgeError."""
    from gateway.cli.terminal import confirm
    from gateway.ports import TollbridgeError

    if not sys.stdin.isatty():
        raise TollbridgeError("this changes what the team may spend: run it in a terminal, where you are asked first")
    if not confirm(as_called(question), default=False):
        raise TollbridgeError("nothing was changed")


def _who() -> str:
    import getpass

    try:
        return f"{getpass.getuser()} at a terminal"
    except (KeyError, OSError):  # no such user in the system's list
        return "somebody at a terminal"


def _since(text: str, now: datetime) -> int:
    """The beginning of this month, `2026-11-01`, or `7d`. Raises TollbridgeError."""
    from gateway.ports import TollbridgeError

    days = text.removesuffix("d")
    if not text:
        begin = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    elif text.endswith("d") and days.isascii() and days.isdigit() and len(days) <= 5:  # noqa: PLR2004 - 273 years
        begin = now - timedelta(days=int(days))
    else:
        try:
            begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=now.tzinfo)
        except ValueError:
            raise TollbridgeError(f"--since {text[:40]!r} is no day: write it like 2026-11-01, or 7d") from None
    return int(begin.timestamp() * 1000)
