"""Albums: their parts come one by one, and are one prompt."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.chats.memory import MemoryChat
from gateway.core.quoting import BELONGS
from gateway.domain.events import Unsupported
from gateway.domain.files import FileKind
from gateway.domain.turn import TurnState
from gateway.engine import ATTEMPTS_MAX
from tests.engine.bench import OTHER, OWNER, RULES, THREAD, Bench, bench, call, script

pytestmark = pytest.mark.anyio

PICTURE = b"\xff\xd8\xff"


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.core.albums.QUIET_MS", 300)


def sends(chat: MemoryChat, count: int, text: str = "", album: str = "77", person: str = OWNER) -> None:
    """So many parts of an album, the caption with the first."""
    for number in range(count):
        chat.sends_file(THREAD, person, PICTURE, "photo.jpg", "" if number else text, FileKind.PHOTO, album)


async def finished(gateway: Bench, count: int = 1) -> list[str]:
    """The prompts of so many turns that have ended well."""
    await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * count)
    return [text for _, text in gateway.agent.prompts]


async def test_an_album_is_one_prompt_with_all_its_pictures(tmp_path: Path) -> None:
    """One turn, one gate, one call; the words that follow it come after it."""
    async with bench(script(call(1)), replace(RULES, files=str(tmp_path))) as gateway:
        sends(gateway.chat, 5, "Compare these")
        gateway.says("and then?")
        first, second = await finished(gateway, 2)
        assert first.startswith("Compare these\n\n")
        assert first.count('[photo "photo.jpg" is attached: ') == 5
        assert second == "and then?"


async def test_an_album_without_a_caption_is_one_prompt_too(tmp_path: Path) -> None:
    """Its files are all that it says."""
    async with bench(script(call(1)), replace(RULES, files=str(tmp_path))) as gateway:
        sends(gateway.chat, 10)
        (text,) = await finished(gateway)
        assert text.startswith("[photo ")
        assert text.count("is attached") == 10


async def test_what_needs_no_order_does_not_wait_for_an_album(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command, and other chats: whoever sends albums without end holds up nobody."""
    monkeypatch.setattr("gateway.core.albums.QUIET_MS", 60_000)
    monkeypatch.setattr("gateway.core.albums.LONGEST_MS", 60_000)
    async with bench(script(call(1))) as gateway:
        sends(gateway.chat, 2, person="666")
        gateway.says("/cost")
        await gateway.sees("No session yet")
        gateway.says("elsewhere", OTHER)
        await gateway.sees("All done.", OTHER)
        assert len(await gateway.world.store.inbox(9)) == 2


async def test_a_part_that_comes_too_late_is_a_prompt_that_says_so(tmp_path: Path) -> None:
    """It is not lost, and what has begun is not changed."""
    async with bench(script(call(1)), replace(RULES, files=str(tmp_path))) as gateway:
        sends(gateway.chat, 2, "Compare these")
        await finished(gateway)
        sends(gateway.chat, 1)
        first, late = await finished(gateway, 2)
        assert BELONGS not in first
        assert late.endswith(f"\n{BELONGS}")
        sends(gateway.chat, 2, "others", album="78")
        assert BELONGS not in (await finished(gateway, 3))[-1]


async def test_a_gateway_that_ends_between_the_parts_loses_none_and_runs_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the album is whole its parts lie in the inbox, however often the gateway begins anew."""
    chat, rules = MemoryChat(), replace(RULES, files=str(tmp_path / "files"))
    monkeypatch.setattr("gateway.core.albums.QUIET_MS", 60_000)
    monkeypatch.setattr("gateway.core.albums.LONGEST_MS", 60_000)
    for part in range(3):
        async with bench(script(call(1)), rules, tmp_path / "home", chat=chat) as gateway:
            sends(chat, 1, "" if part else "Compare these")
            await gateway.steps.until(
                lambda w=gateway.world: w.store.inbox(9), lambda waiting, n=part: len(waiting) > n
            )
            assert gateway.agent.prompts == []
    monkeypatch.setattr("gateway.core.albums.QUIET_MS", 0)
    async with bench(script(call(1)), rules, tmp_path / "home", chat=chat) as gateway:
        (text,) = await finished(gateway)
        assert text.startswith("Compare these\n\n")
        assert text.count("is attached") == 3
        assert await gateway.world.store.inbox(9) == ()


async def test_an_album_with_a_command_below_a_picture_is_answered_once_and_not_run() -> None:
    """Nothing of it runs without the words that belonged to it."""
    async with bench(script(call(1))) as gateway:
        sends(gateway.chat, 2)
        gateway.chat.post(Unsupported(THREAD, OWNER, "No command there.", "album:77", "77"))
        await gateway.sees("No command there.")
        assert await gateway.turns() == []
        assert await gateway.world.store.inbox(9) == ()


async def test_an_album_whose_handling_stops_the_gateway_again_and_again_is_put_aside() -> None:
    """Like any update; what is behind it runs."""
    async with bench(script(call(1))) as gateway:
        store = gateway.world.store
        sends(gateway.chat, 2)
        waiting = await gateway.steps.until(lambda: store.inbox(9), lambda found: len(found) == 2)
        for _ in range(ATTEMPTS_MAX):
            await store.take_up(waiting)
        gateway.says("go")
        assert await finished(gateway) == ["go"]
