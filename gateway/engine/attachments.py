"""Files that people send: fetched when their prompt is about to be handed over, into a folder that its agent may read."""

from dataclasses import dataclass
from itertools import dropwhile, islice

import anyio
import structlog

from gateway.core.files import readable, shown_name, stand_in, suffix_of
from gateway.core.quoting import BELONGS, apart
from gateway.core.speech import is_told
from gateway.core.summary import escape
from gateway.domain.effects import Say
from gateway.domain.files import Attachment
from gateway.domain.turn import Turn
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.files import folder_of, forget_old, forget_parts
from gateway.ports import Decision, Saved, View
from gateway.view import file_words

log = structlog.get_logger()

FETCH_LIMIT_S = 150.0
TURNS_LOOKED_AT = 100


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that a person sent, on this machine."""

    path: str
    size: int


async def sweep(world: World) -> None:
    """Files that people sent long ago are deleted."""
    if world.rules.files:
        await anyio.to_thread.run_sync(forget_old, world.rules.files, world.clock.now_ms(), world.rules.files_days)


async def sweep_parts(world: World) -> None:
    """At a start: what an earlier gateway had only begun to save is deleted."""
    if world.rules.files:
        try:
            await anyio.to_thread.run_sync(forget_parts, world.rules.files)
        except OSError as error:
            log.warning("what people send could not be looked through", why=str(error))


async def folder(world: World, session_id: str, size: int | None = None, keep: str = "") -> str:
    """The session's folder, made if it is not there, with room for a file of this size (None: of the largest); empty: there can be
    none. `keep`: how the names begin of files that are needed.
    """
    if not world.rules.files:
        return ""
    try:
        rules = world.rules
        wanted = rules.file_bytes_max if size is None else size
        made = await anyio.to_thread.run_sync(folder_of, rules.files, session_id, wanted, rules.files_bytes_max, keep)
    except OSError as error:
        log.warning("there is no folder for what people send", session=session_id, why=str(error))
        return ""
    return str(made)


async def prompt(world: World, turn: Turn) -> str | None:
    """The prompt with a line for each file; None: there was nothing but files, and none could be fetched.

    What could not be fetched is told in the thread, once, and in the prompt.
    """
    if not turn.attachments or turn.continues:
        return turn.prompt
    found = {n: await fetch(world, turn, n) for n, one in enumerate(turn.attachments) if not is_told(one)}
    failed = {n: one for n, one in found.items() if isinstance(one, str)}
    wordless = not any(one.heard for one in turn.attachments)
    below = apart(turn.prompt, stand_in(turn.attachments)) if wordless else None
    nothing = below is not None and len(failed) == len(found)
    if failed:
        await _tell(world, turn, failed, runs=not nothing)
    if nothing:
        return None
    lines = [_line(turn.attachments[n], what) for n, what in found.items()]
    lines += [BELONGS] if await _comes_late(world, turn) else []
    if below is None:
        return "\n\n".join([turn.prompt, *(["\n".join(lines)] if lines else [])])
    return "\n".join(lines) + below


async def _comes_late(world: World, turn: Turn) -> bool:
    """Whether another part of the same album has become a turn of its own before."""
    albums = {one.album for one in turn.attachments if one.album}
    if not albums:
        return False
    turns = await world.store.read(lambda view: view.latest_turns(turn.session_id, TURNS_LOOKED_AT))
    earlier = islice(dropwhile(lambda one: one.id != turn.id, turns), 1, None)
    return any(one.album in albums for before in earlier for one in before.attachments)


async def download(world: World, session_id: str, attachment_id: str) -> Fetched | str:
    """Fetch a file that came with one of the session's latest messages, or say why not: no other file is anybody's business."""
    turns = await world.store.read(lambda view: view.latest_turns(session_id, TURNS_LOOKED_AT))
    for turn in turns:
        for number, one in enumerate(turn.attachments):
            if one.id == attachment_id:
                return await fetch(world, turn, number)
    return file_words.NOT_OF_SESSION


async def fetch(world: World, turn: Turn, number: int) -> Fetched | str:
    """Where one of the turn's files was saved, or why not: under the same name however often it is tried, and not again if it is there."""
    one, bytes_max = turn.attachments[number], world.rules.file_bytes_max
    if one.size is not None and one.size > bytes_max:
        return file_words.too_large(bytes_max)
    place = await folder(world, turn.session_id, one.size, f"{turn.id}-")
    if not place:
        return file_words.NO_PLACE
    path = anyio.Path(place, f"{turn.id}-{number + 1}{suffix_of(one.name)}")
    try:
        return Fetched(str(path), (await path.stat()).st_size)
    except OSError:
        pass  # it is not there yet, or not any more
    saved: Saved | str = file_words.too_slow(FETCH_LIMIT_S)
    with anyio.move_on_after(FETCH_LIMIT_S):
        saved = await world.chat.fetch(one.id, str(path), bytes_max)
    if isinstance(saved, str):
        log.warning("a file could not be fetched", turn=turn.id, why=saved)
        return saved
    return Fetched(str(path), saved.size)


def _line(one: Attachment, found: Fetched | str) -> str:
    plays = "" if one.duration_s is None else f", {one.duration_s} s"
    called = f'{one.kind} "{shown_name(one.name)}"{plays}'
    if isinstance(found, str):
        return f"[{called} was attached and could not be fetched: {found}]"
    return f"[{called} is attached: {found.path} ({readable(found.size)})]"


async def _tell(world: World, turn: Turn, failed: dict[int, str], *, runs: bool) -> None:
    names = [(escape(shown_name(turn.attachments[n].name)), escape(why)) for n, why in failed.items()]
    words = "\n".join(file_words.not_fetched(name, why, runs=runs) for name, why in names)

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        session = view.session(turn.session_id)
        if session is not None:
            draft.say(Say(session.thread, f"turn:{turn.id}:unfetched", words))
        return draft.done(None)

    await world.commit(decide)
