"""After a start: what became of the turns that were at work when the gateway ended, whatever ended it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from gateway.core.turn import Step, advance
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.effects import StartTurn
from gateway.domain.events import AgentEvent, CallMetered, End, Finished
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.engine import gating, metering
from gateway.engine.clients import Clients
from gateway.engine.world import Draft, World
from gateway.ports import Decision, Launch, Process, View

log = structlog.get_logger()

GATEWAY_STOPPED = "The gateway stopped while this was at work."


async def recover(world: World, clients: Clients) -> None:
    """Bring every turn that has not ended to where it belongs, and end what is left of its agents first."""
    await world.commit((), lambda _view: Decision(None, put=world.rules.people))
    processes = {process.session_id: process for process in await world.store.processes()}
    turns = await world.store.read(lambda view: view.all_open_turns())
    await _close_dead_questions(world, turns)
    for turn in turns:
        session = await world.store.read(lambda view, key=turn.session_id: view.session(key))
        if session is not None and turn.state in (TurnState.RUNNING, TurnState.PAUSED):
            await _recover_turn(world, session, turn, processes.pop(session.id, None))
    for process in processes.values():
        session = await world.store.read(lambda view, key=process.session_id: view.session(key))
        if session is not None:
            await world.agents[session.agent].recover(_launch(session), process, "")
        await world.store.forget_process(process.session_id)
    for turn in await world.store.read(lambda view: view.all_open_turns()):
        if turn.state is TurnState.HELD:
            await clients.perform([StartTurn(turn.session_id, turn.id)])
    for session_id in {turn.session_id for turn in turns}:
        await clients.next_in_line(session_id)


def _launch(session: Session) -> Launch:
    return Launch(session.id, session.directory, session.agent_session, session.model)


async def _close_dead_questions(world: World, turns: tuple[Turn, ...]) -> None:
    """Questions that a dead agent asked can not be answered any more."""
    for turn in turns:

        def decide(view: View, turn_id: str = turn.id) -> Decision[None]:
            draft = Draft()
            dead = [
                approval
                for approval in view.open_approvals(turn_id)
                if approval.kind in (ApprovalKind.PERMISSION, ApprovalKind.QUESTION)
            ]
            gating.withdraw(draft, dead, "The agent that asked is gone.", state=ApprovalState.WITHDRAWN)
            return draft.done(None)

        await world.commit((), decide)


async def _recover_turn(world: World, session: Session, turn: Turn, process: Process | None) -> None:
    parked = turn.state is TurnState.PAUSED and process is None
    if parked:
        return
    found = await world.agents[session.agent].recover(_launch(session), process, turn.prompt_uuid)
    await world.store.forget_process(session.id)
    if not found.prompt_known and turn.state is TurnState.RUNNING and turn.origin is not Origin.BACKGROUND:
        await world.commit((), _resend(turn.id))
        return
    calls = [event for event in found.events if isinstance(event, CallMetered)]
    for call in calls:
        await world.commit(world.scopes(session.id), metering.book_call(world, turn.id, call))
    end = _end(found.events, turn.prompt_uuid)
    cut = end.end is End.INTERRUPTED
    metered = [call.usage for call in calls]
    await world.commit(
        world.scopes(session.id), metering.finish(world, turn.id, end, metered, stopped=False, crashed=cut)
    )
    log.info("recovered a turn", turn=turn.id, end=str(end.end), calls=len(metered))


def _end(events: Sequence[AgentEvent], prompt_uuid: str) -> Finished:
    """How the run ended: as it said, if it came to its end; else the gateway's end was its own. Totals of all ends together."""
    ends = [event for event in events if isinstance(event, Finished)]
    told = [usage for end in ends for usage in end.totals or ()]
    totals = tuple(told) if any(end.totals is not None for end in ends) else None
    for end in ends:
        if end.end in (End.DONE, End.ERROR):
            return replace(end, totals=totals, background=0)
    return Finished(End.INTERRUPTED, GATEWAY_STOPPED, prompt_uuid, totals)


def _resend(turn_id: str) -> Callable[[View], Decision[None]]:
    def decide(view: View) -> Decision[None]:
        draft = Draft()
        turn = view.turn(turn_id)
        if turn is not None and turn.state is TurnState.RUNNING:
            draft.put.append(advance(turn, Step.RESEND))
        return draft.done(None)

    return decide
