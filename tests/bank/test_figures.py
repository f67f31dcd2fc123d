"""Settled figures: kept once, in order, and added up for the team's report."""

from dataclasses import replace

import pytest

from gateway.bank import SqlBank
from gateway.bank.figures import MOST_AT_ONCE
from gateway.domain.lease import FigureSum
from gateway.domain.money import Usd
from gateway.domain.usage import Tokens
from gateway.ports import BankError
from tests.bank.kit import figure

pytestmark = pytest.mark.anyio


async def test_figures_are_kept_once(bank: SqlBank) -> None:
    """A report whose answer got lost is sent again, with what is new behind it."""
    assert await bank.reported("core", "anna") == 0
    assert await bank.report("core", "anna", []) == 0
    assert await bank.report("core", "anna", [figure(1), figure(2)]) == 2
    assert await bank.report("core", "anna", [figure(1), figure(2), figure(3)]) == 3
    assert await bank.report("core", "anna", [figure(2)]) == 3
    assert await bank.reported("core", "anna") == 3
    (found,) = await bank.figures("core", 0)
    assert (found.turns, found.cost) == (3, Usd(1001 + 1002 + 1003))


async def test_a_gap_is_refused(bank: SqlBank) -> None:
    """Nothing is missing from a report: who forgot some is told where to go on."""
    await bank.report("core", "anna", [figure(1)])
    for wrong in ([figure(3)], [figure(2), figure(4)], [figure(0)]):
        with pytest.raises(BankError, match="report on from 2"):
            await bank.report("core", "anna", wrong)
    assert await bank.reported("core", "anna") == 1


async def test_another_figure_under_a_known_number_is_an_error(bank: SqlBank) -> None:
    """Two gateways with one name are found out, and what the second said with it is not kept either."""
    await bank.report("core", "anna", [figure(1)])
    with pytest.raises(BankError, match="name of its own"):
        await bank.report("core", "anna", [replace(figure(1), cost=Usd(5)), figure(2)])
    assert await bank.reported("core", "anna") == 1


@pytest.mark.parametrize(
    "changes",
    [{"cost": Usd(-1)}, {"cost": Usd(10**16)}, {"calls": -1}, {"at_ms": 2**63}, {"tokens": Tokens(output=-5)}],
)
async def test_a_figure_that_cannot_be_meant_is_refused(bank: SqlBank, changes: dict) -> None:
    """Nobody was paid for a turn, and nothing counts below zero or beyond what a database holds."""
    with pytest.raises(BankError, match="has to be"):
        await bank.report("core", "anna", [figure(1), figure(2, **changes)])
    assert await bank.reported("core", "anna") == 0


async def test_too_many_figures_at_once_are_refused(bank: SqlBank) -> None:
    """A report has a size."""
    with pytest.raises(BankError, match="at a time"):
        await bank.report("core", "anna", [figure(seq) for seq in range(1, MOST_AT_ONCE + 2)])


async def test_figures_are_added_up_by_who_where_and_with_what(bank: SqlBank) -> None:
    """Person, project, model, agent and outcome stay apart; gateways and sessions do not; other teams are not seen."""
    await bank.report("core", "anna", [figure(1), figure(2, outcome="error"), figure(3)])
    await bank.report("core", "ben", [figure(1, session_id="s_9"), figure(2, person="8")])
    await bank.report("other", "carl", [figure(1)])
    found = await bank.figures("core", 0)
    assert [(one.person, one.outcome, one.turns, one.cost.nano) for one in found] == [
        ("7", "answer", 3, 1001 + 1003 + 1001),
        ("7", "error", 1, 1002),
        ("8", "answer", 1, 1002),
    ]
    assert found[1] == FigureSum(
        "7", "site", "a-model", "claude", "error", 1, 3, 1, Usd(1002), Tokens(1, 2, 3, 4, 5, 6, 2)
    )


async def test_only_turns_that_ended_since_then_are_added_up(bank: SqlBank) -> None:
    """The report's period is the reader's choice."""
    await bank.report("core", "anna", [figure(1, at_ms=1000), figure(2, at_ms=2000)])
    (found,) = await bank.figures("core", 2000)
    assert found.turns == 1
    assert await bank.figures("core", 2001) == ()


async def test_words_that_no_database_can_hold_do_not_stop_a_report(bank: SqlBank) -> None:
    """A project's name may be anything: NUL and half characters are replaced, and endless names are cut."""
    odd = figure(1, project="a\x00b\ud800c", person="p" * 9999)
    for _ in range(2):
        assert await bank.report("core", "anna", [odd]) == 1
    (found,) = await bank.figures("core", 0)
    assert (found.project, len(found.person)) == ("a\ufffdb\ufffdc", 500)
