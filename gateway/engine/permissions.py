"""What agents ask of people while they stand still for it: put, answered, withdrawn, expired."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import structlog

from gateway.core import approve, asking, summary
from gateway.core.approve import Answered, TooLate
from gateway.core.files import FILE_MARK
from gateway.domain.approval import APPROVAL_REF, REMINDER_REF, Approval, ApprovalKind, ApprovalState, Choice
from gateway.domain.effects import Answer, Answers, DenyTool, Edit, Respond, Say, Words
from gateway.domain.events import AskedPermission, AskedPlan, AskedQuestion, Message
from gateway.domain.files import Parcel
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.engine import approvals, parcels, showing
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import question_words

log = structlog.get_logger()

Asked = AskedPermission | AskedQuestion | AskedPlan

ASKED_FILE: Final = "asked.txt"
PLAN: Final = "plan"
"""What stands in the name of the message that shows a plan; the question's id follows."""
REASON_CHARACTERS_MAX: Final = 4000


# --------------------------------------------------------------------------------------------------------------- asked
async def ask(world: World, turn_id: str, event: Asked) -> None:
    """Put the agent's question to the person, with what is too long for a message as files."""
    match event:
        case AskedPermission():
            files = await _whole(world, event)
            decide = _permission(world, turn_id, event, files)
        case AskedPlan():
            said, files = await showing.laid_out(world, turn_id, asking.plan_shown(event.plan))
            decide = _plan(world, turn_id, event, said, files)
        case AskedQuestion():
            files, decide = (), _questions(world, turn_id, event)
    if not (await world.commit(decide)).result:
        await parcels.drop(world, files)


async def _whole(world: World, event: AskedPermission) -> tuple[Parcel, ...]:
    """All that is asked, as a file, where the message cannot show it. Without the file the message says how much it leaves out."""
    if not event.whole or world.spool is None:
        return ()
    try:
        place = await anyio.to_thread.run_sync(tempfile.mkdtemp, "", "tollbridge-")
    except OSError as error:
        log.warning("what is asked could not be written down", why=str(error))
        return ()
    try:
        await anyio.to_thread.run_sync(_write, Path(place) / ASKED_FILE, event.whole)
        packed = await parcels.pack(world, place, [ASKED_FILE])
    except OSError as error:
        packed = str(error)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: shutil.rmtree(place, ignore_errors=True))
    if isinstance(packed, str):
        log.warning("what is asked could not be sent whole", why=packed)
        return ()
    return packed


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", errors="replace", newline="\n")


def _here(view: View, turn_id: str) -> tuple[Turn, Session] | None:
    turn = view.turn(turn_id)
    session = view.session(turn.session_id) if turn else None
    return None if turn is None or session is None else (turn, session)


def _permission(
    world: World, turn_id: str, event: AskedPermission, files: tuple[Parcel, ...]
) -> Callable[[View], Decision[bool]]:
    def decide(view: View) -> Decision[bool]:
        draft = Draft()
        if (here := _here(view, turn_id)) is None:
            return draft.done(result=False)
        question = asking.permission(event)
        if files:
            question = replace(question, text=question_words.whole_below(question.text, ASKED_FILE))
        detail = asking.canonical(event)
        approvals.ask(
            world,
            draft,
            *here,
            ApprovalKind.PERMISSION,
            question,
            detail=detail,
            request_id=event.request_id,
            files=files,
        )
        return draft.done(result=True)

    return decide


def _plan(
    world: World, turn_id: str, event: AskedPlan, said: str, files: tuple[Parcel, ...]
) -> Callable[[View], Decision[bool]]:
    """The plan is a message of its own, as an answer is: the question below it is what changes."""

    def decide(view: View) -> Decision[bool]:
        draft = Draft()
        if (here := _here(view, turn_id)) is None:
            return draft.done(result=False)
        empty, name = not event.plan.strip(), world.clock.new_id("ask")
        if not empty:
            draft.say(Say(here[1].thread, f"turn:{turn_id}:{PLAN}:{name}:answer", said, files=files))
        detail = asking.canonical(event)
        approvals.ask(
            world,
            draft,
            *here,
            ApprovalKind.PERMISSION,
            asking.plan(empty=empty),
            detail=detail,
            request_id=event.request_id,
            name=name,
        )
        return draft.done(result=True)

    return decide


def _questions(world: World, turn_id: str, event: AskedQuestion) -> Callable[[View], Decision[bool]]:
    """One message each; the agent has the answers once the last is there."""

    def decide(view: View) -> Decision[bool]:
        draft = Draft()
        if (here := _here(view, turn_id)) is None:
            return draft.done(result=False)
        name = world.clock.new_id("ask")
        asked = asking.questions(event)
        for n, (part, question) in enumerate(zip(event.parts, asked, strict=False), start=1):
            approvals.ask(
                world,
                draft,
                *here,
                ApprovalKind.QUESTION,
                question,
                detail=asking.canonical(part),
                request_id=event.request_id,
                name=f"{name}.{n}" if len(asked) > 1 else name,
                ring=n == 1,
            )
        return draft.done(result=True)

    return decide


# ------------------------------------------------------------------------------------------------------------- answers
def shown_by(view: View, ref: str) -> Approval | None:
    """The question that a message of this name is about: it shows it, a file or the plan of it, or reminds of it; None: of none."""
    ref = ref.partition(FILE_MARK)[0]
    kind, _, rest = ref.partition(":")
    if kind == APPROVAL_REF.removesuffix(":"):
        return view.approval(rest)
    if kind == REMINDER_REF.removesuffix(":"):
        waiting = view.open_approvals(rest.partition(":")[0])
        return next((one for one in waiting if one.reminder_ref == ref), None)
    match rest.split(":"):
        case [_, what, name, *_] if what == PLAN:
            return view.approval(name)
        case _:
            return None


def picking(draft: Draft, verdict: Answered) -> str | TooLate | None:
    """A button that only picks, or ends the picking before anything is picked; None: the press is an answer."""
    option, approval = verdict.option, replace(verdict.approval, state=ApprovalState.OPEN, answered_by="", answer="")
    if option.choice is Choice.PICKED and not asking.picks(approval):
        return TooLate(question_words.PICK_FIRST)
    if option.choice is not Choice.PICK:
        return None
    token = next(token for one, token in zip(approval.options, approval.tokens, strict=True) if one is option)
    changed = asking.toggled(approval, token)
    draft.put.append(changed)
    draft.say(Edit(changed.thread, changed.ref, changed.text, approve.buttons(changed)))
    return option.label


def tapped(view: View, draft: Draft, verdict: Answered) -> None:
    """A button under it was pressed; the approval is written as answered already."""
    approval, option = verdict.approval, verdict.option
    if approval.kind is ApprovalKind.PERMISSION:
        _respond(draft, approval, asking.reply(option), asking.past(option))
    elif option.choice is Choice.PICKED:
        _answer(view, draft, approval, asking.joined(asking.picks(approval)))
    elif option.choice is Choice.ANSWER:
        _answer(view, draft, approval, option.value)
    elif _others(view, approval):
        _answer(view, draft, approval, question_words.DECLINED)
    else:
        _respond(draft, approval, asking.reply(option), asking.past(option))


def written(
    world: World, view: View, draft: Draft, message: Message, approval: Approval, session: Session, text: str
) -> None:
    """Somebody who may answer wrote words: the answer to a question, or why a tool may not be used and a plan not be followed."""
    done = replace(approval, state=ApprovalState.ANSWERED, answered_by=message.person)
    if approval.kind is ApprovalKind.QUESTION:
        _answer(view, draft, done, asking.joined(asking.picks(approval), text))
    elif len(text) > REASON_CHARACTERS_MAX:
        draft.say(world.notice(message.thread, question_words.too_long(REASON_CHARACTERS_MAX)))
    else:
        said = asking.shown(text)
        draft.put.append(replace(done, answer=summary.title(text)))
        if world.agents[session.agent].traits.attached:  # at the desk there is a yes or a no, and no words
            reason, taken = text, question_words.DENIED_WORDLESS
        elif asking.is_plan(approval):
            reason, taken = question_words.told_changes(text), question_words.plan_changes(said)
        else:
            reason, taken = question_words.told_why(text), question_words.denied_because(said)
        _respond(draft, done, DenyTool(reason), taken)


def _answer(view: View, draft: Draft, done: Approval, answer: str) -> None:
    """The question is answered so. Where it was asked with others the agent has it once all of them have one."""
    draft.put.append(replace(done, answer=answer))
    others = _others(view, done)
    if not others:
        _respond(draft, done, Words(answer), asking.said(answer))
    elif any(one.state is ApprovalState.OPEN for one in others):
        words = question_words.answer_of_several(asking.said(answer))
        draft.say(Edit(done.thread, done.ref, question_words.under(done.text, words)))
    else:
        parts = sorted((*others, replace(done, answer=answer)), key=lambda one: one.id)
        given = asking.together([one.answer for one in parts])
        _respond(draft, done, given, asking.said(answer))


def _others(view: View, approval: Approval) -> list[Approval]:
    """What was asked together with it, whether it is answered or not."""
    known = (*view.open_approvals(approval.turn_id), *view.unheard_approvals(approval.turn_id))
    same = [one for one in known if one.request_id == approval.request_id and one.id != approval.id]
    return same if approval.request_id else []


def _respond(draft: Draft, done: Approval, answer: Answer, taken: str) -> None:
    draft.effects.append(Respond(done.session_id, done.request_id, answer, done.ref, done.text, taken=taken))


def settle_others(view: View, draft: Draft, approval: Approval, effect: Respond, words: str) -> None:
    """The agent was told what it waited for: what was asked together with that says so too."""
    for one in _others(view, replace(approval, request_id=effect.request_id)):
        heard = isinstance(effect.answer, Answers) and words == effect.taken
        said = asking.said(one.answer) if heard else words
        state = ApprovalState.WITHDRAWN if one.state is ApprovalState.OPEN else one.state
        draft.put.append(replace(one, state=state, request_id=""))
        draft.say(Edit(one.thread, one.ref, question_words.under(one.text, said)))


# ---------------------------------------------------------------------------------------------------- without an answer
def expire(draft: Draft, approval: Approval) -> None:
    """Nobody answered in time: the agent is told no, once for all that it asked together."""
    asked = (one for one in draft.effects if isinstance(one, Respond))
    if not any((one.session_id, one.request_id) == (approval.session_id, approval.request_id) for one in asked):
        _respond(draft, approval, DenyTool(question_words.NOBODY), question_words.NOBODY)


def withdrawn(turn_id: str, request_id: str) -> Callable[[View], Decision[None]]:
    """The agent no longer waits: its question is closed."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        known = view.open_approvals(turn_id)
        ended = [approval for approval in known if approval.request_id == request_id]
        if ended:  # what is answered and not told yet belongs to it: it was asked together with that
            ended += [one for one in _others(view, ended[0]) if one.state is not ApprovalState.OPEN]
        approvals.withdraw(draft, ended, question_words.NOT_NEEDED, state=ApprovalState.WITHDRAWN)
        return draft.done(None)

    return decide
