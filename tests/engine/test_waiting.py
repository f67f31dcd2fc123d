"""Buttons under what waits, messages from an outage, and messages that are changed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway import clock
from gateway.agents.scripted import UseTool
from gateway.chats.memory import MemoryChat, Shown
from gateway.domain.change import Asker
from gateway.domain.events import Edited, Message, Moved
from gateway.domain.files import Attachment, FileKind
from gateway.domain.people import Terms
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.turn import TurnState
from gateway.engine import Rules, World, groups, pairing
from gateway.voice import MemoryTranscriber
from tests.engine.bench import OTHER, OWNER, RULES, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000
READER = "9"


def written(gateway: Bench, text: str, hours: float) -> str:
    """A message that was written so many hours ago, and comes now."""
    return gateway.chat.says(THREAD, OWNER, text, sent_at_ms=clock.now_ms() - int(hours * HOUR_MS))


async def prompts(gateway: Bench) -> list[tuple[str, TurnState]]:
    """What was asked for, and what became of it."""
    return [(turn.prompt, turn.state) for turn in await gateway.turns()]


async def ended(gateway: Bench, *texts: str) -> None:
    """Wait until the turns of these prompts have finished."""
    await gateway.until(lambda turns: {turn.prompt for turn in turns if turn.state is TurnState.FINISHED} >= set(texts))


async def test_what_was_only_asked_about_says_that_another_message_goes_first() -> None:
    """Run now below a question about money: the question is closed with what became of its message and how to have it all the same."""
    async with bench(script(call(1)), with_limits(confirm="0.10")) as gateway:
        gateway.says("first")
        await gateway.sees("**first**")
        gateway.says("second")
        await gateway.taps("Queued as number 1: second", "Run now")
        closed = await gateway.sees("Not run: another message goes first. Write it again to have it run.")
        assert closed.text.startswith("**first**")
        await gateway.taps("**second**", "Run, up to $0.50")
        await ended(gateway, "second")


async def until(gateway: Bench, holds: Callable[[list[Shown]], bool]) -> None:
    """Wait until it holds of what the thread shows."""
    with anyio.fail_after(10):
        while not holds(gateway.chat.sees(THREAD)):  # noqa: ASYNC110 - an edit that takes words away is waited for
            await anyio.sleep(0.02)


async def test_a_waiting_message_is_dropped_by_its_button_and_the_others_keep_their_order() -> None:
    """The message says that it was dropped; a second press finds nothing that waits."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        gateway.says("second")
        shown = await gateway.sees("Queued as number 1")
        gateway.says("third")
        await gateway.sees("Queued as number 2")
        gateway.chat.taps(shown, "Drop", OWNER)
        gateway.chat.taps(shown, "Drop", OWNER)
        await gateway.sees("Dropped: it does not run.")
        lasts.set()
        await ended(gateway, "first", "third")
        assert ("second", TurnState.REFUSED) in await prompts(gateway)
        assert gateway.chat.messages[shown.message_id].buttons == ()


async def test_run_now_stops_what_is_at_work_and_goes_before_the_others() -> None:
    """What waited longer runs after it; nothing is lost, and nothing runs beside it."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        gateway.says("second")
        await gateway.sees("Queued as number 1")
        gateway.says("third")
        gateway.chat.taps(await gateway.sees("Queued as number 2"), "Run now", OWNER)
        await gateway.sees("Runs next, before anything else that waits: third")
        lasts.set()
        await ended(gateway, "second", "third")
        turns = {turn.prompt: turn for turn in await gateway.turns()}
        assert turns["first"].state is TurnState.STOPPED
        assert (turns["third"].started_at_ms or 0) <= (turns["second"].started_at_ms or 0)
        assert (turns["third"].ended_at_ms or 0) <= (turns["second"].started_at_ms or 0)
        await until(gateway, lambda shown: not any("Runs next" in one.text for one in shown))


async def test_the_stop_button_stops_its_own_turn_and_the_next_one_follows() -> None:
    """/stop ends all that waits as well; the button under one turn means that one."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        gateway.says("first")
        status = await gateway.sees("Working")
        gateway.says("second")
        await gateway.sees("Queued as number 1")
        gateway.chat.taps(status, "Stop", OWNER)
        await until(gateway, lambda shown: sum(one.text.startswith("Stopped · ") for one in shown) == 2)
        lasts.set()
        await ended(gateway, "second")
        stopped = [one for one in gateway.chat.sees(THREAD) if one.text.startswith("Stopped · ")]
        assert stopped[0].message_id == status.message_id
        assert not any(one.rang for one in stopped)
        assert not any("Stopping" in one.text for one in gateway.chat.sees(THREAD))
        assert ("first", TurnState.STOPPED) in await prompts(gateway)

        async def shown() -> Shown:
            return gateway.chat.messages[status.message_id]

        assert (await gateway.steps.until(shown, lambda seen: seen.text.startswith("Stopped"))).buttons == ()


async def test_a_command_behind_a_button_needs_the_same_rights_as_one_that_is_typed() -> None:
    """A reader sees the buttons and may press none of them; nobody presses them in another chat."""
    lasts = anyio.Event()
    people = (Grant(OWNER, Role.OWNER), Grant(READER, Role.READER))
    async with bench(script(call(1, lasts=lasts)), with_limits(people=people)) as gateway:
        gateway.says("first")
        status = await gateway.sees("Working")
        told = await gateway.chat.told(gateway.chat.taps(status, "Stop", READER))
        assert told == "You may read here, and no more than that: ask an owner."
        assert await gateway.chat.told(gateway.chat.taps(status, "Stop", "666")) == "You may not answer this."
        elsewhere = type(status)(OTHER, status.message_id, status.text, status.buttons)
        assert await gateway.chat.told(gateway.chat.taps(elsewhere, "Stop", OWNER)) == "This button is not valid here."
        lasts.set()
        await ended(gateway, "first")
        assert await gateway.chat.told(gateway.chat.taps(status, "Stop", OWNER)) == "This has expired."


async def test_sessions_are_gone_to_by_their_buttons() -> None:
    """The list says at once which one it is now."""
    async with bench(script(call(1))) as gateway:
        gateway.says("one")
        await ended(gateway, "one")
        await gateway.begins_anew("/usr")
        gateway.says("/sessions")
        shown = await gateway.sees("1 · `/usr`")
        assert "this one" in shown.text.splitlines()[0]
        assert [button.label for button in shown.buttons] == ["2 · /"]
        gateway.chat.taps(shown, "2", OWNER)
        renewed = await gateway.sees("2 · `/` · Scripted agent · idle · $0.01 · this one")
        assert renewed.message_id == shown.message_id
        assert [button.label for button in renewed.buttons] == ["1 · usr"]
        gateway.says("two")
        await ended(gateway, "one", "two")
        [first, _] = await gateway.sessions()
        assert {turn.session_id for turn in await gateway.turns()} == {first.id}


async def test_what_was_written_long_ago_does_not_run_unasked() -> None:
    """Three messages from an outage are one question with what they would cost; new ones run meanwhile."""
    async with bench(script(call(1))) as gateway:
        for text, hours in (("one", 3.0), ("two", 2.0), ("three", 1.0)):
            written(gateway, text, hours)
        await gateway.sees("3 messages wait, the oldest sent 3 h ago, about $1.50: too long ago to run unasked.")
        assert (await gateway.sees("3 messages wait")).rang
        gateway.says("new")
        await ended(gateway, "new")
        assert [state for _, state in (await prompts(gateway))[:3]] == [TurnState.QUEUED] * 3
        await gateway.taps("3 messages wait", "Run all")
        await gateway.sees("All 3 run now, one after the other.")
        await ended(gateway, "one", "two", "three")
        late = [turn for turn in await gateway.turns() if turn.prompt != "new"]
        order = [turn.prompt for turn in sorted(late, key=lambda turn: turn.started_at_ms or 0)]
        assert order == ["one", "two", "three"]


async def test_each_of_the_late_ones_can_be_chosen() -> None:
    """One runs, one is dropped, and the question is over with the last of them."""
    async with bench(script(call(1))) as gateway:
        written(gateway, "one", 2)
        written(gateway, "two", 1)
        await gateway.taps("2 messages wait", "Choose")
        await gateway.taps("Sent 2 h ago, about $0.50: one", "Drop")
        await gateway.taps("Sent 1 h ago, about $0.50: two", "Run")
        await ended(gateway, "two")
        assert ("one", TurnState.REFUSED) in await prompts(gateway)
        await gateway.sees("None of these messages waits any more.")


async def test_what_waits_for_a_word_is_asked_about_where_its_group_went() -> None:
    """Attack 15: the question about all of them and those about each are put there, with buttons that count."""
    async with bench(script(call(1))) as gateway:
        written(gateway, "one", 3)
        written(gateway, "two", 2)
        await gateway.taps("2 messages wait", "Choose")
        await gateway.sees("Sent 2 h ago")
        there = Thread("memory", "-100")
        await gateway.world.commit(groups.handle_moved(gateway.world, Moved("memory", THREAD.chat, there.chat), None))
        gateway.chat.taps(await gateway.sees("Sent 2 h ago", there), "Drop", OWNER)
        gateway.chat.taps(await gateway.sees("A message waits that was sent 3 h ago", there), "Drop all", OWNER)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.REFUSED] * 2)


async def test_a_waiting_message_that_was_changed_says_so_where_its_group_went() -> None:
    """With its place as it is by then: what ran meanwhile is not ahead of it any more."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        gateway.says("second")
        third = gateway.chat.says(THREAD, OWNER, "third")
        await gateway.sees("Queued as number 2:")
        await gateway.taps("Queued as number 1:", "Drop")
        await gateway.sees("Dropped: it does not run.")
        gateway.chat.edits(THREAD, OWNER, third, "third, changed")
        await gateway.sees("Changed:")
        there = Thread("memory", "-100")
        await gateway.world.commit(groups.handle_moved(gateway.world, Moved("memory", THREAD.chat, there.chat), None))
        shown = await gateway.sees("Queued as number 1:", there)
        assert "Changed:" in shown.text
        gateway.chat.taps(shown, "Drop", OWNER)
        await gateway.sees("Dropped: it does not run.", there)
        lasts.set()


async def test_late_ones_are_dropped_together_and_a_later_outage_is_asked_about_anew() -> None:
    """Dropped is dropped: a press afterwards finds nothing."""
    async with bench(script(call(1))) as gateway:
        written(gateway, "one", 2)
        shown = await gateway.sees("A message waits that was sent 2 h ago, about $0.50")
        gateway.chat.taps(shown, "Drop all", OWNER)
        await gateway.sees("Dropped: it does not run.")
        assert await gateway.chat.told(gateway.chat.taps(shown, "Run all", OWNER)) == "This has expired."
        written(gateway, "two", 1)
        again = await gateway.sees("A message waits that was sent 1 h ago")
        assert again.message_id != shown.message_id
        assert gateway.agent.charges == []


async def test_commands_and_answers_from_an_outage_count_as_always() -> None:
    """/stop that was written an hour ago stops what runs."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        gateway.says("go")
        await gateway.sees("Working")
        written(gateway, "/stop", 1)
        await gateway.sees("Stopping: go")
        lasts.set()
        await gateway.ended(TurnState.STOPPED)


async def test_a_waiting_message_runs_as_it_was_last_changed() -> None:
    """Attack 17: what waits changes with its message; what has begun, by however little, does not."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        first = gateway.chat.says(THREAD, OWNER, "first")
        await gateway.sees("Working")
        second = gateway.chat.says(THREAD, OWNER, "second")
        await gateway.sees("Queued as number 1")
        gateway.chat.edits(THREAD, OWNER, second, "second, better")
        changed = await gateway.sees("Changed: what runs is what the message says now.")
        assert changed.text.startswith("Queued as number 1: second, better\n")
        gateway.chat.edits(THREAD, "9", second, "somebody else's")
        gateway.chat.edits(OTHER, OWNER, second, "another chat's")
        gateway.chat.edits(THREAD, OWNER, second, "/stop all")
        gateway.chat.edits(THREAD, OWNER, first, "first, too late")
        await gateway.sees("I use the first version; /stop and write again.")
        lasts.set()
        await ended(gateway, "first", "second, better")
        assert len(await gateway.turns()) == 2


async def test_who_changes_a_message_that_has_run_is_told_to_write_it_again() -> None:
    """Attack 17: nothing runs that could be stopped for it."""
    async with bench(script(call(1))) as gateway:
        first = gateway.chat.says(THREAD, OWNER, "first")
        await ended(gateway, "first")
        gateway.chat.edits(THREAD, OWNER, first, "first, after all")
        await gateway.sees("A change counts only while a message waits: write it again, as a new one.")
        assert len(await gateway.turns()) == 1


# ----------------------------------------------------------------------------------------- albums and voice messages
FIRST_VERSION = "I use the first version; /stop and write again."


def ear() -> MemoryTranscriber:
    """Somebody who knows what is said in the recording of these tests; `paths`: what they were given."""
    return MemoryTranscriber({b"voice": "fix the login test"})


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """The usual ones, with a place for files."""
    return replace(RULES, files=str(tmp_path / "files"))


@pytest.fixture
def brief_albums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Albums are whole sooner."""
    monkeypatch.setattr("gateway.core.albums.QUIET_MS", 300)


@asynccontextmanager
async def listening(
    hears: MemoryTranscriber, rules: Rules, *steps: object, home: Path | None = None, chat: MemoryChat | None = None
) -> AsyncGenerator[Bench]:
    """A gateway with somebody who listens."""

    def prepare(world: World) -> None:
        world.transcriber = hears

    async with bench(script(*(steps or (call(1),))), rules, home, chat=chat, prepare=prepare) as gateway:
        yield gateway


def ago(hours: float) -> int:
    """When that was, by the chat's clock."""
    return clock.now_ms() - int(hours * HOUR_MS)


def filed(message_id: str, text: str, kind: FileKind, *, hours: float = 0, album: str = "") -> Message:
    """A message with a file and these words below it, written so many hours ago."""
    file = Attachment(
        f"file-{message_id}", "voice.ogg" if kind is FileKind.VOICE else "photo.jpg", kind, 5, album=album
    )
    told = Message(THREAD, OWNER, text, message_id=message_id, attachments=(file,), album=album)
    return replace(told, sent_at_ms=ago(hours))


def speaks(gateway: Bench, text: str = "", hours: float = 0, message_id: str = "1001") -> None:
    """A voice message, spoken so many hours ago."""
    gateway.chat.files[f"file-{message_id}"] = b"voice"
    gateway.chat.post(filed(message_id, text, FileKind.VOICE, hours=hours))


def part(message_id: str, text: str, hours: float = 0) -> Message:
    """A picture of an album as it is told with these words below it."""
    return filed(message_id, text, FileKind.PHOTO, hours=hours, album="77")


def sends_album(gateway: Bench, *texts: str, hours: float = 0) -> None:
    """An album whose parts, 1001 and so on, have these words below them."""
    for number, text in enumerate(texts, 1001):
        gateway.chat.files[f"file-{number}"] = b"\xff\xd8\xff"
        gateway.chat.post(part(str(number), text, hours))


@pytest.mark.usefixtures("brief_albums")
async def test_an_album_from_an_outage_is_one_message_that_waits(rules: Rules) -> None:
    """All its pictures are asked about at once, and run at once."""
    async with bench(script(call(1)), rules) as gateway:
        sends_album(gateway, "Compare these", "", "", hours=2)
        await gateway.sees("A message waits that was sent 2 h ago")
        assert await prompts(gateway) == [("Compare these", TurnState.QUEUED)]
        await gateway.taps("A message waits", "Run all")
        await ended(gateway, "Compare these")
        [(_, text)] = gateway.agent.prompts
        assert text.count("is attached") == 3


@pytest.mark.parametrize("chosen", [False, True], ids=["all", "one by one"])
async def test_a_voice_message_from_an_outage_is_listened_to_once_somebody_says_that_it_runs(
    rules: Rules, chosen: bool
) -> None:
    """Listening may cost, and takes time: nobody does it for what may be dropped. Then it runs as what was said."""
    hears = ear()
    async with listening(hears, rules) as gateway:
        speaks(gateway, hours=2)
        speaks(gateway, hours=1, message_id="1002")
        await gateway.sees("2 messages wait")
        gateway.says("new")
        await ended(gateway, "new")
        assert hears.paths == []
        if chosen:
            await gateway.taps("2 messages wait", "Choose")
            await gateway.taps("Sent 2 h ago", "Run")
            await gateway.taps("Sent 1 h ago", "Drop")
        else:
            await gateway.taps("2 messages wait", "Run all")
        heard = 1 if chosen else 2
        await gateway.until(
            lambda turns: (
                [(turn.prompt, turn.state) for turn in turns].count(("fix the login test", TurnState.FINISHED)) == heard
            )
        )
        assert [text for _, text in gateway.agent.prompts] == ["new", *["fix the login test"] * heard]
        assert len(hears.paths) == heard


async def test_a_gateway_that_begins_anew_does_not_listen_to_what_waits_for_a_word(
    rules: Rules, tmp_path: Path
) -> None:
    """Nobody has said yet that it runs; when somebody does, it is listened to."""
    hears, chat = ear(), MemoryChat()
    async with listening(hears, rules, home=tmp_path / "home", chat=chat) as gateway:
        speaks(gateway, hours=2)
        await gateway.sees("A message waits")
    async with listening(hears, rules, home=tmp_path / "home", chat=chat) as gateway:
        gateway.says("new")
        await ended(gateway, "new")
        assert hears.paths == []
        await gateway.taps("A message waits", "Run all")
        await ended(gateway, "fix the login test")


async def test_a_voice_message_that_waits_is_run_now_by_its_button(rules: Rules) -> None:
    """It was listened to while it waited, and goes before what waits longer."""
    lasts, hears = anyio.Event(), ear()
    async with listening(hears, rules, call(1, lasts=lasts)) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        gateway.says("second")
        await gateway.sees("Queued as number 1")
        speaks(gateway)
        await gateway.sees("Heard: fix the login test")
        await gateway.taps("Queued as number 2", "Run now")
        await gateway.sees("Runs next, before anything else that waits: fix the login test")
        lasts.set()
        await ended(gateway, "second", "fix the login test")
        assert [text for _, text in gateway.agent.prompts] == ["first", "fix the login test", "second"]
        assert len(hears.paths) == 1


async def test_what_is_said_stays_when_the_words_below_it_are_changed(rules: Rules) -> None:
    """Attack 17: a recording's words are not in the edit, and run all the same."""
    lasts = anyio.Event()
    async with listening(ear(), rules, call(1, lasts=lasts)) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        speaks(gateway, "today please")
        await gateway.sees("Heard: fix the login test")
        gateway.chat.post(Edited(filed("1001", "tomorrow please", FileKind.VOICE)))
        await gateway.sees("Changed: what runs is what the message says now.")
        lasts.set()
        await ended(gateway, "tomorrow please\n\n[Said in the voice message:]\nfix the login test")


@pytest.mark.usefixtures("brief_albums")
@pytest.mark.parametrize("edited", ["1001", "1002"])
async def test_a_part_of_an_album_that_waits_is_not_changed(rules: Rules, edited: str) -> None:
    """Attack 17: an edit tells of one message, and the prompt is of several: none of its words is lost, and the person is told."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts)), rules) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        sends_album(gateway, "before", "after", "")
        gateway.chat.post(Edited(part(edited, "other words")))  # it comes while the album is not whole yet
        await gateway.sees("Queued as number 1")
        await gateway.sees(FIRST_VERSION)
        lasts.set()
        await ended(gateway, "before\n\nafter")
        _, (_, text) = gateway.agent.prompts
        assert text.count("is attached") == 3


async def test_a_code_is_asked_for_from_an_outage_as_well() -> None:
    """A window is open or it is not; when /pair was written, by whichever clock, is not looked at, and nothing of it waits."""
    stranger = Thread("memory", "8")
    desk = Asker("ada", "desk", (4_194_400, 4_194_399, 1), terminal=True)
    async with bench(script(call(1))) as gateway:
        gateway.chat.says(stranger, "8", "/pair", sent_at_ms=ago(2))
        await gateway.steps.until(lambda: gateway.world.store.inbox(1), lambda waiting: not waiting)
        assert gateway.chat.sees(stranger) == []
        await pairing.opened(gateway.world, Terms(Role.WRITER, None), 10, desk)
        gateway.chat.says(stranger, "8", "/pair", sent_at_ms=ago(1))
        await gateway.sees("Your code is", stranger)
        assert await gateway.turns() == []


async def test_the_places_of_the_others_are_as_they_are_after_a_drop_and_after_run_now() -> None:
    """Each message that waits says its own, with buttons that count."""
    lasts = anyio.Event()
    async with bench(script(call(1, lasts=lasts))) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        for number, text in enumerate(("second", "third", "fourth", "fifth"), start=1):
            gateway.says(text)
            await gateway.sees(f"Queued as number {number}")
        await gateway.taps("Queued as number 1", "Drop")
        for number, text in enumerate(("third", "fourth", "fifth"), start=1):
            await gateway.sees(f"Queued as number {number}: {text}")
        await gateway.taps("Queued as number 3: fifth", "Run now")
        await gateway.sees("Runs next, before anything else that waits: fifth")
        await gateway.sees("Queued as number 2: third")
        await gateway.sees("Queued as number 3: fourth")
        await gateway.taps("Queued as number 3: fourth", "Drop")
        lasts.set()
        await ended(gateway, "third", "fifth")
        states = dict(await prompts(gateway))
        assert states["second"] is states["fourth"] is TurnState.REFUSED


async def test_words_on_their_way_to_the_agent_say_so_where_its_group_went() -> None:
    """They have no place among those that wait, and no buttons; the others have both."""
    first, second = anyio.Event(), anyio.Event()
    play = script(call(1, lasts=first), UseTool("Bash", "ls"), call(1, lasts=second))
    async with bench(play) as gateway:
        gateway.says("first")
        await gateway.sees("Working")
        gateway.says("steered")
        await gateway.taps("Queued as number 1", "Steer")
        await gateway.sees("Goes to the agent at its next step")
        gateway.says("other")
        await gateway.sees("Queued as number 1: other")
        there = Thread("memory", "-100")
        await gateway.world.commit(groups.handle_moved(gateway.world, Moved("memory", THREAD.chat, there.chat), None))
        await gateway.sees("Queued as number 1: other", there)
        shown = await gateway.sees("Goes to the agent at its next step", there)
        assert shown.buttons == ()
        assert not any("Queued" in one.text and "steered" in one.text for one in gateway.chat.sees(there))
        first.set()
        await gateway.sees("Told the agent while it works: steered", there)
        second.set()
