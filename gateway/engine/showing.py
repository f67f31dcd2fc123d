"""Answers that are too large for messages: their diffs are drawn, and files carry what is not said."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import structlog

from gateway.core import presenting
from gateway.domain.events import Finished
from gateway.domain.files import Parcel
from gateway.domain.turn import Origin
from gateway.engine import parcels
from gateway.engine.world import World
from gateway.view import presenting_words as words

log = structlog.get_logger()

ANSWER: Final = "answer.md"
DIFF: Final = "changes.diff"


async def shown(world: World, turn_id: str, event: Finished) -> tuple[Finished, tuple[Parcel, ...]]:
    """The end of a run with the answer as it is said, and the files that go with it, copied."""
    text, files = await laid_out(world, turn_id, event.text)
    return replace(event, text=text), files


async def laid_out(world: World, turn_id: str, text: str) -> tuple[str, tuple[Parcel, ...]]:
    """An answer, or a plan, as it is said, and the files that go with it, copied.

    It stays as it is where nothing of it is too large, where the chat takes no files, and where they cannot be made.
    """
    if await _is_plain(text):
        return text, ()
    turn = await world.store.read(lambda view: view.turn(turn_id))
    if turn is None or turn.origin is Origin.DESK:  # then it stands on the screen that it was asked for on
        return text, ()
    return await _enclosed(world, text)


async def fitted(world: World, text: str) -> tuple[str, tuple[Parcel, ...]]:
    """The same of words that are meant for the chat, wherever their turn began."""
    return (text, ()) if await _is_plain(text) else await _enclosed(world, text)


async def _is_plain(text: str) -> bool:
    return (await anyio.to_thread.run_sync(presenting.present, text)).plain


async def _enclosed(world: World, text: str) -> tuple[str, tuple[Parcel, ...]]:
    answer = None if world.spool is None else world.chat.enclosable(text)
    if answer is None:
        return text, ()
    found = await anyio.to_thread.run_sync(presenting.present, answer)
    packed = await _packed(world, answer, found)
    if isinstance(packed, str):
        log.warning("an answer's files were not made", why=packed)
        return text, ()
    return said(answer, found), packed


def said(answer: str, found: presenting.Shown) -> str:
    """The words of an answer, with a sentence for what goes as a picture or a file."""
    pieces = [
        piece if isinstance(piece, str) else words.diff_below(piece.files, piece.added, piece.removed, DIFF)
        for piece in found.pieces
    ]
    _, left_out = presenting.pages(found.diffs)
    if left_out:
        pieces.append(words.not_drawn(left_out, DIFF))
    if found.cut:
        pieces.append(words.whole_below(len(answer), ANSWER))
    return "\n\n".join(piece.strip("\n") for piece in pieces if piece.strip())


async def _packed(world: World, answer: str, found: presenting.Shown) -> tuple[Parcel, ...] | str:
    try:
        place = await anyio.to_thread.run_sync(tempfile.mkdtemp, "", "tollbridge-")
    except OSError as error:
        return str(error)
    try:
        names = await anyio.to_thread.run_sync(_written, Path(place), answer, found)
        return await parcels.pack(world, place, names)
    except OSError as error:
        return str(error)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_removed, place)


def _removed(place: str) -> None:
    shutil.rmtree(place, ignore_errors=True)


def _written(place: Path, answer: str, found: presenting.Shown) -> Sequence[str]:
    """Write the pictures and files here; their names, in the order in which they are sent."""
    from gateway import pictures  # noqa: PLC0415 - drawn seldom, and what draws takes 75 ms and 9 MB

    pages, _ = presenting.pages(found.diffs)
    names: list[str] = []
    for number, page in enumerate(pages, start=1):
        names.append(f"diff-{number}.png")
        (place / names[-1]).write_bytes(pictures.draw(page))
    diffs = "".join(diff.text for diff in found.diffs)
    for name, text in ((DIFF, diffs), (ANSWER, answer if found.cut else "")):
        if text:
            names.append(name)
            (place / name).write_text(text, encoding="utf-8", errors="replace", newline="\n")
    return names
