"""What people send: each update is handled in one transaction that also takes it out of the inbox."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from gateway.core import approve, change, progress, queue, summary
from gateway.core.access import may
from gateway.core.preferences import Help, Mode, Model, Settings, Status
from gateway.core.quoting import prompt_of
from gateway.core.route import (
    Close,
    Explain,
    Forget,
    Go,
    Intent,
    Late,
    New,
    Prompt,
    Queue,
    RaiseBudget,
    Resume,
    Sessions,
    SetBudget,
    ShowBudget,
    ShowCost,
    Start,
    Stop,
    route,
)
from gateway.core.speech import is_unheard
from gateway.core.turn import ENDED
from gateway.domain.approval import Approval
from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.effects import Interrupt, Listen, Say
from gateway.domain.events import Edited, Message, Tap, Unsupported
from gateway.domain.place import Deed, Session
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.engine import (
    bounds,
    budgets,
    forgetting,
    gating,
    groups,
    menus,
    metering,
    pairing,
    preferences,
    projects,
    replies,
    resuming,
    status,
    steering,
    threads,
    waiting,
)
from gateway.engine.decision import Draft
from gateway.engine.projects import repository
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import command_words, forget_words, question_words, queue_words, turn_words


def handle_message(
    world: World, message: Message, update: tuple[str, str], held: frozenset[str]
) -> Callable[[View], Decision[str]]:
    """The decision for a message; its result is a word for the log. Strangers get no answer at all,
    but for a code where they ask for one while a window is open.

    `held`: the turns in which an agent stands at a boundary.
    """
    intent = route(message)

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        if why := groups.passed_over(world, view, draft, message):
            return draft.done(why)
        grants = view.grants(message.person)
        if not may(grants, Deed.READ, message.thread):
            return draft.done(pairing.stranger(world, draft, message))
        if may(grants, needed(intent), message.thread):
            _carry_out(world, view, draft, message, intent, held)
        else:
            draft.say(world.notice(message.thread, command_words.MAY_NOT))
        return draft.done(type(intent).__name__)

    return decide


def handle_edited(world: World, event: Edited, update: tuple[str, str]) -> Callable[[View], Decision[str]]:
    """The decision for a message that its person has changed; its result is a word for the log."""

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        if not waiting.is_waiting(view, event) and (why := groups.passed_over(world, view, draft, event)):
            return draft.done(why)
        if not may(view.grants(event.person), Deed.PROMPT, event.thread):
            return draft.done("stranger")
        return draft.done(waiting.edited(world, view, draft, event))

    return decide


def pressed(
    world: World, view: View, draft: Draft, tap: Tap, menu: Approval, held: frozenset[str]
) -> str | approve.TooLate:
    """A button of a menu: its label, or why it changes nothing."""
    option = approve.pressed(menu, tap, view.message_id(menu.ref), world.clock.now_ms())
    if isinstance(option, approve.TooLate):
        return option
    message = menus.said(tap, option)
    intent, grants = route(message), view.grants(tap.person)
    if not may(grants, needed(intent), tap.thread):
        return approve.TooLate(command_words.MAY_NOT if may(grants, Deed.READ, tap.thread) else question_words.MAY_NOT)
    _carry_out(world, view, draft, message, intent, held, menu)
    return option.label


WORDS_MAX = 40
"""So many characters of a prompt tell it from others."""
NAMED_MAX = 5


def needed(intent: Intent) -> Deed:  # noqa: PLR0911 - a table
    """What a person has to be allowed for it. (How much a limit may be raised is looked at where it is raised.)"""
    match intent:
        case Prompt():
            return Deed.PROMPT
        case New() | Start() | Stop() | SetBudget() | Queue() | Late() | Forget() | Close() | Resume():
            return Deed.COMMAND
        case Sessions(number, session_id):
            return Deed.READ if number is None and not session_id else Deed.COMMAND
        case Go():
            return Deed.APPROVE
        case RaiseBudget():
            return Deed.RAISE
        case Settings() | Model() | Mode():
            return preferences.needed(intent)
        case ShowBudget() | ShowCost() | Status() | Help() | Explain():
            return Deed.READ
        case _:
            assert_never(intent)


def handle_unsupported(world: World, event: Unsupported, update: tuple[str, str]) -> Callable[[View], Decision[str]]:
    """The decision for what the chat cannot read: its words, once, and for strangers nothing at all."""

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        if why := groups.passed_over(world, view, draft, event):
            return draft.done(why)
        if not may(view.grants(event.person), Deed.PROMPT, event.thread):
            return draft.done("stranger")
        draft.say(
            Say(event.thread, f"unsupported:{event.thread.service}:{event.thread.chat}:{event.once}", event.words)
        )
        return draft.done("Unsupported")

    return decide


def _carry_out(  # noqa: C901, PLR0912 - a table
    world: World,
    view: View,
    draft: Draft,
    message: Message,
    intent: Intent,
    held: frozenset[str],
    menu: Approval | None = None,
) -> None:
    """`menu`: whose button said it, if it was not typed."""
    match intent:
        case Prompt():
            _prompt(world, view, draft, message, intent, held)
        case New():
            projects.begin(world, view, draft, message)
        case Sessions():
            _sessions(world, view, draft, message, intent, menu)
        case Start():
            _start(world, view, draft, message)
        case Stop():
            _stop(world, view, draft, message, intent)
        case Go():
            _go(world, view, draft, message)
        case ShowBudget():
            budgets.show(world, view, draft, message)
        case SetBudget():
            budgets.change(world, view, draft, message, intent)
        case RaiseBudget():
            budgets.raise_by(world, view, draft, message, intent)
        case ShowCost():
            _show_cost(world, view, draft, message)
        case Queue():
            waiting.do(world, view, draft, message, intent)
        case Late():
            waiting.decide_late(world, view, draft, message, intent)
        case Forget(session_id):
            forgetting.wanted(world, view, draft, message, session_id, menu)
        case Resume():
            resuming.begin(world, view, draft, message, intent)
        case Close():
            threads.close(world, view, draft, message)
        case Settings():
            preferences.settings(world, view, draft, message, intent, menu)
        case Model():
            preferences.model(world, view, draft, message, intent, menu)
        case Mode():
            preferences.mode(world, view, draft, message, intent, menu)
        case Status():
            status.show(world, view, draft, message)
        case Help():
            preferences.show_help(world, view, draft, message)
        case Explain(words):
            draft.say(world.notice(message.thread, words))
        case _:
            assert_never(intent)


def new_session(world: World, draft: Draft, message: Message, directory: str) -> Session:
    """A new session in the directory, the current one of its thread from now on."""
    session = Session(
        id=world.clock.new_id("s"),
        agent=world.rules.agent,
        directory=directory,
        thread=message.thread,
        owner=message.person,
        created_at_ms=world.clock.now_ms(),
        model=world.rules.model,
        project=repository(Path(directory)),
    )
    draft.put.append(session)
    draft.current = session
    return session


def _prompt(world: World, view: View, draft: Draft, message: Message, intent: Prompt, held: frozenset[str]) -> None:
    text = intent.text
    # A file is no answer to a question, whatever stands beside it, and neither are another's words.
    answers = not message.attachments and not message.forwarded and not intent.steers
    if answers and replies.take(world, view, draft, message, text, held):
        return
    session = replies.meant(view, message) or view.current_session(message.thread)
    if session is None:
        session = new_session(world, draft, message, world.rules.directory)
    ahead = queue.ahead(view.open_turns(session.id))
    if answers and replies.answer(world, view, draft, message, session, ahead, text):
        return
    session = threads.prompted(draft, session, text)
    turn = world.new_turn(session, Origin.PERSON, message.person, prompt_of(message, text))
    turn = replace(turn, attachments=message.attachments, message_id=message.message_id)
    late = queue.came_late(message.sent_at_ms, world.clock.now_ms())
    if is_unheard(turn) and not late:
        draft.effects.append(Listen(session.id, turn.id))
    if late:
        waiting.keep(world, view, draft, session, turn, message.sent_at_ms)
    elif len(ahead) >= world.rules.open_turns_max:
        draft.say(world.notice(message.thread, queue_words.full(len(ahead))))
    elif ahead:
        waiting.join(world, view, draft, session, turn, ahead)
        if intent.steers:
            steering.begin(world, view, draft, message, session, turn)
    else:
        gating.start(world, view, draft, session, turn)


def _sessions(
    world: World, view: View, draft: Draft, message: Message, intent: Sessions, menu: Approval | None
) -> None:
    """List the thread's sessions, newest first, with a button for each but the current one; or go to the one that is named."""
    current = view.current_session(message.thread)
    sessions = view.thread_sessions(message.thread)
    named = [one for n, one in enumerate(sessions, start=1) if n == intent.number or one.id == intent.session_id]
    if intent != Sessions() and not named:
        draft.say(world.notice(message.thread, command_words.no_session_of(intent.number)))
        return
    if named:
        current = draft.current = named[0]
    lines: list[str] = []
    others: list[tuple[str, str]] = []
    for n, session in enumerate(sessions, start=1):
        spent = view.balance(Scope(ScopeKind.SESSION, session.id)).spent
        turns = view.open_turns(session.id)
        state = turns[0].state if turns else None
        here = current is not None and session.id == current.id
        agent = world.agents.get(session.agent)
        label = session.agent if agent is None else agent.traits.label
        about = next((_words_of(turn) for turn in view.latest_turns(session.id, 1)), None)
        lines.append(command_words.session_line(n, _place(session), label, state, spent, about, here=here))
        if not here:
            name = Path(session.directory).name or session.directory
            others.append((command_words.session_button(n, name), f"sessions {session.id}"))
    if not lines:
        draft.say(world.notice(message.thread, command_words.NO_SESSION))
    elif menu is not None:
        menus.renew(world, draft, menu, "\n".join(lines), others)
    elif others:
        menus.show(world, draft, message.thread, "\n".join(lines), others)
    else:
        draft.say(world.notice(message.thread, "\n".join(lines)))


def _words_of(turn: Turn) -> str:
    """The first words of a turn's prompt."""
    if turn.forgotten_at_ms is not None:
        return forget_words.FORGOTTEN_TITLE
    return summary.escape(summary.title(turn.prompt, WORDS_MAX)) or command_words.WITHOUT_WORDS


def _place(session: Session) -> str:
    """The session's directory as a message names it, whatever it is called."""
    return summary.code(change.reason(session.directory))


def _start(world: World, view: View, draft: Draft, message: Message) -> None:
    """The gateway opens the current session itself, where nobody has it open at the desk: one writer per conversation."""
    session = view.current_session(message.thread)
    taker = world.agents[session.agent].traits.attached if session is not None else ""
    if session is None or not taker:
        preferences.show_help(world, view, draft, message)
    elif world.present(session):
        draft.say(world.notice(message.thread, command_words.open_at_desk(_place(session))))
    else:
        session = replace(session, agent=taker)
        draft.put.append(session)
        label = world.agents[taker].traits.label
        draft.say(world.notice(message.thread, command_words.goes_on(label, _place(session))))
        gating.next_in_line(world, view, draft, session)


def _stop(world: World, view: View, draft: Draft, message: Message, intent: Stop) -> None:
    everything = intent.everything
    if intent.draft_id:
        shown = (one.id for one in view.all_open_turns() if progress.draft_id(one.id) == intent.draft_id)
        _stop_one(world, view, draft, message, next(shown, ""))
        return
    if intent.turn_id:
        _stop_one(world, view, draft, message, intent.turn_id)
        return
    if everything:
        draft.entries.append(Entry(EntryKind.FREEZE, (), who=message.person, why="/stop all"))
        turns = view.all_open_turns()
    else:
        session = view.current_session(message.thread)
        turns = view.open_turns(session.id) if session else ()
        if session is not None and not turns:
            draft.effects.append(Interrupt(session.id))  # what its agent left at work in the background
    for turn in turns:
        gating.stop(world, view, draft, turn)
        session = view.session(turn.session_id)
        if session is not None and turn.state is TurnState.PAUSED:
            metering.stopped(world, view, draft, session, turn)
    here = [turn for turn in turns if _is_here(view, message, turn)]
    words = _stopping(here, len(turns) - len(here))
    if not turns and any(view.open_turns(one.id) for one in view.thread_sessions(message.thread)):
        words = command_words.IDLE_HERE
    draft.say(world.notice(message.thread, f"{words}\n{command_words.STOP_ALL}" if everything else words))


def _stop_one(world: World, view: View, draft: Draft, message: Message, turn_id: str) -> None:
    """The button under a turn at work: what waits behind it stays."""
    turn = view.turn(turn_id)
    if turn is None or turn.state in ENDED or not _is_here(view, message, turn):
        draft.say(world.notice(message.thread, command_words.NOTHING_RUNS))
        return
    gating.stop(world, view, draft, turn)
    session = view.session(turn.session_id)
    if session is not None:
        if turn.state is TurnState.RUNNING:  # until its agent has: how it ended is said there, too
            metering.renew(view, draft, session, turn, command_words.STOPPING)
        gating.next_in_line(world, view, draft, session)


def _is_here(view: View, message: Message, turn: Turn) -> bool:
    """Whether a turn is told of in the thread that the message came from."""
    session = view.session(turn.session_id)
    return session is not None and session.thread == message.thread


def _stopping(here: Sequence[Turn], elsewhere: int) -> str:
    """What is stopped, by the first words of it; of what other people's chats are told of only how many."""
    return command_words.stopping([_words_of(turn) for turn in here[:NAMED_MAX]], len(here), elsewhere)


def _go(world: World, view: View, draft: Draft, message: Message) -> None:
    if not view.frozen:
        draft.say(world.notice(message.thread, command_words.NOTHING_STOPPED))
        return
    draft.entries.append(Entry(EntryKind.THAW, (), who=message.person, why="/go"))
    draft.say(world.notice(message.thread, command_words.MAY_START_AGAIN))


def _show_cost(world: World, view: View, draft: Draft, message: Message) -> None:
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
    return summary.escape(summary.title(turn.prompt))
