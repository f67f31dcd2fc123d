import dataclasses
import importlib
import inspect
import pkgutil
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gateway.domain
from gateway.domain.approval import Approval, ApprovalKind
from gateway.domain.budget import Balance, Entry, EntryKind, Scope, ScopeKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Thread, Unmetered
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import NO_TOKENS, Tokens
from tests.core.make import UNHURRIED

COUNTS = st.integers(min_value=0, max_value=10**7)
TOKENS = st.builds(Tokens, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
DAY = Scope(ScopeKind.DAY, "2026-01-31")


def nouns() -> list[type]:
    """Every dataclass that the domain defines."""
    found: list[type] = []
    for module in pkgutil.iter_modules(gateway.domain.__path__):
        loaded = importlib.import_module(f"gateway.domain.{module.name}")
        found += [
            kind
            for _, kind in inspect.getmembers(loaded, dataclasses.is_dataclass)
            if isinstance(kind, type) and kind.__module__ == loaded.__name__
        ]
    return found


@pytest.mark.parametrize("noun", nouns(), ids=lambda noun: noun.__name__)
def test_a_noun_is_a_frozen_value_with_slots_that_says_what_it_is(noun: type) -> None:
    """No value of the domain can be changed after it was made, and each has a docstring of its own."""
    assert noun.__dict__["__dataclass_params__"].frozen
    assert "__slots__" in noun.__dict__
    assert noun.__doc__
    assert not noun.__doc__.startswith(f"{noun.__name__}(")


def test_a_noun_refuses_to_be_changed() -> None:
    """Assigning to a value is an error, not a change that half of the program sees."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Usd(1).nano = 2  # pyright: ignore[reportAttributeAccessIssue]


def test_the_context_is_all_but_the_output() -> None:
    """What stood in front of the model is every class of input once, and the total adds the output without its reasoning."""
    tokens = Tokens(1, 20, 300, 4_000, 50_000, 600_000, 500_000)
    assert tokens.context == 54_321
    assert tokens.total == 654_321


@UNHURRIED
@given(TOKENS, TOKENS)
def test_tokens_add_and_subtract_class_by_class(one: Tokens, other: Tokens) -> None:
    """A sum of token counts keeps every class apart, and taking one part away leaves the other."""
    both = one + other
    assert both.input == one.input + other.input
    assert both.cache_write_unsplit == one.cache_write_unsplit + other.cache_write_unsplit
    assert both.total == one.total + other.total
    assert both - other == one


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Tokens)])
def test_tokens_of_any_class_count_as_some(name: str) -> None:
    """Token counts are nothing only if every class is."""
    assert Tokens(**{name: 1})
    assert not NO_TOKENS


def test_what_remains_is_the_limit_less_spent_and_held() -> None:
    """Held money is as little there as spent money, and an overdraft shows as less than nothing."""
    assert Balance(DAY, Usd(10), spent=Usd(3), held=Usd(2)).remaining == Usd(5)
    assert Balance(DAY, Usd(10), spent=Usd(13)).remaining == Usd(-3)


def test_without_a_limit_nothing_says_what_remains() -> None:
    """A scope that never had a limit has no remaining amount, not a remaining amount of zero."""
    assert Balance(DAY, None, spent=Usd(3)).remaining is None
    assert Balance(DAY, ZERO).remaining == ZERO


def test_a_balance_is_the_fold_of_the_entries_that_name_it() -> None:
    """A limit replaces, spent and held add up, what is freed beyond the held is nothing, and other scopes do not count."""
    day = Scope(ScopeKind.DAY, "2027-01-15")
    entries = (
        Entry(EntryKind.LIMIT, (day,), limit=Usd(100)),
        Entry(EntryKind.HOLD, (day,), held=Usd(30)),
        Entry(EntryKind.HOLD, (Scope(ScopeKind.SESSION, "s"),), held=Usd(5)),
        Entry(EntryKind.CALL, (day,), spent=Usd(40), held=-Usd(40)),
    )
    assert reduce(Balance.after, entries, Balance(day, None)) == Balance(day, Usd(100), spent=Usd(40), held=ZERO)


def test_a_scope_is_written_as_its_kind_and_key() -> None:
    """Scopes read alike in entries, digests and logs."""
    assert str(DAY) == "day:2026-01-31"
    assert str(Scope(ScopeKind.SESSION, "s_1")) == "session:s_1"


@pytest.mark.parametrize(("spent", "hold", "overdraft"), [(5, 3, 2), (3, 3, 0), (2, 3, 0), (0, 0, 0)])
def test_the_overdraft_is_what_was_spent_beyond_the_hold(spent: int, hold: int, overdraft: int) -> None:
    """Spending within what was set aside is no overdraft; beyond it, the difference is."""
    turn = Turn("t", "s", Origin.PERSON, TurnState.RUNNING, "7", "p", "u", 0, hold=Usd(hold), spent=Usd(spent))
    assert turn.overdraft == Usd(overdraft)


def test_an_approval_names_the_message_that_shows_it() -> None:
    """The message of an approval can be found again from its id."""
    approval = Approval("a_1", ApprovalKind.RUN, "t", "s", Thread("telegram", "1"), "?", (), (), "", 0)
    assert approval.ref == "approval:a_1"


def test_one_message_reminds_of_all_that_an_agent_asks_together() -> None:
    """Questions of one request have one reminder; what no request stands behind has its own."""
    first = Approval(
        "a_1", ApprovalKind.QUESTION, "t", "s", Thread("telegram", "1"), "?", (), (), "", 0, request_id="r"
    )
    second = dataclasses.replace(first, id="a_2")
    assert first.reminder_ref == second.reminder_ref == "reminder:t:r"
    assert dataclasses.replace(first, request_id="").reminder_ref == "reminder:t:a_1"


def test_what_two_sources_know_of_one_session_is_put_together() -> None:
    """The newer one's place, the earliest and the latest time, and when it was told, by whichever."""
    older, newer = Unmetered("s", "/a", 1, 5, told_at_ms=3), Unmetered("s", "/b", 2, 9)
    assert older.merged(newer) == newer.merged(older) == Unmetered("s", "/b", 1, 9, told_at_ms=3)
