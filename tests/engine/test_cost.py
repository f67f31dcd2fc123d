"""/cost, /report, the digest and the end of a session: the words are always said, the picture if there is one, and to each their own."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import anyio
import pytest

from gateway import clock, lock
from gateway.agents.scripted import Fail, Say, Script, Wait
from gateway.chats.memory import MemoryChat, Shown
from gateway.domain.charts import Came, PeriodChart, SessionChart, Slot
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.turn import TurnState
from gateway.engine import Rules, World, cards, reporting
from gateway.files import Spool
from gateway.view import cost_words
from tests.engine.bench import OWNER, RULES, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n and what follows"
MINE = Thread("memory", OWNER)
GROUP = Thread("memory", "-100")
WRITER = "8"
THEIRS = Thread("memory", WRITER)
TEAM = replace(RULES, people=(Grant(OWNER, Role.OWNER), Grant(WRITER, Role.WRITER), Grant("9", Role.READER)))
CENT = script(call(1))


class Painter:
    """What draws: it keeps what it was given, and waits for `go` if there is one."""

    def __init__(self, *, fails: bool = False, go: anyio.Event | None = None) -> None:
        self.charts: list[SessionChart | PeriodChart] = []
        self._fails = fails
        self._go = go

    async def __call__(self, chart: SessionChart | PeriodChart, zone: tzinfo) -> bytes | None:
        """A picture, or none."""
        assert zone is not None
        self.charts.append(chart)
        if self._go is not None:
            await self._go.wait()
        return None if self._fails else PNG


@asynccontextmanager
async def painted(
    home: Path, painter: Painter, play: Script = CENT, rules: Rules = TEAM, chat: MemoryChat | None = None
) -> AsyncGenerator[Bench]:
    """A gateway that draws."""
    lock.make_home(home)

    def prepare(world: World) -> None:
        world.spool, world.draw = Spool(home, clock.new_id), painter

    async with bench(play, rules, home, chat=chat, prepare=prepare) as gateway:
        yield gateway


async def run(gateway: Bench, text: str, thread: Thread = MINE, person: str = OWNER) -> None:
    """A prompt, to its end."""
    before = len(await gateway.turns())
    gateway.chat.says(thread, person, text)
    await gateway.until(lambda turns: len(turns) == before + 1 and turns[-1].ended_at_ms is not None)


async def held_back(gateway: Bench) -> None:
    """Wait until a message waits for its picture."""
    with anyio.fail_after(20):
        while await gateway.world.store.delayed_ms("memory", gateway.world.clock.now_ms()) is None:  # noqa: ASYNC110 - only the pump is told
            await anyio.sleep(0.01)


# --------------------------------------------------------------------------------------------------------------- /cost
async def test_cost_is_one_message_a_picture_with_its_words_and_buttons(tmp_path: Path) -> None:
    """Under the picture stand what was spent of the limit, how the turns ended, and the dearest; no copy is left behind."""
    painter = Painter()
    async with painted(tmp_path / "home", painter) as gateway:
        await run(gateway, "fix the *login*")
        gateway.chat.says(MINE, OWNER, "/cost")
        shown = await gateway.sees("Session: ", MINE)
        with anyio.fail_after(20):
            while list((tmp_path / "home" / "spool").iterdir()):  # noqa: ASYNC110 - a directory tells nobody
                await anyio.sleep(0.01)
    assert shown.text.splitlines() == [
        "**Session: $0.01 of $5.00**",
        "1 turn · 1 call · 400 tokens",
        "Came of it: 1 answered",
        "$0.01 · done · fix the \\*login\\*",
    ]
    assert (shown.content, shown.file is not None) == (PNG, True)
    assert [button.label for button in shown.buttons] == ["Today", "Week", "Month"]
    assert [one.text for one in gateway.chat.sees(MINE) if "Session: " in one.text] == [shown.text]
    [chart] = painter.charts
    assert isinstance(chart, SessionChart)
    assert [(one.came, one.spent, one.title) for one in chart.turns] == [
        (Came.ANSWER, Usd.parse("0.01"), "fix the *login*")
    ]
    assert [one.limit for one in chart.limits] == [Usd.parse("5")]


async def test_without_a_session_cost_says_that_there_is_none() -> None:
    """There is nothing to draw."""
    async with bench(CENT) as gateway:
        gateway.says("/cost")
        await gateway.sees(cost_words.NOTHING_SPENT)


@pytest.mark.parametrize("fails", [True, False])
async def test_words_come_without_their_picture(tmp_path: Path, fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture that fails, or is not there in time, loses no word, and the buttons work."""
    monkeypatch.setattr(cards, "DRAWN_WITHIN_S", 0.05)
    painter = Painter(fails=fails, go=None if fails else anyio.Event())
    async with painted(tmp_path / "home", painter) as gateway:
        await run(gateway, "one")
        gateway.chat.says(MINE, OWNER, "/cost")
        shown = await gateway.sees("Session: $0.01 of $5.00", MINE)
        assert shown.file is None
        gateway.chat.taps(shown, "Today", OWNER)
        await gateway.sees("Today, ", MINE)


async def test_a_picture_that_comes_after_its_words_follows_them(tmp_path: Path) -> None:
    """The words did not wait any longer; they are not said twice."""
    go = anyio.Event()
    async with painted(tmp_path / "home", Painter(go=go)) as gateway:
        await run(gateway, "one")
        gateway.chat.says(MINE, OWNER, "/cost")
        await held_back(gateway)
        gateway.puts_clock_forward(cards.WAIT_MS)
        gateway.world.posted.set()
        words = await gateway.sees("Session: ", MINE)
        go.set()
        picture = await gateway.sees("spending.png", MINE)
    assert words.file is None
    assert picture.content == PNG
    assert len([one for one in gateway.chat.sees(MINE) if "Session: " in one.text]) == 1


async def test_words_that_waited_when_the_gateway_stopped_are_said_by_the_next_one(tmp_path: Path) -> None:
    """They were in the outbox before anything was drawn."""
    chat = MemoryChat()
    async with painted(tmp_path / "home", Painter(go=anyio.Event()), chat=chat) as gateway:
        await run(gateway, "one")
        chat.says(MINE, OWNER, "/cost")
        await held_back(gateway)
    assert not [one for one in chat.sees(MINE) if "Session: " in one.text]

    def later(world: World) -> None:
        now_ms = world.clock.now_ms
        world.clock = replace(world.clock, now_ms=lambda: now_ms() + cards.WAIT_MS)

    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=later) as gateway:
        await gateway.sees("Session: $0.01 of $5.00", MINE)


async def test_a_long_caption_goes_before_its_picture(tmp_path: Path) -> None:
    """What does not fit under a picture is a message of its own."""
    painter = Painter()
    async with painted(tmp_path / "home", painter, rules=replace(TEAM, timezone=UTC)) as gateway:
        await run(gateway, "one")
        card = cards.Say(MINE, "note_long:card", "long " * 300)
        gateway.world.perform([cards.Illustrate(card, SessionChart("api", (), 0))])
        await gateway.sees("spending.png", MINE)


# ------------------------------------------------------------------------------------------------------------- /report
async def test_an_owner_sees_all_of_the_day_and_the_limit(tmp_path: Path) -> None:
    """In their own chat: by project and model, and what came of it; a press shows the week with a picture of its days."""
    painter = Painter()
    async with painted(tmp_path / "home", painter) as gateway:
        await run(gateway, "mine")
        await run(gateway, "theirs", THEIRS, WRITER)
        gateway.chat.says(MINE, OWNER, "/report")
        shown = await gateway.sees("Today, ", MINE)
        gateway.chat.taps(shown, "Week", OWNER)
        week = await gateway.sees("Week, ", MINE)
    lines = shown.text.splitlines()
    assert lines[0].endswith(": $0.02 of $25.00**")
    assert lines[1] == "2 turns in 2 sessions"
    assert lines[3:] == ["claude-opus-4-8 $0.02", "Came of it: 2 answered", cost_words.OF_GATEWAY]
    assert ": $0.02**" in week.text
    day, days = painter.charts
    assert isinstance(day, PeriodChart)
    assert isinstance(days, PeriodChart)
    assert (day.slot, len(day.bars), day.spent, day.limit) == (Slot.HOUR, 24, Usd.parse("0.02"), Usd.parse("25"))
    assert (days.slot, len(days.bars), days.bar_limit, days.turns) == (Slot.DAY, 7, Usd.parse("25"), 2)


async def test_who_is_no_owner_sees_their_own_and_no_limit(tmp_path: Path) -> None:
    """Neither what others spent, nor how much of a limit is left, which would tell it."""
    async with painted(tmp_path / "home", Painter()) as gateway:
        await run(gateway, "mine")
        await run(gateway, "theirs", THEIRS, WRITER)
        gateway.chat.says(THEIRS, WRITER, "/report month")
        shown = await gateway.sees(cost_words.OF_PERSON, THEIRS)
        gateway.chat.says(Thread("memory", "9"), "9", "/report")
        nothing = await gateway.sees("Nothing was spent on turns of yours.", Thread("memory", "9"))
    assert shown.text.splitlines()[0].endswith(": $0.01**")
    assert "$0.02" not in shown.text
    assert nothing.file is None


async def test_a_group_sees_the_group_whoever_asks_and_presses(tmp_path: Path) -> None:
    """Also an owner is told no more there, by the command or by a button: everybody reads it."""
    async with painted(tmp_path / "home", Painter()) as gateway:
        await run(gateway, "in private")
        await run(gateway, "here", GROUP, WRITER)
        gateway.chat.says(GROUP, OWNER, "/report day")
        shown = await gateway.sees(cost_words.OF_GROUP, GROUP)
        gateway.chat.taps(shown, "Month", OWNER)
        month = await gateway.chat.waits_for(GROUP, f"{datetime.now(UTC):%Y}")
    for one in (shown, month):
        assert one.text.splitlines()[0].endswith(": $0.01**")
        assert one.text.splitlines()[1] == "1 turn in 1 session"
        assert "25.00" not in one.text


async def test_what_is_not_settled_stands_beside_the_sum(tmp_path: Path) -> None:
    """A turn that waits at a limit has cost something already."""
    async with painted(tmp_path / "home", Painter(), script(*[call(60)] * 3), with_limits(session="1")) as gateway:
        gateway.chat.says(MINE, OWNER, "big")
        await gateway.until(lambda turns: bool(turns) and turns[-1].state is TurnState.PAUSED)
        gateway.chat.says(MINE, OWNER, "/report")
        shown = await gateway.sees("Today, ", MINE)
        gateway.chat.says(MINE, OWNER, "/cost")
        cost = await gateway.sees("Session: ", MINE)
    assert "Not settled yet: 1 turn, $1.20 so far" in shown.text
    assert "1 paused" in cost.text


# ------------------------------------------------------------------------------------------------------------ the digest
def at(text: str, zone: tzinfo = UTC) -> int:
    """A moment, in milliseconds since 1970."""
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def clocked(ms: Callable[[], int]) -> Callable[[World], None]:
    """A world whose clock shows this."""

    def prepare(world: World) -> None:
        world.clock = replace(world.clock, now_ms=ms)

    return prepare


class Hand:
    """A clock that a test sets."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        """What it shows: it goes on a little each time."""
        self.now_ms += 1
        return self.now_ms


async def digests(gateway: Bench, thread: Thread = MINE) -> list[Shown]:
    """Those that were told, once nothing is due any more."""
    store = gateway.world.store
    with anyio.fail_after(20):
        while await store.read(lambda view: bool(reporting.due(gateway.world, view))):  # noqa: ASYNC110 - time brings it about
            await anyio.sleep(0.02)
        while await store.outbox("memory", 1, gateway.world.clock.now_ms()):  # noqa: ASYNC110 - see above
            await anyio.sleep(0.02)
    return [one for one in gateway.chat.sees(thread) if one.text.startswith(("**Yesterday", "**Week"))]


async def test_a_digest_tells_yesterday_once_at_its_time_also_over_a_restart(tmp_path: Path) -> None:
    """Chosen today it begins tomorrow; the mark is written with the message, so the next gateway does not tell it again."""
    hand, chat = Hand(at("2026-03-27T20:00")), MemoryChat()
    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        await run(gateway, "one")
        chat.says(MINE, OWNER, "/settings digest 8:30")
        await gateway.sees("Digest: 08:30 (UTC), what the day before cost", MINE)
        assert await digests(gateway) == []
        hand.now_ms = at("2026-03-28T08:30")
        told = await gateway.sees("**Yesterday, Fri 27 Mar: $0.01 of $25.00**", MINE)
    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        assert len(await digests(gateway)) == 1
    assert told.rang
    assert [button.label for button in told.buttons] == ["Today", "Week", "Month"]


async def test_a_digest_that_nobody_told_at_its_time_comes_late_but_not_too_late(tmp_path: Path) -> None:
    """Up to twelve hours, at the start; after that the next one is waited for. After a day without spending nothing is said."""
    hand, chat = Hand(at("2026-03-27T20:00")), MemoryChat()
    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        await run(gateway, "one")
        chat.says(MINE, OWNER, "/settings digest 08:30")
        await gateway.sees("Digest: 08:30", MINE)
    hand.now_ms = at("2026-03-28T20:29")
    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        await gateway.sees("**Yesterday, Fri 27 Mar", MINE)
        await run(gateway, "two")
    hand.now_ms = at("2026-03-29T20:31")
    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        assert len(await digests(gateway)) == 1
        hand.now_ms = at("2026-03-30T08:31")
        assert len(await digests(gateway)) == 1


async def test_a_digest_in_quiet_hours_makes_no_sound_and_tells_the_week(tmp_path: Path) -> None:
    """It comes, and waits to be seen."""
    hand = Hand(at("2026-03-27T20:00"))
    async with bench(CENT, TEAM, tmp_path / "home", prepare=clocked(hand)) as gateway:
        await run(gateway, "one")
        gateway.chat.says(MINE, OWNER, "/settings quiet 22:00-09:00")
        gateway.chat.says(MINE, OWNER, "/settings digest weekly mon 08:30")
        await gateway.sees("Digest: weekly mon 08:30", MINE)
        hand.now_ms = at("2026-03-30T08:30")
        told = await gateway.sees("**Week, Mon 23 Mar to Sun 29 Mar: $0.01**", MINE)
    assert not told.rang


async def test_a_digest_tells_what_its_reader_may_know_then(tmp_path: Path) -> None:
    """A writer's is of their own turns, a group's of the group's; who may not read any more gets none."""
    hand, chat = Hand(at("2026-03-27T20:00")), MemoryChat()
    async with bench(CENT, TEAM, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        await run(gateway, "one")
        await run(gateway, "two", THEIRS, WRITER)
        await run(gateway, "three", GROUP, WRITER)
        for thread, person in ((THEIRS, WRITER), (GROUP, OWNER)):
            chat.says(thread, person, "/settings digest 08:30")
            await gateway.sees("Digest: 08:30", thread)
        hand.now_ms = at("2026-03-28T08:30")
        own = await gateway.sees("**Yesterday", THEIRS)
        group = await gateway.sees("**Yesterday", GROUP)
        await run(gateway, "four", THEIRS, WRITER)
        await run(gateway, "five", GROUP, WRITER)
    rules = replace(TEAM, people=(Grant(OWNER, Role.OWNER),))
    hand.now_ms = at("2026-03-29T08:30")
    async with bench(CENT, rules, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        assert len(await digests(gateway, THEIRS)) == 1
    assert own.text.splitlines()[0].endswith(": $0.02**")
    assert own.text.endswith(cost_words.OF_PERSON)
    assert group.text.splitlines()[0].endswith(": $0.01**")
    assert group.text.endswith(cost_words.OF_GROUP)


async def test_a_digest_at_a_time_that_the_clocks_skip_or_repeat_is_told_once(tmp_path: Path) -> None:
    """In Berlin 02:30 is skipped on 29 March 2026."""
    zone = ZoneInfo("Europe/Berlin")
    hand, chat = Hand(at("2026-03-28T20:00", zone)), MemoryChat()
    rules = replace(TEAM, timezone=zone)
    async with bench(CENT, rules, tmp_path / "home", chat=chat, prepare=clocked(hand)) as gateway:
        await run(gateway, "one")
        chat.says(MINE, OWNER, "/settings digest 02:30")
        await gateway.sees("Digest: 02:30 (Europe/Berlin)", MINE)
        hand.now_ms = at("2026-03-29T01:59", zone)
        assert await digests(gateway) == []
        hand.now_ms = at("2026-03-29T03:30", zone)
        await gateway.sees("**Yesterday, Sat 28 Mar: $0.01", MINE)
        hand.now_ms = at("2026-03-29T05:00", zone)
        assert len(await digests(gateway)) == 1


# ------------------------------------------------------------------------------------------------- a session is over
async def test_closing_a_session_tells_what_it_cost_with_a_picture_after_a_few_turns(tmp_path: Path) -> None:
    """In the same message that says that it is closed."""
    painter = Painter()
    async with painted(tmp_path / "home", painter, Script((call(1), Say("Done.")))) as gateway:
        for number in range(3):
            await run(gateway, f"turn {number}")
        gateway.chat.says(MINE, OWNER, "/close")
        shown = await gateway.sees("Closed. ", MINE)
    assert "**Session: $0.03 of $5.00**" in shown.text
    assert "Came of it: 3 answered" in shown.text
    assert shown.content == PNG


async def test_closing_a_session_that_cost_nothing_tells_only_that() -> None:
    """No figures without spending."""
    async with bench(Script((Say("Hello."),))) as gateway:
        gateway.says("one")
        await gateway.sees("Hello.")
        gateway.says("/close")
        shown = await gateway.sees("Closed. ")
    assert "Session" not in shown.text.replace("another session", "")


async def test_what_is_being_stopped_is_told_of_as_such() -> None:
    """Its cost is not in the sum yet."""
    gate = anyio.Event()
    async with bench(script(call(1), Wait(gate))) as gateway:
        gateway.says("one")
        await gateway.until(lambda turns: bool(turns) and bool(turns[-1].spent))
        gateway.says("/close")
        shown = await gateway.sees("Closed. ")
        gate.set()
    assert "1 turn being stopped" in shown.text


async def test_a_failed_turn_is_money_without_a_result(tmp_path: Path) -> None:
    """It is told beside what came of the others."""
    async with painted(tmp_path / "home", Painter(), Script((call(2), Fail("the API is down")))) as gateway:
        await run(gateway, "one")
        gateway.chat.says(MINE, OWNER, "/report")
        shown = await gateway.sees("Today, ", MINE)
    assert "Came of it: 1 failed; $0.02 on turns that ended with nothing, failed or were stopped" in shown.text
