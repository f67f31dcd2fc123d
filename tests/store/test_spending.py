"""What turns of a time come to, by SQL: the same as adding the turns up one by one."""

import json
import random
import sqlite3
from dataclasses import replace
from datetime import UTC, date, timedelta
from pathlib import Path

import pytest

from gateway.core.meter import book, book_difference, reprice
from gateway.core.periods import beginnings, day_of
from gateway.core.price import price
from gateway.core.results import results
from gateway.core.spending import FRUITLESS, spending
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.outcome import (
    NO_TESTS,
    Change,
    Commit,
    Fate,
    Left,
    LeftKind,
    Merged,
    SeenTests,
    Sight,
    Whose,
)
from gateway.domain.place import Grant, Role, Unmetered
from gateway.domain.spending import By, Open, Period, Place, Portion, Source
from gateway.domain.turn import Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import UNLISTED, Call, Flag, Parts, Rates, Tokens, Unpriced, Usage
from gateway.ports import Decision, StoreError
from gateway.store import open_store, schema
from gateway.store.home import DATABASE
from gateway.store.spending import Spendings, newest, open_spending
from tests.store.kit import NOW, SESSION, TURN

pytestmark = pytest.mark.anyio
FIRST = date(2027, 1, 10)
DAYS = 6
BEGINS = beginnings(FIRST, FIRST + timedelta(days=DAYS - 1), UTC)
ESTIMATE = Estimate(Usd(1), Usd(2), Usd(100), 9, Usd(4), "words")
PASSED = SeenTests(1, "pytest", passed=True)
OTHER = replace(
    SESSION, id="s_2", agent="channel", directory="/srv/other", project="/srv", agent_session="1d7b", title=""
)
PLAIN = replace(
    TURN, state=TurnState.FINISHED, flags=frozenset(), outcome=None, estimate=None, ended_at_ms=NOW, unpriced_calls=0
)


async def put(
    home: Path, *records: object, entries: tuple[Entry, ...] = (), grants: tuple[Grant, ...] | None = None
) -> None:
    """Write it down."""
    decision = Decision(None, put=records, entries=entries, grants=grants)  # type: ignore[arg-type]
    async with open_store(home, lambda: NOW) as store:
        await store.transact(lambda _: decision, NOW)


def some_turns() -> list[Turn]:
    """Turns of every kind, made up, the same each time: some without calls, some before and after the days that are looked at."""
    dice = random.Random(7)  # noqa: S311 - the same each time
    made: list[Turn] = []
    for number in range(300):
        state = dice.choice(list(TurnState))
        kind = dice.choice([None, *OutcomeKind])
        calls = dice.choice((0, 1, 5))
        made.append(
            replace(
                TURN,
                id=f"t_{number}",
                session_id=dice.choice(("s_1", "s_2")),
                prompt_uuid=f"u{number}",
                origin=dice.choice(list(Origin)),
                state=state,
                person=dice.choice(("7", "8")),
                model=dice.choice((None, "opus", "haiku")),
                created_at_ms=dice.randrange(BEGINS[0] - 9_000_000, BEGINS[-1] + 9_000_000),
                estimate=dice.choice((None, ESTIMATE, replace(ESTIMATE, p90=None))),
                spent=Usd(dice.randrange(200)) if calls else ZERO,
                parts=Parts(Usd(dice.randrange(9)), Usd(1), output=Usd(3)) if calls else Parts(),
                tokens=Tokens(1, 2, 3, 4, 5, 6, 2) if calls else Tokens(),
                calls=calls,
                unpriced_calls=dice.choice((0, 0, 1)) if calls else 0,
                flags=frozenset({Flag.LOWER_BOUND} if dice.random() < 0.2 else set()),
                outcome=None if kind is None else Outcome(kind, "words"),
                started_at_ms=5,
                ended_at_ms=dice.choice((None, 9)),
            )
        )
    return made


def added_up(made: list[Turn]) -> dict[tuple[object, ...], list[int]]:
    """The same figures by hand: turns, calls, unpriced, spent, at least, scored, within, tokens out, parts of input."""
    found: dict[tuple[object, ...], list[int]] = {}
    for turn in made:
        day = day_of(turn.created_at_ms, FIRST, BEGINS)
        if day is None or not (turn.calls or turn.spent or turn.unpriced_calls):
            continue
        over = turn.state in {"finished", "failed", "refused", "stopped", "interrupted", "joined"}
        kind = turn.outcome.kind if over and turn.outcome else None
        kind = None if kind is OutcomeKind.NOTHING else kind  # nobody looked
        bound = Flag.LOWER_BOUND in turn.flags
        p90 = turn.estimate.p90 if turn.estimate else None
        scored = turn.state in {"finished", "failed"} and not bound and not turn.unpriced_calls and p90 is not None
        key = (turn.session_id, day, turn.model or "", turn.person, turn.origin is Origin.BACKGROUND, kind)
        within = scored and p90 is not None and turn.spent <= p90
        figures = (
            1,
            turn.calls,
            turn.unpriced_calls,
            turn.spent.nano,
            bound,
            scored,
            within,
            turn.tokens.output,
            turn.parts.input.nano,
        )
        found[key] = [sum(pair) for pair in zip(found.get(key, [0] * 9), figures, strict=True)]
    return found


def of(one: Portion) -> tuple[tuple[object, ...], list[int]]:
    """A portion in the same form."""
    spent = one.spent
    key = (one.place.id, one.day, one.model, one.person, one.background, one.came_of_it)
    figures = (spent.turns, spent.calls, spent.unpriced, spent.cost.nano, spent.at_least, one.scored, one.within_p90)
    return key, [*figures, spent.tokens.output, spent.parts.input.nano]


async def test_portions_are_the_turns_added_up(home: Path) -> None:
    """Three hundred turns of every kind: what SQL adds up is what adding them up one by one gives, to the last figure."""
    made = some_turns()
    await put(home, SESSION, OTHER, *made)
    with open_spending(home) as found:
        portions = found.portions(FIRST, BEGINS)
    sums: dict[tuple[object, ...], list[int]] = {}
    for key, figures in map(of, portions):
        sums[key] = [sum(pair) for pair in zip(sums.get(key, [0] * len(figures)), figures, strict=True)]
    assert sums == added_up(made)
    assert len(portions) > 100
    assert {one.place for one in portions} == {
        Place("s_1", "claude", "/srv/project", "Fix the login test"),
        Place("s_2", "channel", "/srv"),
    }
    assert {one.source for one in portions} == {Source.GATEWAY}
    assert all(BEGINS[0] <= one.first_ms <= one.last_ms < BEGINS[-1] for one in portions)


async def test_what_was_booked_for_calls_that_nobody_saw_came_to_nothing_that_could_be_told(home: Path) -> None:
    """Such a turn began and ended at once, at the desk: it is not one of those that ended with nothing."""
    unseen = replace(
        PLAIN, origin=Origin.DESK, outcome=Outcome(OutcomeKind.NOTHING), started_at_ms=NOW, ended_at_ms=NOW
    )
    looked = Left("t_2", LeftKind.NOTHING, Sight.NO_REPOSITORY)
    await put(home, SESSION, unseen, replace(unseen, id="t_2", started_at_ms=NOW - 1), looked)
    with open_spending(home) as found:
        kinds = {one.came_of_it: one.spent.turns for one in found.portions(FIRST, BEGINS)}
    assert kinds == {None: 1, OutcomeKind.NOTHING: 1}


async def test_what_turns_left_is_what_git_shows_and_else_how_they_ended(home: Path) -> None:
    """Commits and changes go before an error; nobody knows of a turn that tells nothing; one at work has left nothing yet."""
    kinds = [LeftKind.COMMITS, LeftKind.DIFF, LeftKind.NOTHING, LeftKind.UNKNOWN, None, None, None]
    ends = [
        OutcomeKind.ERROR,
        OutcomeKind.ANSWER,
        OutcomeKind.ANSWER,
        OutcomeKind.NOTHING,
        OutcomeKind.CANCELLED,
        None,
        None,
    ]
    made = [replace(PLAIN, id=f"t_{n}", outcome=kind and Outcome(kind)) for n, kind in enumerate(ends)]
    made[-1] = replace(made[-1], state=TurnState.RUNNING)
    lefts = [Left(one.id, kind, Sight.SEEN) for one, kind in zip(made, kinds, strict=True) if kind is not None]
    await put(home, SESSION, *made, *lefts)
    with open_spending(home) as found:
        told = {one.left: one.spent.turns for one in found.portions(FIRST, BEGINS)}
    assert told == {
        LeftKind.COMMITS: 1,
        LeftKind.DIFF: 1,
        LeftKind.ANSWER: 1,
        LeftKind.NOTHING: 1,
        LeftKind.CANCELLED: 1,
        LeftKind.UNKNOWN: 1,
        None: 1,
    }


async def test_what_came_to_nothing_is_the_same_by_portions_and_turn_by_turn(home: Path) -> None:
    """Three hundred turns, most of them looked at: SQL's sums of errors, stops and nothing are the core's, and each turn is told once."""
    dice = random.Random(8)  # noqa: S311 - the same each time
    made = some_turns()
    lefts = [
        Left(one.id, dice.choice(list(LeftKind)), dice.choice(list(Sight)), tests=dice.choice((NO_TESTS, PASSED)))
        for one in made
        if dice.random() < 0.7
    ]
    commit = Commit(lefts[0].turn_id, "a" * 40, "/r/.git", Whose.TURN, Change(1, 2, 3), NOW - 1, NOW)
    seen = Fate(NOW, gone=True, branch="main", merged=Merged.PATCH, reverted_by="b", after_7=1, after_30=0)
    two = (replace(commit, fate=seen), replace(commit, sha="b" * 40))
    lefts = [
        replace(one, commits=tuple(replace(each, turn_id=one.turn_id) for each in two)) if at % 3 == 0 else one
        for at, one in enumerate(lefts)
    ]
    await put(home, SESSION, OTHER, *made, *lefts)
    with open_spending(home) as found:
        portions = found.portions(FIRST, BEGINS)
        turned = list(found.turned(BEGINS[0] - 9_000_000, BEGINS[-1]))
        assert (found.commits_due(NOW), found.commits_due(NOW + 99 * 86_400_000)) == (0, 2 * len(lefts[::3]))
    told = results([one for one in turned if one.at_ms >= BEGINS[0]], By.PROJECT, NOW)
    kinds = {one.kind: one.spent for one in told.came}
    for kind in FRUITLESS:
        mine = [one.spent for one in portions if one.came_of_it is kind]
        assert sum(one.turns for one in mine) == kinds[LeftKind(kind.value)].turns > 0
        assert sum(one.cost.nano for one in mine) == kinds[LeftKind(kind.value)].cost.nano
    assert told.total.cost.nano == sum(one.spent.cost.nano for one in portions)
    assert (told.total.unpriced, told.total.at_least) == (
        sum(one.spent.unpriced for one in portions),
        sum(one.spent.at_least for one in portions),
    )
    assert {one.tests for one in turned} == {NO_TESTS, PASSED}
    ran = {one.id for one in made if one.calls and BEGINS[0] - 9_000_000 <= one.created_at_ms < BEGINS[-1]}
    assert len(turned) == len(ran)
    expected = [one.commits for one in lefts[::3] if one.turn_id in ran]
    assert sorted((one.commits for one in turned if one.commits), key=str) == sorted(expected, key=str)
    assert {one.project for one in turned} == {"/srv/project", "/srv"}


async def test_the_dearest_turns_come_with_their_calls_and_what_was_before_them(home: Path) -> None:
    """By cost, of the time alone; a forgotten one has no words; calls in order, a call that was cut off and one without a price."""
    used = Usage("opus", Tokens(input=10, cache_read=5), speed="fast", web_searches=2)
    first = replace(PLAIN, id="t_0", created_at_ms=NOW - 50, spent=Usd(1), prompt_uuid="0")
    dear = replace(PLAIN, id="t_9", spent=Usd(900), forgotten_at_ms=NOW, prompt="", prompt_uuid="9", model="opus")
    gone = replace(PLAIN, id="t_8", spent=Usd(9_999), created_at_ms=BEGINS[0] - 1, prompt_uuid="8")
    entries = (
        book(first, Call("c1", used, Usd(4)))[1],
        book(first, Call("c2", used, Usd(5), loop="helper"))[1],
        book(dear, Call("c3", used, Unpriced("nobody knows")))[1],
        book(dear, Call("c4", used, Usd(6)), ended=False)[1],
    )
    await put(home, SESSION, first, dear, gone, entries=entries)
    with open_spending(home) as found:
        one, two = found.dearest(BEGINS[0], BEGINS[-1], 5)
        assert (one.id, one.prompt, one.forgotten, one.spent.cost, one.spent.parts.output) == (
            "t_9",
            "",
            True,
            Usd(900),
            Usd(3),
        )
        assert (two.id, two.prompt, two.forgotten) == ("t_0", TURN.prompt, False)
        assert [(call.cost, call.ended, call.usage.speed) for call in found.calls("t_9")] == [
            (None, True, "fast"),
            (Usd(6), False, "fast"),
        ]
        before = found.before("t_9", "s_1")
        assert before is not None
        assert (before.cost, before.loop, before.usage.web_searches) == (Usd(4), "main", 2)
        assert found.before("t_0", "s_1") is None
        assert found.before("t_8", "s_1") is None
        assert found.usual_model("s_1") == "a-model"
        assert found.usual_model("s_9") == ""


async def test_what_stands_beside_the_sums_is_read_too(home: Path) -> None:
    """Unlisted calls of the time, turns that are not over, people's names, sessions without Tollbridge, the first and the last turn."""
    waits = replace(PLAIN, id="t_2", state=TurnState.PAUSED, ended_at_ms=None, created_at_ms=5, prompt_uuid="2")
    booked = Entry(EntryKind.CALL, (), turn_id="t_1", session_id="s_1", spent=Usd(31), call_id=f"{UNLISTED}9f1c-7")
    off = Unmetered("9f1c", "/srv", 1, 2)
    grants = (Grant("7", Role.OWNER, name="Ann"), Grant("8", Role.READER))
    await put(home, SESSION, PLAIN, waits, off, entries=(booked,), grants=grants)
    with open_spending(home) as found:
        assert found.unlisted(BEGINS[0], BEGINS[-1]) == Usd(31)
        assert found.unlisted(NOW + 1, NOW + 2) == ZERO
        assert found.open() == [Open(TurnState.PAUSED, 1, PLAIN.spent)]
        assert found.names() == {"7": "Ann"}
        assert found.unmetered() == [off]
        assert (found.earliest_ms(), found.latest_ms()) == (5, NOW)
        assert found.places("agent_session", ["0c6a", "nobody"]) == {
            "0c6a": Place("s_1", "claude", "/srv/project", "Fix the login test")
        }
        with pytest.raises(ValueError, match="title"):
            found.places("title", [])


async def test_reports_by_anything_add_up_to_what_the_ledger_has_booked(home: Path) -> None:
    """To the nano-dollar, over calls with and without a price, corrections and prices that became known later, each made up."""
    dice = random.Random(11)  # noqa: S311 - the same each time
    rates = Rates(5_000, 500, 6_250, 10_000, 25_000)
    made: list[Turn] = []
    entries: list[Entry] = []
    for number in range(60):
        turn = replace(
            PLAIN,
            id=f"t_{number}",
            prompt_uuid=f"u{number}",
            session_id=dice.choice(("s_1", "s_2")),
            person=dice.choice(("7", "8", "")),
            model=None,
            created_at_ms=dice.randrange(BEGINS[0], BEGINS[-1]),
            spent=ZERO,
            parts=Parts(),
            tokens=Tokens(),
            calls=0,
            unpriced_calls=0,
            held_left=ZERO,
        )
        for at in range(dice.randrange(5)):
            used = Usage(dice.choice(("opus", "haiku", "mystery")), Tokens(input=dice.randrange(9), output=at))
            cost = Unpriced("nobody knows it") if used.model == "mystery" else price(used, rates)
            turn, entry = book(turn, Call(f"c_{number}_{at}", used, cost))
            entries.append(entry)
            if isinstance(cost, Unpriced) and dice.random() < 0.5:
                turn, entry = reprice(turn, len(entries), entry, used, rates, on=FIRST, source="a list")
                entries.append(entry)
        if dice.random() < 0.3:
            turn, entry = book_difference(turn, Usage("opus", Tokens(output=3)), Usd(dice.randrange(1_000)))
            entries.append(entry)
        made.append(turn)
    await put(home, SESSION, OTHER, *made, entries=tuple(entries))
    booked = sum(entry.spent.nano for entry in entries)
    with open_spending(home) as found:
        portions = found.portions(FIRST, BEGINS)
    assert booked > 0
    for by in By:
        report = spending(portions, by, Period(FIRST, FIRST + timedelta(days=DAYS - 1)), 1)
        told = [one.spent.cost.nano for one in (*report.groups, *([report.rest] if report.rest else []))]
        assert (sum(told), report.total.cost.nano) == (booked, booked), by
        assert sum(cost.nano for _, cost in report.days) == booked


async def test_turns_whose_cost_was_corrected_are_told_with_their_times(home: Path) -> None:
    """By the agent's own name of the session, from when it began to work; one that still runs lasts until now, and one long over is not told."""
    fixed = replace(
        PLAIN, flags=frozenset({Flag.RECONCILED}), created_at_ms=NOW - 90, started_at_ms=NOW - 9, ended_at_ms=NOW - 5
    )
    runs = replace(fixed, id="t_2", state=TurnState.RUNNING, ended_at_ms=None, started_at_ms=NOW - 2, prompt_uuid="2")
    old = replace(fixed, id="t_3", started_at_ms=1, ended_at_ms=2, prompt_uuid="3")
    await put(home, SESSION, fixed, runs, old, replace(PLAIN, id="t_4", prompt_uuid="4"))
    with open_spending(home) as found:
        assert sorted(found.corrected(["0c6a"], 100, NOW + 7)) == [
            ("claude", "0c6a", NOW - 9, NOW - 5),
            ("claude", "0c6a", NOW - 2, NOW + 7),
        ]
        assert found.corrected(["nobody"], 100, NOW) == []


def contents(home: Path) -> dict[str, bytes]:
    """Every file there, with what is in it."""
    return {path.name: path.read_bytes() for path in home.iterdir()}


async def test_nothing_is_made_or_changed(home: Path) -> None:
    """Neither beside a gateway nor without one."""
    await put(home, SESSION, PLAIN)
    before = contents(home)
    with open_spending(home) as found:
        assert found.portions(FIRST, BEGINS)
    assert contents(home) == before
    async with open_store(home, lambda: NOW):
        with open_spending(home) as found:
            assert found.portions(FIRST, BEGINS)


def test_the_newest_migration_is_known_by_its_file() -> None:
    """Whoever adds one names its file as it names itself."""
    assert newest() == schema.HEAD


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE alembic_version SET version_num = '9999_later'", "newer Tollbridge"),
        ("UPDATE alembic_version SET version_num = '0001_spine'", "older Tollbridge"),
        ("DROP TABLE alembic_version", "not one of Tollbridge's"),
        ("UPDATE turns SET tokens = 'no JSON'", "malformed JSON"),
    ],
)
async def test_a_database_that_cannot_be_read_is_one_sentence(home: Path, change: str, said: str) -> None:
    """It says what to do."""
    await put(home, SESSION, PLAIN)
    connection = sqlite3.connect(home / DATABASE)
    connection.execute(change)
    connection.commit()
    connection.close()

    def look(found: Spendings) -> object:
        return found.portions(FIRST, BEGINS)

    with pytest.raises(StoreError, match=said), open_spending(home) as found:
        look(found)


async def test_a_write_while_it_is_read_without_a_gateway_is_told(home: Path) -> None:
    """What was read may then be of two moments."""
    await put(home, SESSION, PLAIN)
    with pytest.raises(StoreError, match="again"), open_spending(home):
        (home / DATABASE).touch()


async def test_details_that_tell_less_are_read_all_the_same(home: Path) -> None:
    """An entry of another version names no loop and no end."""
    entry = Entry(
        EntryKind.CALL, (), turn_id="t_1", session_id="s_1", spent=Usd(3), call_id="c", detail=json.dumps({"new": 1})
    )
    await put(home, SESSION, PLAIN, entries=(entry,))
    with open_spending(home) as found:
        (call,) = found.calls("t_1")
    assert (call.cost, call.loop, call.ended, call.usage.model) == (Usd(3), "main", True, "")
