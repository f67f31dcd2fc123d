"""Words for the agent while it works: they go into the turn at work, or back to the front of those that wait, and never both."""

from collections.abc import Callable
from dataclasses import replace

from gateway.core import queue, summary
from gateway.core.access import may
from gateway.core.speech import is_unheard
from gateway.core.turn import Step, advance
from gateway.domain.approval import Approval
from gateway.domain.effects import Steer
from gateway.domain.events import Message
from gateway.domain.place import Deed, Session
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag
from gateway.engine import attachments, gating, menus
from gateway.engine.decision import Draft
from gateway.engine.live import Live, launch
from gateway.engine.world import World
from gateway.ports import Decision, Process, View
from gateway.view import queue_words as words


def entries(world: World, draft: Draft, view: View, session: Session, turn: Turn) -> menus.Entries:
    """What can be done with a turn that waits."""
    others = _waits(turn)
    if not world.agents[session.agent].traits.steers:
        return others
    mine = (
        one for one in draft.open_turns(view, session.id) if (one.person, one.origin) == (turn.person, Origin.PERSON)
    )
    works = any(one.state in (TurnState.HELD, TurnState.RUNNING, TurnState.PAUSED) for one in mine)
    return ((words.STEER, f"steer {turn.id}"), *others) if works else others


def _waits(turn: Turn) -> menus.Entries:
    return (words.RUN_NOW, f"now {turn.id}"), (words.DROP, f"drop {turn.id}")


def first(view: View, message: Message) -> Turn | None:
    """The first message of this person's that waits here and can be told to the agent at work."""
    session = view.current_session(message.thread)
    turns = () if session is None else view.open_turns(session.id)
    return next((one for one in turns if one.person == message.person and queue.steered(one, turns)), None)


def begin(world: World, view: View, draft: Draft, message: Message, session: Session, turn: Turn) -> None:
    """A person wants the agent at work told this now: it spends what is held for the turn at work, and nothing else."""
    into = None if is_unheard(turn) else queue.steered(turn, draft.open_turns(view, session.id))
    theirs = may(view.grants(turn.person), Deed.PROMPT, session.thread)  # it may have waited longer than that
    if into is None or not theirs or not world.agents[session.agent].traits.steers:
        draft.say(world.notice(message.thread, words.NOTHING_TO_STEER))
        return
    draft.put.append(replace(turn, flags=turn.flags | {Flag.STEERING}))
    _shows(world, view, draft, turn, words.STEERING)
    draft.effects.append(Steer(session.id, turn.id, into.id))


def _shows(world: World, view: View, draft: Draft, turn: Turn, text: str, buttons: menus.Entries = ()) -> None:
    ref = gating.queued_ref(turn)
    new = (one for one in draft.put if isinstance(one, Approval) and one.id == ref)
    if (shown := next(new, view.approval(ref))) is not None:
        menus.renew(world, draft, shown, text, buttons)


async def tell(world: World, live: Live | None, effect: Steer) -> bool:
    """Give the agent the words; False: it does not work at that turn any more, and they wait again."""
    turn = await world.store.read(lambda view: view.turn(effect.turn_id))
    text = None if turn is None else await attachments.prompt(world, turn)
    turn, into = await world.store.read(lambda view: (view.turn(effect.turn_id), view.turn(effect.into)))
    if turn is None or into is None or not queue.is_steering(turn):
        return True  # It was dropped, or waits again already.
    if live is not None and text is not None:
        live.steering[turn.prompt_uuid] = turn.id
        if await live.client.steer(turn.prompt_uuid, text, into.prompt_uuid):
            world.on_step("prompt.handed")
            return True
        live.steering.pop(turn.prompt_uuid, None)

    await world.commit(returned(world, turn.session_id, turn.prompt_uuid))
    return False


def joined(world: World, turn_id: str) -> Callable[[View], Decision[None]]:
    """The agent has the words: whatever they bring about belongs to the turn at work."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        turn = view.turn(turn_id)
        if turn is not None and queue.is_steering(turn):
            works = next((one for one in view.open_turns(turn.session_id) if one.state is not TurnState.QUEUED), None)
            told = Outcome(OutcomeKind.NOTHING, words.joined("" if works is None else works.id))
            flags, now = turn.flags - {Flag.STEERING}, world.clock.now_ms()
            draft.put.append(advance(turn, Step.JOIN, flags=flags, outcome=told, ended_at_ms=now))
            _shows(world, view, draft, turn, words.steered(summary.escaped_title(turn.prompt)))
        return draft.done(None)

    return decide


def back(world: World, view: View, draft: Draft, session_id: str, prompt_uuid: str = "") -> None:
    """The run has ended, and the agent did not have the words: they run next, under another name. `prompt_uuid`: these alone."""
    for turn in draft.open_turns(view, session_id):
        if queue.is_steering(turn) and prompt_uuid in ("", turn.prompt_uuid):
            flags = turn.flags - {Flag.STEERING} | {Flag.FIRST}
            draft.put.append(replace(turn, flags=flags, prompt_uuid=world.clock.new_uuid()))
            _shows(world, view, draft, turn, words.NOT_STEERED, _waits(turn))


def returned(world: World, session_id: str, prompt_uuid: str = "") -> Callable[[View], Decision[None]]:
    """The same as a decision of its own, where the turn at work goes on or is over already."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        back(world, view, draft, session_id, prompt_uuid)
        return draft.done(None)

    return decide


async def settle(world: World, session: Session, process: Process | None) -> None:
    """The agent is gone: its conversation tells which words it had taken in."""
    for turn in await world.store.read(lambda view: view.open_turns(session.id)):
        if not queue.is_steering(turn):
            continue
        found = await world.agents[session.agent].recover(launch(session), process, turn.prompt_uuid)
        known = found.prompt_known
        await world.commit(joined(world, turn.id) if known else returned(world, session.id, turn.prompt_uuid))
