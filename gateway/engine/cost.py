"""/cost: what a session has spent, and its latest turns."""

from gateway.core import summary
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.events import Message
from gateway.domain.turn import Turn
from gateway.engine import bounds
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import command_words, forget_words, turn_words


def show(world: World, view: View, draft: Draft, message: Message) -> None:
    """Tell it of the thread's current session."""
    session = view.current_session(message.thread)
    if session is None:
        draft.say(world.notice(message.thread, command_words.NOTHING_SPENT))
        return
    scope = Scope(ScopeKind.SESSION, session.id)
    turns = view.latest_turns(session.id, 10)
    balance = bounds.balance(world, view, draft, scope)
    lines = [
        command_words.cost_of_session(balance.spent, balance.limit),
        *(command_words.cost_of_turn(turn_words.spent(turn), turn.state, _title(turn)) for turn in turns),
        *([command_words.LIST_PRICES] if world.list_price(view, session.agent) else []),
    ]
    draft.say(world.notice(message.thread, "\n".join(lines)))


def _title(turn: Turn) -> str:
    if turn.forgotten_at_ms is not None:
        return forget_words.FORGOTTEN_TITLE
    return summary.escaped_title(turn.prompt)
