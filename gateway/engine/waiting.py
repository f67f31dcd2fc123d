"""Messages that wait: behind others, with buttons to drop or prefer them, or until somebody says whether they still run."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core import queue, summary
from gateway.core.quoting import prompt_of
from gateway.core.route import Late, Prompt, Queue, Queued, route
from gateway.core.speech import is_unheard, with_heard
from gateway.domain.approval import Approval
from gateway.domain.effects import Listen, Say
from gateway.domain.events import Edited, Message, Moved
from gateway.domain.money import Usd
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Flag
from gateway.engine import gating, judging, menus, steering
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import queue_words as words

LATE_MAX = 1_000
"""So many messages of a session may wait for a word; each further one is told so."""
CHOSEN_MAX = 10
"""So many of them are shown at once to choose among."""
MINUTE_MS = 60_000


def join(world: World, view: View, draft: Draft, session: Session, turn: Turn, ahead: Sequence[Turn]) -> None:
    """The turn waits behind these."""
    draft.put.append(turn)
    buttons = steering.entries(world, draft, view, session, turn)
    menus.show(world, draft, session.thread, _queued(view, turn, ahead), buttons, gating.queued_ref(turn))


def _queued(view: View, turn: Turn, ahead: Sequence[Turn]) -> str:
    asked = any(view.open_approvals(one.id) for one in ahead)
    return words.queued(len(ahead), summary.escaped_title(turn.prompt), asked=asked)


def do(world: World, view: View, draft: Draft, message: Message, intent: Queue) -> None:
    """Run a waiting turn in its place, or now, or drop it, or tell the agent its words while that works."""
    turn = view.turn(intent.turn_id) if intent.turn_id else steering.first(view, message)
    session = view.session(turn.session_id) if turn is not None else None
    waits = turn is not None and turn.state is TurnState.QUEUED and not queue.is_steering(turn)
    if turn is None or session is None or session.thread != message.thread or not waits:
        draft.say(world.notice(message.thread, words.NOT_WAITING))
        return
    if intent.deed is Queued.STEER:
        steering.begin(world, view, draft, message, session, turn)
        return
    before = _late_menu(view, draft, session)
    if intent.deed is Queued.DROP:
        gating.drop(world, view, draft, turn, words.DROPPED)
        _close(world, view, draft, f"late:{turn.id}", words.DROPPED)
        gating.next_in_line(world, view, draft, session)
    else:
        _close(world, view, draft, f"late:{turn.id}", words.HAS_BEGUN)
        _prefer(world, view, draft, session, turn, now=intent.deed is Queued.NOW)
    _count_late(world, view, draft, session, before)
    _number_anew(world, view, draft, session)


def _number_anew(world: World, view: View, draft: Draft, session: Session) -> None:
    """What is said of the others that wait names their places as they are now."""
    known = draft.open_turns(view, session.id)
    waiting = sorted(queue.ahead(known), key=lambda one: (one.state is TurnState.QUEUED, Flag.FIRST not in one.flags))
    decided = {one.id for one in draft.put if isinstance(one, Approval)}
    for place, turn in enumerate(waiting):
        shown = menus.opened(view, gating.queued_ref(turn))
        if turn.state is not TurnState.QUEUED or shown is None or shown.id in decided:
            continue
        changed = f"\n{words.CHANGED}" if words.CHANGED in shown.text else ""
        text = f"{_queued(view, turn, waiting[:place])}{changed}"
        if text != shown.text:
            menus.renew(world, draft, shown, text, steering.entries(world, draft, view, session, turn))


def _prefer(world: World, view: View, draft: Draft, session: Session, turn: Turn, *, now: bool) -> None:
    flags = (turn.flags - {Flag.LATE}) | ({Flag.FIRST} if now else set[Flag]())
    draft.put.append(replace(turn, flags=flags))
    _listen(draft, turn)
    if now:
        for other in draft.open_turns(view, session.id):
            if other.state is TurnState.ASKING and other.origin is not Origin.BACKGROUND:
                gating.drop(world, view, draft, other, words.GAVE_WAY)
            elif other.state is not TurnState.QUEUED:
                gating.stop(world, view, draft, other)
            elif Flag.FIRST in other.flags and other.id != turn.id:
                draft.put.append(replace(other, flags=other.flags - {Flag.FIRST}))
        _close(world, view, draft, gating.queued_ref(turn), words.runs_next(summary.escaped_title(turn.prompt)))
    gating.next_in_line(world, view, draft, session)


def _listen(draft: Draft, turn: Turn) -> None:
    """What came late was not listened to: whether it runs was not known."""
    if queue.is_late(turn) and is_unheard(turn):
        draft.effects.append(Listen(turn.session_id, turn.id))


def _close(world: World, view: View, draft: Draft, ref: str, text: str) -> None:
    if (shown := menus.opened(view, ref)) is not None:
        menus.renew(world, draft, shown, text)


# ------------------------------------------------------------------------------------------------------- long ago
def keep(world: World, view: View, draft: Draft, session: Session, turn: Turn, sent_at_ms: int) -> None:
    """A message that came too long ago to run unasked: it is kept, and counted in one question for all of them."""
    late = _late(view, draft, session)
    if len(late) >= LATE_MAX:
        draft.say(world.notice(session.thread, words.full(len(late))))
        return
    forecast = judging.foresee(world, view, session, turn.person, turn.prompt)
    before = _late_menu(view, draft, session)
    draft.put.append(
        replace(
            turn, flags=turn.flags | {Flag.LATE}, estimate=forecast, created_at_ms=min(sent_at_ms, turn.created_at_ms)
        )
    )
    _count_late(world, view, draft, session, before)


def _late(view: View, draft: Draft, session: Session) -> list[Turn]:
    """Those that wait for a word, oldest first, as this decision leaves them."""
    known = draft.open_turns(view, session.id)
    names = {turn.id for turn in known}
    new = [one for one in draft.put if isinstance(one, Turn) and one.session_id == session.id and one.id not in names]
    return [turn for turn in (*known, *new) if queue.is_late(turn)]


def _late_ref(session: Session, late: Sequence[Turn]) -> str:
    """The name of the question about these: another one once its oldest is none of them any more."""
    return f"late:{session.id}:{late[0].id}"


def _late_menu(view: View, draft: Draft, session: Session) -> Approval | None:
    late = _late(view, draft, session)
    return view.approval(_late_ref(session, late)) if late else None


def _count_late(world: World, view: View, draft: Draft, session: Session, before: Approval | None) -> None:
    """The question says how many there are now. `before`: as it stands."""
    late = _late(view, draft, session)
    if not late:
        if before is not None:
            menus.renew(world, draft, before, words.NONE_LATE)
        return
    text = words.late(len(late), _minutes(world, late[0]), cost(late))
    deeds = [(words.RUN_ALL, Queued.RUN), (words.CHOOSE, Queued.CHOOSE), (words.DROP_ALL, Queued.DROP)]
    offered = [one for one in deeds if len(late) > 1 or one[1] is not Queued.CHOOSE]
    entries = [(label, f"late_{deed} {session.id}") for label, deed in offered]
    ref = _late_ref(session, late)
    if before is not None and before.id == ref:
        menus.renew(world, draft, before, text, entries)
        return
    if before is not None:
        menus.renew(world, draft, before, words.NONE_LATE)
    menus.show(world, draft, session.thread, text, entries, ref, ring=True)


def cost(turns: Sequence[Turn]) -> Usd | None:
    """What they would cost in all, as it was foreseen; None: of one of them nothing is known."""
    likely = [turn.estimate.p50 or turn.estimate.hold for turn in turns if turn.estimate is not None]
    return sum(likely, Usd(0)) if len(likely) == len(turns) else None


def _minutes(world: World, turn: Turn) -> int:
    return max(0, world.clock.now_ms() - turn.created_at_ms) // MINUTE_MS


def decide_late(world: World, view: View, draft: Draft, message: Message, intent: Late) -> None:
    """All that waits for a word in a session runs, or is dropped; or it is shown one by one."""
    session = view.session(intent.session_id)
    late = _late(view, draft, session) if session is not None and session.thread == message.thread else []
    if session is None or not late:
        draft.say(world.notice(message.thread, words.NONE_LATE))
        return
    shown = _late_menu(view, draft, session)
    match intent.deed:
        case Queued.CHOOSE:
            for turn in late[:CHOSEN_MAX]:
                text = words.late_one(summary.escaped_title(turn.prompt), _minutes(world, turn), cost([turn]))
                entries = ((words.RUN, f"run {turn.id}"), (words.DROP, f"drop {turn.id}"))
                menus.show(world, draft, session.thread, text, entries, f"late:{turn.id}")
            return
        case Queued.DROP:
            for turn in late:
                gating.drop(world, view, draft, turn, words.DROPPED)
            told = words.late_dropped(len(late))
        case Queued.RUN | Queued.NOW | Queued.STEER:
            for turn in late:
                draft.put.append(replace(turn, flags=turn.flags - {Flag.LATE}))
                _listen(draft, turn)
            told = words.late_run(len(late))
            gating.next_in_line(world, view, draft, session)
    for turn in late:
        _close(world, view, draft, f"late:{turn.id}", told)
    if shown is not None:
        menus.renew(world, draft, shown, told)


# ------------------------------------------------------------------------------------------------------ another chat
def put_again(world: World, view: View, draft: Draft, moved: Moved) -> None:
    """A group goes by another number: what is shown there of messages that wait is said anew, with their places as they are now and
    with buttons of its own. Those in the old chat mean nothing any more.
    """
    waits = (turn.session_id for turn in view.all_open_turns() if turn.state is TurnState.QUEUED)
    for session in filter(None, map(view.session, dict.fromkeys(waits))):
        if (session.thread.service, session.thread.chat) == (moved.service, moved.before):
            _put_again(world, view, draft, replace(session, thread=replace(session.thread, chat=moved.after)))


def _put_again(world: World, view: View, draft: Draft, session: Session) -> None:
    known = view.open_turns(session.id)
    queued = [turn for turn in known if turn.state is TurnState.QUEUED]
    late = _late(view, draft, session)
    for ref in [_late_ref(session, late), *(f"late:{turn.id}" for turn in late)] if late else []:
        _move(world, view, draft, session, ref)
    for turn in queued:
        ahead = queue.ahead(known[: known.index(turn)])
        shown = view.approval(gating.queued_ref(turn))
        if not queue.is_steering(turn):
            _move(world, view, draft, session, gating.queued_ref(turn), _queued(view, turn, ahead))
        elif shown is not None:  # what is on its way to the agent has no place among those that wait, and no buttons
            menus.renew(world, draft, replace(shown, thread=session.thread), shown.text)


def _move(world: World, view: View, draft: Draft, session: Session, ref: str, text: str = "") -> None:
    """`text`: what it says from now on; empty: what it said."""
    if (shown := menus.opened(view, ref)) is not None:
        entries = [(option.label, option.value) for option in shown.options]
        changed = f"\n{words.CHANGED}" if text and words.CHANGED in shown.text else ""
        here = replace(shown, thread=session.thread)
        menus.renew(world, draft, here, f"{text}{changed}" if text else shown.text, entries)


# ------------------------------------------------------------------------------------------------------------ edited
def edited(world: World, view: View, draft: Draft, event: Edited) -> str:
    """A person has changed a message: while it waits its turn changes with it, and never after. A word for the log.

    Whatever else they change (a command, an answer, a part of an album, what runs already) stays as it was, and they are told, once a
    message. What is said in a recording stays beside the words that were changed.
    """
    message, intent = event.message, route(event.message)
    turn = _waiting_turn(view, message)
    if turn is None or not isinstance(intent, Prompt) or _is_album(turn):
        thread, told = message.thread, words.FIRST_VERSION if _is_open(view, message) else words.TOO_LATE
        draft.say(Say(thread, f"unsupported:{thread.service}:{thread.chat}:edit:{message.message_id}", told))
        return "too late"
    changed = replace(turn, prompt=with_heard(prompt_of(message, intent.text), turn.attachments))
    draft.put.append(changed)
    menu = menus.opened(view, gating.queued_ref(turn))
    session = view.session(turn.session_id)
    if menu is not None and session is not None:
        waiting = queue.ahead(view.open_turns(turn.session_id))
        ahead = waiting[: next((n for n, one in enumerate(waiting) if one.id == turn.id), 0)]
        buttons = steering.entries(world, draft, view, session, changed)
        menus.renew(world, draft, menu, f"{_queued(view, changed, ahead)}\n{words.CHANGED}", buttons)
    return "changed"


def _is_open(view: View, message: Message) -> bool:
    """Whether what it says, or the album that it belongs to, waits or is at work."""
    albums = {one.album for one in message.attachments if one.album}
    return any(
        turn.person == message.person
        and (turn.message_id == message.message_id or any(one.album in albums for one in turn.attachments))
        for turn in view.all_open_turns()
    )


def _is_album(turn: Turn) -> bool:
    """Its prompt may be of several messages, of which an edit tells only one."""
    return any(one.album for one in turn.attachments)


def is_waiting(view: View, event: Edited) -> bool:
    """Whether the message is one that waits to be run: then its change is for the bot, whomever it names now."""
    return _waiting_turn(view, event.message) is not None


def _waiting_turn(view: View, message: Message) -> Turn | None:
    """The turn that waits with this message of the same person."""
    for turn in view.all_open_turns():
        mine = (turn.person, turn.message_id) == (message.person, message.message_id)
        if mine and turn.state is TurnState.QUEUED and not queue.is_steering(turn):
            session = view.session(turn.session_id)
            if session is not None and session.thread == message.thread:
                return turn
    return None
