"""Questions that came through MCP: of a session, and of no turn, since nothing of the agent's stands still for them.

The agent asks for the answer itself, so the message says that it has the answer only once it was told.
"""

from dataclasses import replace

from gateway.core import approve, summary
from gateway.core.access import may
from gateway.core.approve import Answered, over
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.change import ChangeState, Standing
from gateway.domain.effects import Edit, Say
from gateway.domain.events import Message
from gateway.domain.place import Deed, Thread
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import question_words

ANSWER_CHARACTERS_MAX = 4000
UNHEARD = "unheard"
"""The request id of an answer that the agent does not have yet."""


def is_one(approval: Approval) -> bool:
    """Whether the approval is such a question."""
    return approval.kind is ApprovalKind.QUESTION and not approval.turn_id


def open_questions(view: View) -> tuple[Approval, ...]:
    """Those that wait for an answer, oldest first."""
    return tuple(one for one in view.open_approvals("") if is_one(one))


def posed(
    world: World, session_id: str, thread: Thread, asker: str, question: str, choices: tuple[str, ...]
) -> Approval:
    """The question as it would be put; `asker`: who asks, in words."""
    options = (
        *(Option(Choice.ANSWER, choice, value=choice) for choice in choices),
        Option(Choice.DENY, question_words.NO_ANSWER),
    )
    head = summary.escape(question_words.asks_you(asker))
    return Approval(
        id=world.clock.new_id("ask"),
        kind=ApprovalKind.QUESTION,
        turn_id="",
        session_id=session_id,
        thread=thread,
        text=question_words.through_mcp(head, summary.verbatim(question), choices=bool(choices)),
        options=options,
        tokens=tuple(world.clock.new_token() for _ in options),
        digest=approve.digest(ApprovalKind.QUESTION, "", f"{asker}\n{question}", options),
        expires_at_ms=world.clock.now_ms() + world.rules.approval_ms,
    )


def put(draft: Draft, approval: Approval) -> None:
    """Ask it in the chat."""
    draft.put.append(approval)
    draft.say(Say(approval.thread, approval.ref, approval.text, approve.buttons(approval), ring=True))


# ------------------------------------------------------------------------------------------------------------ answers
def tapped(draft: Draft, verdict: Answered) -> str:
    """A button of such a question was pressed; the word for who pressed it."""
    option = verdict.option
    _answer(draft, verdict.approval, option.value if option.choice is Choice.ANSWER else None)
    return option.label


def written(world: World, view: View, draft: Draft, message: Message, approval: Approval, text: str) -> None:
    """Somebody replied to such a question."""
    if words := over(approval, world.clock.now_ms()):
        draft.say(world.notice(message.thread, words))
    elif not may(view.grants(message.person), Deed.APPROVE, message.thread):
        draft.say(world.notice(message.thread, question_words.MAY_NOT_ABOVE))
    elif len(text) > ANSWER_CHARACTERS_MAX:
        draft.say(world.notice(message.thread, question_words.too_long(ANSWER_CHARACTERS_MAX)))
    else:
        done = replace(approval, state=ApprovalState.ANSWERED, answered_by=message.person)
        _answer(draft, done, text)


def waiting(world: World, view: View, session_id: str, thread: Thread) -> Approval | None:
    """The oldest question of the session that can still be answered in the thread."""
    mine = (one for one in open_questions(view) if one.session_id == session_id and one.thread == thread)
    return next((one for one in mine if world.clock.now_ms() < one.expires_at_ms), None)


def _answer(draft: Draft, done: Approval, words: str | None) -> None:
    """`words`: None, if the person said that they do not answer."""
    draft.put.append(replace(done, answer=words or "", request_id=UNHEARD))
    told = question_words.DECLINE_WAITS if words is None else question_words.answer_waits(_shown(words))
    draft.say(Edit(done.thread, done.ref, question_words.under(done.text, told)))


def _shown(words: str) -> str:
    return summary.escaped_title(words)


# ----------------------------------------------------------------------------------------------------------- standing
def standing(approval: Approval) -> Standing:
    """How it stands with the question, for who asked it. An answer is told in the person's words."""
    match approval.state:
        case ApprovalState.OPEN:
            return Standing(ChangeState.ASKED, question_words.ASKED_IN_CHAT, approval.id, approval.expires_at_ms)
        case ApprovalState.ANSWERED if approval.answer:
            return Standing(ChangeState.DONE, approval.answer)
        case ApprovalState.ANSWERED:
            return Standing(ChangeState.NO, question_words.DECLINED)
        case ApprovalState.EXPIRED:
            return Standing(ChangeState.EXPIRED, question_words.NOBODY)
        case ApprovalState.WITHDRAWN:
            return Standing(ChangeState.VOID, question_words.NOT_ASKED)


def heard(draft: Draft, approval: Approval) -> None:
    """The agent is told the answer: the message says so."""
    told = question_words.answered(_shown(approval.answer)) if approval.answer else question_words.DECLINED
    draft.put.append(replace(approval, request_id=""))
    draft.say(Edit(approval.thread, approval.ref, question_words.under(approval.text, told)))
