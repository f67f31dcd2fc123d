"""Who asks from this machine, and who is asked in the chat."""

import os
from collections.abc import Iterable

from gateway.core.access import may
from gateway.domain.change import Asker
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Grant, Role, Thread
from gateway.engine.world import World

PEOPLE_MAX = 20
"""So many people are asked, or told, at once; owners first."""


async def is_inside_agent(world: World, asker: Asker) -> bool:
    """Whether an agent is above the process, or that cannot be told."""
    agents = {process.pid for process in await world.store.processes()}
    # Whatever descends from the gateway was started by an agent: the gateway itself starts nothing else.
    return asker.marked or not asker.lineage or not agents.isdisjoint(asker.lineage) or os.getpid() in asker.lineage


def who(user: str) -> str:
    """How the ledger names a command line."""
    return f"command line: {user}"


def threads_of(world: World, grants: Iterable[Grant], deed: Deed, by: Usd | None) -> tuple[Thread, ...]:
    """The private chats of those who may do this there, owners first. A private chat has its person's number."""
    ranked = sorted(grants, key=lambda grant: grant.role is not Role.OWNER)
    people = ((grant, Thread(world.chat.service, grant.person)) for grant in ranked)
    return tuple(dict.fromkeys(thread for grant, thread in people if may((grant,), deed, thread, by)))[:PEOPLE_MAX]
