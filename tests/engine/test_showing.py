"""What is too large for messages goes as pictures and files, in the turn's own answer, once."""

from pathlib import Path

import anyio
import pytest

from gateway import clock
from gateway.agents.scripted import Background, Say, Script, SubAgent, Wait
from gateway.chats.memory import MemoryChat, Shown
from gateway.domain.files import FileKind
from gateway.domain.turn import TurnState
from gateway.engine import World, showing
from gateway.engine.world import SAID_MAX
from gateway.files import Spool
from gateway.ports import Decision
from tests.engine.bench import THREAD, Bench, bench, call

pytestmark = pytest.mark.anyio

DIFF = "\n".join(["--- a/x.py", "+++ b/x.py", "@@ -1,60 +1,60 @@", *["-old", "+new"] * 50, *[" same"] * 10])


PNG = b"\x89PNG\r\n\x1a\n"


def with_spool(home: Path):
    """A world with a place for copies; the home is made first."""
    home.mkdir(mode=0o700)

    def prepare(world: World) -> None:
        world.spool = Spool(home, clock.new_id)

    return prepare


def files(gateway: Bench) -> list[tuple[str, FileKind]]:
    """What arrived as files, in order."""
    return [(one.file.name, one.file.kind) for one in gateway.chat.sees(THREAD) if one.file is not None]


async def file(gateway: Bench, name: str) -> Shown:
    """The file of this name, as soon as it is there."""
    with anyio.fail_after(40):
        while True:
            for one in gateway.chat.sees(THREAD):
                if one.file is not None and one.file.name == name:
                    return one
            await anyio.sleep(0.01)


async def test_a_large_diff_is_drawn_and_its_file_follows_the_answer(tmp_path: Path) -> None:
    """The words say what is below; the pictures are photos, the file holds every line, and no copy is left."""
    answer = f"I changed **it**.\n\n```diff\n{DIFF}\n```\n\nTests pass."
    async with bench(Script((call(1), Say(answer))), prepare=with_spool(tmp_path / "home")) as gateway:
        gateway.says("change it")
        shown = await gateway.sees("Tests pass.")
        diff = await file(gateway, "changes.diff")
        turn = await gateway.ended(TurnState.FINISHED)
    assert shown.text.startswith(
        "I changed **it**.\n\n(The diff is below, drawn and in `changes.diff`: 1 file, 50 lines added, 50 removed.)\n\nTests"
    )
    assert turn.outcome is not None
    assert files(gateway) == [
        ("diff-1.png", FileKind.PHOTO),
        ("diff-2.png", FileKind.PHOTO),
        ("changes.diff", FileKind.DOCUMENT),
    ]
    assert diff.content == f"{DIFF}\n".encode()
    assert [one.content[:8] for one in gateway.chat.sees(THREAD) if one.text.endswith(".png")] == [PNG, PNG]
    assert shown.rang
    assert not diff.rang


async def test_a_very_long_answer_is_begun_and_its_whole_follows_as_a_file(tmp_path: Path) -> None:
    """The beginning ends with where the rest is; the file is the answer, letter by letter."""
    answer = "\n\n".join(f"Paragraph {number} with ünïcode 日本." for number in range(900))
    async with bench(Script((call(1), Say(answer))), prepare=with_spool(tmp_path / "home")) as gateway:
        gateway.says("tell me")
        await gateway.sees(f"The whole answer has {len(answer):,} characters and is below, in `answer.md`.")
        whole = await file(gateway, "answer.md")
        await gateway.ended(TurnState.FINISHED)
    assert whole.content.decode() == answer
    assert [name for name, _ in files(gateway)] == ["answer.md"]


async def test_an_endless_diff_is_drawn_to_a_limit_and_says_so(tmp_path: Path) -> None:
    """Six pictures; the file has all of it."""
    diff = "--- a/x.py\n+++ b/x.py\n@@ -1,2000 +1,2000 @@\n" + " same\n" * 2_000
    async with bench(Script((call(1), Say(f"Look:\n\n{diff}"))), prepare=with_spool(tmp_path / "home")) as gateway:
        gateway.says("change it")
        await gateway.sees(
            "(The pictures show the beginning; 31 pages more would be needed. All of it is in `changes.diff`.)"
        )
        await file(gateway, "changes.diff")
    assert [name for name, _ in files(gateway)] == [*(f"diff-{n}.png" for n in range(1, 7)), "changes.diff"]


async def test_an_answer_that_comes_before_its_agents_have_ended_has_its_files(tmp_path: Path) -> None:
    """They are sent once: the end of the turn repeats neither the words nor the files."""
    gate = anyio.Event()
    behind = Background((SubAgent("look", (Wait(gate), call(1))),), report=(call(1), Say("All is well.")))
    play = Script((behind, call(1), Say(f"```diff\n{DIFF}\n```")))
    async with bench(play, prepare=with_spool(tmp_path / "home")) as gateway:
        gateway.says("change it")
        await gateway.sees("Still at work behind this: 1 agent.")
        await file(gateway, "changes.diff")
        gate.set()
        await gateway.sees("All is well.")
    assert [name for name, _ in files(gateway)] == ["diff-1.png", "diff-2.png", "changes.diff"]


class Screen(MemoryChat):
    """A chat that has room for everything."""

    def enclosable(self, text: str) -> None:
        """Nothing."""


@pytest.mark.parametrize("where", ["a screen", "no spool", "a spool that is full"])
async def test_where_files_help_nobody_or_cannot_be_made_all_of_it_is_said(tmp_path: Path, where: str) -> None:
    """Nothing is lost: the answer comes as messages."""
    chat = Screen() if where == "a screen" else MemoryChat()

    def prepare(world: World) -> None:
        with_spool(tmp_path / "home")(world)
        if where == "no spool":
            world.spool = None
        elif where == "a spool that is full":
            world.spool = Spool(tmp_path / "home", clock.new_id, quota=10)

    async with bench(Script((call(1), Say(f"```diff\n{DIFF}\n```"))), chat=chat, prepare=prepare) as gateway:
        gateway.says("change it")
        shown = await gateway.sees("+new")
        await gateway.ended(TurnState.FINISHED)
    assert DIFF in shown.text
    assert files(gateway) == []


async def test_without_room_for_them_on_the_disk_all_of_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory for temporary files that cannot be used is no reason to lose an answer."""
    monkeypatch.setattr(showing.tempfile, "tempdir", str(tmp_path / "nowhere"))
    async with bench(Script((call(1), Say(f"```diff\n{DIFF}\n```"))), prepare=with_spool(tmp_path / "home")) as gateway:
        gateway.says("change it")
        await gateway.sees("+new")
    assert files(gateway) == []


async def test_ten_megabytes_that_cannot_be_a_file_do_not_fill_the_chat(tmp_path: Path) -> None:
    """Attack 67: some fifty messages are said, and how much is not: what else is to be said does not wait for hours behind it."""

    def prepare(world: World) -> None:
        with_spool(tmp_path / "home")(world)
        world.spool = Spool(tmp_path / "home", clock.new_id, quota=10)

    async with bench(Script((call(1), Say("word " * 2_000_000))), prepare=prepare) as gateway:
        gateway.says("tell me")
        shown = await gateway.sees("(It goes on for 9,8")
        await gateway.ended(TurnState.FINISHED)
    assert len(shown.text) < SAID_MAX + 200


async def test_an_answer_that_a_crash_kept_back_is_a_file_too(tmp_path: Path) -> None:
    """The agent had ended its run, and nobody was told: the next gateway shows it as this one would have."""
    answer = "\n\n".join(f"Paragraph {number}." for number in range(2_000))
    chat, home = MemoryChat(), tmp_path / "home"
    home.mkdir(mode=0o700)

    def prepare(world: World) -> None:
        world.spool = Spool(home, clock.new_id)
        steps = world.on_step

        def ends(step: str) -> None:
            steps(step)
            if step == "call.booked":
                world.store.transact = never  # type: ignore[method-assign]

        world.on_step = ends

    async def never(*_: object) -> Decision[object]:
        await anyio.sleep_forever()
        raise AssertionError

    async with bench(Script((call(1), Say(answer))), home=home, chat=chat, prepare=prepare) as gateway:
        gateway.says("tell me")
        with anyio.fail_after(20):
            while not any('"Finished"' in one.read_text() for one in (home / "scripted").glob("*")):  # noqa: ASYNC110
                await anyio.sleep(0.01)

    def spooled(world: World) -> None:
        world.spool = Spool(home, clock.new_id)

    async with bench(Script(()), home=home, chat=chat, prepare=spooled) as gateway:
        await gateway.sees(f"The whole answer has {len(answer):,} characters")
        whole = await file(gateway, "answer.md")
    assert whole.content.decode() == answer


async def test_of_ten_megabytes_of_last_words_the_end_is_said() -> None:
    """A run that was cut off says what it had written, as far as somebody may read it."""
    never = anyio.Event()
    play = Script((Say("first " * 1_000_000 + "last"), call(1, lasts=never)))
    async with bench(play) as gateway:
        gateway.says("go")
        await gateway.sees("Working")
        await gateway.until(lambda turns: bool(turns) and turns[0].state is TurnState.RUNNING)
        gateway.says("/stop")
        shown = await gateway.sees("(Cut off here.)")
    assert len(shown.text) < 13_000
    assert "last\n\n(Cut off here.)" in shown.text
