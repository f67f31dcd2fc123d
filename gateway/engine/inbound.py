"""What people send: each update is handled in one transaction that also takes it out of the inbox."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from gateway.core import change, summary
from gateway.core.access import may
from gateway.core.quoting import prompt_of
from gateway.core.route import (
    Explain,
    Go,
    Intent,
    New,
    Prompt,
    RaiseBudget,
    Sessions,
    SetBudget,
    ShowBudget,
    ShowCost,
    Start,
    Stop,
    route,
)
from gateway.domain.approval import ApprovalState
from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.effects import Interrupt, Say
from gateway.domain.events import Message, Unsupported
from gateway.domain.place import Deed, Session
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.engine import budgets, gating, replies
from gateway.engine.world import Draft, World
from gateway.ports import Decision, View
from gateway.view import command_words, turn_words


def handle_message(
    world: World, message: Message, update: tuple[str, str], waiting: frozenset[str]
) -> Callable[[View], Decision[str]]:
    """The decision for a message; its result is a word for the log. Strangers get no answer at all.

    `waiting`: the turns in which an agent stands at a boundary.
    """
    intent = route(message)

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        grants = view.grants(message.person)
        if not may(grants, Deed.READ, message.thread):
            return draft.done("stranger")
        if may(grants, needed(intent), message.thread):
            _carry_out(world, view, draft, message, intent, waiting)
        else:
            draft.say(world.notice(message.thread, command_words.MAY_NOT))
        return draft.done(type(intent).__name__)

    return decide


WORDS_MAX = 40
"""So many characters of a prompt tell it from others."""
NAMED_MAX = 5


def needed(intent: Intent) -> Deed:
    """What a person has to be allowed for it. (How much a limit may be raised is looked at where it is raised.)"""
    match intent:
        case Prompt():
            return Deed.PROMPT
        case New() | Start() | Stop() | SetBudget():
            return Deed.COMMAND
        case Sessions(number):
            return Deed.READ if number is None else Deed.COMMAND
        case Go():
            return Deed.APPROVE
        case RaiseBudget():
            return Deed.RAISE
        case ShowBudget() | ShowCost() | Explain():
            return Deed.READ
        case _:
            assert_never(intent)


def handle_unsupported(event: Unsupported, update: tuple[str, str]) -> Callable[[View], Decision[str]]:
    """The decision for what the chat cannot read: its words, once, and for strangers nothing at all."""

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        if not may(view.grants(event.person), Deed.PROMPT, event.thread):
            return draft.done("stranger")
        draft.say(
            Say(event.thread, f"unsupported:{event.thread.service}:{event.thread.chat}:{event.once}", event.words)
        )
        return draft.done("Unsupported")

    return decide


def _carry_out(  # noqa: C901 - a table
    world: World, view: View, draft: Draft, message: Message, intent: Intent, waiting: frozenset[str]
) -> None:
    match intent:
        case Prompt(text):
            _prompt(world, view, draft, message, text, waiting)
        case New(directory):
            _new(world, view, draft, message, directory)
        case Sessions(number):
            _sessions(world, view, draft, message, number)
        case Start():
            _start(world, view, draft, message)
        case Stop(everything):
            _stop(world, view, draft, message, everything=everything)
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


def repository(directory: Path) -> str:
    """The root of the repository that holds the directory; empty if there is none."""
    return next((str(place) for place in (directory, *directory.parents) if _is_root(place)), "")


def _is_root(place: Path) -> bool:
    try:
        return (place / ".git").exists()
    except OSError:  # a name that is too long, a place that nobody may look into: whoever names it may be anybody
        return False


def _prompt(world: World, view: View, draft: Draft, message: Message, text: str, waiting: frozenset[str]) -> None:
    # A file is no answer to a question, whatever stands beside it, and neither are another's words.
    answers = not message.attachments and not message.forwarded
    if answers and replies.take(world, view, draft, message, text, waiting):
        return
    session = replies.meant(view, message) or view.current_session(message.thread)
    if session is None:
        session = new_session(world, draft, message, world.rules.directory)
    queue = view.open_turns(session.id)
    if answers and replies.answer(world, view, draft, message, session, queue, text):
        return
    if len(queue) >= world.rules.open_turns_max:
        draft.say(world.notice(message.thread, command_words.queue_full(len(queue))))
        return
    turn = world.new_turn(session, Origin.PERSON, message.person, prompt_of(message, text))
    turn = replace(turn, attachments=message.attachments, message_id=message.message_id)
    if queue:
        draft.put.append(turn)
        asked = any(view.open_approvals(waiting.id) for waiting in queue)
        draft.say(world.notice(message.thread, command_words.queued(len(queue), asked=asked)))
    else:
        gating.start(world, view, draft, session, turn)


def _new(world: World, view: View, draft: Draft, message: Message, directory: str | None) -> None:
    place = resolve(world, view.current_session(message.thread), directory)
    if isinstance(place, Explain):
        draft.say(world.notice(message.thread, place.words))
        return
    new_session(world, draft, message, place)
    label = world.agents[world.rules.agent].traits.label
    draft.say(world.notice(message.thread, command_words.new_session(label, place)))


def resolve(world: World, current: Session | None, directory: str | None) -> str | Explain:
    """The real directory that `/new` means, inside one of the roots; or why not."""
    base = Path(current.directory if current else world.rules.directory)
    try:
        wanted = base if directory is None else base / Path(directory).expanduser()
        real = wanted.resolve(strict=True)
    except (OSError, RuntimeError, ValueError):  # not there, a loop, a name too long, nobody's home, a NUL
        missing = str(base / directory) if directory else str(base)
        return Explain(command_words.no_directory(missing[:200]))
    if not any(real.is_relative_to(Path(root).resolve()) for root in world.rules.roots):
        return Explain(command_words.outside(str(real), world.rules.roots))
    if not real.is_dir():
        return Explain(command_words.not_a_directory(str(real)))
    return str(real)


def _sessions(world: World, view: View, draft: Draft, message: Message, number: int | None) -> None:
    """List the thread's sessions, newest first; with a number, make that one the current one."""
    current = view.current_session(message.thread)
    sessions = view.thread_sessions(message.thread)
    if number is not None and not 1 <= number <= len(sessions):
        draft.say(world.notice(message.thread, command_words.no_session_of(number)))
        return
    if number is not None:
        current = draft.current = sessions[number - 1]
    lines: list[str] = []
    for n, session in enumerate(sessions, start=1):
        spent = view.balance(Scope(ScopeKind.SESSION, session.id)).spent
        turns = view.open_turns(session.id)
        state = turns[0].state if turns else None
        here = current is not None and session.id == current.id
        agent = world.agents.get(session.agent)
        label = session.agent if agent is None else agent.traits.label
        about = next((_words_of(turn) for turn in view.latest_turns(session.id, 1)), None)
        lines.append(command_words.session_line(n, _place(session), label, state, spent, about, here=here))
    if len(sessions) > 1:
        lines.append(command_words.GO_TO_ANOTHER)
    draft.say(world.notice(message.thread, "\n".join(lines) or command_words.NO_SESSION))


def _words_of(turn: Turn) -> str:
    """The first words of a turn's prompt."""
    return summary.escape(summary.title(turn.prompt, WORDS_MAX)) or command_words.WITHOUT_WORDS


def _place(session: Session) -> str:
    """The session's directory as a message names it, whatever it is called."""
    return summary.code(change.reason(session.directory))


def _start(world: World, view: View, draft: Draft, message: Message) -> None:
    """The gateway opens the current session itself, where nobody has it open at the desk: one writer per conversation."""
    session = view.current_session(message.thread)
    taker = world.agents[session.agent].traits.attached if session is not None else ""
    if session is None or not taker:
        draft.say(world.notice(message.thread, command_words.HELP))
    elif world.present(session):
        draft.say(world.notice(message.thread, command_words.open_at_desk(_place(session))))
    else:
        session = replace(session, agent=taker)
        draft.put.append(session)
        label = world.agents[taker].traits.label
        draft.say(world.notice(message.thread, command_words.goes_on(label, _place(session))))
        gating.next_in_line(world, view, draft, session)


def _stop(world: World, view: View, draft: Draft, message: Message, *, everything: bool) -> None:
    if everything:
        draft.entries.append(Entry(EntryKind.FREEZE, (), who=message.person, why="/stop all"))
        turns = view.all_open_turns()
    else:
        session = view.current_session(message.thread)
        turns = view.open_turns(session.id) if session else ()
        if session is not None and not turns:
            draft.effects.append(Interrupt(session.id))  # what its agent left at work in the background
    for turn in turns:
        stop_turn(world, view, draft, turn)
    here = [turn for turn in turns if _is_here(view, message, turn)]
    words = _stopping(here, len(turns) - len(here))
    if not turns and any(view.open_turns(one.id) for one in view.thread_sessions(message.thread)):
        words = command_words.IDLE_HERE
    draft.say(world.notice(message.thread, f"{words}\n{command_words.STOP_ALL}" if everything else words))


def _is_here(view: View, message: Message, turn: Turn) -> bool:
    """Whether a turn is told of in the thread that the message came from."""
    session = view.session(turn.session_id)
    return session is not None and session.thread == message.thread


def _stopping(here: Sequence[Turn], elsewhere: int) -> str:
    """What is stopped, by the first words of it; of what other people's chats are told of only how many."""
    return command_words.stopping([_words_of(turn) for turn in here[:NAMED_MAX]], len(here), elsewhere)


def stop_turn(world: World, view: View, draft: Draft, turn: Turn) -> None:
    """End a turn because a person said so: at once where no agent is at work, else by an interrupt that ends it."""
    if turn.origin is Origin.BACKGROUND or turn.state in (TurnState.RUNNING, TurnState.PAUSED):
        draft.effects.append(Interrupt(turn.session_id))
    if turn.state is not TurnState.RUNNING:
        gating.drop(world, view, draft, turn, command_words.STOPPED)
        return
    gating.withdraw(draft, view.open_approvals(turn.id), command_words.STOPPED, state=ApprovalState.WITHDRAWN)
    # Should the gateway end before the agent does, its prompt is not sent again.
    draft.put.append(replace(turn, outcome=Outcome(OutcomeKind.CANCELLED, command_words.STOPPED)))


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
    balance = world.balance(view, draft, scope)
    lines = [
        command_words.cost_of_session(balance.spent, balance.limit),
        *(command_words.cost_of_turn(turn_words.spent(turn), turn.state, _title(turn)) for turn in turns),
        *([command_words.LIST_PRICES] if world.list_price(view, session.agent) else []),
    ]
    draft.say(world.notice(message.thread, "\n".join(lines)))


def _title(turn: Turn) -> str:
    return summary.escape(summary.title(turn.prompt))
