"""Approvals and grants: who may press what, where and when, and what exactly was approved."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import access, approve
from gateway.core.access import may
from gateway.core.approve import Answered, TooLate, answer, buttons, digest, typed
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.budget import Lift, Scope, ScopeKind, Unit
from gateway.domain.effects import Button
from gateway.domain.events import Tap
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Deed, Grant, Role, Thread
from tests.core.make import CHAT, DAY, SESSION, UNHURRIED, approval, more, turn, usd

OWNER = (Grant("7", Role.OWNER),)
ELSEWHERE = TooLate("This button is not valid here.")
ANSWERED = TooLate("This was answered already.")
EXPIRED = TooLate("This has expired.")
FORBIDDEN = TooLate("You may not answer this.")
RAISE = Option(Choice.RAISE, "Raise +$2", allows=usd("2"), lifts=more((SESSION, usd("2")), (DAY, usd("5"))))


def tap(button: str = "run", *, person: str = "7", thread: Thread = CHAT, message: str = "m_1") -> Tap:
    """A press on this button."""
    return Tap(thread, person, f"token-{button}", message, "tap_1")


def pressed(
    asked: Approval | None, by: Tap, *, message: str | None = "m_1", grants: tuple[Grant, ...] = OWNER, now_ms: int = 0
) -> Answered | TooLate:
    """What becomes of a press on a question that message m_1 shows."""
    return answer(asked, by, message, grants, now_ms)


def test_a_press_by_a_person_who_may_picks_the_option_of_its_token() -> None:
    """The approval is written as answered by that person, with the words of the button."""
    asked = approval()
    found = pressed(asked, tap())
    assert isinstance(found, Answered)
    assert found.option == asked.options[0]
    assert found.approval == replace(asked, state=ApprovalState.ANSWERED, answered_by="7", answer="Run")


def test_each_token_is_its_own_option() -> None:
    """The second button's token picks the second option."""
    found = pressed(approval(), tap("no"))
    assert isinstance(found, Answered)
    assert found.option.choice is Choice.NO
    assert found.approval.answer == "No"


def test_forged_callback_data_finds_nothing() -> None:
    """Attack 23: a token that the server never gave out has no approval behind it, and one of another approval is not this one's."""
    assert pressed(None, tap("forged")) == ELSEWHERE
    assert pressed(approval(), tap("of-another")) == ELSEWHERE


@pytest.mark.parametrize(
    "thread", [Thread("telegram", "9999"), Thread("console", "4711"), Thread("telegram", "4711", "12")]
)
def test_a_token_means_nothing_in_another_chat(thread: Thread) -> None:
    """Attack 24: service, chat and topic must be those that were asked."""
    assert pressed(approval(), tap(thread=thread)) == ELSEWHERE


def test_a_token_means_nothing_on_another_message() -> None:
    """Attack 24: once the chat has said which message shows the question, only that one answers it."""
    assert pressed(approval(), tap(message="m_2")) == ELSEWHERE
    assert isinstance(pressed(approval(), tap(message="m_2"), message=None), Answered)


def test_a_second_tap_changes_nothing() -> None:
    """Of a double tap, or of two approvers, the first counts: the approval it wrote refuses the next."""
    first = pressed(approval(), tap())
    assert isinstance(first, Answered)
    assert pressed(first.approval, tap("no")) == ANSWERED
    assert pressed(first.approval, tap(person="8"), grants=(Grant("8", Role.OWNER),)) == ANSWERED


def test_a_press_on_a_closed_question_has_no_effect() -> None:
    """What expired or is no longer waited for says so, before its time is even looked at."""
    for state in (ApprovalState.EXPIRED, ApprovalState.WITHDRAWN):
        assert pressed(approval(state=state), tap()) == EXPIRED


def test_a_press_on_a_question_that_was_forgotten_says_so() -> None:
    """Its words are gone, so what it would do cannot be told any more: nothing is done."""
    gone = replace(approval(), state=ApprovalState.WITHDRAWN, text="")
    assert pressed(gone, tap()) == TooLate("That was forgotten: write again what you want.")


@pytest.mark.parametrize(("now_ms", "late"), [(999, False), (1000, True), (10**15, True)])
def test_a_press_at_or_after_the_expiry_has_no_effect(now_ms: int, late: bool) -> None:
    """The moment of expiry is too late already."""
    found = pressed(approval(), tap(), now_ms=now_ms)
    assert (found == EXPIRED) is late


def test_only_people_with_a_grant_may_answer() -> None:
    """Attack 22: a member of the chat without a grant, or whose grant was taken back, presses in vain."""
    assert pressed(approval(), tap(person="8"), grants=()) == FORBIDDEN


def test_a_grant_for_another_chat_does_not_count_here() -> None:
    """Grants of chats are separate; a grant for everywhere holds here too."""
    assert pressed(approval(), tap(), grants=(Grant("7", Role.OWNER, chat="9999"),)) == FORBIDDEN
    assert isinstance(pressed(approval(), tap(), grants=(Grant("7", Role.OWNER, chat="4711"),)), Answered)


@pytest.mark.parametrize(("largest", "allowed"), [("4.99", False), ("5", True), (None, True)])
def test_a_raise_needs_a_grant_for_the_largest_of_its_amounts(largest: str | None, allowed: bool) -> None:
    """Raising a session by $2 and a day by $5 takes a grant that covers $5; grants are read more than once."""
    asked = approval(options=(RAISE,), tokens=("token-raise",))
    grants = (Grant("7", Role.OWNER, largest_raise=None if largest is None else usd(largest)),)
    assert isinstance(answer(asked, tap("raise"), None, iter(grants), 0), Answered) is allowed


def test_a_person_who_may_not_raise_may_still_say_no() -> None:
    """The largest raise bounds raises, not answers."""
    asked = approval(options=(RAISE, Option(Choice.NO, "No")), tokens=("token-raise", "token-no"))
    small = (Grant("7", Role.OWNER, largest_raise=usd("1")),)
    assert pressed(asked, tap("raise"), grants=small) == FORBIDDEN
    assert isinstance(pressed(asked, tap("no"), grants=small), Answered)


def test_a_raise_takes_the_right_to_raise_and_other_answers_the_right_to_approve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A role that may approve but not raise cannot press a raise, whatever its largest raise would be, and the other way round."""
    asked = approval(options=(RAISE, Option(Choice.RUN, "Run")), tokens=("token-raise", "token-run"))
    monkeypatch.setitem(access._MAY, Role.OWNER, frozenset({Deed.APPROVE}))
    assert pressed(asked, tap("raise")) == FORBIDDEN
    assert isinstance(pressed(asked, tap("run")), Answered)
    monkeypatch.setitem(access._MAY, Role.OWNER, frozenset({Deed.RAISE, Deed.PROMPT, Deed.COMMAND}))
    assert isinstance(pressed(asked, tap("raise")), Answered)
    assert pressed(asked, tap("run")) == FORBIDDEN


def test_a_raise_of_nothing_is_still_a_raise() -> None:
    """A raise that names no scope asks for the right to raise, and for no amount."""
    bare = approval(options=(Option(Choice.RAISE, "Raise"),), tokens=("token-raise",))
    assert isinstance(pressed(bare, tap("raise"), grants=(Grant("7", Role.OWNER, largest_raise=ZERO),)), Answered)


def test_buttons_show_the_labels_with_their_tokens() -> None:
    """Each option becomes one button, in order."""
    assert buttons(approval()) == (Button("Run", "token-run"), Button("No", "token-no"))


def test_a_question_with_an_option_without_token_is_a_fault() -> None:
    """An option that nobody could press is not dropped in silence."""
    with pytest.raises(ValueError, match="zip"):
        buttons(approval(tokens=("token-run",)))


# ---------------------------------------------------------------------------------------------------------- the digest
OPTIONS = (Option(Choice.RUN, "Run", allows=usd("2")), RAISE, Option(Choice.ANSWER, "Yes", value="yes"))


def of(
    kind: ApprovalKind = ApprovalKind.RUN,
    turn_id: str = "t_1",
    detail: str = "rm -rf build",
    options: tuple[Option, ...] = OPTIONS,
) -> str:
    """The digest of a question."""
    return digest(kind, turn_id, detail, options)


def test_a_digest_is_over_the_canonical_question() -> None:
    """It is the SHA-256 of the question as JSON with sorted keys, which anyone can compute again."""
    canonical = b'{"detail": "d", "kind": "run", "options": [], "turn": "t"}'
    assert digest(ApprovalKind.RUN, "t", "d", ()) == hashlib.sha256(canonical).hexdigest()


@pytest.mark.parametrize(
    "other",
    [
        of(kind=ApprovalKind.LIMIT),
        of(turn_id="t_2"),
        of(detail="rm -rf build "),
        of(options=OPTIONS[:2]),
        of(options=OPTIONS[::-1]),
        of(options=(replace(OPTIONS[0], choice=Choice.NO), *OPTIONS[1:])),
        of(options=(replace(OPTIONS[0], allows=usd("2.000000001")), *OPTIONS[1:])),
        of(options=(replace(OPTIONS[0], allows=None), *OPTIONS[1:])),
        of(options=(OPTIONS[0], replace(RAISE, lifts=more((SESSION, usd("2")))), OPTIONS[2])),
        of(options=(OPTIONS[0], replace(RAISE, lifts=more((DAY, usd("2")), (SESSION, usd("5")))), OPTIONS[2])),
        of(options=(OPTIONS[0], replace(RAISE, lifts=more((SESSION, usd("2")), (DAY, usd("6")))), OPTIONS[2])),
        of(options=(*OPTIONS[:2], replace(OPTIONS[2], value="no"))),
        of(options=(replace(OPTIONS[0], model="haiku"), *OPTIONS[1:])),
    ],
)
def test_whatever_changes_in_a_question_changes_its_digest(other: str) -> None:
    """Kind, turn, full text, order, amounts, scopes and words are all part of what is approved."""
    assert other != of()


def test_allowing_nothing_differs_from_not_naming_an_amount() -> None:
    """$0 and no amount are two things, also in the digest."""
    zero, none = (digest(ApprovalKind.RUN, "t", "", (Option(Choice.RUN, "Run", allows=a),)) for a in (ZERO, None))
    assert zero != none


def test_an_option_without_a_model_has_the_digest_that_it_always_had() -> None:
    """A question that was open before options could name a model can still be answered."""
    before = b'{"allows": 2000000000, "choice": "run", "lifts": [], "unpriced": false, "value": ""}'
    canonical = b'{"detail": "d", "kind": "run", "options": [' + before + b'], "turn": "t"}'
    assert digest(ApprovalKind.RUN, "t", "d", OPTIONS[:1]) == hashlib.sha256(canonical).hexdigest()


def test_the_label_may_be_shortened_without_another_approval() -> None:
    """How a button is worded for a small screen is not part of what is approved."""
    assert of(options=(replace(OPTIONS[0], label="Go"), *OPTIONS[1:])) == of()


@UNHURRIED
@given(st.text(st.characters(exclude_categories=())))
def test_any_text_has_a_digest(detail: str) -> None:
    """Half a surrogate pair from a cut-off emoji, or any other text, can be asked about."""
    assert len(of(detail=detail)) == 64


# ----------------------------------------------------------------------------------------------------------- the grants
@pytest.mark.parametrize("deed", Deed)
def test_an_owner_may_do_everything_and_nobody_else_anything(deed: Deed) -> None:
    """The one role of the spine has every deed; without a grant there is none."""
    assert may(OWNER, deed, CHAT)
    assert not may((), deed, CHAT)


def test_a_grant_of_one_chat_does_not_widen_to_another() -> None:
    """A grant names its chat, or none and then holds everywhere."""
    here, there = Grant("7", Role.OWNER, chat="4711"), Grant("7", Role.OWNER, chat="9999")
    assert may((here,), Deed.PROMPT, CHAT)
    assert not may((there,), Deed.PROMPT, CHAT)
    assert may((there, here), Deed.PROMPT, CHAT)


@pytest.mark.parametrize(
    ("role", "deeds"),
    [
        (Role.READER, {Deed.READ}),
        (Role.WRITER, {Deed.READ, Deed.PROMPT, Deed.COMMAND}),
        (Role.APPROVER, {Deed.READ, Deed.PROMPT, Deed.COMMAND, Deed.APPROVE, Deed.RAISE}),
        (Role.OWNER, set(Deed)),
    ],
)
def test_each_role_may_do_what_it_is_for(role: Role, deeds: set[Deed]) -> None:
    """Readers read, writers give work, approvers answer and raise."""
    assert {deed for deed in Deed if may((Grant("7", role),), deed, CHAT)} == deeds


def test_two_small_grants_do_not_add_up_to_a_large_one() -> None:
    """Each raise has to fit one grant by itself."""
    grants = (Grant("7", Role.OWNER, largest_raise=usd("5")), Grant("7", Role.OWNER, "4711", usd("5")))
    assert may(grants, Deed.RAISE, CHAT, usd("5"))
    assert not may(grants, Deed.RAISE, CHAT, Usd(5_000_000_001))


@pytest.mark.parametrize(
    ("kind", "label", "allows"),
    [(ApprovalKind.RUN, "Run, up to $2.00", "2"), (ApprovalKind.LIMIT, "Go on, up to $2.00 more", "3.50")],
)
def test_a_typed_amount_is_the_option_that_no_button_had(kind: ApprovalKind, label: str, allows: str) -> None:
    """Before a run it is all that the turn may cost, at a pause it comes on top of what is spent."""
    asked = replace(approval(), kind=kind)
    option = typed(asked, turn(spent=usd("1.50")), usd("2"))
    assert (option.choice, option.label, option.allows, option.lifts) == (Choice.RUN, label, usd(allows), ())
    assert not option.unpriced
    unpriced = replace(asked, options=(replace(RAISE, unpriced=True),))
    assert typed(unpriced, turn(), usd("2")).unpriced


def test_a_typed_amount_lifts_the_counts_that_are_in_the_way() -> None:
    """No limit in dollars rises by it; where others share the count it is a raise."""
    calls, loop = Lift(DAY, Unit.CALLS, 50), Lift(Scope(ScopeKind.TURN, "t_1"), Unit.CALLS, 150)
    shared = replace(approval(), options=(replace(RAISE, lifts=(*RAISE.lifts, calls, loop)),))
    assert (typed(shared, turn(), usd("2")).choice, typed(shared, turn(), usd("2")).lifts) == (
        Choice.RAISE,
        (calls, loop),
    )
    own = replace(approval(), options=(replace(RAISE, lifts=(loop,)),))
    assert (typed(own, turn(), usd("2")).choice, typed(own, turn(), usd("2")).lifts) == (Choice.RUN, (loop,))


def test_a_button_of_a_menu_stands_for_its_command_in_its_place_and_time() -> None:
    """Attacks 23 and 24: a menu's tokens are looked up, and mean nothing in another chat or under another message."""
    option = Option(Choice.COMMAND, "Stop", value="stop t_1")
    menu = approval(id="turn:t_1:status", kind=ApprovalKind.MENU, turn_id="", options=(option,), tokens=("token-stop",))
    assert menu.ref == "turn:t_1:status"
    assert approve.pressed(menu, tap("stop"), "m_1", 0) == option
    assert approve.pressed(menu, tap("stop"), None, 0) == option
    assert approve.pressed(menu, tap("stop"), "m_2", 0) == ELSEWHERE
    assert approve.pressed(menu, tap("stop", thread=Thread("telegram", "5")), "m_1", 0) == ELSEWHERE
    assert approve.pressed(menu, tap("other"), "m_1", 0) == ELSEWHERE
    assert approve.pressed(menu, tap("stop"), "m_1", 1000) == EXPIRED
