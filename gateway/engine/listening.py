"""What agents do, event by event: written down as decisions, remembered in the client's `Live`, answered at boundaries."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from gateway.core.turn import ENDED
from gateway.domain.effects import EndTurn, GoOn, Words
from gateway.domain.events import (
    Acted,
    AgentEvent,
    AskedPermission,
    AskedPlan,
    AskedQuestion,
    BackgroundChanged,
    CallMetered,
    End,
    Exited,
    Finished,
    Listening,
    ModeTold,
    Paused,
    QuotaTold,
    Ran,
    Said,
    Started,
    Steered,
    Withdrawn,
    Writing,
)
from gateway.domain.files import Parcel
from gateway.domain.turn import Origin, TurnState
from gateway.domain.usage import MAIN_LOOP, Usage
from gateway.engine import approvals, cost, desk, drafts, ending, metering, outcomes, permissions, showing, steering
from gateway.engine.answering import answer_boundary, answer_held, unpause
from gateway.engine.decision import Draft
from gateway.engine.live import Live, launch
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import desk_words, turn_words


async def take(world: World, live: Live, event: AgentEvent) -> bool:  # noqa: C901, PLR0912 - one arm an event: a table
    """Take in one event of a client; True: a turn ended with it, and what waited for its place may begin."""
    live.touched_ms = world.clock.ticks_ms()
    match event:
        case Started(agent_session=name, prompt_uuid=uuid, typed=typed):
            await _named(world, live, name)
            return await _started(world, live, uuid, typed)
        case Said(text):
            live.said, live.writing, live.stale = text, None, True
        case Writing(text):
            live.writes(text, world.clock.ticks_ms())
        case Acted(title, subject):
            live.acted(f"{title} {subject}".strip(), world.clock.ticks_ms())
        case Ran(runner, passed):
            outcomes.ran(world, live.turn_id, runner, passed)
        case CallMetered():
            await _metered(world, live, event)
        case Paused():
            await _at_boundary(world, live, event)
        case AskedPermission() | AskedQuestion() | AskedPlan():
            await _asked(world, live, event)
        case Withdrawn(request_id):
            live.work(world.clock.ticks_ms())
            if live.turn_id is not None:
                await world.commit(permissions.withdrawn(live.turn_id, request_id))
        case Steered(uuid):
            if (turn_id := live.steering.pop(uuid, None)) is not None:
                await world.commit(steering.joined(world, turn_id))
        case Finished():
            return await _finished(world, live, event)
        case BackgroundChanged(agents, others):
            return await _background(world, live, agents, others)
        case Listening(proven):
            await world.commit(desk.present(live.session_id, proven=proven))
            return True
        case ModeTold(mode):
            await _in_mode(world, live, mode)
        case QuotaTold():
            await _quota(world, live, event)
        case Exited(reason):
            await _exited(world, live, reason)
            return True
        case _:
            assert_never(event)
    return False


async def _started(world: World, live: Live, uuid: str | None, typed: str | None) -> bool:
    if uuid is None:
        return await (_unprompted(world, live) if typed is None else _typed(world, live, typed))
    return uuid in live.pending and await _begun(world, live, uuid)


async def _begun(world: World, live: Live, uuid: str) -> bool:
    """A prompt begins. The turn whose run has ended before is over, though agents of it still work: they work for this one now."""
    ended = await _succeeded(world, live)
    turn_id = live.pending.pop(uuid)
    live.begin(turn_id, world.clock.ticks_ms(), uuid)
    turn = await world.store.read(lambda view: view.turn(turn_id))
    if turn is None or turn.state is not TurnState.RUNNING:
        live.ends = True  # It ended meanwhile: without a hold there is no call.
    elif live.look:
        await _look(world, live, turn_id)
    return ended


async def _named(world: World, live: Live, agent_session: str) -> None:
    """An agent can begin a new conversation of its own (a command that clears it): that one is resumed later."""
    if agent_session == live.agent_session:
        return

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(live.session_id)
        if session is not None:
            draft.put.append(replace(session, agent_session=agent_session, context_tokens=0, forked_from=""))
        return draft.done(None)

    live.agent_session = agent_session
    await world.commit(decide)


async def _in_mode(world: World, live: Live, mode: str) -> None:
    """The session's mode is the agent's, unless a person has chosen another one since: that is for the next prompt."""
    before, live.mode = live.mode, mode

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(live.session_id)
        if session is not None and session.mode == before:
            draft.put.append(replace(session, mode=mode))
        return draft.done(None)

    if mode != before:
        await world.commit(decide)


async def _unprompted(world: World, live: Live) -> bool:
    ended = await _succeeded(world, live)
    decision = await world.commit(metering.background_run(world, live.session_id))
    if decision.result is None:
        return ended
    live.begin(decision.result.id, world.clock.ticks_ms())
    await outcomes.begin(world, decision.result.id)
    match decision.result.state:
        case TurnState.QUEUED:
            live.limit = turn_words.BANK_ASKED
        case TurnState.ASKING:
            live.limit = turn_words.UNASKED_WAITS
        case TurnState.REFUSED:
            live.stopping_ms = world.clock.ticks_ms()
            await answer_held(world, live, EndTurn(turn_words.OVER))
        case _:
            # Sub-agents that stood at the limit of the turn before work for this one now.
            await answer_held(world, live, GoOn())
    return ended


async def _typed(world: World, live: Live, prompt: str) -> bool:
    """What a person typed where the agent runs: its first boundary, which follows, says whether it runs."""
    ended = await _succeeded(world, live)
    found = (await world.commit(desk.typed(world, live.session_id, prompt))).result
    if found.turn is None:
        live.blocked = found.why
    else:
        live.begin(found.turn.id, world.clock.ticks_ms())
        await outcomes.begin(world, found.turn.id)
    return ended


async def _succeeded(world: World, live: Live) -> bool:
    """Another run begins: the turn whose run has ended before is over, and at a desk also one whose end nobody told."""
    if live.result is not None:
        return await _settle(world, live, *live.result)
    if not (live.attached and live.busy):
        return False
    live.busy = False
    covered, live.metered = live.metered, []
    await answer_held(world, live, EndTurn(turn_words.OVER))
    return await _settle(world, live, Finished(End.INTERRUPTED, "", live.prompt_uuid, None), covered)


async def _metered(world: World, live: Live, event: CallMetered) -> None:
    live.metered.append(event.usage)
    worked_ms = live.book_work(world.clock.ticks_ms())
    if live.turn_id is None:
        live.turn_id = (await world.commit(desk.unseen(world, live.session_id, event))).result
        if live.turn_id is None:
            return
        booked: metering.Booked | None = metering.Booked(turn_words.OVER)
    else:
        booked = (await world.commit(metering.book_call(world, live.turn_id, event, worked_ms))).result
    if event.loop == MAIN_LOOP and event.ended:
        live.model = event.usage.model
    world.on_step("call.booked")
    if booked is None:
        live.unbooked_ms += worked_ms
    elif booked.reason == turn_words.OVER:
        live.ends = True
    else:
        _limited(live, booked)
    live.stale = True


def _limited(live: Live, booked: metering.Booked) -> None:
    live.limit = booked.reason or live.limit
    live.work_left_ms = booked.work_left_ms


async def _quota(world: World, live: Live, event: QuotaTold) -> None:
    """It can come after the booking of the call that it belongs to: a window that is past its mark is looked at at once."""
    asks = (await world.commit(metering.note_quota(world, live.session_id, event))).result
    if asks and live.turn_id is not None and not live.over:
        await _look(world, live, live.turn_id)
    else:
        live.look = live.look or asks


async def _look(world: World, live: Live, turn_id: str) -> None:
    live.look = False
    booked = (await world.commit(metering.look(world, turn_id))).result
    if booked is not None:
        _limited(live, booked)


async def _at_boundary(world: World, live: Live, event: Paused) -> None:
    if live.blocked is not None or live.stopping_ms is not None or live.ends or live.over:
        why, live.blocked = live.blocked, None
        await answer_boundary(world, live, event.request_id, EndTurn(why or turn_words.OVER))
        return
    worked_ms = live.worked_ms(world.clock.ticks_ms())
    if live.limit is None and world.team is not None and live.turn_id is not None:
        turn_id = live.turn_id
        over = await world.store.read(lambda view: metering.lease_over(world, view, turn_id))
        live.limit = turn_words.LEASE_OVER if over else None
    if live.limit is None and (live.work_left_ms is None or worked_ms < live.work_left_ms):
        await answer_boundary(world, live, event.request_id, GoOn())
        return
    live.held.append(event.request_id)
    if live.turn_id is None:
        return
    turn = await world.store.read(lambda view: view.turn(live.turn_id or ""))
    if turn is not None and turn.state in (TurnState.ASKING, TurnState.QUEUED):
        return
    if turn is None or turn.state in ENDED:
        await unpause(world, live, EndTurn(turn_words.OVER))
        return
    if world.team is not None:
        await world.team.relieve(live.turn_id)
        if event.request_id not in live.held:
            return  # It was stopped meanwhile.
    decision = await world.commit(metering.pause(world, live.turn_id, worked_ms))
    if decision.result:
        live.rest(world.clock.ticks_ms())
        live.paused_ms = live.paused_ms or world.clock.ticks_ms()
        world.on_step("turn.paused")
    else:
        await unpause(world, live, GoOn())


async def _asked(world: World, live: Live, event: permissions.Asked) -> None:
    if live.turn_id is not None:
        live.rest(world.clock.ticks_ms())
        await permissions.ask(world, live.turn_id, event)
        world.on_step("permission.asked")


async def _finished(world: World, live: Live, event: Finished) -> bool:
    await drafts.end(live)
    if event.prompt_uuid is not None and event.prompt_uuid in live.pending:
        # It never began: nobody knows whether it is there, or the agent took it into what it does.
        turn_id = live.pending.pop(event.prompt_uuid)
        offer = approvals.AGAIN_OPTIONS if event.end is End.INTERRUPTED else ()
        await world.commit(ending.finish(world, turn_id, event, (), ending.Aftermath(offer=offer)))
        return True
    if event.shows and live.over:
        await _aside(world, live, event)
        return False
    ended = await _over(world, live, event)
    if event.shows and live.turn_id is not None:
        line = await world.store.read(ending.cost(world, live.turn_id, event.background))
        await live.client.respond(event.shows, Words(line))
    return ended


async def _aside(world: World, live: Live, event: Finished) -> None:
    """Something ended that was no run here."""
    covered, live.metered, line = live.metered, [], ""
    if covered and live.turn_id is not None:
        line = (await world.commit(ending.aside(world, live.turn_id, covered))).result
    await live.client.respond(event.shows, Words(line))


async def _over(world: World, live: Live, event: Finished) -> bool:
    live.busy = False
    live.agents = event.background
    covered, live.metered = live.metered, []
    if event.background and event.end in (End.DONE, End.ERROR):
        live.result = (event, covered)
        if live.turn_id is not None:
            event, files = await showing.shown(world, live.turn_id, event)
            await world.commit(metering.answer(live.turn_id, event, files))
        if live.steering:  # no call follows that could be told: they need not wait for what works in the background
            live.steering.clear()
            await world.commit(steering.returned(world, live.session_id))
        return False
    await answer_held(world, live, EndTurn(turn_words.OVER))
    if live.stopping_ms is not None and event.background:
        await live.client.interrupt()  # The first one stopped the run; at rest it stops what works behind it.
    return await _settle(world, live, event, covered)


async def _background(world: World, live: Live, agents: int, others: int) -> bool:
    live.agents, live.others = agents, others
    if agents or live.result is None:
        return False
    live.settled_ms = world.clock.ticks_ms()
    return await _settle(world, live, *live.result)


async def _settle(world: World, live: Live, event: Finished, metered: Sequence[Usage]) -> bool:
    told = event.told or (live.result is not None and bool(event.text.strip()))
    files: tuple[Parcel, ...] = ()
    if live.turn_id is not None and not told:  # it takes a while: before anything else is decided
        event, files = await showing.shown(world, live.turn_id, event)
    turn_id, live.result = live.turn_id, None
    live.limit = live.paused_ms = None
    if turn_id is None:
        return False
    stopped, live.stopping_ms = live.stopping_ms is not None, None
    said = live.said if event.end in (End.INTERRUPTED, End.HALTED) else ""
    work_ms = live.book_work(world.clock.ticks_ms())
    after = ending.Aftermath(stopped=stopped, let_go=live.ends, told=told, said=said, work_ms=work_ms, files=files)
    after = replace(after, left=await outcomes.look(world, turn_id))
    await world.commit(ending.finish(world, turn_id, event, metered, after))
    outcomes.forget(world, turn_id)
    world.on_step("turn.settled")
    return True


async def _exited(world: World, live: Live, reason: str) -> None:
    await drafts.end(live)
    stopped = live.stopping_ms is not None
    if live.steering and (session := await world.store.read(lambda view: view.session(live.session_id))) is not None:
        live.steering.clear()
        await steering.settle(world, session, live.client.process)
    gone = Finished(End.INTERRUPTED, turn_words.process_ended(reason), None, None)
    ends = [(turn_id, replace(gone, prompt_uuid=uuid), list[Usage]()) for uuid, turn_id in live.pending.items()]
    if live.turn_id is not None and (live.busy or live.result):
        event, metered = live.result or (replace(gone, prompt_uuid=live.prompt_uuid), live.metered)
        ends.insert(0, (live.turn_id, event, metered))
    for turn_id, told, metered in ends:
        had = stopped or await _had(world, live, turn_id)
        text = told.text if had or not live.attached else turn_words.process_ended_unconfirmed(told.text)
        event = replace(told, text=text)
        behind = event.background > 0
        after = ending.Aftermath(
            stopped=stopped,
            offer=() if stopped else approvals.CONTINUE_OPTIONS if had else approvals.AGAIN_OPTIONS,
            told=event.told or (behind and bool(event.text.strip())),
            lost=behind,
            work_ms=live.book_work(world.clock.ticks_ms()) if turn_id == live.turn_id else 0,
            said=live.said if turn_id == live.turn_id and not behind else "",
        )
        after = replace(after, left=await outcomes.look(world, turn_id))
        await world.commit(ending.finish(world, turn_id, event, metered, after))
        outcomes.forget(world, turn_id)
    live.settled_ms = None
    if live.attached and reason == desk_words.CLOSED:
        await world.commit(cost.left_desk(world, live.session_id))


async def _had(world: World, live: Live, turn_id: str) -> bool:
    """Whether the conversation of a client that is gone holds the turn's prompt."""
    session = await world.store.read(lambda view: view.session(live.session_id))
    turn = await world.store.read(lambda view: view.turn(turn_id))
    if session is None or turn is None or turn.origin is not Origin.PERSON or turn.continues:
        return True
    found = await world.agents[session.agent].recover(launch(session), live.client.process, turn.prompt_uuid)
    return found.prompt_known
