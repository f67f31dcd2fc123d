"""What people say aloud: written down before the gate, told to them, kept, and never a command or an answer."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import AskPerson, ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.core.quoting import NOT_THEIRS
from gateway.domain.files import FileKind
from gateway.domain.turn import TurnState
from gateway.engine import Rules, World
from gateway.engine.world import LISTENED_AT_ONCE
from gateway.ports import Heard, Transcriber
from gateway.view.file_words import NO_TRANSCRIBER
from gateway.voice import MemoryTranscriber
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

SAID = {b"voice": "fix the login test", b"stop": "/stop all", b"nothing": " \n"}


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """The usual ones, with a place for files."""
    return replace(RULES, files=str(tmp_path / "files"))


class Slow(MemoryTranscriber):
    """Listens until the test lets it write down what it heard."""

    def __init__(self) -> None:
        super().__init__(SAID)
        self.began = anyio.Event()
        self.go = anyio.Event()

    async def transcribe(self, path: str) -> Heard | str:
        """Wait, then listen."""
        self.began.set()
        await self.go.wait()
        return await super().transcribe(path)


@asynccontextmanager
async def listening(
    rules: Rules,
    transcriber: Transcriber | None = None,
    home: Path | None = None,
    chat: MemoryChat | None = None,
    steps: tuple[object, ...] = (call(1),),
) -> AsyncGenerator[Bench]:
    """A gateway with somebody who listens."""

    def prepare(world: World) -> None:
        world.transcriber = transcriber

    async with bench(script(*steps), rules, home, chat=chat, prepare=prepare) as gateway:
        yield gateway


def speaks(gateway: Bench, content: bytes = b"voice", text: str = "", kind: FileKind = FileKind.VOICE, **more: str):
    """A person sends a voice message."""
    gateway.chat.sends_file(THREAD, OWNER, content, "voice.ogg", text, kind, **more)


def prompts(gateway: Bench) -> list[str]:
    """What the agent was given."""
    assert isinstance(gateway.agent, ScriptedAgent)
    return [text for _, text in gateway.agent.prompts]


async def test_what_a_person_says_runs_as_their_words_and_is_shown_to_them(rules: Rules) -> None:
    """The prompt is the text alone; the chat shows quietly what the agent was told."""
    async with listening(rules, MemoryTranscriber(SAID)) as gateway:
        speaks(gateway)
        heard = await gateway.sees("Heard: fix the login test")
        assert not heard.rang
        turn = await gateway.ended(TurnState.FINISHED)
        assert (turn.prompt, prompts(gateway)) == ("fix the login test", ["fix the login test"])


async def test_the_gate_asks_about_the_words(rules: Rules) -> None:
    """Listening comes first: the question names what was said, and the yes is given to that."""
    asks = replace(rules, confirm_above=with_limits(confirm="0.01").confirm_above)
    async with listening(asks, MemoryTranscriber(SAID)) as gateway:
        speaks(gateway)
        await gateway.sees("**fix the login test**")
        assert prompts(gateway) == []
        await gateway.taps("**fix the login test**", "Run")
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == ["fix the login test"]


async def test_nothing_is_shown_where_the_owner_wants_that(rules: Rules) -> None:
    """`voice.show = false`."""
    async with listening(replace(rules, shows_heard=False), MemoryTranscriber(SAID)) as gateway:
        speaks(gateway)
        await gateway.ended(TurnState.FINISHED)
        assert not any("Heard" in shown.text for shown in gateway.chat.sees(THREAD))


async def test_a_caption_stays_beside_what_was_said(rules: Rules) -> None:
    """Both are the person's words."""
    async with listening(rules, MemoryTranscriber(SAID)) as gateway:
        speaks(gateway, text="today please")
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == ["today please\n\n[Said in the voice message:]\nfix the login test"]


async def test_without_a_transcriber_the_person_is_told_and_the_file_is_passed_on(rules: Rules) -> None:
    """In one sentence; the agent may know what to do with it."""
    async with listening(rules) as gateway:
        speaks(gateway)
        await gateway.sees(NO_TRANSCRIBER)
        turn = await gateway.ended(TurnState.FINISHED)
        place = Path(rules.files, turn.session_id, f"{turn.id}-1.ogg")
        assert prompts(gateway) == [f'[voice message "voice.ogg" is attached: {place} (5 bytes)]']


async def test_a_song_is_a_file_and_nobody_is_told_that_it_is_not_listened_to(rules: Rules) -> None:
    """Only who speaks expects to be heard."""
    async with listening(rules) as gateway:
        speaks(gateway, kind=FileKind.AUDIO)
        await gateway.ended(TurnState.FINISHED)
        assert not any("written down" in shown.text for shown in gateway.chat.sees(THREAD))
        assert prompts(gateway)[0].startswith('[audio "voice.ogg" is attached')


@pytest.mark.parametrize(
    ("content", "why"), [(b"unknown", "nobody is there"), (b"nothing", "nothing could be made out")]
)
async def test_what_cannot_be_heard_is_told_and_passed_on_as_a_file(rules: Rules, content: bytes, why: str) -> None:
    """Failure costs the words, not the message."""
    async with listening(rules, MemoryTranscriber(SAID)) as gateway:
        speaks(gateway, content)
        told = await gateway.sees("could not be written down")
        assert told.text.replace("\\", "") == (
            f"What is said in voice.ogg could not be written down: {why}. It goes to the agent as a file."
        )
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway)[0].startswith('[voice message "voice.ogg" is attached')


async def test_a_command_that_is_said_stops_nothing(rules: Rules) -> None:
    """A voice message is never a command, of the gateway's or of the agent's."""
    async with listening(rules, MemoryTranscriber(SAID)) as gateway:
        speaks(gateway, b"stop")
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == ["Said: /stop all"]
        assert not await gateway.world.store.read(lambda view: view.frozen)


async def test_what_is_said_answers_no_question(rules: Rules) -> None:
    """Neither the agent's that is open, nor as a reply to it: it waits as a prompt of its own."""
    async with listening(rules, MemoryTranscriber(SAID), steps=(AskPerson("Which colour?"), call(1))) as gateway:
        gateway.says("paint it")
        await gateway.sees("Which colour?")
        speaks(gateway)
        await gateway.sees("Heard: fix")
        await gateway.sees("Queued as number 1")
        gateway.says("green")
        await gateway.sees("Answered: green")


async def test_what_somebody_else_said_is_marked_as_theirs(rules: Rules) -> None:
    """A forwarded voice message is information. Attack 18."""
    async with listening(rules, MemoryTranscriber(SAID)) as gateway:
        speaks(gateway, forwarded="Ann")
        await gateway.ended(TurnState.FINISHED)
        (text,) = prompts(gateway)
        assert text == (
            f'[Said in voice message "voice.ogg":]\n> fix the login test\n[{NOT_THEIRS}]\n\n[Forwarded from Ann. {NOT_THEIRS}]'
        )


async def test_while_somebody_listens_everything_else_goes_on_and_order_is_kept(rules: Rules) -> None:
    """What is written meanwhile waits behind it; commands do not."""
    transcriber = Slow()
    async with listening(rules, transcriber) as gateway:
        speaks(gateway)
        await transcriber.began.wait()
        gateway.says("and this")
        await gateway.sees("Queued as number 1")
        gateway.says("/cost")
        await gateway.sees("Session:")
        assert prompts(gateway) == []
        transcriber.go.set()
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert prompts(gateway) == ["fix the login test", "and this"]


async def test_a_voice_message_that_is_stopped_while_somebody_listens_does_not_run(rules: Rules) -> None:
    """The stop counts at once; what is heard afterwards is nobody's business any more."""
    transcriber = Slow()
    async with listening(rules, transcriber) as gateway:
        speaks(gateway)
        await transcriber.began.wait()
        gateway.says("/stop")
        await gateway.ended(TurnState.REFUSED)
        transcriber.go.set()
        gateway.says("other words")
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == ["other words"]
        assert not any("Heard" in shown.text for shown in gateway.chat.sees(THREAD))


async def test_a_gateway_that_ends_while_somebody_listens_listens_again_and_runs_it_once(
    rules: Rules, tmp_path: Path
) -> None:
    """The turn waits in the store without a hold; what was decided later is about the words that the next one hears."""
    transcriber, chat = Slow(), MemoryChat()
    async with listening(rules, transcriber, tmp_path / "home", chat) as gateway:
        speaks(gateway)
        await transcriber.began.wait()
        turn = await gateway.turn()
        assert (turn.state, turn.hold.nano) == (TurnState.QUEUED, 0)
    async with listening(rules, MemoryTranscriber(SAID), tmp_path / "home", chat) as gateway:
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == ["fix the login test"]


async def test_what_was_heard_once_is_kept_while_a_person_is_asked(rules: Rules, tmp_path: Path) -> None:
    """After a restart the yes runs the words that it was given to, whatever would be heard now."""
    asks = replace(rules, confirm_above=with_limits(confirm="0.01").confirm_above)
    chat, other = MemoryChat(), MemoryTranscriber({b"voice": "delete everything"})
    async with listening(asks, MemoryTranscriber(SAID), tmp_path / "home", chat) as gateway:
        speaks(gateway)
        await gateway.sees("**fix the login test**")
    async with listening(asks, other, tmp_path / "home", chat) as gateway:
        await gateway.taps("**fix the login test**", "Run")
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == ["fix the login test"]
        assert other.paths == []


async def test_nobody_listens_to_strangers(rules: Rules) -> None:
    """Who may not prompt costs nothing."""
    transcriber = MemoryTranscriber(SAID)
    async with listening(rules, transcriber) as gateway:
        gateway.chat.sends_file(THREAD, "666", b"voice", "voice.ogg", kind=FileKind.VOICE)
        gateway.says("words")
        await gateway.ended(TurnState.FINISHED)
        assert transcriber.paths == []


async def test_a_recording_that_cannot_be_fetched_is_told(rules: Rules) -> None:
    """Too large, or gone: with nothing else to go by, nothing runs."""
    async with listening(replace(rules, file_bytes_max=4), MemoryTranscriber(SAID)) as gateway:
        speaks(gateway)
        await gateway.sees("it is larger than 4 bytes")
        await gateway.sees("Nothing was sent to the agent")
        assert prompts(gateway) == []
        assert not any("written down" in shown.text for shown in gateway.chat.sees(THREAD))


async def test_a_long_speech_is_cut_in_the_chat_only(rules: Rules) -> None:
    """The agent has all of it."""
    speech = "word " * 1_000
    async with listening(rules, MemoryTranscriber({b"voice": speech})) as gateway:
        speaks(gateway)
        shown = await gateway.sees("Heard: word")
        assert shown.text.endswith("…")
        assert len(shown.text) < 3_100
        await gateway.ended(TurnState.FINISHED)
        assert prompts(gateway) == [speech.strip()]


class Busy(MemoryTranscriber):
    """Counts how many recordings it is given at once, until the test lets it go on."""

    def __init__(self) -> None:
        super().__init__(SAID)
        self.now = self.most = 0
        self.go = anyio.Event()

    async def transcribe(self, path: str) -> Heard | str:
        """Wait, then listen."""
        self.now += 1
        self.most = max(self.most, self.now)
        await self.go.wait()
        self.now -= 1
        return await super().transcribe(path)


async def test_of_many_recordings_a_few_are_listened_to_at_once_and_no_limit_runs_out_meanwhile(rules: Rules) -> None:
    """After an outage hundreds may be agreed to together: each has all of its time, and the line to the chat stays free."""
    busy = Busy()
    async with listening(rules, busy) as gateway:
        for _ in range(6):
            speaks(gateway)
        turns = await gateway.until(lambda turns: len(turns) == 6)
        for _ in range(20):
            await anyio.wait_all_tasks_blocked()
        busy.go.set()
        turns = await gateway.until(lambda turns: all(turn.state is TurnState.FINISHED for turn in turns))
    assert busy.most <= LISTENED_AT_ONCE
    assert [turn.attachments[0].heard for turn in turns] == ["fix the login test"] * 6
