"""What the chat service offers to be typed: told when the gateway starts, and again when somebody may do more or less.

That it fails keeps nothing from working: whatever is typed is understood without it.
"""

from collections.abc import Sequence

import anyio
import structlog

from gateway.core import offers
from gateway.core.route import Command
from gateway.domain.preferences import Offered
from gateway.engine.world import World
from gateway.ports import Decision

log = structlog.get_logger()

TRIES_MAX = 5
FIRST_WAIT_S = 60.0
"""Doubled after every try."""


async def offer_forever(world: World) -> None:
    """Keep it as the grants are, until cancelled."""
    while True:
        world.granted = anyio.Event()
        for number in range(TRIES_MAX):
            wait_s = FIRST_WAIT_S * 2**number if await _offer_all(world) else None
            with anyio.move_on_after(wait_s) as waited:
                await world.granted.wait()
            if not waited.cancelled_caught:
                break
        else:
            await world.granted.wait()


async def _offer_all(world: World) -> bool:
    """Tell the service; whether something is still to be told."""
    service = world.chat.service
    grants, known = await world.store.read(lambda view: (view.all_grants(), view.offered(service)))
    wanted = offers.offers(grants, service)
    failed = [await _offer(world, offers.STRANGERS), await _offer(world, offers.GROUPS, groups=True)]
    failed += [await _offer(world, commands, chat) for chat, commands in wanted.items()]
    failed += [not await _forget(world, service, chat) for chat in known if chat not in wanted]
    return any(failed)


async def _forget(world: World, service: str, chat: str) -> bool:
    if await _offer(world, (), chat):
        return False
    await world.commit(lambda _view: Decision(None, put=(Offered(service, chat, gone=True),)))
    return True


async def _offer(world: World, commands: Sequence[Command], chat: str = "", *, groups: bool = False) -> bool:
    """Whether it could not be told."""
    why = await world.chat.offer(commands, chat, groups=groups)
    if why:
        log.info("the menu of commands was not taken", chat=chat, why=why)
    return bool(why)
