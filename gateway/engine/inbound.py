"""What people send: each update is handled in one transaction that also takes it out of the inbox."""

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from gateway.core import approve, queue
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
    ShowReport,
    Start,
    Stop,
    route,
)
from gateway.core.speech import is_unheard
from gateway.domain.approval import Approval
from gateway.domain.effects import Listen, Say
from gateway.domain.events import Edited, Message, Tap, Unsupported
from gateway.domain.place import Deed
from gateway.domain.turn import Origin
from gateway.engine import (
    budgets,
    cost,
    forgetting,
    gating,
    groups,
    menus,
    pairing,
    preferences,
    projects,
    replies,
    reporting,
    resuming,
    sessions,
    status,
    steering,
    stopping,
    threads,
    waiting,
)
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import command_words, question_words, queue_words


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
        case ShowBudget() | ShowCost() | ShowReport() | Status() | Help() | Explain():
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
            sessions.show(world, view, draft, message, intent, menu)
        case Start():
            sessions.start(world, view, draft, message)
        case Stop():
            stopping.stop(world, view, draft, message, intent)
        case Go():
            stopping.go(world, view, draft, message)
        case ShowBudget():
            budgets.show(world, view, draft, message)
        case SetBudget():
            budgets.change(world, view, draft, message, intent)
        case RaiseBudget():
            budgets.raise_by(world, view, draft, message, intent)
        case ShowCost():
            cost.show(world, view, draft, message)
        case ShowReport():
            reporting.show(world, view, draft, message, intent)
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


def _prompt(world: World, view: View, draft: Draft, message: Message, intent: Prompt, held: frozenset[str]) -> None:
    text = intent.text
    # A file is no answer to a question, whatever stands beside it, and neither are another's words.
    answers = not message.attachments and not message.forwarded and not intent.steers
    if answers and replies.take(world, view, draft, message, text, held):
        return
    session = replies.meant(view, message) or view.current_session(message.thread)
    if session is None:
        session = sessions.new_session(world, draft, message, world.rules.directory)
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
