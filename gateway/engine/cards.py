"""Cards: words with a picture over them. The words are in the outbox before anything is drawn, and never wait long for it."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import structlog

from gateway.core import approve
from gateway.core.files import card_ref, file_ref, fits_under
from gateway.domain.charts import PeriodChart, SessionChart
from gateway.domain.effects import Edit, Illustrate, Say
from gateway.domain.files import Parcel
from gateway.domain.place import Thread
from gateway.engine import menus, parcels
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View

log = structlog.get_logger()

DRAWN_WITHIN_S: Final = 120.0
"""With the wait for other pictures; the first one of all takes its time."""
WAIT_MS: Final = 6_000
"""So long words wait for their picture; then they go alone, also after a restart, and the picture follows."""
PICTURE: Final = "spending.png"


def show(
    world: World,
    draft: Draft,
    thread: Thread,
    lines: list[str],
    chart: SessionChart | PeriodChart | None,
    entries: menus.Entries = (),
    name: str = "",
    *,
    ring: bool = False,
) -> None:
    """Say the lines, under a picture of the chart where one can be made. `name`: the message's own, which it is said under once."""
    ref, text = card_ref(name or world.clock.new_id("menu" if entries else "note")), "\n".join(lines)
    # What a menu keeps of its message is not needed for anything, and there may be somebody's words in it.
    buttons = approve.buttons(menus.menu(world, draft, thread, ref, "", entries)) if entries else ()
    card = Say(thread, ref, text, buttons, ring=ring)
    if chart is None or world.draw is None or world.spool is None or world.chat.enclosable(text) is None:
        draft.say(card)
        return
    draft.say(replace(card, wait_ms=WAIT_MS))
    draft.effects.append(Illustrate(card, chart))


async def illustrate(world: World, effect: Illustrate) -> None:
    """Draw what a card waits for, and let the card go: under its picture, or without one. What comes too late follows it."""
    card = effect.card
    parcel = await _picture(world, effect.chart)

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        waits, fits = view.is_waiting(card.ref), fits_under(card.text)
        under = parcel if waits and fits else None
        if waits:
            draft.say(Edit(card.thread, card.ref, card.text, card.buttons, picture=under, at_once=True))
        if parcel is not None and under is None:
            draft.say(Say(card.thread, file_ref(card.ref, 0), "", files=(parcel,)))
        return draft.done(None)

    await world.commit(decide)
    world.on_step("card.illustrated")


async def _picture(world: World, chart: SessionChart | PeriodChart) -> Parcel | None:
    """The picture's copy, to be sent; None: there is none, or it took too long."""
    if world.draw is None:
        return None
    with anyio.move_on_after(DRAWN_WITHIN_S):
        try:
            picture = await world.draw(chart, world.rules.timezone)
            return None if picture is None else await _packed(world, picture)
        except OSError as error:
            log.warning("a picture cannot be sent", why=str(error))
            return None
    log.warning("a picture was not made in time", seconds=DRAWN_WITHIN_S)
    return None


async def _packed(world: World, picture: bytes) -> Parcel | None:
    place = await anyio.to_thread.run_sync(tempfile.mkdtemp, "", "tollbridge-")
    try:
        await anyio.to_thread.run_sync(Path(place, PICTURE).write_bytes, picture)
        packed = await parcels.pack(world, place, (PICTURE,))
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(_removed, place)
    if isinstance(packed, str):
        log.warning("a picture cannot be sent", why=packed)
        return None
    return packed[0]


def _removed(place: str) -> None:
    shutil.rmtree(place, ignore_errors=True)
