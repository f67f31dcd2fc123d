"""Budgets from the chat: every scope that applies must agree, changes are entries, and a good part spent is said once."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.agents.scripted import Background, SubAgent, UseTool
from gateway.domain.budget import BOOKED, EntryKind, Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import TurnState
from gateway.store import open_readonly
from tests.engine.bench import OTHER, OWNER, RULES, THREAD, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

TWO_CALLS = script(call(30), UseTool("Bash", "ls"), call(30))


@pytest.mark.parametrize("kind", [kind for kind in BOOKED if kind is not ScopeKind.SESSION])
async def test_the_scope_that_has_no_room_is_the_one_that_is_named(kind: ScopeKind) -> None:
    """A limit of $0.20 on any scope makes the gate ask, in that scope's name."""
    rules = replace(RULES, limits={ScopeKind.SESSION: Usd.parse("5"), kind: Usd.parse("0.20")})
    async with bench(TWO_CALLS, rules) as gateway:
        gateway.says("go")
        await gateway.sees(f"$0.20 left of the {kind}'s $0.20.")
        assert gateway.agent.charges == []


async def test_what_is_spent_counts_on_every_scope_of_the_turn() -> None:
    """One turn of $0.60: session, project, person, chat, day, week and month have $0.60 less."""
    async with bench(TWO_CALLS) as gateway:
        gateway.says("go")
        turn = await gateway.ended(TurnState.FINISHED)
        spent = {scope.kind: (await gateway.balance_of(scope)).spent for scope in turn.scopes}
        assert spent == dict.fromkeys(BOOKED, Usd.parse("0.60"))


async def test_sessions_of_one_person_in_one_repository_share_the_projects_budget(tmp_path: Path) -> None:
    """Two sessions in two directories of a repository: what the first spent is missing for the second."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "web").mkdir()
    rules = replace(RULES, directory=str(tmp_path), roots=(str(tmp_path),))
    rules = replace(rules, limits={ScopeKind.PROJECT: Usd.parse("0.90")})
    async with bench(TWO_CALLS, rules) as gateway:
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        await gateway.begins_anew("web")
        gateway.says("go on")
        await gateway.sees("$0.30 left of the project's $0.90.")


async def test_limits_are_set_and_raised_by_kind_and_each_is_an_entry(tmp_path: Path) -> None:
    """/budget day 12 and /raise day 3 make $15, and the ledger says who did it and how."""
    async with bench(TWO_CALLS, home=tmp_path) as gateway:
        gateway.says("/budget day 12")
        await gateway.sees("Day: $0.00 spent, of $12.00")
        gateway.says("/raise day 3")
        await gateway.sees("Day: $0.00 spent, of $15.00")
        gateway.says("/raise project 3")
        await gateway.sees("No session yet")
        gateway.says("/raise week 3")
        await gateway.sees("There is no limit on this week")
        gateway.says("/raise day 1000000")
        await gateway.sees("more than $1000000.00")
        gateway.says("/budget")
        await gateway.sees("Day: $0.00 spent, of $15.00\nYou are asked above $1.00 a run.")
    with open_readonly(tmp_path) as reader:
        entries = [record.entry for record in reader.records() if record.entry.kind is EntryKind.LIMIT]
        assert [(entry.who, entry.why, str(entry.limit)) for entry in entries] == [
            (OWNER, "/budget", "$12.00"),
            (OWNER, "/raise", "$15.00"),
        ]


async def test_a_raise_beyond_what_a_person_may_is_refused() -> None:
    """With a largest raise of $2 a person may set a limit $2 higher and not $3; to lower it is always allowed."""
    rules = replace(RULES, people=(Grant(OWNER, Role.OWNER, largest_raise=Usd.parse("2")),))
    async with bench(TWO_CALLS, rules) as gateway:
        gateway.says("/budget day 28")
        await gateway.sees("You may not raise this limit by $3.00: ask an owner.")
        gateway.says("/raise day 2")
        await gateway.sees("of $27.00")
        gateway.says("/budget day 1")
        await gateway.sees("Day: $0.00 spent, of $1.00")


async def test_three_quarters_and_nearly_all_of_a_limit_are_said_once_each() -> None:
    """Four calls of $0.24 on a session of $1: a word at the fourth quarter and at $0.96, whatever else is booked."""
    steps = [step for _ in range(3) for step in (call(24), UseTool("Bash", "ls"))]
    async with bench(script(*steps, call(5), call(19)), with_limits(session="1")) as gateway:
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        await gateway.sees("75 % of the session's $1.00 is spent: $0.77.")
        await gateway.sees("95 % of the session's $1.00 is spent: $0.96.")
        said = [shown.text for shown in gateway.chat.messages.values() if "% of the" in shown.text]
        assert len(said) == 2


async def test_a_changed_setting_counts_at_once_unless_a_person_set_another_limit(tmp_path: Path) -> None:
    """The next start has other limits: a known session has them too, and one whose limit a person set keeps that."""
    async with bench(TWO_CALLS, with_limits(session="5"), home=tmp_path) as gateway:
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
        gateway.says("/new", OTHER)
        await gateway.sees("New session", OTHER)
        gateway.says("/budget 3", OTHER)
        await gateway.sees("of $3.00", OTHER)
        sessions = await gateway.sessions()
    async with bench(TWO_CALLS, with_limits(session="7"), home=tmp_path) as gateway:
        limits = [(await gateway.balance_of(Scope(ScopeKind.SESSION, one.id))).limit for one in sessions]
        assert sorted(map(str, limits)) == ["$3.00", "$7.00"]
    with open_readonly(tmp_path) as reader:
        noted = [record.entry.detail for record in reader.records() if record.entry.kind is EntryKind.POLICY]
        assert ['"session": 5000000000' in noted[0], '"session": 7000000000' in noted[1]] == [True, True]


async def test_a_setting_that_the_owner_lowers_counts_also_where_somebody_set_a_higher_limit(tmp_path: Path) -> None:
    """A person pinned the day at $24.99; the owner makes it $10 and starts again: $10 it is, and the ledger still adds up."""
    async with bench(TWO_CALLS, home=tmp_path) as gateway:
        gateway.says("/budget day 24.99")
        await gateway.sees("of $24.99")
        gateway.says("/budget person 3")
        await gateway.sees("Person: $0.00 spent, of $3.00")
    lower = replace(RULES, limits={**RULES.limits, ScopeKind.DAY: Usd.parse("10"), ScopeKind.PERSON: Usd.parse("9")})
    async with bench(TWO_CALLS, lower, home=tmp_path) as gateway:
        assert (await gateway.balance_of(gateway.today())).limit == Usd.parse("10")
        assert (await gateway.balance_of(Scope(ScopeKind.PERSON, OWNER))).limit == Usd.parse("3")
    with open_readonly(tmp_path) as reader:
        assert reader.verify() == ()


async def test_a_run_behind_another_persons_prompt_counts_against_that_person() -> None:
    """The owner's session, a writer's prompt: the run that its background work brings on is the writer's."""
    people = (Grant(OWNER, Role.OWNER), Grant("8", Role.WRITER))
    helper = SubAgent("reader", (call(1),))
    play = script(Background((helper,), report=(call(1),)), call(1))
    async with bench(play, replace(RULES, people=people)) as gateway:
        await gateway.begins_anew()
        gateway.chat.says(THREAD, "8", "go")
        turns = await gateway.until(lambda turns: len(turns) == 2 and turns[1].state is TurnState.FINISHED)
        assert [turn.person for turn in turns] == ["8", "8"]
