"""`tollbridge budget`: what the rules say of a run, what stands against every limit, and who changed what; `changing` changes it."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, Final, TypeVar

import typer

from gateway.cli import changing
from gateway.cli.called import as_called

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.core.policy import Facts
    from gateway.domain.budget import Balance, Entry, Lift, Scope
    from gateway.ports import Record
    from gateway.store import Reader

T = TypeVar("T")

SHOWN: Final = 40
"""How many scopes or changes are shown, if not all are asked for."""
SCHEMA: Final = 1
_BREAKABLE: Final = ("scope", "what", "why", "counted")
_LEAST: Final = 12
_DISPENSABLE: Final = ("counted", "held>", "last", "when", "who")

group = typer.Typer(help="See the limits, change them, and what the rules say.", no_args_is_help=True)
group.command("set", context_settings=changing.NEGATIVE)(changing.set_limit)
group.command("raise", context_settings=changing.NEGATIVE)(changing.raise_limit)

_AS_JSON = typer.Option(
    False, "--json", help="Print JSON for programs: schema 1, amounts as decimal strings, all of it."
)
_ALL = typer.Option(False, "--all", help=f"Not only the newest {SHOWN}.")


# ------------------------------------------------------------------------------------------------------------ explain
@group.command()
def explain(
    model: str = typer.Option("", help="The model of the session (default: that of the settings)."),
    directory: str = typer.Option("", help="Where the session works (default: that of the settings)."),
    amount: str = typer.Option(
        "", help="What would be held for the run, like 2.50 (default: for one without history)."
    ),
    hour: str = typer.Option("", help="The time, like 23:30 or 'sat 23:30' (default: now)."),
    cold_tokens: int = typer.Option(0, min=0, help="Tokens of context that the cache does not hold any more."),
    person: str = typer.Option("", help="The number of the person who asks (default: the first allowed user)."),
    chat: str = typer.Option("", help="The number of the chat (default: the person's own)."),
    background: bool = typer.Option(False, "--background", help="A run that no prompt started."),
) -> None:
    """Say what becomes of a run, and by which rule."""
    from gateway import clock, config
    from gateway.core.policy import Facts
    from gateway.core.policy import explain as lines
    from gateway.domain.turn import Origin

    settings = config.load()
    owner = str(next(iter(settings.telegram.allowed_users), ""))
    facts = Facts(
        model=model or settings.agents.claude.model,
        directory=os.path.realpath(os.path.expanduser(directory) if directory else settings.agents.directory),  # noqa: PTH111
        person=person or owner,
        chat=chat or person or owner,
        origin=Origin.BACKGROUND if background else Origin.PERSON,
        cold_tokens=cold_tokens,
        minute_of_week=_minute_of_week(datetime.fromtimestamp(clock.now_ms() / 1000, settings.zone), hour),
        want=_amount(amount) if amount else settings.budgets.default_hold_usd,
    )
    typer.echo(_about(facts, settings))
    for line in lines(settings.policy_rules, facts, settings.budgets.confirm_above_usd):
        typer.echo(line)
    typer.echo(
        f"A run whose price is not known is {'asked about' if settings.budgets.unpriced == 'ask' else 'refused'}."
    )
    typer.echo(as_called("What is left of the budgets counts beside all this: `tollbridge budget show`."))


def _about(facts: "Facts", settings: "Settings") -> str:
    from gateway.core.policy import DAY_MINUTES, DAYS

    day, minute = divmod(facts.minute_of_week, DAY_MINUTES)
    when = f"{DAYS[day].capitalize()} {minute // 60:02d}:{minute % 60:02d} ({settings.timezone})"
    cold = f", with {facts.cold_tokens} tokens to read again" if facts.cold_tokens else ""
    who = f" by {facts.person} in chat {facts.chat}" if facts.person else ""
    model = facts.model or "a model that is not known yet"
    return f"A run on {model} in {facts.directory}, started {when}{who}, origin {facts.origin}{cold}:"


def _minute_of_week(now: datetime, hour: str) -> int:
    """The minute since Monday 00:00 that is meant by `23:30`, `sat 23:30`, or nothing (now). Raises TollbridgeError."""
    from gateway.core.policy import DAY_MINUTES, DAYS
    from gateway.ports import TollbridgeError

    if not hour:
        return now.weekday() * DAY_MINUTES + now.hour * 60 + now.minute
    *days, time = hour.split() or [""]
    day = DAYS[now.weekday()] if not days else days[0].lower() if len(days) == 1 else ""
    try:
        told = datetime.strptime(time, "%H:%M")  # noqa: DTZ007 - a time of day has no zone
        return DAYS.index(day) * DAY_MINUTES + told.hour * 60 + told.minute
    except ValueError:
        raise TollbridgeError(f"{hour[:40]!r} is not a time of the week: write it like 23:30 or 'sat 23:30'") from None


def _amount(text: str) -> Any:
    from gateway.domain.money import AmountError, Usd
    from gateway.ports import TollbridgeError

    try:
        return Usd.parse(text)
    except AmountError as error:
        raise TollbridgeError(str(error)) from None


# --------------------------------------------------------------------------------------------------------------- show
@dataclass(frozen=True, slots=True)
class Standing:
    """What stands against a scope: its balance with the limit that counts, where that is from, and when it was last touched."""

    balance: "Balance"
    limit_from: str
    last_ms: int


@group.command()
def show(as_json: bool = _AS_JSON, everything: bool = _ALL) -> None:
    """Show every scope with a limit or spending, newest first."""
    from gateway.config import load

    settings = load()
    standings = _standings(settings)
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "scopes": [_scope_values(one) for one in standings]}, indent=2))
        return
    if not standings:
        typer.echo(_unspent(settings))
        return
    names = ("scope", "last", "spent>", "held>", "limit>", "left>", "counted")
    rows = [_scope_row(one, settings.zone) for one in standings]
    if not any(row[-1] for row in rows):
        names, rows = names[:-1], [row[:-1] for row in rows]
    print_table(names, rows if everything else rows[:SHOWN])
    _say_omitted(len(rows), everything)
    typer.echo("* set or raised in the chat or from a terminal; other limits are the settings'.")


def _unspent(settings: "Settings") -> str:
    """What is shown before the first turn: the limits that will count, which are the settings'."""
    from gateway.core.gauges import amount
    from gateway.domain.budget import ScopeKind, Unit

    limits = [f"{kind} {limit}" for kind, limit in settings.budgets.limits.items()]
    for kind, caps in settings.budgets.caps.items():
        words = [amount(unit, cap) for unit in Unit if (cap := getattr(caps, unit, None)) is not None]
        limits += [f"{kind} {word}" for word in words if kind is not ScopeKind.TURN]
    return f"Nothing was spent yet. The limits of the settings: {', '.join(limits)}."


def _standings(settings: "Settings") -> list[Standing]:
    from dataclasses import replace

    from gateway import clock
    from gateway.core.gauges import freed
    from gateway.domain.budget import NO_CAPS, ScopeKind

    last: dict[Scope, int] = {}
    order = list(ScopeKind)

    def look(reader: "Reader") -> "tuple[tuple[Balance, ...], tuple[Lift, ...]]":
        for record in reader.records():
            last.update(dict.fromkeys(record.entry.scopes, record.at_ms))
        return reader.balances(), reader.read(lambda view: view.lifts(clock.now_ms()))

    balances, lifts = looked(look, ((), ()))
    found: list[Standing] = []
    for balance in balances:
        kind = balance.scope.kind
        if kind is ScopeKind.TEAM:
            continue  # a lease: `tollbridge bank status` tells of the team's limit
        usual = settings.budgets.limits.get(kind)
        caps = balance.caps.over(settings.budgets.caps.get(kind, NO_CAPS))
        full = freed(replace(balance, limit=usual if balance.limit is None else balance.limit, caps=caps)).lifted(lifts)
        limit_from = (
            "chat" if balance.limit is not None or full.limit != usual else "settings" if usual is not None else ""
        )
        found.append(Standing(full, limit_from, last.get(balance.scope, 0)))
    return sorted(found, key=lambda one: (-one.last_ms, order.index(one.balance.scope.kind), one.balance.scope))


def _scope_row(standing: Standing, zone: tzinfo) -> tuple[str, ...]:
    from gateway.core.gauges import counted

    balance = standing.balance
    mark = "*" if standing.limit_from == "chat" else ""
    limit = f"{'none' if balance.limit is None else balance.limit}{mark}" if mark or balance.limit is not None else "-"
    left = "-" if balance.remaining is None else str(balance.remaining)
    spent, held = str(balance.spent), str(balance.held)
    return (
        _scope_name(balance.scope),
        when(standing.last_ms, zone),
        spent,
        held,
        limit,
        left,
        ", ".join(counted(balance)),
    )


def _scope_values(standing: Standing) -> dict[str, Any]:
    balance = standing.balance
    return {
        "kind": balance.scope.kind.value,
        "key": balance.scope.key,
        "limit_usd": None if balance.limit is None else balance.limit.exact(),
        "limit_from": standing.limit_from or None,
        "spent_usd": balance.spent.exact(),
        "held_usd": balance.held.exact(),
        "remaining_usd": None if balance.remaining is None else balance.remaining.exact(),
        "counts": asdict(balance.counts),
        "caps": asdict(balance.caps),
        "last_at": iso(standing.last_ms),
    }


# ------------------------------------------------------------------------------------------------------------ history
@group.command()
def history(as_json: bool = _AS_JSON, everything: bool = _ALL) -> None:
    """Show who set which limit, when and why, newest first."""
    from gateway.config import load
    from gateway.domain.budget import EntryKind

    settings = load()
    kinds = (EntryKind.LIMIT, EntryKind.RAISED, EntryKind.POLICY, EntryKind.THRESHOLD)
    changes = looked(lambda reader: [one for one in reader.records() if one.entry.kind in kinds], [])[::-1]
    if as_json:
        typer.echo(json.dumps({"schema": SCHEMA, "changes": [_change_values(one) for one in changes]}, indent=2))
        return
    if not changes:
        typer.echo("No limit was ever set.")
        return
    rows = [_change_row(one, settings.zone) for one in changes]
    print_table(("when", "who", "what", "limit>", "why"), rows if everything else rows[:SHOWN])
    _say_omitted(len(rows), everything)


def _change_row(record: "Record", zone: tzinfo) -> tuple[str, ...]:
    from gateway.domain.budget import EntryKind

    entry = record.entry
    if entry.kind is EntryKind.POLICY:
        return when(record.at_ms, zone), entry.who, "settings", "", f"{entry.why}: {_settings_words(entry.detail)}"
    if (chat := _asked_values(entry)) is not None:
        return when(record.at_ms, zone), entry.who, f"chat {chat['chat']}", "", entry.why
    scopes = ", ".join(_scope_name(scope) for scope in entry.scopes) or "turn"
    return when(record.at_ms, zone), entry.who, scopes, _new_limit(record, zone), entry.why


def _new_limit(record: "Record", zone: tzinfo) -> str:
    """What an entry makes of limits: `$10.00`, `200 calls`, `+$5.00 until 22 Nov 18:00`, `+150 calls for a turn`."""
    from gateway.core.gauges import amount, limit_words
    from gateway.domain.budget import Unit

    entry = record.entry
    how_long = " for a turn" if entry.until_ms is None else f" until {when(entry.until_ms, zone)}"
    parts = [] if entry.limit is None else [limit_words(Unit.USD, entry.limit.nano)]
    parts += [limit_words(Unit(unit), cap) for unit, cap in asdict(entry.caps).items() if cap is not None]
    parts += [
        f"{'-' if lift['by'] < 0 else '+'}{amount(Unit(lift['unit']), abs(lift['by']))}{how_long}"
        for lift in _lift_values(entry)
    ]
    return ", ".join(parts) or "-"


def _asked_values(entry: "Entry") -> dict[str, str] | None:
    """The chat of a THRESHOLD entry, and above which amounts people were and are asked there."""
    from gateway.domain.budget import EntryKind
    from gateway.domain.money import Usd

    if entry.kind is not EntryKind.THRESHOLD:
        return None
    facts = json.loads(entry.detail)
    before, after = (Usd(facts[side]).exact() for side in ("before", "after"))
    return {"chat": facts["chat"], "before_usd": before, "after_usd": after}


def _lift_values(entry: "Entry") -> list[dict[str, Any]]:
    """The limits that a RAISED entry lifts, as far as they are understood."""
    from gateway.domain.budget import EntryKind

    if entry.kind is not EntryKind.RAISED:
        return []
    names = ("kind", "key", "unit", "by")
    return [dict(zip(names, lift, strict=False)) for lift in json.loads(entry.detail)["lifts"]]


def _change_values(record: "Record") -> dict[str, Any]:
    from gateway.domain.budget import EntryKind

    entry = record.entry
    return {
        "entry": record.seq,
        "at": iso(record.at_ms),
        "kind": entry.kind.value,
        "who": entry.who,
        "why": entry.why,
        "scopes": [{"kind": scope.kind.value, "key": scope.key} for scope in entry.scopes],
        "limit_usd": None if entry.limit is None else entry.limit.exact(),
        "caps": asdict(entry.caps),
        "lifts": _lift_values(entry),
        "until": None if entry.until_ms is None else iso(entry.until_ms),
        "turn": entry.turn_id,
        "settings": _settings_values(entry.detail) if entry.kind is EntryKind.POLICY else None,
        "asked_above": _asked_values(entry),
    }


def _settings_words(detail: str) -> str:
    """The settings that an entry noted, as far as they are understood: `session $5.00, day $25.00, asked above $1.00`."""
    from gateway.domain.money import Usd

    noted = _settings_values(detail) or {}
    limits = noted.get("limits")
    parts = [f"{kind} {Usd(nano)}" for kind, nano in limits.items()] if isinstance(limits, dict) else []
    if isinstance(noted.get("confirm_above"), int):
        parts.append(f"asked above {Usd(noted['confirm_above'])}")
    rules = noted.get("policy")
    if isinstance(rules, list) and rules:
        parts.append("1 rule" if len(rules) == 1 else f"{len(rules)} rules")
    return ", ".join(parts)


def _settings_values(detail: str) -> dict[str, Any] | None:
    try:
        noted = json.loads(detail or "null")
    except ValueError:
        return None
    if isinstance(noted, dict):
        noted = noted.get("settings", noted)
    return noted if isinstance(noted, dict) else None


# ------------------------------------------------------------------------------------------------------------- reading
def looked(look: "Callable[[Reader], T]", nothing: T) -> T:
    """What `look` finds in the ledger; nothing where no gateway was ever started. Raises StoreError."""
    from gateway import config
    from gateway.cli.ledger import naming
    from gateway.store import open_readonly
    from gateway.store.home import DATABASE

    home = config.home_directory()
    if home.is_dir() and not (home / DATABASE).exists():
        return nothing
    with naming(home), open_readonly(home) as reader:
        return look(reader)


# -------------------------------------------------------------------------------------------------------------- tables
def _scope_name(scope: "Scope") -> str:
    from gateway.domain.budget import ScopeKind
    from gateway.reports.text import short_path, shorten

    key = short_path(scope.key, 24) if scope.kind is ScopeKind.PROJECT else shorten(scope.key, 20)
    return f"{scope.kind} {key}"


def when(at_ms: int, zone: tzinfo) -> str:
    """A time as tables show it: `22 Nov 18:00`."""
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%d %b %H:%M}" if at_ms else "-"


def iso(at_ms: int) -> str | None:
    """A time for programs; None for 0."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds") if at_ms else None


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A plain table; a name that ends in > is set to the right. Where it is narrow names are broken and columns go; figures stay whole."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, markup=False)
    columns = {name: cells for name, *cells in zip(names, *rows, strict=True)}
    for name in _DISPENSABLE:
        if sum(_width(*column) for column in columns.items()) <= console.width:
            break
        columns.pop(name, None)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        justify = "right" if name.endswith(">") else "left"
        words = name in _BREAKABLE
        least = _LEAST if words else None
        table.add_column(name.removesuffix(">"), justify=justify, no_wrap=not words, overflow="fold", min_width=least)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    console.print(table)


def _width(name: str, cells: Sequence[str]) -> int:
    """How much of a line a column needs, with what is between it and the next."""
    return (_LEAST if name in _BREAKABLE else max(map(len, (name, *cells)))) + 2


def _say_omitted(count: int, everything: bool) -> None:
    if count > SHOWN and not everything:
        typer.echo(f"... and {count - SHOWN} older: --all shows them.")
