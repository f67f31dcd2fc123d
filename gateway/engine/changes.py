"""Limits changed from outside the chat: questions that no turn waits for, and what a yes to one does."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core import approve, scopes
from gateway.core.access import may
from gateway.core.approve import Answered, TooLate
from gateway.core.change import Change, accepted, ledger_words, offer, question, said_yes
from gateway.core.summary import escape
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.budget import PERIODS, Lift
from gateway.domain.change import ChangeState, Standing
from gateway.domain.effects import Edit, Say
from gateway.domain.events import Tap
from gateway.domain.place import Deed, Thread
from gateway.engine import bounds, limits
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import change_words, money_words, question_words


def carry_out(world: World, view: View, draft: Draft, change: Change, who: str) -> None:
    """Write the change that was agreed to: a raise until its time, or a limit."""
    if change.raises:
        lift = Lift(change.scope, change.unit, change.amount, change.until_ms)
        limits.raise_limit(world, view, draft, lift, who=who, why=ledger_words(change))
    else:
        limits.set_limit(
            world, view, draft, change.scope, change.unit, change.amount, who=who, why=ledger_words(change)
        )


# ---------------------------------------------------------------------------------------------------------- questions
def ask(world: World, view: View, draft: Draft, change: Change, threads: Iterable[Thread]) -> Approval:
    """Put the question to everybody in these threads; the first of the approvals, which are answered as one."""
    asked: list[Approval] = []
    for thread in threads:
        expires_at_ms = world.clock.now_ms() + world.rules.approval_ms
        approval = _posed(
            world,
            view,
            draft,
            change,
            Approval(
                id=world.clock.new_id("ask"),
                kind=ApprovalKind.CHANGE,
                turn_id="",
                session_id="",
                thread=thread,
                text="",
                options=(),
                tokens=(),
                digest="",
                expires_at_ms=expires_at_ms,
            ),
        )
        draft.put.append(approval)
        draft.say(Say(thread, approval.ref, approval.text, approve.buttons(approval), ring=True))
        asked.append(approval)
    return asked[0]


def _posed(world: World, view: View, draft: Draft, change: Change, approval: Approval) -> Approval:
    """The approval with the question as it is now, and new tokens."""
    options = (
        Option(Choice.RAISE, offer(change), value=change.value()),
        Option(Choice.NO, money_words.NO),
    )
    return replace(
        approval,
        text=question(change, bounds.balance(world, view, draft, change.scope)),
        options=options,
        tokens=tuple(world.clock.new_token() for _ in options),
        digest=_digest(world, view, draft, change, options),
    )


def _digest(world: World, view: View, draft: Draft, change: Change, options: tuple[Option, ...]) -> str:
    """Over the question and the limit as it stands."""
    limit = limits.before(world, view, draft, change.scope, change.unit, raises=change.raises)
    detail = f"{change.scope}\n{limit}"
    return approve.digest(ApprovalKind.CHANGE, "", detail, options)


def change_of(approval: Approval) -> Change:
    """What a yes to the question would do."""
    return Change.read(approval.options[0].value)


def open_questions(view: View) -> tuple[Approval, ...]:
    """The questions of this kind that wait for an answer: they belong to no turn."""
    return tuple(one for one in view.open_approvals("") if one.kind is ApprovalKind.CHANGE)


# ------------------------------------------------------------------------------------------------------------ answers
def answered(world: World, view: View, draft: Draft, tap: Tap, verdict: Answered) -> str | TooLate:
    """What a tap on a question does: one answer for everybody who was asked; or the question once more, as things stand now."""
    done, option, change = verdict.approval, verdict.option, change_of(verdict.approval)
    if option.choice is Choice.NO:
        _close(view, draft, done, done, money_words.NO, by=tap.person)
        return option.label
    if not may(view.grants(tap.person), Deed.RAISE, tap.thread, change.dollars):
        return TooLate(question_words.MAY_NOT)
    if over := _over(world, change):
        return _void(view, draft, done, over)
    limit = limits.before(world, view, draft, change.scope, change.unit, raises=change.raises)
    if _digest(world, view, draft, change, done.options) != done.digest:
        renewed = change.renewed(limit) if limit is not None else change_words.NO_LIMIT_NOW
        return _again(world, view, draft, done, renewed)
    carry_out(world, view, draft, change, tap.person)
    _close(view, draft, done, done, accepted(change), by=tap.person)
    return option.label


def _over(world: World, change: Change) -> str:
    """Why a yes comes too late; empty if it does not."""
    # Neither the person nor the chat counts for the periods.
    if change.scope.kind in PERIODS and change.scope not in scopes.of_person("", Thread("", ""), world.today()):
        return change_words.period_over(change.scope.kind)
    if change.until_ms is not None and world.clock.now_ms() >= change.until_ms:
        return change_words.TIME_OVER
    return ""


def _again(world: World, view: View, draft: Draft, done: Approval, renewed: Change | str) -> TooLate:
    """The same question in the same messages with the figures of now; the buttons before count no more."""
    if isinstance(renewed, str):
        return _void(view, draft, done, renewed)
    for approval in _together(view, done):
        posed = _posed(world, view, draft, renewed, approval)
        draft.put.append(posed)
        text = question_words.under(posed.text, change_words.ASKED_AGAIN)
        draft.say(Edit(posed.thread, posed.ref, text, approve.buttons(posed)))
    return TooLate(change_words.ASKED_AGAIN)


def _void(view: View, draft: Draft, done: Approval, words: str) -> TooLate:
    _close(view, draft, done, replace(done, state=ApprovalState.WITHDRAWN, answer=words), words)
    return TooLate(words)


def _close(view: View, draft: Draft, done: Approval, result: Approval, words: str, *, by: str = "") -> None:
    """Everybody who was asked is told the answer, and nobody can give another. `by`: who gave it; the words go on with that."""
    for approval in _together(view, done):
        draft.put.append(
            replace(approval, state=result.state, answered_by=result.answered_by, answer=result.answer),
        )
        # A chat with one person has that person's number.
        who = "" if approval.thread.chat == by else by
        said = change_words.answered_by(words, who) if by else words
        draft.say(Edit(approval.thread, approval.ref, question_words.under(approval.text, escape(said))))


def _together(view: View, approval: Approval) -> tuple[Approval, ...]:
    """The open questions that were put as one, this one among them."""
    request = change_of(approval).request
    return tuple(one for one in open_questions(view) if change_of(one).request == request)


# ------------------------------------------------------------------------------------------------------------ standing
def standing(view: View, approval_id: str, who: str = "") -> Standing | None:
    """How it stands with the question, for who asked for the change; None: there is no such question.

    `who`: what the person who answered is called; empty: by their number.
    """
    approval = view.approval(approval_id)
    if approval is None or approval.kind is not ApprovalKind.CHANGE or not approval.text:  # forgotten
        return None
    change = change_of(approval)
    who = who or approval.answered_by
    match approval.state:
        case ApprovalState.OPEN:
            shown = any(view.message_id(one.ref) is not None for one in _together(view, approval))
            words = change_words.asked_in_chat(change.wish)
            return Standing(ChangeState.ASKED, words, approval.id, approval.expires_at_ms, shown)
        case ApprovalState.ANSWERED if approval.answer == approval.options[0].label:
            return Standing(ChangeState.DONE, said_yes(change, who))
        case ApprovalState.ANSWERED:
            return Standing(ChangeState.NO, change_words.said_no(who))
        case ApprovalState.EXPIRED:
            return Standing(ChangeState.EXPIRED, change_words.NOBODY_ANSWERED)
        case ApprovalState.WITHDRAWN:
            return Standing(ChangeState.VOID, approval.answer or change_words.NOT_ASKED)
