"""Who may do what, changed from this machine: what narrows counts at once, what widens takes an owner's tap (rule 5 of the design).

Before anybody may say yes in the chat it takes a terminal. What runs inside an agent changes nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from gateway.core import approve, pairing
from gateway.core.access import may
from gateway.core.approve import Answered, TooLate
from gateway.core.change import reason
from gateway.core.pairing import Wish
from gateway.core.summary import escape
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.change import Asker, ChangeState, Standing
from gateway.domain.effects import Edit, Say
from gateway.domain.events import Tap
from gateway.domain.people import WantedRole
from gateway.domain.place import Deed, Grant, GrantFrom, Role, Session, Thread
from gateway.domain.turn import TurnState
from gateway.engine import gating, metering
from gateway.engine.askers import is_inside_agent, threads_of, who
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import people_words as words
from gateway.view import turn_words

log = structlog.get_logger()

QUESTIONS_MAX = 5
"""So many people may wait for an owner's answer."""


# ------------------------------------------------------------------------------------------------------------- changes
async def change(world: World, wanted: WantedRole, asker: Asker) -> Standing:
    """Take a role away, or give another one."""
    if await is_inside_agent(world, asker):
        return _refused(words.INSIDE_AGENT)

    def decide(view: View) -> Decision[Standing]:
        draft = Draft()
        mine = [one for one in view.grants(wanted.person) if wanted.chat in (None, one.chat)]
        if not mine:
            return Decision(_refused(words.nobody(reason(wanted.person), wanted.chat)))
        if wanted.role is None:
            return draft.done(_remove(world, view, draft, mine, asker))
        return draft.done(_change_role(world, view, draft, mine, wanted.role, wanted, asker))

    result = (await world.commit(decide)).result
    log.info("people", user=asker.user, person=wanted.person, role=wanted.role, result=result.state)
    return result


def _refused(sentence: str) -> Standing:
    return Standing(ChangeState.REFUSED, sentence)


def _remove(world: World, view: View, draft: Draft, mine: list[Grant], asker: Asker) -> Standing:
    gone = [one for one in mine if one.origin is GrantFrom.PAIRED]
    if not gone:
        return _refused(words.in_settings(mine[0]))
    after = pairing.without(view.all_grants(), gone)
    if pairing.leaves_nobody(view.all_grants(), after):
        return _refused(words.LAST_OWNER)
    _write(view, draft, after, who(asker.user), words.why_taken(reason(asker.user), reason(asker.host)))
    stopped = words.runs_stopped(_stop_runs(world, view, draft, gone[0].person, after))
    for one in gone:
        told = words.told_removed(one, reason(asker.user), reason(asker.host))
        _tell_approvers(world, after, draft, " ".join(filter(None, (told, stopped))))
    removed = words.removed(gone[0].person, gone[0].name, len(mine) - len(gone))
    return Standing(ChangeState.DONE, " ".join(filter(None, (removed, stopped))))


def _stop_runs(world: World, view: View, draft: Draft, person: str, after: Iterable[Grant]) -> int:
    """End what a person has at work, or in line, where they may not write any more; what it has cost stays booked. How many."""
    left = [one for one in after if one.person == person]
    sessions: dict[str, Session] = {}
    turns = [turn for turn in view.all_open_turns() if turn.person == person]
    stopped = 0
    for turn in turns:
        session = view.session(turn.session_id)
        if session is None or may(left, Deed.PROMPT, session.thread):
            continue
        if turn.state is TurnState.QUEUED:
            gating.drop(world, view, draft, turn, turn_words.TAKEN_AWAY)
            not_run = turn_words.not_run(turn_words.TAKEN_AWAY)
            draft.say(Say(session.thread, f"turn:{turn.id}:end", not_run, ring=True))
        else:
            gating.stop(world, view, draft, turn)
        if turn.state is TurnState.PAUSED:
            metering.stopped(world, view, draft, session, turn)
        sessions[session.id] = session
        stopped += 1
    for session in sessions.values():
        gating.next_in_line(world, view, draft, session)
    alone = Thread(world.chat.service, person)
    if not may(left, Deed.READ, alone):
        draft.gone = alone  # what waits to be said there is not said any more
    return stopped


def _change_role(
    world: World, view: View, draft: Draft, mine: list[Grant], role: Role, wanted: WantedRole, asker: Asker
) -> Standing:
    before = mine[0]
    after = pairing.with_role(before, role, wanted.largest_raise)
    if refusal := _unfit(mine, after, wanted):
        return _refused(refusal)
    if after == before:
        return Standing(ChangeState.DONE, words.is_already(before))
    if pairing.widens(before, after):
        return widen(world, view, draft, after, before, asker)
    return _narrow(world, view, draft, before, after, asker)


def _unfit(mine: list[Grant], after: Grant, wanted: WantedRole) -> str:
    """Why the person cannot be given this; empty: they can."""
    if len(mine) > 1:
        return words.which(mine[0].person, len(mine))
    if mine[0].origin is GrantFrom.SETTINGS:
        return words.in_settings(mine[0])
    return words.raises_nothing(after.role) if wanted.largest_raise is not None and after.largest_raise is None else ""


def _narrow(world: World, view: View, draft: Draft, before: Grant, after: Grant, asker: Asker) -> Standing:
    """It counts at once, and is said in the chats of those who may approve."""
    grants = (*pairing.without(view.all_grants(), (before,)), _since(world, after, who(asker.user)))
    if pairing.leaves_nobody(view.all_grants(), grants):
        return _refused(words.LAST_OWNER)
    user, host = reason(asker.user), reason(asker.host)
    _write(view, draft, grants, who(asker.user), words.why(user, host, paired=False))
    _tell_approvers(world, grants, draft, words.told_lowered(after, before, user, host))
    _tell(world, draft, after)
    return Standing(ChangeState.DONE, f"{words.stands(after)}.")


def widen(world: World, view: View, draft: Draft, grant: Grant, before: Grant | None, asker: Asker) -> Standing:
    """Somebody is to be let in, or to do more: an owner is asked, or, where nobody may say yes yet, a terminal is enough."""
    wish = Wish(world.clock.new_id("people"), grant, before, reason(asker.user), reason(asker.host))
    grants = view.all_grants()
    if not any(map(pairing.may_raise, grants)):
        if not asker.terminal:
            return _refused(words.NEEDS_TERMINAL)
        _carry_out(world, view, draft, wish, who(asker.user))
        return Standing(ChangeState.DONE, f"{words.stands(grant)}.")
    threads = threads_of(world, grants, Deed.GRANT, None)
    if not threads:
        return _refused(words.NO_OWNER)
    waiting = open_questions(view)
    if found := next((one for one in waiting if _wish(one).same(wish)), None):
        asked = found
    elif len({_wish(one).request for one in waiting}) >= QUESTIONS_MAX:
        return _refused(words.TOO_MANY)
    else:
        asked = _ask(world, view, draft, wish, threads)
    sentence = words.asked(grant.person, grant.name, ", ".join(thread.chat for thread in threads))
    return Standing(ChangeState.ASKED, sentence, asked.id, asked.expires_at_ms)


def _write(view: View, draft: Draft, grants: tuple[Grant, ...], by: str, why: str) -> None:
    draft.grants = grants
    draft.entries.extend(pairing.entries(view.all_grants(), grants, by, why))


def _since(world: World, grant: Grant, by: str) -> Grant:
    """As it is written now: where the group is by now that it is for."""
    chat = world.moves.get(grant.chat, grant.chat)
    return replace(grant, chat=chat, since_ms=world.clock.now_ms(), by=by)


def _carry_out(world: World, view: View, draft: Draft, wish: Wish, by: str) -> None:
    """Write what was agreed to, and tell the person."""
    grant = _since(world, wish.grant, by)
    grants = (*pairing.without(view.all_grants(), (grant,)), grant)
    _write(view, draft, grants, by, words.why(wish.user, wish.host, paired=wish.before is None))
    _tell(world, draft, grant)


def _tell(world: World, draft: Draft, grant: Grant) -> None:
    """In the chat that the person has with the bot alone: they wrote there once."""
    draft.say(world.notice(Thread(world.chat.service, grant.person), escape(words.welcome(grant)), ring=True))


def _tell_approvers(world: World, grants: Iterable[Grant], draft: Draft, sentence: str) -> None:
    for thread in threads_of(world, grants, Deed.APPROVE, None):
        draft.say(world.notice(thread, escape(sentence)))


# ----------------------------------------------------------------------------------------------------------- questions
def _ask(world: World, view: View, draft: Draft, wish: Wish, threads: Iterable[Thread]) -> Approval:
    """Put the question to every owner; the first of the approvals, which are answered as one."""
    options = (Option(Choice.GRANT, words.YES, value=wish.value()), Option(Choice.NO, words.NO))
    text = escape(words.question(wish.grant, wish.before, wish.user, wish.host))
    asked = [
        Approval(
            id=world.clock.new_id("ask"),
            kind=ApprovalKind.PEOPLE,
            turn_id="",
            session_id="",
            thread=thread,
            text=text,
            options=options,
            tokens=tuple(world.clock.new_token() for _ in options),
            digest=_digest(view, wish, options),
            expires_at_ms=world.clock.now_ms() + world.rules.approval_ms,
        )
        for thread in threads
    ]
    for approval in asked:
        draft.put.append(approval)
        draft.say(Say(approval.thread, approval.ref, approval.text, approve.buttons(approval), ring=True))
    return asked[0]


def _digest(view: View, wish: Wish, options: tuple[Option, ...]) -> str:
    """Over the question, and what the person may do as it stands."""
    return approve.digest(ApprovalKind.PEOPLE, "", pairing.stands(view.grants(wish.grant.person)), options)


def _wish(approval: Approval) -> Wish:
    return Wish.read(approval.options[0].value)


def open_questions(view: View) -> tuple[Approval, ...]:
    """The questions of this kind that wait for an answer: they belong to no turn."""
    return tuple(one for one in view.open_approvals("") if one.kind is ApprovalKind.PEOPLE)


def _together(view: View, wish: Wish) -> tuple[Approval, ...]:
    """The open questions that were put as one."""
    return tuple(one for one in open_questions(view) if _wish(one).request == wish.request)


# ------------------------------------------------------------------------------------------------------------- answers
def answered(world: World, view: View, draft: Draft, tap: Tap, verdict: Answered) -> str | TooLate:
    """What a tap on a question does; only an owner's counts, and it counts for everybody who was asked."""
    done, option, wish = verdict.approval, verdict.option, _wish(verdict.approval)
    if not may(view.grants(tap.person), Deed.GRANT, tap.thread):
        return TooLate(words.MAY_NOT)
    if option.choice is Choice.NO:
        _close(view, draft, done, wish, lambda by: words.closed(words.NO, by))
        return option.label
    if _digest(view, wish, done.options) != done.digest:
        over = replace(done, state=ApprovalState.WITHDRAWN, answer=words.CHANGED_MEANWHILE)
        _close(view, draft, over, wish, lambda _by: words.CHANGED_MEANWHILE)
        return TooLate(words.CHANGED_MEANWHILE)
    _carry_out(world, view, draft, wish, tap.person)
    _close(view, draft, done, wish, lambda by: words.closed(words.YES, by))
    return option.label


def _close(view: View, draft: Draft, result: Approval, wish: Wish, said: Callable[[str], str]) -> None:
    """Everybody who was asked is told the answer, and nobody can give another."""
    for approval in _together(view, wish):
        draft.put.append(replace(approval, state=result.state, answered_by=result.answered_by, answer=result.answer))
        # A chat with one person has that person's number.
        by = "you" if approval.thread.chat == result.answered_by else result.answered_by
        draft.say(Edit(approval.thread, approval.ref, f"{approval.text}\n\n{escape(said(by))}"))


def standing(view: View, approval_id: str) -> Standing | None:
    """How it stands with the question, for who asked for it; None: there is no such question."""
    approval = view.approval(approval_id)
    if approval is None or approval.kind is not ApprovalKind.PEOPLE or not approval.text:  # forgotten
        return None
    wish, by = _wish(approval), approval.answered_by
    match approval.state:
        case ApprovalState.OPEN:
            people = [one.thread.chat for one in _together(view, wish)]
            shown = any(view.message_id(one.ref) is not None for one in _together(view, wish))
            sentence = words.asked(wish.grant.person, wish.grant.name, ", ".join(people))
            return Standing(ChangeState.ASKED, sentence, approval.id, approval.expires_at_ms, shown)
        case ApprovalState.ANSWERED if approval.answer == words.YES:
            return Standing(ChangeState.DONE, words.done(wish.grant, by))
        case ApprovalState.ANSWERED:
            return Standing(ChangeState.NO, words.said_no(by))
        case ApprovalState.EXPIRED:
            return Standing(ChangeState.EXPIRED, words.nobody_answered())
        case ApprovalState.WITHDRAWN:
            return Standing(ChangeState.VOID, approval.answer)
