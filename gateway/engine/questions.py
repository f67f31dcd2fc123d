"""Questions that came through MCP: of a session, and of no turn, since nothing of the agent's stands still for them.

The agent asks for the answer itself, so the message says that it has the answer only once it was told.
"""

from dataclasses import replace

from gateway.core import approve, summary
from gateway.core.access import may
from gateway.core.approve import Answered, over
from gateway.core.change import sentence
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.change import ChangeState, Standing
from gateway.domain.effects import Edit, Say
from gateway.domain.events import Message
from gateway.domain.place import Deed, Thread
from gateway.engine.world import Draft, World
from gateway.ports import View

ANSWER_CHARACTERS_MAX = 4000
UNHEARD = "unheard"
"""The request id of an answer that the agent does not have yet."""
TAP_OR_WRITE = "Tap, or reply to this message with your answer."
WRITE = "Reply to this message with your answer."
MAY_NOT = "You may not answer the question above."
NOT_FETCHED = "The agent has not asked for it yet."
NOBODY = "Nobody answered in time."
DECLINED = "The person does not answer this."


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
    words = TAP_OR_WRITE if choices else WRITE
    options = (
        *(Option(Choice.ANSWER, choice, value=choice) for choice in choices),
        Option(Choice.DENY, "Do not answer"),
    )
    head = summary.escape(f"{sentence(asker)} asks you:")
    return Approval(
        id=world.clock.new_id("ask"),
        kind=ApprovalKind.QUESTION,
        turn_id="",
        session_id=session_id,
        thread=thread,
        text=f"{head}\n{summary.verbatim(question)}\n{words}",
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
        draft.say(world.notice(message.thread, MAY_NOT))
    elif len(text) > ANSWER_CHARACTERS_MAX:
        draft.say(world.notice(message.thread, f"At most {ANSWER_CHARACTERS_MAX} characters can be an answer."))
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
    told = DECLINED if words is None else f"Answer: {summary.escape(summary.title(words))}"
    draft.say(Edit(done.thread, done.ref, f"{done.text}\n\n{told}\n{NOT_FETCHED}"))


# ----------------------------------------------------------------------------------------------------------- standing
def standing(approval: Approval) -> Standing:
    """How it stands with the question, for who asked it. An answer is told in the person's words."""
    match approval.state:
        case ApprovalState.OPEN:
            return Standing(ChangeState.ASKED, "Asked in the chat.", approval.id, approval.expires_at_ms)
        case ApprovalState.ANSWERED if approval.answer:
            return Standing(ChangeState.DONE, approval.answer)
        case ApprovalState.ANSWERED:
            return Standing(ChangeState.NO, DECLINED)
        case ApprovalState.EXPIRED:
            return Standing(ChangeState.EXPIRED, NOBODY)
        case ApprovalState.WITHDRAWN:
            return Standing(ChangeState.VOID, "It is not asked any more.")


def heard(draft: Draft, approval: Approval) -> None:
    """The agent is told the answer: the message says so."""
    told = f"Answered: {summary.escape(summary.title(approval.answer))}" if approval.answer else DECLINED
    draft.put.append(replace(approval, request_id=""))
    draft.say(Edit(approval.thread, approval.ref, f"{approval.text}\n\n{told}"))
