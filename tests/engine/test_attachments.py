"""Files that people send: saved where the agent may read them, before it has the prompt, and nothing lost when that fails."""

import os
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway import clock
from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.domain.files import FileKind
from gateway.domain.turn import TurnState
from gateway.engine import Rules, attachments
from gateway.files import DAY_MS, FOLDER_BYTES_MAX, folder_of, forget_old
from gateway.ports import Launch, Saved
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script

pytestmark = pytest.mark.anyio


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """The usual ones, with a place for files."""
    return replace(RULES, files=str(tmp_path / "files"))


class Overheard(ScriptedAgent):
    """An agent of which a test sees where it may read."""

    def __init__(self, home: Path | None) -> None:
        super().__init__(script(call(1)), directory=home / "scripted" if home else None)
        self.folders: list[str] = []

    @property
    def texts(self) -> list[str]:
        """The prompts that it had."""
        return [text for _, text in self.prompts]

    async def start(self, launch: Launch) -> Any:
        """As ever."""
        self.folders.append(launch.folder)
        return await super().start(launch)


@asynccontextmanager
async def overheard(
    rules: Rules, chat: MemoryChat | None = None, home: Path | None = None
) -> AsyncGenerator[tuple[Bench, Overheard]]:
    """A gateway whose agent is listened to."""
    agent = Overheard(home)
    async with agent, bench(script(), rules, home, {"scripted": agent}, chat) as running:
        yield running, agent


class Slow(MemoryChat):
    """A chat from which a file comes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = anyio.Event()
        self.go = anyio.Event()

    async def fetch(self, attachment_id: str, into: str, bytes_max: int) -> Saved | str:
        """Wait, then fetch."""
        self.asked.set()
        await self.go.wait()
        return await super().fetch(attachment_id, into, bytes_max)


async def test_the_prompt_says_where_the_file_was_saved_for_the_agent_to_read(rules: Rules) -> None:
    """Under a name of our own in a folder of the session's own, which the agent was started with."""
    async with overheard(rules) as (running, agent):
        running.chat.sends_file(THREAD, OWNER, b"five!", "../no\ttes.txt", "Read this")
        turn = await running.ended(TurnState.FINISHED)
        folder = Path(rules.files, turn.session_id)
        saved = folder / f"{turn.id}-1.txt"
        assert agent.texts == [f'Read this\n\n[document "notes.txt" is attached: {saved} (5 bytes)]']
        assert agent.folders == [str(folder)]
    assert content(saved) == b"five!"
    assert modes(folder, saved) == [0o700, 0o600]


def content(path: Path) -> bytes:
    """Of a file."""
    return path.read_bytes()


def modes(*paths: Path) -> list[int]:
    """Who may do what with them."""
    return [stat.S_IMODE(path.stat().st_mode) for path in paths]


async def test_a_picture_without_words_is_a_prompt(rules: Rules) -> None:
    """The agent gets its place; people see its name where they would see the words."""
    async with overheard(rules) as (running, agent):
        running.chat.sends_file(THREAD, OWNER, b"\xff\xd8\xff", "photo.jpg", kind=FileKind.PHOTO)
        turn = await running.ended(TurnState.FINISHED)
        assert agent.texts[0].startswith('[photo "photo.jpg" is attached: ')
        assert turn.prompt == "[photo.jpg]"


async def test_what_cannot_be_fetched_is_told_and_the_text_runs(rules: Rules) -> None:
    """The person and the agent both hear why; the message is not lost."""
    async with overheard(replace(rules, file_bytes_max=4)) as (running, agent):
        running.chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
        await running.ended(TurnState.FINISHED)
        told = await running.sees("could not be fetched")
        reason = "it is larger than 4 bytes"
        assert told.text.replace("\\", "") == f"a.txt could not be fetched: {reason}. The text runs without it."
        assert agent.texts == [f'Read this\n\n[document "a.txt" was attached and could not be fetched: {reason}]']


async def test_a_size_that_was_a_lie_is_found_out(rules: Rules) -> None:
    """The bytes are counted as they come."""
    async with overheard(replace(rules, file_bytes_max=5)) as (running, agent):
        file_id = running.chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
        running.chat.files[file_id] = b"six!!!"
        await running.ended(TurnState.FINISHED)
        assert "larger than 5 bytes" in agent.texts[0]


async def test_nothing_but_a_file_that_cannot_be_fetched_makes_no_call(rules: Rules) -> None:
    """Nobody pays for a prompt that says nothing, and what was held is free."""
    async with overheard(rules) as (running, agent):
        running.chat.files.clear()
        file_id = running.chat.sends_file(THREAD, OWNER, b"five!", "a.txt")
        del running.chat.files[file_id]
        await running.sees("Nothing was sent to the agent")
        turn = await running.ended(TurnState.FAILED)
        assert (turn.spent.nano, turn.held_left.nano) == (0, 0)
        assert agent.texts == []
        running.says("and now words")
        await running.ended(TurnState.FINISHED)


async def test_while_a_file_comes_in_everything_else_goes_on(rules: Rules) -> None:
    """A download holds up its own session's turn and nothing else: no transaction, no other message."""
    chat = Slow()
    async with overheard(rules, chat) as (running, agent):
        chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
        await chat.asked.wait()
        running.says("/cost")
        await running.sees("Session:")
        assert agent.texts == []
        chat.go.set()
        await running.ended(TurnState.FINISHED)
        assert len(agent.texts) == 1


async def test_a_turn_that_is_stopped_while_its_file_comes_in_is_not_run(rules: Rules) -> None:
    """The stop counts at once."""
    chat = Slow()
    async with overheard(rules, chat) as (running, agent):
        chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
        await chat.asked.wait()
        running.says("/stop")
        await running.ended(TurnState.STOPPED)
        chat.go.set()
        running.says("other words")
        await running.ended(TurnState.FINISHED)
        assert agent.texts == ["other words"]


async def test_a_gateway_that_ends_in_mid_download_fetches_it_again(rules: Rules, tmp_path: Path) -> None:
    """The turn has its place in the store: the next gateway goes on with it, file and all, once."""
    chat = Slow()
    async with overheard(rules, chat, tmp_path / "home") as (_, agent):
        chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
        await chat.asked.wait()
    assert agent.texts == []
    chat.go.set()
    async with overheard(rules, chat, tmp_path / "home") as (running, agent):
        await running.ended(TurnState.FINISHED)
        assert len(agent.texts) == 1
        assert "is attached" in agent.texts[0]


async def test_pictures_that_are_sent_one_by_one_are_a_prompt_each(rules: Rules) -> None:
    """They are no album."""
    async with overheard(rules) as (running, agent):
        for text in ("Compare these", ""):
            running.chat.sends_file(THREAD, OWNER, b"\xff\xd8\xff", "photo.jpg", text, FileKind.PHOTO)
        await running.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert len(agent.texts) == 2


async def test_a_stranger_has_nothing_fetched(rules: Rules) -> None:
    """Nobody who may not prompt fills this machine's disk."""
    async with overheard(rules) as (running, agent):
        running.chat.sends_file(THREAD, "666", b"five!", "a.txt", "Read this")
        running.says("words")
        await running.ended(TurnState.FINISHED)
        assert agent.texts == ["words"]
        folder = Path(rules.files, (await running.turn()).session_id)
    assert names(folder) == []


def names(folder: Path) -> list[str]:
    """What lies there."""
    return sorted(path.name for path in folder.iterdir())


async def test_an_agent_fetches_what_came_with_its_sessions_messages_and_nothing_else(rules: Rules) -> None:
    """Another session's file is not its business; the same file is fetched once."""
    async with overheard(rules) as (running, _):
        file_id = running.chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
        turn = await running.ended(TurnState.FINISHED)
        running.chat.files.clear()
        found = await attachments.download(running.world, turn.session_id, file_id)
        assert found == attachments.Fetched(str(Path(rules.files, turn.session_id, f"{turn.id}-1.txt")), 5)
        assert isinstance(await attachments.download(running.world, "s_other", file_id), str)
        assert isinstance(await attachments.download(running.world, turn.session_id, "other"), str)


async def test_without_a_place_for_files_the_text_still_runs() -> None:
    """A directory that cannot be made is a reason like any other."""
    for files in ("", "/proc/nowhere"):
        async with overheard(replace(RULES, files=files)) as (running, agent):
            running.chat.sends_file(THREAD, OWNER, b"five!", "a.txt", "Read this")
            await running.ended(TurnState.FINISHED)
            assert "there is no place to save it" in agent.texts[0]


# ------------------------------------------------------------------------------------------------------- the folders
def test_a_folder_makes_room_by_its_oldest_files(tmp_path: Path) -> None:
    """So that another one of the largest size fits."""
    folder = folder_of(str(tmp_path / "files"), "s_1", 1)
    for age, name in enumerate(("new", "old")):
        with (folder / name).open("wb") as file:
            file.truncate(FOLDER_BYTES_MAX // 2)
        os.utime(folder / name, (1_000 - age, 1_000 - age))
    assert folder_of(str(tmp_path / "files"), "s_1", 1) == folder
    assert names(folder) == ["new"]


def test_all_folders_together_make_room_by_their_oldest_files(tmp_path: Path) -> None:
    """Whosever they are; a file that is just coming in is counted as large as it may get, and stays. Attack 47."""
    files = str(tmp_path / "files")
    for age, session in enumerate(("s_1", "s_2", "s_3")):
        with (folder_of(files, session, 10) / "a").open("wb") as file:
            file.truncate(30)
        os.utime(tmp_path / "files" / session / "a", (1_000 - age, 1_000 - age))
    folder_of(files, "s_4", 10, 100)
    assert [names(tmp_path / "files" / one) for one in ("s_1", "s_2", "s_3")] == [["a"]] * 3
    (tmp_path / "files" / "s_1" / ".b.part").touch()
    folder_of(files, "s_4", 10, 100)
    assert [names(tmp_path / "files" / one) for one in ("s_1", "s_2", "s_3")] == [[".b.part", "a"], ["a"], []]


def test_a_link_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    """What people send is not written to where somebody else points."""
    (tmp_path / "files").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "files" / "s_1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        folder_of(str(tmp_path / "files"), "s_1", 1)


def test_what_was_sent_long_ago_goes_and_its_empty_folder_with_it(tmp_path: Path) -> None:
    """What is younger stays, and with 0 days everything does."""
    files, now_ms = str(tmp_path / "files"), clock.now_ms()
    old, young = (folder_of(files, name, 1) / "a" for name in ("s_1", "s_2"))
    old.touch()
    young.touch()
    at = (now_ms - 30 * DAY_MS) / 1000 - 1
    for place in (old, old.parent):
        os.utime(place, (at, at))
    forget_old(files, now_ms, 0)
    assert names(tmp_path / "files") == ["s_1", "s_2"]
    forget_old(files, now_ms, 30)
    assert names(tmp_path / "files") == ["s_2"]
    forget_old(str(tmp_path / "gone"), now_ms, 30)


def test_what_an_agent_unpacked_beside_the_files_stands_in_nobodys_way(tmp_path: Path) -> None:
    """A directory in a full folder stays where it is, and further files still find room, in this session and in others. Attack 47."""
    files = str(tmp_path / "files")
    folder = folder_of(files, "s_1", 1)
    (folder / "unpacked").mkdir()
    os.utime(folder / "unpacked", (1, 1))
    for name in ("old", "new"):
        with (folder / name).open("wb") as file:
            file.truncate(FOLDER_BYTES_MAX // 2)
    os.utime(folder / "old", (2, 2))
    folder_of(files, "s_1", 1)
    assert names(folder) == ["new", "unpacked"]
    folder_of(files, "s_2", 1, FOLDER_BYTES_MAX // 2)
    assert names(folder) == ["unpacked"]


async def test_the_files_of_one_message_do_not_push_each_other_out(rules: Rules) -> None:
    """However large files may be, and however small the folder: a prompt tells of no path that is gone."""
    small = replace(rules, file_bytes_max=FOLDER_BYTES_MAX, files_bytes_max=10)
    async with overheard(small) as (running, agent):
        for name in ("a.txt", "b.txt", "c.txt"):
            running.chat.sends_file(THREAD, OWNER, b"five!", name, album="1")
        await running.ended(TurnState.FINISHED)
        paths = [word for word in agent.texts[0].split() if word.startswith(rules.files)]
        assert len(paths) == 3
        assert [await anyio.Path(path).read_bytes() for path in paths] == [b"five!"] * 3


async def test_what_was_only_half_saved_before_a_start_is_gone_and_counts_no_more(tmp_path: Path, rules: Rules) -> None:
    """Also where files are kept for ever: it would count as one that comes in for as long."""
    folder = folder_of(rules.files, "s_1", 5, 1_000)
    (folder / ".t_1-1.txt.part").write_bytes(b"half")
    (folder / "t_1-2.txt").write_bytes(b"whole")
    async with bench(script(call(1)), replace(rules, files_days=0)):
        assert [path.name for path in folder.iterdir()] == ["t_1-2.txt"]
    file = tmp_path / "a file"
    file.touch()
    async with bench(script(call(1)), replace(rules, files=str(file / "below"))) as gateway:
        gateway.says("go on")
        await gateway.sees("All done.")
