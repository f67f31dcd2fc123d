"""After a start: what became of the turns that were at work when the gateway ended, whatever ended it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import structlog

from gateway.core import pairing
from gateway.core.policy import words
from gateway.core.queue import is_late, is_steering
from gateway.core.speech import is_unheard
from gateway.core.turn import Step, advance
from gateway.domain.approval import ApprovalKind, ApprovalState, Option
from gateway.domain.budget import Entry, EntryKind, Scope, Unit
from gateway.domain.effects import Listen, StartTurn
from gateway.domain.events import AgentEvent, CallMetered, End, Finished, Said, Started
from gateway.domain.files import Parcel
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.engine import approvals, bounds, ending, gating, limits, metering, showing, steering, threads
from gateway.engine.clients import Clients
from gateway.engine.decision import Draft
from gateway.engine.live import launch
from gateway.engine.world import World
from gateway.ports import Decision, Process, View
from gateway.view import people_words, question_words, turn_words

log = structlog.get_logger()


async def recover(world: World, clients: Clients) -> None:
    """Bring every turn that has not ended to where it belongs, and end what is left of its agents first."""
    await world.commit(lambda view: _note_policy(world, view))
    processes = {process.session_id: process for process in await world.store.processes()}
    turns = await world.store.read(lambda view: view.all_open_turns())
    await _close_dead_questions(world, turns)
    await _settle_words(world, turns, processes)
    for turn in turns:
        session = await world.store.read(lambda view, key=turn.session_id: view.session(key))
        if session is not None and turn.state in (TurnState.RUNNING, TurnState.PAUSED):
            await _recover_turn(world, session, turn, processes.pop(session.id, None))
        elif turn.state in (TurnState.ASKING, TurnState.QUEUED) and turn.origin is Origin.BACKGROUND:
            # The agent that stood before this run is gone, and with it what the run was about. What is left of it ends first.
            await _end_left_over(world, processes.pop(turn.session_id, None))
            gone = Finished(End.INTERRUPTED, turn_words.GATEWAY_STOPPED, None, ())
            await world.commit(ending.finish(world, turn.id, gone, ()))
    for process in processes.values():
        await _end_left_over(world, process)
    for turn in await world.store.read(lambda view: view.all_open_turns()):
        if turn.state is TurnState.HELD and turn.waits_until_ms is None:
            clients.perform([StartTurn(turn.session_id, turn.id)])
        elif is_unheard(turn) and not is_late(turn):
            clients.perform([Listen(turn.session_id, turn.id)])
    clients.perform(await threads.unsettled(world))
    for session_id in {turn.session_id for turn in turns}:
        await clients.roster.next_in_line(session_id)
    world.on_step("recovered")


async def _settle_words(world: World, turns: Sequence[Turn], processes: Mapping[str, Process]) -> None:
    """Words that were on their way to an agent at work: before its turn is ended, which they may be a part of."""
    for session_id in {turn.session_id for turn in turns if is_steering(turn)}:
        session = await world.store.read(lambda view, key=session_id: view.session(key))
        if session is not None:
            await steering.settle(world, session, processes.get(session_id))


def _note_policy(world: World, view: View) -> Decision[None]:
    """The people of the settings and those who were paired, and an entry if the settings' limits are others than at the last start."""
    dollars = {kind.value: limit.nano for kind, limit in world.rules.limits.items()}
    noted: dict[str, object] = {"limits": dollars, "confirm_above": world.rules.confirm_above.nano}
    caps = {
        f"{kind}.{unit}": cap
        for kind, found in world.rules.caps.items()
        for unit, cap in asdict(found).items()
        if cap is not None
    }
    if caps:
        noted["caps"] = caps
    if world.rules.policy:
        noted["policy"] = [words(rule) for rule in world.rules.policy]
    if world.rules.unpriced_refused:
        noted["unpriced"] = "refuse"
    known_people = view.all_grants()
    people = pairing.at_start(world.rules.people, known_people, world.clock.now_ms())
    draft = Draft(grants=people)
    draft.entries.extend(pairing.entries(known_people, people, who="settings", why=people_words.AT_START))
    before = _noted(view.policy)
    if before == noted:
        return draft.done(None)
    # What the owner changed counts for every scope of the kind, unless a person has set less there.
    now = dollars | caps
    known = before.get("limits", {}) | before.get("caps", {}) if before else now
    changed = {name: limit for name, limit in now.items() if known.get(name) != limit}
    for scope, unit in _raised_above(world, view, changed):
        limits.take_back(world, view, draft, scope, unit, who="settings")
    detail = json.dumps({"settings": noted, "changed": changed}, sort_keys=True)
    draft.entries.append(Entry(EntryKind.POLICY, (), who="settings", why="at start", detail=detail))
    return draft.done(None)


def _raised_above(world: World, view: View, changed: Mapping[str, int]) -> list[tuple[Scope, Unit]]:
    """Which limits are raised for a while, above what the owner changed those of their kind to."""
    by: dict[tuple[Scope, Unit], int] = {}
    for lift in (*view.lifts(world.clock.now_ms()), *(lift for turn in view.all_open_turns() for lift in turn.lifts)):
        by[lift.scope, lift.unit] = by.get((lift.scope, lift.unit), 0) + lift.by
    found: list[tuple[Scope, Unit]] = []
    for (scope, unit), more in by.items():
        limit = changed.get(scope.kind if unit is Unit.USD else f"{scope.kind}.{unit}")
        if limit is not None:
            now = limits.limit_of(bounds.unlifted(world, view, Draft(), scope), unit)
            if min(limit, limit if now is None else now) + more > limit:
                found.append((scope, unit))
    return found


def _noted(policy: str) -> dict[str, Any] | None:
    """The settings in the newest POLICY entry; None if there is none, or a version wrote it that noted them otherwise."""
    try:
        found = json.loads(policy)["settings"]
    except (ValueError, TypeError, KeyError):
        return None
    return found if isinstance(found, dict) else None


async def _close_dead_questions(world: World, turns: tuple[Turn, ...]) -> None:
    """Questions that a dead agent asked can not be answered any more, and an answer that it may not have had is none."""
    for turn in turns:

        def decide(view: View, turn_id: str = turn.id) -> Decision[None]:
            draft = Draft()
            dead = [
                approval
                for approval in (*view.open_approvals(turn_id), *view.unheard_approvals(turn_id))
                if approval.kind in (ApprovalKind.PERMISSION, ApprovalKind.QUESTION)
            ]
            approvals.withdraw(draft, dead, question_words.AGENT_GONE, state=ApprovalState.WITHDRAWN)
            return draft.done(None)

        await world.commit(decide)


async def _end_left_over(world: World, process: Process | None) -> None:
    if process is None:
        return
    session = await world.store.read(lambda view: view.session(process.session_id))
    if session is not None:
        await _end_idle(world, session, process)
    await _forget(world, process.session_id)


async def _end_idle(world: World, session: Session, process: Process) -> None:
    """End the client of a session with no turn at work; what it spent meanwhile belongs to the latest turn."""
    found = await world.agents[session.agent].recover(launch(session), process, "")
    latest = await world.store.read(lambda view: view.latest_turns(session.id, 1))
    for turn in latest:
        for call in found.events:
            if isinstance(call, CallMetered) and turn.scopes:
                await world.commit(metering.book_call(world, turn.id, call))


async def _recover_turn(world: World, session: Session, turn: Turn, process: Process | None) -> None:
    """Book what the turn spent, and end it, leave it paused, or let its prompt be sent again. Each step can be the last one."""
    attached = world.agents[session.agent].traits.attached != ""
    # What a person typed in a session of their own stands there under no name of ours, and is never written there by the gateway.
    unnamed = turn.origin is Origin.BACKGROUND or (turn.origin is Origin.DESK and attached)
    unprompted = unnamed and not turn.continues
    found = await world.agents[session.agent].recover(launch(session), process, "" if unprompted else turn.prompt_uuid)
    events = _of_the_run(found.events) if unprompted else found.events
    for call in found.events:
        if isinstance(call, CallMetered):
            await world.commit(metering.book_call(world, turn.id, call))
    stopped = turn.outcome is not None
    # What was written to a session of a person's own may still arrive: it is not written again unless somebody says so.
    pushed = turn.continues or turn.origin is Origin.PERSON
    unsure = pushed and not found.prompt_known and attached
    if found.prompt_known or unprompted or stopped or unsure:
        why = turn_words.GATEWAY_STOPPED_UNCONFIRMED if unsure else turn_words.GATEWAY_STOPPED
        end = _end(events, None if unprompted else turn.prompt_uuid, "" if stopped else why)
        # Not what was found just now: the gateway that ended also booked what only the agent's sums showed.
        metered = await world.store.read(lambda view: view.metered(turn.id))
        said = await world.store.read(lambda view: view.message_id(metering.answer_ref(turn.id)))
        files: tuple[Parcel, ...] = ()
        if said is None:
            end, files = await showing.shown(world, turn.id, end)
        after = ending.Aftermath(
            stopped=stopped,
            offer=() if stopped or turn.origin is Origin.DESK else _offer(turn, unsure=unsure),
            told=said is not None,
            lost=end.background > 0,  # agents that worked behind a finished run died in the middle of something
            said=next((event.text for event in reversed(events) if isinstance(event, Said)), ""),
            files=files,
        )
        await world.commit(ending.finish(world, turn.id, end, metered, after))
        world.on_step("turn.recovered")
    else:
        await world.commit(_not_begun(turn.id))
        world.on_step("turn.resent")
    await _forget(world, session.id)
    log.info("recovered a turn", turn=turn.id, known=found.prompt_known)


def _offer(turn: Turn, *, unsure: bool) -> tuple[Option, ...]:
    return approvals.AGAIN_OPTIONS if unsure and not turn.continues else approvals.CONTINUE_OPTIONS


async def _forget(world: World, session_id: str) -> None:
    await world.store.forget_process(session_id)
    world.on_step("client.forgotten")


def _of_the_run(events: Sequence[AgentEvent]) -> Sequence[AgentEvent]:
    """The events from where the last run began that no prompt started."""
    begins = [n for n, event in enumerate(events) if isinstance(event, Started) and event.prompt_uuid is None]
    return events[begins[-1] :] if begins else ()


def _end(events: Sequence[AgentEvent], prompt_uuid: str | None, else_words: str) -> Finished:
    """How the run ended: as it said, if it came to its end; else the gateway's end was its own. Totals of all ends together."""
    ends = [event for event in events if isinstance(event, Finished)]
    told = [usage for end in ends for usage in end.totals or ()]
    totals = tuple(told) if any(end.totals is not None for end in ends) else None
    for end in ends:
        if end.prompt_uuid == prompt_uuid and end.end in (End.DONE, End.ERROR):
            return replace(end, totals=totals)
    return Finished(End.INTERRUPTED, else_words, prompt_uuid, totals)


def _not_begun(turn_id: str) -> Callable[[View], Decision[None]]:
    """The agent's conversation does not hold the prompt: it is sent again. That of a paused turn waits for a yes."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        turn = view.turn(turn_id)
        if turn is not None and turn.state is TurnState.RUNNING:
            draft.put.append(advance(turn, Step.RESEND))
        elif turn is not None and turn.state is TurnState.PAUSED and turn.held_left:
            draft.put.append(gating.settle(draft, turn))
        return draft.done(None)

    return decide
