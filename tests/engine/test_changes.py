"""Limits changed from the command line: what narrows counts at once, what widens takes a tap (rule 5), and agents change nothing."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from gateway.core.gauges import MOST
from gateway.core.summary import escape
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.budget import EntryKind, Scope, ScopeKind, Unit
from gateway.domain.change import Asker, ChangeState, Standing, Wanted
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.turn import TurnState
from gateway.engine import changes, requests
from gateway.ports import Decision, Process
from gateway.store import open_readonly
from gateway.view import change_words
from tests.engine.bench import OWNER, RULES, Bench, bench, call, script

pytestmark = pytest.mark.anyio

APPROVER, WRITER, READER, ELSEWHERE = "10", "8", "9", "11"
PEOPLE = (
    Grant(APPROVER, Role.APPROVER, largest_raise=Usd.parse("5")),
    Grant(WRITER, Role.WRITER),
    Grant(OWNER, Role.OWNER),
    Grant(READER, Role.READER),
    Grant(ELSEWHERE, Role.APPROVER, chat="-100"),
)
TEAM = replace(RULES, people=PEOPLE)
SCRIPT = script(call(1))
DESK = Asker("ada", "desk", (4_194_400, 4_194_399, 1), terminal=True)
"""Pids that no system gives."""
CRON = replace(DESK, terminal=False)
ASKS = "The command line on desk (ada) asks: raise the day's limit by"


def private(person: str) -> Thread:
    """The chat that the person has with the bot alone."""
    return Thread("memory", person)


def raised(amount: str = "5", **more: Any) -> Wanted:
    """A raise of the day's limit."""
    return Wanted(ScopeKind.DAY, Usd.parse(amount).nano, raises=True, **more)


def set_to(amount: str, kind: ScopeKind = ScopeKind.DAY, **more: Any) -> Wanted:
    """A limit that is set."""
    return Wanted(kind, Usd.parse(amount).nano, raises=False, **more)


async def asks(gateway: Bench, wanted: Wanted, asker: Asker = DESK) -> Standing:
    """What the command line hears at once."""
    return await requests.request(gateway.world, wanted, asker)


async def ends(gateway: Bench, asked: Standing, wait_s: float = 10) -> Standing:
    """What the command line hears in the end."""
    found = await requests.standing(gateway.world, asked.id, int(wait_s * 1000))
    assert found is not None
    return found


async def taps(gateway: Bench, label: str, person: str = OWNER, words: str = ASKS) -> str:
    """A person presses a button of the question in their own chat; the word that they get."""
    shown = await gateway.chat.waits_for(private(person), words)
    return await gateway.chat.told(gateway.chat.taps(shown, label, person))


async def day_limit(gateway: Bench) -> Usd | None:
    """The day's limit as it counts."""
    return (await gateway.balance_of(gateway.today())).limit


CHANGES = (EntryKind.LIMIT, EntryKind.RAISED)


async def entries_of(home: Path) -> list[tuple[str, str, Usd | None]]:
    """(who, why, limit) of every limit in the ledger, and of raises that end."""

    def look() -> list[tuple[str, str, Usd | None]]:
        with open_readonly(home) as reader:
            found = [record.entry for record in reader.records() if record.entry.kind in CHANGES]
        return [(entry.who, entry.why, entry.limit) for entry in found]

    return await anyio.to_thread.run_sync(look)


# ------------------------------------------------------------------------------------------------------------ narrowing
async def test_a_lower_limit_counts_at_once_and_is_said_in_the_chat(tmp_path: Path) -> None:
    """The entry says who and why; everybody who may answer questions hears of it, nobody else does."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        done = await asks(gateway, set_to("10", why=" not\ntoday "), CRON)
        assert done == Standing(ChangeState.DONE, "The day's limit is $10.00, it was $25.00. $0.00 of it is spent.")
        for person in (OWNER, APPROVER):
            said = await gateway.chat.waits_for(
                private(person), escape("set the day's limit to $10.00, it was $25.00 (not today).")
            )
            assert not said.rang
        assert await day_limit(gateway) == Usd.parse("10")
        assert gateway.chat.sees(private(WRITER)) == []
        assert await entries_of(tmp_path) == [("command line: ada", "not today", Usd.parse("10"))]


async def test_a_first_limit_narrows_and_the_same_one_changes_nothing(tmp_path: Path) -> None:
    """Where there was no limit, any is less; what is so already makes no entry."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        month = await asks(gateway, set_to("100", ScopeKind.MONTH))
        assert month.words == "The month's limit is $100.00. $0.00 of it is spent."
        again = await asks(gateway, set_to("100", ScopeKind.MONTH))
        assert again == Standing(ChangeState.DONE, "The month's limit is $100.00 already.")
        assert len(await entries_of(tmp_path)) == 1


# ------------------------------------------------------------------------------------------------------------- widening
@pytest.mark.parametrize("wanted", [raised(why="a job"), set_to("30", why="a job")], ids=["raise", "set"])
async def test_what_widens_waits_for_a_tap(tmp_path: Path, wanted: Wanted) -> None:
    """Asked of the owner and of the approver who may; one yes counts for both, and the ledger knows who gave it, and why."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        asked = await asks(gateway, wanted)
        assert asked.state is ChangeState.ASKED
        assert asked.words == f"Asked in the chat of {OWNER}, {APPROVER}: raise the day's limit by $5.00 to $30.00."
        shown = await gateway.chat.waits_for(
            private(OWNER), escape(f"{ASKS} $5.00 to $30.00 (a job).\n$0.00 of $25.00 is spent.")
        )
        assert shown.rang
        assert [button.label for button in shown.buttons] == ["Raise to $30.00", "No"]
        assert (await ends(gateway, asked, 0)).state is ChangeState.ASKED
        assert await day_limit(gateway) == Usd.parse("25")
        assert await taps(gateway, "Raise", APPROVER) == ""
        done = await ends(gateway, asked)
        assert done == Standing(ChangeState.DONE, f"The day's limit is $30.00: {APPROVER} said yes.")
        assert await day_limit(gateway) == Usd.parse("30")
        for person, who in ((OWNER, APPROVER), (APPROVER, "you")):
            closed = await gateway.chat.waits_for(private(person), escape(f"Raised to $30.00 (by {who})."))
            assert closed.buttons == ()
        why = "raised by $5.00, asked by the command line on desk (ada): a job"
        assert await entries_of(tmp_path) == [(APPROVER, why, Usd.parse("30"))]
        for person in (WRITER, READER, ELSEWHERE):
            assert gateway.chat.sees(private(person)) == []


async def test_a_limit_is_taken_away_after_a_tap(tmp_path: Path) -> None:
    """Nothing widens more: it is asked of who may raise by any amount; then there is none, until one is set again."""
    nothing = Wanted(ScopeKind.DAY, MOST[Unit.USD], raises=False)
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        month = await asks(gateway, replace(nothing, kind=ScopeKind.MONTH))
        assert month == Standing(ChangeState.DONE, "There is no limit on this month.")
        asked = await asks(gateway, nothing)
        assert asked.words == f"Asked in the chat of {OWNER}: take the day's limit away, which is $25.00."
        await taps(gateway, "Take it away", words="take the day's limit away")
        await gateway.chat.waits_for(private(OWNER), escape("Taken away (by you)."))
        assert (await ends(gateway, asked)).words == f"The day's limit is none: {OWNER} said yes."
        assert await day_limit(gateway) is None
        assert (await asks(gateway, raised())).words == "there is no limit on this day: there is nothing to raise"
        assert (await asks(gateway, set_to("3"))).state is ChangeState.DONE
        assert await day_limit(gateway) == Usd.parse("3")
        gateway.says("/budget day none")
        await gateway.sees("Day: $0.00 spent, no limit")
        assert await day_limit(gateway) is None


async def test_who_may_raise_by_so_much_only_takes_no_limit_away() -> None:
    """Neither in the chat nor by a yes: whoever's largest raise is bounded has no say in it."""
    bounded = replace(TEAM, people=tuple(one for one in TEAM.people if one.person != OWNER))
    async with bench(SCRIPT, bounded) as gateway:
        refused = await asks(gateway, Wanted(ScopeKind.DAY, MOST[Unit.USD], raises=False))
        assert refused.words == "nobody may take a limit away: see largest_raise_usd in the settings"
        gateway.chat.says(private(APPROVER), APPROVER, "/budget day none")
        await gateway.sees("You may not take this limit away: ask an owner.", private(APPROVER))
        assert await day_limit(gateway) == Usd.parse("25")


async def test_a_limit_that_is_set_starts_from_the_one_without_raises_that_end() -> None:
    """$10 more for an hour: to set what that makes for good is a raise of $10, which takes a tap of who may raise by so much."""
    async with bench(SCRIPT, TEAM) as gateway:
        gateway.says("/raise day 10 1h")
        await gateway.sees("of $35.00 · +$10.00")
        asked = await asks(gateway, set_to("35"), CRON)
        assert asked.words == "Asked in the chat of 7: raise the day's limit by $10.00 to $35.00."
        assert gateway.chat.sees(private(APPROVER)) == []
        await taps(gateway, "Raise to $35.00")
        gateway.says("/budget")
        await gateway.sees("Day: $0.00 spent, of $35.00\n")
        lowered = await asks(gateway, set_to("20"), CRON)
        assert (lowered.state, await day_limit(gateway)) == (ChangeState.DONE, Usd.parse("20"))


async def test_a_no_changes_nothing() -> None:
    """And a late yes of somebody else finds that it was answered."""
    async with bench(SCRIPT, TEAM) as gateway:
        asked = await asks(gateway, raised())
        late = await gateway.chat.waits_for(private(OWNER), ASKS)
        await taps(gateway, "No", APPROVER)
        assert await ends(gateway, asked) == Standing(ChangeState.NO, f"{APPROVER} said no: nothing was changed.")
        assert await gateway.chat.told(gateway.chat.taps(late, "Raise", OWNER)) == "This was answered already."
        assert await day_limit(gateway) == Usd.parse("25")


async def test_two_taps_are_one_raise(tmp_path: Path) -> None:
    """A double tap, and a second approver at the same moment: one compare-and-set, one entry."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        await asks(gateway, raised())
        mine = await gateway.chat.waits_for(private(OWNER), ASKS)
        theirs = await gateway.chat.waits_for(private(APPROVER), ASKS)
        pressed = [
            gateway.chat.taps(mine, "Raise", OWNER),
            gateway.chat.taps(theirs, "Raise", APPROVER),
            gateway.chat.taps(mine, "Raise", OWNER),
        ]
        assert [await gateway.chat.told(tap) for tap in pressed] == ["", *["This was answered already."] * 2]
        assert await day_limit(gateway) == Usd.parse("30")
        assert len(await entries_of(tmp_path)) == 1


async def test_nobody_says_yes_who_may_not_raise_by_so_much(tmp_path: Path) -> None:
    """Above their largest raise approvers are not asked; who presses all the same, in whatever chat, changes nothing."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        asked = await asks(gateway, raised("5.01"))
        assert asked.words.startswith(f"Asked in the chat of {OWNER}: ")
        shown = await gateway.chat.waits_for(private(OWNER), ASKS)
        for person in (APPROVER, WRITER, READER, ELSEWHERE):
            told = await gateway.chat.told(gateway.chat.taps(shown, "Raise", person))
            assert told == "You may not answer this."
        forged = replace(shown, thread=private(APPROVER))
        assert await gateway.chat.told(gateway.chat.taps(forged, "Raise", APPROVER)) == "This button is not valid here."
        assert await day_limit(gateway) == Usd.parse("25")
        assert (await ends(gateway, asked, 0)).state is ChangeState.ASKED
        assert gateway.chat.sees(private(APPROVER)) == []
        assert await entries_of(tmp_path) == []


async def test_a_raise_that_nobody_may_allow_is_refused() -> None:
    """The sentence names the setting; nothing is asked."""
    few = replace(TEAM, people=(PEOPLE[0], PEOPLE[4]))
    async with bench(SCRIPT, few) as gateway:
        refused = await asks(gateway, raised("6"))
        assert refused.state is ChangeState.REFUSED
        assert refused.words == "nobody may raise a limit by $6.00: see largest_raise_usd in the settings"


async def test_a_question_that_nobody_answers_expires() -> None:
    """The command line hears so, and the message says so."""
    async with bench(SCRIPT, replace(TEAM, approval_ms=1)) as gateway:
        asked = await asks(gateway, raised())
        assert await ends(gateway, asked) == Standing(
            ChangeState.EXPIRED, "nobody answered in time: nothing was changed."
        )
        closed = await gateway.chat.waits_for(private(OWNER), "Nobody answered in time.")
        assert closed.buttons == ()


async def test_words_as_a_reply_are_no_answer_and_no_prompt() -> None:
    """Whoever writes "yes" under the question is told to press."""
    async with bench(SCRIPT, TEAM) as gateway:
        asked = await asks(gateway, raised())
        shown = await gateway.chat.waits_for(private(OWNER), ASKS)
        gateway.chat.says(private(OWNER), OWNER, "yes", to=shown)
        await gateway.chat.waits_for(private(OWNER), "Press one of the buttons under it")
        assert (await ends(gateway, asked, 0)).state is ChangeState.ASKED
        assert await gateway.turns() == []


# ------------------------------------------------------------------------------------------- what changed since it was asked
async def test_a_limit_that_changed_meanwhile_is_asked_about_again(tmp_path: Path) -> None:
    """The yes was for $30: with another limit in between the same message asks anew, with new figures and new buttons."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        asked = await asks(gateway, raised())
        before = await gateway.chat.waits_for(private(OWNER), ASKS)
        gateway.says("/budget day 20")
        await gateway.sees("of $20.00")
        assert await taps(gateway, "Raise", APPROVER) == "The limit is another one by now: asked again."
        for person in (OWNER, APPROVER):
            again = await gateway.chat.waits_for(private(person), "asked again")
            assert escape(f"{ASKS} $5.00 to $25.00.") in again.text
        assert (await ends(gateway, asked, 0)).words == "Asked in the chat: raise the day's limit by $5.00 to $25.00."
        told = await gateway.chat.told(gateway.chat.taps(before, "Raise", OWNER))
        assert told == "This button is not valid here."
        await taps(gateway, "Raise to $25.00", APPROVER, "asked again")
        assert (await ends(gateway, asked)).state is ChangeState.DONE
        assert [limit for _, _, limit in await entries_of(tmp_path)] == [Usd.parse("20"), Usd.parse("25")]


async def test_a_limit_that_was_set_higher_meanwhile_stays() -> None:
    """A yes to $30 does not lower $40."""
    async with bench(SCRIPT, TEAM) as gateway:
        asked = await asks(gateway, set_to("30"))
        await gateway.chat.waits_for(private(OWNER), ASKS)
        gateway.says("/budget day 40")
        await gateway.sees("of $40.00")
        words = "The day's limit is $40.00 by now: nothing was changed."
        assert await taps(gateway, "Raise") == words
        assert await ends(gateway, asked) == Standing(ChangeState.VOID, words)
        assert await day_limit(gateway) == Usd.parse("40")


@pytest.mark.parametrize(
    ("wanted", "hours", "words"),
    [
        (raised(), 24, "That day is over: nothing was changed."),
        (raised(until="2h"), 3, "That time is over: nothing was changed."),
    ],
    ids=["day", "until"],
)
async def test_a_yes_that_comes_too_late_raises_nothing(wanted: Wanted, hours: int, words: str) -> None:
    """What it was for is over: another day has its own limit."""
    noon_ms = 1_795_348_800_000
    async with bench(SCRIPT, replace(TEAM, approval_ms=10**9)) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: noon_ms)
        asked = await asks(gateway, wanted)
        await gateway.chat.waits_for(private(OWNER), ASKS)
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: noon_ms + hours * 3_600_000)
        assert await taps(gateway, "Raise") == words
        assert await ends(gateway, asked) == Standing(ChangeState.VOID, words)


async def test_a_question_outlives_the_gateway(tmp_path: Path) -> None:
    """The next gateway takes the tap; whoever was taken out of the settings meanwhile may not give it."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        asked = await asks(gateway, raised())
        mine = await gateway.chat.waits_for(private(OWNER), ASKS)
        theirs = await gateway.chat.waits_for(private(APPROVER), ASKS)
    fewer = replace(TEAM, people=PEOPLE[1:])
    async with bench(SCRIPT, fewer, home=tmp_path, chat=gateway.chat) as again:
        assert (await ends(again, asked, 0)).shown
        assert await again.chat.told(again.chat.taps(theirs, "Raise", APPROVER)) == "You may not answer this."
        assert await again.chat.told(again.chat.taps(mine, "Raise", OWNER)) == ""
        assert (await ends(again, asked)).state is ChangeState.DONE
        assert await day_limit(again) == Usd.parse("30")


async def test_other_settings_at_the_next_start_are_another_limit(tmp_path: Path) -> None:
    """A digest over the limit of before does not hold for one that the owner has set since."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        asked = await asks(gateway, raised())
        await gateway.chat.waits_for(private(OWNER), ASKS)
    lower = replace(TEAM, limits={**TEAM.limits, ScopeKind.DAY: Usd.parse("3")})
    async with bench(SCRIPT, lower, home=tmp_path, chat=gateway.chat) as again:
        assert await taps(again, "Raise") == change_words.ASKED_AGAIN
        assert (await ends(again, asked, 0)).words.endswith("by $5.00 to $8.00.")


# --------------------------------------------------------------------------------------------------------------- rule 5
@pytest.mark.parametrize("wanted", [raised(), set_to("10")], ids=["wider", "narrower"])
async def test_what_descends_from_an_agent_changes_nothing(tmp_path: Path, wanted: Wanted) -> None:
    """By an agent's recorded process, by the gateway itself, by a mark, or of unknown descent: refused, and nobody is asked."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        gateway.says("work")
        turn = await gateway.ended(TurnState.FINISHED)
        agent = Process(turn.session_id, 4_194_398, "1", "")
        await gateway.world.store.transact(lambda _: Decision(None, put=(agent,)), 0)
        for lineage in ((4_194_400, agent.pid, 1), (agent.pid,), (4_194_400, os.getpid(), 1), ()):
            refused = await asks(gateway, wanted, replace(DESK, lineage=lineage))
            assert refused == Standing(ChangeState.REFUSED, requests.INSIDE_AGENT)
        adrift = await asks(gateway, wanted, replace(DESK, lineage=(4_194_400, 1), marked=True))
        assert adrift == Standing(ChangeState.REFUSED, requests.INSIDE_AGENT)
        assert await day_limit(gateway) == Usd.parse("25")
        assert gateway.chat.sees(private(OWNER)) == []
        assert await entries_of(tmp_path) == []


async def test_before_anybody_could_say_yes_a_terminal_is_needed(tmp_path: Path) -> None:
    """With readers and writers only: a terminal raises at once, and what has none is refused."""
    alone = replace(TEAM, people=(Grant(WRITER, Role.WRITER), Grant(READER, Role.READER)))
    async with bench(SCRIPT, alone, home=tmp_path) as gateway:
        refused = await asks(gateway, raised(), CRON)
        assert refused.state is ChangeState.REFUSED
        assert "a terminal is needed" in refused.words
        now = [1_795_348_800_000]
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: now[0])
        done = await asks(gateway, raised(until="2h"))
        assert done.words.startswith("The day's limit is $30.00 until ")
        assert await day_limit(gateway) == Usd.parse("30")
        now[0] += 2 * 3_600_000
        assert await day_limit(gateway) == Usd.parse("25")
        [(who, why, _)] = await entries_of(tmp_path)
        assert who == "command line: ada"
        assert why.startswith("raised by $5.00 until ")
        assert why.endswith(", asked by the command line on desk (ada)")


async def test_an_approver_of_a_group_is_an_approver() -> None:
    """With one anywhere no terminal is enough any more."""
    group = replace(TEAM, people=PEOPLE[4:])
    async with bench(SCRIPT, group) as gateway:
        assert (await asks(gateway, raised())).state is ChangeState.REFUSED
        assert await day_limit(gateway) == Usd.parse("25")


async def test_asking_twice_is_one_question_and_many_are_refused() -> None:
    """A loop that asks again and again fills nobody's chat."""
    async with bench(SCRIPT, TEAM) as gateway:
        first = await asks(gateway, raised())
        assert (await asks(gateway, raised())).id == first.id
        for cents in range(1, requests.QUESTIONS_MAX):
            assert (await asks(gateway, raised(f"0.0{cents}"))).state is ChangeState.ASKED
        refused = await asks(gateway, raised("1"))
        assert refused.state is ChangeState.REFUSED
        assert "5 changes wait for an answer in the chat already" in refused.words
        assert len(await gateway.world.store.read(changes.open_questions)) == 2 * requests.QUESTIONS_MAX


# --------------------------------------------------------------------------------------------------------- which limit
async def test_a_session_is_named_by_how_its_id_begins(tmp_path: Path) -> None:
    """As `tollbridge sessions` shows it; what fits none or several is refused."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        for _ in range(2):
            gateway.says("/new")
        gateway.says("work")
        turn = await gateway.ended(TurnState.FINISHED)
        kind = ScopeKind.SESSION
        done = await asks(gateway, set_to("2", kind, session=turn.session_id[:10]))
        assert done.words.startswith(f"The limit of session {turn.session_id} is $2.00, it was $5.00.")
        assert (await gateway.balance_of(Scope(kind, turn.session_id))).limit == Usd.parse("2")
        for session, words in (
            ("", "which session: add --session ID"),
            ("s_", "more than one session begins with 's_'"),
            ("%", "there is no session that begins with '%'"),
        ):
            assert words in (await asks(gateway, set_to("2", kind, session=session))).words


async def test_a_project_is_the_repository_of_the_directory(tmp_path: Path) -> None:
    """From anywhere in it; outside of one it is the directory; and the settings' own counts under the name it has there."""
    inner = tmp_path / "repo" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "repo" / ".git").mkdir()
    (tmp_path / "link").symlink_to(inner)
    linked = replace(TEAM, directory=str(tmp_path / "link"))
    for rules, directory, key in (
        (TEAM, inner, tmp_path / "repo"),
        (TEAM, tmp_path, tmp_path),
        (linked, inner, tmp_path / "link"),
    ):
        async with bench(SCRIPT, rules) as gateway:
            await asks(gateway, set_to("2", ScopeKind.PROJECT, directory=str(directory)))
            assert (await gateway.balance_of(Scope(ScopeKind.PROJECT, str(key)))).limit == Usd.parse("2")
            for unfit in ("", "src", "/a\0b", f"/{'a' * 300}/b"):
                refused = await asks(gateway, set_to("2", ScopeKind.PROJECT, directory=unfit))
                assert refused.words == "which project: run this in its directory"


async def test_what_holds_all_projects_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole machine, or one's own directory: hardly what was meant; unless it is a repository, or where sessions work."""
    monkeypatch.setenv("HOME", str(tmp_path / "link"))
    (tmp_path / "me").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "me")
    elsewhere = replace(TEAM, directory=str(tmp_path))
    async with bench(SCRIPT, elsewhere) as gateway:
        for place in ("/", str(tmp_path / "me"), str(tmp_path / "link")):
            refused = await asks(gateway, set_to("2", ScopeKind.PROJECT, directory=place))
            assert (refused.state, refused.words.startswith(f"{place} is no project")) == (ChangeState.REFUSED, True)
    async with bench(SCRIPT, replace(TEAM, directory=str(tmp_path / "me"))) as gateway:
        assert (await asks(gateway, set_to("2", ScopeKind.PROJECT, directory=str(tmp_path / "me")))).state == "done"
    (tmp_path / "me" / ".git").mkdir()
    async with bench(SCRIPT, elsewhere) as gateway:
        assert (await asks(gateway, set_to("2", ScopeKind.PROJECT, directory=str(tmp_path / "me")))).state == "done"


@pytest.mark.parametrize(
    ("wanted", "scope"),
    [
        (set_to("2", ScopeKind.PERSON), Scope(ScopeKind.PERSON, OWNER)),
        (set_to("2", ScopeKind.PERSON, person=WRITER), Scope(ScopeKind.PERSON, WRITER)),
        (set_to("2", ScopeKind.CHAT), Scope(ScopeKind.CHAT, f"memory:{OWNER}")),
        (set_to("2", ScopeKind.CHAT, chat="-100"), Scope(ScopeKind.CHAT, "memory:-100")),
    ],
)
async def test_a_person_or_chat_is_the_one_owners_unless_it_is_named(wanted: Wanted, scope: Scope) -> None:
    """The gateway of one person needs no numbers."""
    async with bench(SCRIPT, TEAM) as gateway:
        await asks(gateway, wanted)
        assert (await gateway.balance_of(scope)).limit == Usd.parse("2")


async def test_with_several_owners_a_person_has_to_be_named() -> None:
    """So has their chat; and who is not known cannot be meant. A day is everybody's."""
    two = replace(TEAM, people=(*PEOPLE, Grant("12", Role.OWNER)))
    async with bench(SCRIPT, two) as gateway:
        person = await asks(gateway, set_to("2", ScopeKind.PERSON))
        assert person.words == "which person: there is more than one owner, or none; add --person NUMBER"
        assert "add --chat NUMBER" in (await asks(gateway, set_to("2", ScopeKind.CHAT))).words
        stranger = await asks(gateway, set_to("2", ScopeKind.PERSON, person="666"))
        assert stranger.words == "'666' is nobody who may write to this gateway"
        assert (await asks(gateway, set_to("2"))).state is ChangeState.DONE


async def test_what_cannot_be_raised_is_refused_with_a_sentence() -> None:
    """No limit, too high a one, and an end that is none."""
    async with bench(SCRIPT, TEAM) as gateway:
        month = Wanted(ScopeKind.MONTH, Usd.parse("1").nano, raises=True)
        assert (await asks(gateway, month)).words == "there is no limit on this month: there is nothing to raise"
        assert "the most there is" in (await asks(gateway, raised("1000000"))).words
        assert "write it like 2h" in (await asks(gateway, raised(until="soon"))).words
        assert gateway.chat.sees(private(OWNER)) == []


async def test_the_end_of_a_raise_is_told_in_the_owners_time() -> None:
    """In the question, in the answer, and in the ledger."""
    berlin = replace(TEAM, timezone=ZoneInfo("Europe/Berlin"))
    async with bench(SCRIPT, berlin) as gateway:
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: 1_795_348_800_000)  # noon in London
        asked = await asks(gateway, raised(until="2h"))
        assert asked.words.endswith("by $5.00 to $30.00 until 15:00.")
        await taps(gateway, "Raise")
        assert (await ends(gateway, asked)).words == f"The day's limit is $30.00 until 15:00: {OWNER} said yes."


async def test_a_question_about_something_else_is_no_change(tmp_path: Path) -> None:
    """What a turn waits for is not told through this door; nor is what does not exist."""
    strict = replace(TEAM, confirm_above=Usd.parse("0.01"))
    async with bench(SCRIPT, strict, home=tmp_path) as gateway:
        gateway.says("work")
        await gateway.sees("**work**")
        turn = await gateway.turn()
        [open_one] = await gateway.world.store.read(lambda view: view.open_approvals(turn.id))
        assert (open_one.kind, open_one.state) == (ApprovalKind.RUN, ApprovalState.OPEN)
        assert await requests.standing(gateway.world, open_one.id, 0) is None
        assert await requests.standing(gateway.world, "ask_0", 0) is None


async def test_calls_are_limited_from_the_command_line_like_dollars(tmp_path: Path) -> None:
    """The first limit counts at once, a raise waits for a yes, and each is an entry in its unit."""
    async with bench(SCRIPT, TEAM, home=tmp_path) as gateway:
        calls = Wanted(ScopeKind.DAY, 200, raises=False, unit=Unit.CALLS)
        assert (await asks(gateway, calls)).words == "The day's limit is 200 calls. 0 calls of it are used."
        asked = await asks(gateway, replace(calls, amount=50, raises=True))
        await taps(gateway, "Raise to 250 calls")
        assert (await ends(gateway, asked)).state is ChangeState.DONE
        assert (await gateway.balance_of(gateway.today())).caps.calls == 250
