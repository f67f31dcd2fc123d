"""/cost, and what a session has cost when it is over: its spending against its limit, and what came of it."""

from collections.abc import Callable
from typing import Final

from gateway.core import card
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.events import Message
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn
from gateway.engine import bounds, cards
from gateway.engine.decision import Draft
from gateway.engine.reporting import ENTRIES
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import cost_words

TURNS_MAX: Final = 300
"""So many turns of a session are looked at, the latest."""
DRAWN_FROM: Final = 3
"""The end of a session with fewer turns needs no picture."""


def show(world: World, view: View, draft: Draft, message: Message) -> None:
    """Tell it of the thread's current session."""
    session = view.current_session(message.thread)
    if session is None:
        draft.say(world.notice(message.thread, cost_words.NOTHING_SPENT))
        return
    cost = _cost(world, view, draft, session)
    chart = card.session_chart(session, cost, world.clock.now_ms()) if cost.turns else None
    cards.show(world, draft, message.thread, _lines(world, view, session, cost), chart, ENTRIES)


def over(world: World, view: View, draft: Draft, session: Session, words: str, name: str = "") -> bool:
    """Say that a session is over, and what it has cost; False: it has cost nothing, and nothing is said. `name`: as for cards."""
    cost = _cost(world, view, draft, session)
    if not cost.turns:
        return False
    lines = [words, "", *_lines(world, view, session, cost)]
    if stopping := len(draft.open_turns(view, session.id)):
        lines.append(cost_words.being_stopped(stopping))
    chart = card.session_chart(session, cost, world.clock.now_ms()) if len(cost.turns) >= DRAWN_FROM else None
    cards.show(world, draft, session.thread, lines, chart, name=name)
    return True


def left_desk(world: World, session_id: str) -> Callable[[View], Decision[None]]:
    """Whoever sat at a session has ended it: what it has cost, once, if anything was typed there that cost something."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(session_id)
        turns = () if session is None else _turns(view, session)
        last = next((turn for turn in reversed(turns) if turn.origin is Origin.DESK), None)
        if session is not None and not session.unattended and last is not None:
            # Named after its last turn: one that is opened and closed again without a word is not told of again.
            over(world, view, draft, session, cost_words.CLOSED_AT_DESK, f"desk:{session.id}:{last.id}")
        return draft.done(None)

    return decide


def _turns(view: View, session: Session) -> tuple[Turn, ...]:
    """Those that made calls, oldest first."""
    return card.ran(reversed(view.latest_turns(session.id, TURNS_MAX)))


def _cost(world: World, view: View, draft: Draft, session: Session) -> card.Cost:
    turns = _turns(view, session)
    balance = bounds.balance(world, view, draft, Scope(ScopeKind.SESSION, session.id))
    left = {turn.id: found.kind for turn in turns if (found := view.left(turn.id)) is not None}
    return card.Cost(turns, balance.spent, balance.limit, left)


def _lines(world: World, view: View, session: Session, cost: card.Cost) -> list[str]:
    return card.session_lines(cost, list_prices=world.list_price(view, session.agent))
