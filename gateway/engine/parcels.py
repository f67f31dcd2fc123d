"""Files that an agent wants sent: copied before it is decided, and forgotten once they have arrived."""

from collections.abc import Sequence

import anyio
import structlog

from gateway.core.files import FILES_MAX, carried
from gateway.core.summary import escape
from gateway.domain.files import Parcel
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, Delivered, Post, Rejected, View
from gateway.view import file_words

log = structlog.get_logger()


async def pack(world: World, directory: str, paths: Sequence[str]) -> tuple[Parcel, ...] | str:
    """Copies of these files for `Say.files`, or why one of them may not be sent: then none is.

    `directory`: where a relative path begins. The copies have to be said within ten minutes; `drop` what is not said at all.
    """
    if world.spool is None:
        return file_words.CANNOT_SEND
    if len(paths) > FILES_MAX:
        return file_words.too_many(len(paths), FILES_MAX)
    wanted = await world.store.read(lambda view: view.unsent_files())
    packed: list[Parcel] = []
    for path in paths:
        kept = wanted | {parcel.path for parcel in packed}
        found = await anyio.to_thread.run_sync(world.spool.take, path, directory, kept, world.clock.now_ms())
        if isinstance(found, str):
            await drop(world, packed)
            return found
        packed.append(found)
    return tuple(packed)


async def drop(world: World, packed: Sequence[Parcel]) -> None:
    """These copies are not going to be sent."""
    for parcel in packed:
        if world.spool is not None:
            await anyio.to_thread.run_sync(world.spool.discard, parcel.path)


async def sweep(world: World) -> None:
    """Copies that an earlier gateway made and that no message carries are deleted."""
    if world.spool is not None:
        wanted = await world.store.read(lambda view: view.unsent_files())
        await anyio.to_thread.run_sync(world.spool.sweep, wanted)


async def done(world: World, post: Post, receipt: Delivered | Rejected) -> None:
    """A file has arrived or never will: its copy goes, and the thread is told of what did not arrive."""
    parcel = carried(post.ref, post.body)
    if parcel is None:
        return
    await drop(world, (parcel,))
    if isinstance(receipt, Delivered):
        return
    log.warning("a file was not sent", ref=post.ref, why=receipt.why)
    words = file_words.not_sent(escape(parcel.name), escape(receipt.why))

    def decide(_view: View) -> Decision[None]:
        draft = Draft()
        draft.say(world.notice(post.thread, words))
        return draft.done(None)

    await world.commit(decide)
