"""Pairing as values: codes that are bound and few, grants that only widen by a word, and what the ledger is told."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pairing import (
    ALPHABET,
    CHARACTERS,
    CLAIMS_MAX,
    TRIES_MAX,
    Window,
    Wish,
    at_start,
    claimed,
    code_of,
    entries,
    granted,
    in_the_way,
    leaves_nobody,
    may_grant,
    may_raise,
    stands,
    typed,
    widens,
    with_role,
    without,
)
from gateway.domain.budget import EntryKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.people import Terms
from gateway.domain.place import Grant, GrantFrom, Role

WINDOW = Window("pair_1", Terms(Role.WRITER), 1_000, "ada", "desk")
CODE = "K7QM-22XZ"
OWNER = Grant("7", Role.OWNER, since_ms=5)
WRITER = Grant("8", Role.WRITER, "8", origin=GrantFrom.PAIRED, since_ms=6, by="7", name="Grace")
FIVE, TEN = Usd.parse("5"), Usd.parse("10")


def with_code(person: str = "8", code: str = CODE, window: Window = WINDOW, at: int = 0) -> Window:
    """The window once the person got this code."""
    after = claimed(window, person, "Grace", code, at)
    assert after is not None
    return after


# ----------------------------------------------------------------------------------------------------------- the codes
@given(st.text(st.characters(codec="utf-8")))
def test_every_code_can_be_read_out(token: str) -> None:
    """Two groups of four letters and figures, none of which is taken for another."""
    first, second = code_of(token).split("-")
    assert len(first + second) == CHARACTERS
    assert set(first + second) <= set(ALPHABET)


def test_codes_have_forty_bits_and_follow_from_all_of_the_token() -> None:
    """Attack 5: guessing one in five tries is one in two hundred thousand million."""
    assert len(set(ALPHABET)) ** CHARACTERS == 2**40
    codes = {code_of(f"token-{number}") for number in range(2_000)}
    assert len(codes) == 2_000
    assert [{code[place] for code in codes} for place in (0, 8)] == [set(ALPHABET)] * 2


@pytest.mark.parametrize("said", [CODE, "k7qm22xz", " K7QM 22XZ ", "k7-qm-22-xz"])
def test_a_code_is_understood_however_it_is_written(said: str) -> None:
    """Small letters, blanks and dashes are no mistake."""
    found = typed(with_code(), said).found
    assert found is not None
    assert found.person == "8"


def test_letters_that_look_like_figures_are_those_figures() -> None:
    """O is 0, I and L are 1."""
    assert typed(with_code(code="0O1I-L111"), "OOil-1lIL").found is not None


def test_a_code_is_kept_as_a_digest_of_its_own_window_and_person() -> None:
    """Attack 6: neither the code nor one digest for two people stands there, and another window's does not count."""
    window = with_code("9", window=with_code())
    first, second = window.claims
    assert CODE not in repr(window)
    assert first.digest != second.digest
    assert typed(replace(window, id="pair_2"), CODE).found is None


def test_a_wrong_code_is_a_try_and_too_many_close_the_window() -> None:
    """Attack 5: after the last one nobody gets a code."""
    window = with_code()
    for tries in range(1, TRIES_MAX + 1):
        assert window.opens(0)
        window = typed(window, "0000-0000")
        assert (window.tries, window.found) == (tries, None)
    assert not window.opens(0)
    assert claimed(window, "9", "", CODE, 0) is None


def test_a_right_code_uses_up_all_of_them() -> None:
    """Attack 6: neither it nor another one is taken any more, and nobody gets one."""
    window = typed(with_code("9", "ZZZZ-ZZZZ", with_code()), CODE)
    assert window.claims == ()
    assert claimed(window, "10", "", "AAAA-AAAA", 0) is None


def test_nobody_gets_a_code_without_a_window_or_after_it() -> None:
    """Its last moment is over when its time is."""
    assert claimed(None, "8", "", CODE, 0) is None
    assert claimed(WINDOW, "8", "", CODE, 999) is not None
    assert claimed(WINDOW, "8", "", CODE, 1_000) is None


def test_each_gets_one_code_and_only_so_many_get_any() -> None:
    """Attack 7."""
    window = WINDOW
    for number in range(CLAIMS_MAX):
        assert len(window.claims) == number
        window = with_code(str(number), window=window)
        assert claimed(window, str(number), "", "AAAA-AAAA", 0) is None
    assert claimed(window, "9", "", CODE, 0) is None


@pytest.mark.parametrize(("chat", "where"), [(None, "8"), ("", ""), ("-100", "-100")])
def test_what_is_granted_is_what_the_window_was_opened_for(chat: str | None, where: str) -> None:
    """In their own chat where none was named."""
    claim = with_code().claims[0]
    grant = granted(Terms(Role.APPROVER, chat, FIVE), claim)
    assert grant == Grant("8", Role.APPROVER, where, FIVE, GrantFrom.PAIRED, name="Grace")


# ---------------------------------------------------------------------------------------------------------- the grants
@pytest.mark.parametrize("largest", [None, ZERO, FIVE])
@pytest.mark.parametrize("before", [None, WRITER, replace(WRITER, role=Role.APPROVER, largest_raise=TEN)])
def test_a_wish_reads_back_as_it_was_written(largest: Usd | None, before: Grant | None) -> None:
    """What the button keeps is what was asked."""
    wish = Wish("people_1", replace(OWNER, largest_raise=largest), before, "ada", "desk")
    assert Wish.read(wish.value()) == wish
    later = json.loads(wish.value())
    later["later"] = later["grant"]["later"] = 1
    assert Wish.read(json.dumps(later)) == wish
    assert wish.same(replace(wish, request="people_2", user="bob"))
    assert not wish.same(replace(wish, grant=WRITER))


def test_a_grant_is_touched_by_one_for_its_chat_or_for_all() -> None:
    """Attack 8: for another chat it is another grant."""
    assert in_the_way((WRITER,), "8") == in_the_way((WRITER,), "") == WRITER
    assert in_the_way((WRITER,), "-100") is None
    assert in_the_way((OWNER,), "-100") == OWNER
    assert in_the_way((), "") is None


@pytest.mark.parametrize(
    ("before", "after", "wider"),
    [
        ((Role.READER, None), (Role.WRITER, None), True),
        ((Role.APPROVER, FIVE), (Role.OWNER, FIVE), True),
        ((Role.WRITER, None), (Role.READER, None), False),
        ((Role.WRITER, None), (Role.WRITER, None), False),
        ((Role.APPROVER, FIVE), (Role.APPROVER, TEN), True),
        ((Role.APPROVER, FIVE), (Role.APPROVER, None), True),
        ((Role.APPROVER, None), (Role.APPROVER, TEN), False),
        ((Role.APPROVER, TEN), (Role.APPROVER, FIVE), False),
        ((Role.OWNER, FIVE), (Role.APPROVER, TEN), True),
        ((Role.OWNER, FIVE), (Role.WRITER, None), False),
    ],
)
def test_what_allows_anything_more_widens(
    before: tuple[Role, Usd | None], after: tuple[Role, Usd | None], wider: bool
) -> None:
    """A higher role, or a larger raise of one that raises."""
    old, new = (Grant("8", role, largest_raise=largest) for role, largest in (before, after))
    assert widens(old, new) is wider


def test_a_largest_raise_stays_with_roles_that_raise() -> None:
    """It is gone with the role, and not made larger by a new one."""
    approver = replace(WRITER, role=Role.APPROVER, largest_raise=FIVE)
    assert with_role(approver, Role.OWNER, None).largest_raise == FIVE
    assert with_role(approver, Role.OWNER, TEN).largest_raise == TEN
    assert with_role(approver, Role.APPROVER, ZERO).largest_raise == ZERO
    assert with_role(approver, Role.WRITER, TEN).largest_raise is None
    assert with_role(WRITER, Role.WRITER, None) == WRITER


def test_only_owners_let_others_in_and_only_who_may_approve_raises() -> None:
    """An owner of one group answers there, and not for the gateway."""
    approver = Grant("9", Role.APPROVER, "-100")
    assert [may_grant(one) for one in (OWNER, approver, WRITER, replace(OWNER, chat="-100"))] == [True, *[False] * 3]
    assert [may_raise(one) for one in (OWNER, approver, WRITER)] == [True, True, False]


def test_the_last_owner_is_not_taken_away() -> None:
    """Then a terminal would be enough for everything again."""
    assert leaves_nobody((OWNER, WRITER), (WRITER,))
    assert not leaves_nobody((OWNER, WRITER), (OWNER,))
    assert not leaves_nobody((WRITER,), ())


def test_a_start_replaces_the_settings_people_and_keeps_who_was_paired() -> None:
    """What the settings say of a person and chat counts there; since when it is so stays."""
    gone, group = Grant("9", Role.READER, since_ms=1), replace(WRITER, chat="-100")
    settings = (Grant("7", Role.OWNER), Grant("8", Role.READER, "-100"), Grant("10", Role.WRITER))
    found = at_start(settings, (OWNER, WRITER, gone, group), 99)
    assert found == (
        OWNER,
        Grant("8", Role.READER, "-100", since_ms=99),
        Grant("10", Role.WRITER, since_ms=99),
        WRITER,
    )
    assert at_start((Grant("7", Role.READER),), (OWNER,), 99) == (Grant("7", Role.READER, since_ms=99),)
    assert at_start((Grant("7", Role.OWNER),), (replace(OWNER, since_ms=None),), 99)[0].since_ms == 99


def test_without_takes_out_by_person_and_chat() -> None:
    """Whatever else the two say."""
    assert without((OWNER, WRITER), (replace(WRITER, role=Role.READER),)) == (OWNER,)


# ---------------------------------------------------------------------------------------------------------- the ledger
def test_each_difference_is_an_entry_and_nothing_else_is() -> None:
    """Who came, who went, and whose role is another one; when and by whom are no difference. No balance is touched."""
    paired = replace(OWNER, origin=GrantFrom.PAIRED)
    other, raising = Grant("9", Role.APPROVER, largest_raise=FIVE), Grant("9", Role.APPROVER, largest_raise=TEN)
    assert entries((OWNER, WRITER), (replace(WRITER, since_ms=9, by="x"), OWNER), "7", "why") == ()
    found = entries((OWNER, other), (WRITER, raising, paired), "7", "why")
    assert {(one.kind, one.scopes, one.who, one.why) for one in found} == {(EntryKind.GRANT, (), "7", "why")}
    details = [json.loads(one.detail) for one in found]
    assert [(one["before"] and one["before"]["origin"], one["after"]["person"]) for one in details] == [
        ("settings", "7"),
        ("settings", "9"),
        (None, "8"),
    ]
    assert [details[1][side]["largest_raise"] for side in ("before", "after")] == [FIVE.nano, TEN.nano]
    [gone] = entries((WRITER,), (), "7", "why")
    assert json.loads(gone.detail)["after"] is None


def test_whatever_a_person_may_do_is_in_the_digest() -> None:
    """The chat, the role and the largest raise; not what is only told beside them."""
    same = replace(WRITER, since_ms=0, by="", name="")
    assert stands((WRITER,)) == stands((same,))
    others = [
        (replace(WRITER, role=Role.READER),),
        (replace(WRITER, chat=""),),
        (replace(WRITER, largest_raise=ZERO),),
        (),
    ]
    assert len({stands(one) for one in [(WRITER,), *others]}) == 5
