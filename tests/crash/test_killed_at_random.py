"""kill -9 at random, while two people keep the gateway busy: 25 times with every test run, or as often as TBTEST_CRASH_KILLS says."""

import os
import sys
from pathlib import Path
from random import Random, SystemRandom

import anyio
import pytest

from gateway.domain.turn import TurnState
from gateway.store import open_readonly
from tests.crash import books
from tests.crash.model import LATEST, works
from tests.crash.rig import Gateway, Machine, machine
from tests.fakes.bot_api_phone import Phone

pytestmark = [pytest.mark.anyio, pytest.mark.claude, pytest.mark.timeout(600)]

TIGHT = {"SESSION_USD": "0.30", "CONFIRM_ABOVE_USD": "0.04", "DEFAULT_HOLD_USD": "0.03"}
"""Runs are asked for, and pause."""
KILLS = int(os.environ.get("TBTEST_CRASH_KILLS", "25"))
PATIENCE_S = 5.0
SEED = "TBTEST_CRASH_SEED"
"""Set it to repeat the moments of an earlier run."""


class Crowd:
    """People who always have something to do: `jobs` is all that they ever asked for."""

    def __init__(self, here: Machine, random: Random) -> None:
        self.here = here
        self.random = random
        self.jobs: list[str] = []
        self.enough = False

    async def keep_asking(self, phone: Phone) -> None:
        """Ask for a job or two, wait for the answers, and again."""
        while not self.enough:
            asked = [self._next() for _ in range(self.random.choice((1, 1, 2)))]
            for job in asked:
                phone.says(job)
            for job in asked:
                await phone.waits_for(f"{LATEST}{job}.", timeout=300)

    def _next(self) -> str:
        self.jobs.append(f"job {len(self.jobs)}")
        return self.jobs[-1]


async def some_moment(gateway: Gateway, random: Random) -> None:
    """Any moment of a gateway's life: a little after any of its steps, so that a slow machine gets as far as a fast one."""
    steps = random.randint(0, 30) if random.random() < 0.3 else random.randint(30, 90)
    then = random.uniform(0, 0.15)
    with anyio.move_on_after(PATIENCE_S):
        await gateway.until_passed(steps)
    await anyio.sleep(then)


def is_at_work(home: Path) -> bool:
    """A turn was running when the gateway died."""
    with open_readonly(home) as reader:
        return any(turn.state is TurnState.RUNNING for _, turn in reader.report_rows())


async def test_kills_at_random_lose_nothing_and_run_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the moments: one run a prompt, exact books, no process left, no hold leaked, every answer on the phones."""
    seed = int(os.environ.get(SEED) or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"{SEED}={seed}\n")
    random = Random(seed)  # noqa: S311 - moments, not secrets
    at_work = 0
    async with machine(tmp_path, TIGHT, people=2) as here:
        works(here.api, here.place / "work", lasts_s=0.3)
        crowd = Crowd(here, random)
        gateway = await here.start()
        await gateway.until("recovered")
        async with anyio.create_task_group() as people:
            for phone in here.phones:
                here.clicker(phone)
                people.start_soon(crowd.keep_asking, phone)
            for _ in range(KILLS):
                await some_moment(gateway, random)
                if 2 * at_work < len(here.deaths):
                    with anyio.move_on_after(PATIENCE_S):
                        await gateway.until("prompt.handed")
                await here.kill(gateway)
                at_work += is_at_work(here.home)
                gateway = await here.start()
            crowd.enough = True
        await gateway.until("recovered")
        await here.rests()
        assert await gateway.stop() == 0
        account = books.check(here, crowd.jobs)
        paused = sum(gateway.passed.count("turn.paused") for gateway in here.started)
        with capsys.disabled():
            sys.stdout.write(
                f"\n{SEED}={seed}: {KILLS} kills, {at_work} of them during a running turn; {len(crowd.jobs)} jobs, "
                f"{paused} pauses; turns {dict(account.states)}; {here.api}\n"
            )
        assert at_work >= KILLS / 3
