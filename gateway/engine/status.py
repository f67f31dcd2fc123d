"""/status: what runs here, what waits, the limits, and whether the gateway is well. It tells no reader what goes on elsewhere."""

from collections.abc import Iterator

from gateway.core import change, gauges, scopes, summary
from gateway.domain.events import Message
from gateway.domain.place import Session
from gateway.domain.turn import Turn, TurnState
from gateway.engine import bounds
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import limits_words, turn_words
from gateway.view import preference_words as words

UNPRICED_MAX = 1_000
FULL = 100


def show(world: World, view: View, draft: Draft, message: Message) -> None:
    """Tell it in one message."""
    session = view.current_session(message.thread)
    parts = (
        _session(world, view, session),
        _limits(world, view, draft, message, session),
        _health(world, view),
    )
    draft.say(world.notice(message.thread, "\n\n".join(text for lines in parts if (text := "\n".join(lines)))))


def _session(world: World, view: View, session: Session | None) -> Iterator[str]:
    if session is None:
        yield words.NO_SESSION_HERE
    else:
        place = summary.code(change.reason(session.directory))
        yield words.session(place, world.agents[session.agent].traits.label, session.model, session.mode)
    if view.frozen:
        yield words.STOPPED
    turns = view.all_open_turns()
    here = [turn for turn in turns if session is not None and turn.session_id == session.id]
    now_ms = world.clock.now_ms()
    works = [turn for turn in here if turn.state is not TurnState.QUEUED]
    yield from (_line(turn, _since_ms(world, view, turn), now_ms) for turn in works)
    if not works:
        yield words.NOTHING_RUNS
    if waiting := len(here) - len(works):
        yield words.waits(waiting)
    if elsewhere := len(turns) - len(here):
        yield words.elsewhere(elsewhere)


def _since_ms(world: World, view: View, turn: Turn) -> int:
    """When it began what it does now: to work, or to wait for the answer to its oldest question."""
    since_ms = turn.started_at_ms if turn.started_at_ms is not None else turn.created_at_ms
    if turn.state not in (TurnState.ASKING, TurnState.PAUSED):
        return since_ms
    asked = [one.expires_at_ms - world.rules.approval_ms for one in view.open_approvals(turn.id)]
    return max(since_ms, min(asked, default=since_ms))


def _line(turn: Turn, since_ms: int, now_ms: int) -> str:
    title = summary.escaped_title(turn.prompt)
    return words.runs(turn.state, title, (now_ms - since_ms) // 1000, turn_words.spent(turn))


def _limits(world: World, view: View, draft: Draft, message: Message, session: Session | None) -> Iterator[str]:
    own = (
        scopes.of_person(message.person, message.thread, world.today())
        if session is None
        else scopes.of_turn(session, message.person, world.today())
    )
    shared = world.team.scopes(view, world.today()) if world.team else ()
    for one in bounds.shown(world, view, draft, (*own, *shared)):
        if one.limit is not None:
            yield words.limit(gauges.name(one.scope), one.spent, one.held, one.limit)
    agent = world.rules.agent if session is None else session.agent
    for window in bounds.windows(world, view, agent, FULL):
        yield limits_words.window(gauges.window(window.scope), window.used, window.until)


def _health(world: World, view: View) -> Iterator[str]:
    now_ms, reach = world.clock.now_ms(), world.reach
    if reach.began_ms is not None:
        yield words.gateway_since((now_ms - reach.began_ms) // 1000)
    if reach.since_ms is not None:
        seconds = (now_ms - reach.since_ms) // 1000
        service = world.chat.service
        yield words.chat_away(service, seconds, reach.away) if reach.away else words.chat_reached(service, seconds)
    if world.team is not None and world.team.away:
        yield words.WITHOUT_BANK
    if unpriced := len(view.unpriced(("", 0), UNPRICED_MAX)):
        yield words.unpriced(unpriced)
    hooked = view.hooked()
    if hooked.waiting or hooked.given_up:
        yield words.hooked(hooked.waiting, hooked.given_up, hooked.why)
    yield words.messages(view.traffic())
