"""/report and the digest: what a period has cost, as far as whoever reads it may know."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from gateway.core import addressing, card, digest, period_card, periods, scopes
from gateway.core.access import may
from gateway.core.card import Reader, Whose
from gateway.core.digest import Digest
from gateway.core.period_card import Span, Told
from gateway.core.route import ShowReport
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.charts import PeriodChart, Slot
from gateway.domain.events import Message
from gateway.domain.place import Deed, Thread
from gateway.domain.preferences import Preferences
from gateway.domain.spending import Period
from gateway.engine import bounds, cards
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import cost_words

ENTRIES: Final = (
    (cost_words.TODAY_BUTTON, f"report {Span.DAY}"),
    (cost_words.WEEK_BUTTON, f"report {Span.WEEK}"),
    (cost_words.MONTH_BUTTON, f"report {Span.MONTH}"),
)
BATCH: Final = 20
HOUR_MS: Final = 3_600_000
Due = tuple[Preferences, date, Digest]


def show(world: World, view: View, draft: Draft, message: Message, wanted: ShowReport) -> None:
    """Tell the day, week or month so far: to owners in their own chat everything, in a group the group's, to others their own."""
    today, kind = world.today(), period_card.SCOPES[wanted.span]
    period = period_card.period_of(wanted.span, today)
    scope = Scope(kind, scopes.period(kind, today))
    reader = _reader(view, message.thread, message.person)
    told = _told(world, view, draft, reader, (period_card.name_of(wanted.span, period, today), period, scope))
    cards.show(
        world, draft, message.thread, period_card.period_lines(told), _chart(world, view, draft, reader, told), ENTRIES
    )


def _reader(view: View, thread: Thread, person: str) -> Reader:
    of = card.whose(view.grants(person), thread, person)
    return Reader(of, person, view.sessions_in(thread.service, thread.chat) if of is Whose.GROUP else frozenset())


def _told(world: World, view: View, draft: Draft, reader: Reader, about: tuple[str, Period, Scope | None]) -> Told:
    """The figures of a period; `about`: its name, itself, and the limit that it has if all that was spent is told."""
    name, period, scope = about
    portions = reader.portions(view.portions(*_days(world, period)))
    agents = {one.place.agent for one in portions}
    told = Told(
        name,
        period,
        reader.whose,
        portions,
        reader.open_turns(view.all_open_turns()),
        list_prices=any(agent in world.agents and world.list_price(view, agent) for agent in agents),
    )
    if reader.whose is not Whose.GATEWAY or scope is None:
        return told
    balance = bounds.balance(world, view, draft, scope)
    return replace(told, limit=balance.limit, booked=balance.spent)


def _days(world: World, period: Period) -> tuple[date, Sequence[int]]:
    first = period.first or period.last
    return first, periods.beginnings(first, period.last, world.rules.timezone)


def _chart(world: World, view: View, draft: Draft, reader: Reader, told: Told) -> PeriodChart | None:
    """What its picture shows: the hours of one day, or days; None: there is nothing to draw."""
    first, begins = _days(world, told.period)
    if not told.portions:
        return None
    if first == told.period.last:
        hours = (*range(begins[0], begins[1], HOUR_MS), begins[1])
        return period_card.period_chart(told, Slot.HOUR, hours, reader.portions(view.portions(first, hours)))
    limit = None
    if reader.whose is Whose.GATEWAY:
        today = Scope(ScopeKind.DAY, scopes.period(ScopeKind.DAY, world.today()))
        limit = bounds.balance(world, view, draft, today).limit
    return period_card.period_chart(told, Slot.DAY, begins, told.portions, limit)


# ------------------------------------------------------------------------------------------------------------ the digest
def due(world: World, view: View) -> tuple[Due, ...]:
    """The digests that are to be told now: the chat's preferences, the day, and what it is about."""
    now_ms, zone = world.clock.now_ms(), world.rules.timezone
    found = ((chat, digest.due(chat, now_ms, zone)) for chat in view.digests(world.chat.service))
    return tuple((chat, *one) for chat, one in found if one is not None)[:BATCH]


def tell(world: World) -> Callable[[View], Decision[int]]:
    """Tell them, and that they are told: in one transaction, so that each is told once. The result is how many there were."""

    def decide(view: View) -> Decision[int]:
        draft = Draft()
        found = due(world, view)
        for chat, day, one in found:
            draft.put.append(replace(chat, digest_told=day.isoformat()))
            _tell(world, view, draft, chat, day, one.period(day))
        return draft.done(len(found))

    return decide


def _tell(world: World, view: View, draft: Draft, chat: Preferences, day: date, period: Period) -> None:
    thread = Thread(chat.service, chat.chat)
    if not _is_read(view, chat, thread):
        return
    reader = _reader(view, thread, chat.digest_for)
    daily = period.first == period.last
    name = period_card.name_of(Span.DAY if daily else Span.WEEK, period, day)
    scope = Scope(ScopeKind.DAY, period.last.isoformat()) if daily else None
    told = _told(world, view, draft, reader, (name, period, scope))
    if told.portions:
        lines, chart = period_card.period_lines(told), _chart(world, view, draft, reader, told)
        ref = f"digest:{chat.service}:{chat.chat}:{day}"
        cards.show(world, draft, thread, lines, chart, ENTRIES, ref, ring=True)


def _is_read(view: View, chat: Preferences, thread: Thread) -> bool:
    """Whether somebody may read there still: its person, or in a group anybody who was let in."""
    if chat.digest_for:
        return may(view.grants(chat.digest_for), Deed.READ, thread)
    return not addressing.is_nobodys(view.all_grants(), chat.chat)
