"""What an agent that waits is told: an answer to its question, on past a boundary, or to stop. Decided elsewhere."""

from dataclasses import replace

from gateway.domain.approval import APPROVAL_REF
from gateway.domain.effects import Answer, Edit, EndTurn, GoOn, Respond
from gateway.domain.events import End, Finished
from gateway.engine import ending, permissions
from gateway.engine.decision import Draft
from gateway.engine.live import Live
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import question_words, turn_words


async def respond(world: World, live: Live | None, effect: Respond) -> None:
    """Give an agent the person's answer; the message says so only once the agent has it."""
    words = question_words.NO_AGENT
    if live is not None:
        taken = await live.client.respond(effect.request_id, effect.answer)
        live.work(world.clock.ticks_ms())
        words = effect.taken if taken else question_words.UNTAKEN
    world.on_step("agent.answered")

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(effect.session_id)
        if session is not None:
            draft.say(Edit(session.thread, effect.ref, question_words.under(effect.asked, words)))
        approval = view.approval(effect.ref.removeprefix(APPROVAL_REF))
        if approval is not None:
            draft.put.append(replace(approval, request_id=""))
            permissions.settle_others(view, draft, approval, effect, words)
        return draft.done(None)

    await world.commit(decide)


async def unpause(world: World, live: Live, answer: GoOn | EndTurn) -> None:
    """The limit was raised, or the turn ends at it: every boundary that the agent stands at is answered.

    Where somebody said stop after that yes, it makes no further call: the interrupt that follows answers.
    """
    if isinstance(answer, GoOn) and await world.store.read(lambda view: _is_stopped(view, live)):
        return
    live.limit = live.paused_ms = None
    live.work(world.clock.ticks_ms())
    if isinstance(answer, EndTurn) and not live.over:
        live.stopping_ms = world.clock.ticks_ms()
    await answer_held(world, live, answer)


def _is_stopped(view: View, live: Live) -> bool:
    turn = view.turn(live.turn_id or "")
    return view.frozen or (turn is not None and turn.outcome is not None)


async def answer_held(world: World, live: Live, answer: Answer) -> None:
    """Answer every boundary that the agent stands at."""
    while live.held:
        await answer_boundary(world, live, live.held.pop(0), answer)


async def answer_boundary(world: World, live: Live, request_id: str, answer: Answer) -> None:
    """Answer one boundary."""
    await live.client.respond(request_id, answer)
    world.on_step("boundary.answered")


async def interrupt(world: World, live: Live) -> None:
    """Stop what the agent does, and what it was about to do."""
    early, live.pending = live.pending, {}
    for uuid, turn_id in early.items():
        # It did not begin yet; if it still does, it ends at its first boundary.
        never = Finished(End.INTERRUPTED, "", uuid, ())
        await world.commit(ending.finish(world, turn_id, never, (), ending.Aftermath(stopped=True)))
    if not live.over:
        live.stopping_ms = world.clock.ticks_ms()
    await answer_held(world, live, EndTurn(turn_words.STOPPED))
    if live.over and not early and live.others:
        await _end_background(world, live)
    else:
        await live.client.interrupt()


async def _end_background(world: World, live: Live) -> None:
    """No turn is at work, and a command still runs: nothing ends it but the end of its agent's process, if that is ours."""
    if not live.attached:
        await live.client.close()
    words = turn_words.LEFT_AT_DESK if live.attached else turn_words.BACKGROUND_STOPPED

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(live.session_id)
        if session is not None:
            draft.say(world.notice(session.thread, words))
        return draft.done(None)

    await world.commit(decide)
