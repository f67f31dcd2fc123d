"""A history for the estimator out of what agents' logs on this machine tell: read beside the gateway's work, and once a day.

The logs are read by `tollbridge scan` in a process of its own, so that nothing here waits for a disk full of them; from what that leaves in
`usage.db` the turns are worked out in a thread. Nothing that goes wrong here stops anything: the estimates know less, and the log says why.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import anyio
import structlog
from anyio import to_thread

from gateway.core.imported import LOOKED_BACK_DAYS, History, history
from gateway.domain.usage import Rates, Unpriced
from gateway.engine import Engine
from gateway.home import HOME_VARIABLE
from gateway.ports import TollbridgeError
from gateway.store.home import DATABASE
from gateway.usage_store import EVERYWHERE, UsageError, open_usage

log = structlog.get_logger()

AGAIN_S: Final = 86_400.0
SCAN_S: Final = 1_800.0
"""A scan that takes longer is ended; what it has read is kept, and the next one goes on from there."""
COMMAND: Final = (sys.executable, "-P", "-m", "gateway", "scan", "--json")
_LOWEST: Final = 19
_DAY_MS: Final = 86_400_000


async def follow(running: Engine, home: Path, command: Sequence[str] = COMMAND) -> None:
    """Read the logs and take over the turns that they tell: once the gateway works, and every day."""
    await running.ready.wait()
    while True:
        await take_over(running, home, command)
        await anyio.sleep(AGAIN_S)


async def take_over(running: Engine, home: Path, command: Sequence[str] = COMMAND) -> None:
    """Do so once."""
    world = running.world
    try:
        if why := await scanned(home, command):
            log.warning("the logs of agents could not be read to their end: `tollbridge scan` tells more", why=why)
        found = await to_thread.run_sync(histories, home, world.rates, world.clock.now_ms())
        turns = await to_thread.run_sync(lambda: [turn for one in found.values() for turn in one.kept(world.prior)])
        await world.store.import_turns(turns)
    except (TollbridgeError, UsageError, OSError) as error:
        log.warning("what agents' logs tell could not be taken over: the estimates do without", why=str(error))
        return
    counts = {agent: len(one.turns) for agent, one in found.items() if one.turns}
    log.info("the estimates know the turns that agents' logs tell of", **counts)


async def forget(running: Engine) -> None:
    """Nobody wants what the logs tell to be kept any more."""
    await running.ready.wait()
    try:
        await running.world.store.import_turns(())
    except TollbridgeError as error:
        log.warning(
            "the turns that agents' logs told of could not be forgotten: the next start tries again", why=str(error)
        )


def histories(home: Path, rates: Callable[[str], Rates | Unpriced], now_ms: int) -> dict[str, History]:
    """What the machine's logs that were read told, by agent. It blocks. Raises UsageError, OSError.

    `rates`: of a model, on the usual terms.
    """
    found: dict[str, History] = {}
    with open_usage(home, EVERYWHERE) as store:
        for agent in store.agents():
            ledger = home / DATABASE
            metered = store.metered(agent, ledger) if ledger.exists() else ()
            calls = store.calls(agent, now_ms - LOOKED_BACK_DAYS * _DAY_MS)
            found[agent] = history(agent, calls, metered, rates, now_ms)
    return found


async def scanned(home: Path, command: Sequence[str]) -> str:
    """Have the machine's logs read, after everything else that wants to work; why they were not, or empty."""
    environ = {**os.environ, HOME_VARIABLE: str(home)}
    process = await anyio.open_process(
        command,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, _LOWEST)
        with anyio.move_on_after(SCAN_S):
            code = await process.wait()
            return "" if code == 0 else f"it ended with {code}"
        return f"it took more than {SCAN_S:.0f} s"
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # with the readers that it has started
        with anyio.CancelScope(shield=True):
            await process.wait()
            await process.aclose()
