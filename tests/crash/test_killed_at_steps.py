"""kill -9 at every durable step of a turn with tools, a permission, a pause at the limit and a raise."""

import sys
from pathlib import Path

import pytest

from gateway.engine.steps import STEPS
from tests.crash import books
from tests.crash.model import LATEST, works
from tests.crash.rig import Gateway, Machine, machine

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

TIGHT = {"SESSION_USD": "0.0001", "DEFAULT_HOLD_USD": "0.00005", "CONFIRM_ABOVE_USD": "0.00009"}
"""The first call meets the limit, so that the turn pauses and is raised."""
JOB = "job 1"
IN_RECOVERY = ("turn.recovered", "turn.resent", "client.forgotten")
"""Steps that only a gateway passes which finds something to recover."""
LATER = {
    "inbox.accepted": (3,),
    "inbox.handled": (2, 3),
    "committed": (2, 5, 8, 11),
    "call.booked": (2, 3),
    "boundary.answered": (3,),
    "post.sending": (2, 4),
    "post.sent": (2, 4),
    "post.receipted": (4,),
}
"""Later passings that are killed at, too: the taps, the calls after the pause, questions and edits on their way."""
UNTOUCHED = [
    ("committed", "turn.settled", 1),
    ("recovered", "turn.paused", 1),
    ("inbox.accepted", "agent.answered", 1),
]
"""The first death comes before anything of the turn: the second gateway finds what an undisturbed one does, and dies as such."""
BY_THE_WAY = {step for first, then, _ in UNTOUCHED for step in (first, then)}
FIRST = [(step, 1) for step in STEPS if step not in IN_RECOVERY and step not in BY_THE_WAY]
DEATHS = [*FIRST, *((step, n) for step, passings in LATER.items() for n in passings)]
SECOND_DEATHS = [
    *UNTOUCHED,
    ("turn.released", "turn.resent", 1),
    ("turn.released", "client.forgotten", 1),
    ("turn.released", "client.recorded", 1),
    ("turn.paused", "turn.recovered", 1),
    ("turn.paused", "client.forgotten", 1),
    ("call.booked", "committed", 3),
    ("permission.asked", "turn.recovered", 1),
    ("permission.asked", "recovered", 1),
]


async def busy(here: Machine, step: str, n: int) -> None:
    """A gateway with a job that dies at this passing of the step."""
    works(here.api, here.place / "work", lasts_s=0.1)
    here.clicker(here.phone)
    doomed = await here.start(step, n)
    here.phone.says(JOB)
    await here.dies(doomed)


async def ends_well(here: Machine, gateway: Gateway) -> books.Books:
    """The phone has its answer, the gateway ends in good order, and every promise was kept."""
    await here.phone.waits_for(f"{LATEST}{JOB}.", timeout=120)
    await gateway.until("recovered")
    await here.rests()
    assert await gateway.stop() == 0
    return books.check(here, [JOB])


@pytest.mark.parametrize(("step", "n"), DEATHS)
async def test_killed_at_a_step_the_next_gateway_brings_the_turn_to_its_end(tmp_path: Path, step: str, n: int) -> None:
    """Kill -9 at a durable step: one run, exact books, no process left, no hold leaked, no answer lost."""
    async with machine(tmp_path, TIGHT) as here:
        await busy(here, step, n)
        account = await ends_well(here, await here.start())
        sys.stdout.write(f"killed at {step} {n}: {dict(account.states)}, {here.api}\n")


@pytest.mark.parametrize(("step", "then", "n"), SECOND_DEATHS)
async def test_killed_again_while_it_recovers_nothing_is_done_twice(
    tmp_path: Path, step: str, then: str, n: int
) -> None:
    """Kill -9 at a step, and again at a step of the recovery: the third gateway keeps the same promises."""
    async with machine(tmp_path, TIGHT) as here:
        await busy(here, step, 1)
        await here.dies(await here.start(then, n))
        account = await ends_well(here, await here.start())
        sys.stdout.write(f"killed at {step}, then at {then} {n}: {dict(account.states)}, {here.api}\n")


async def test_the_list_of_steps_is_what_gateways_pass(tmp_path: Path) -> None:
    """Every named step is passed by some gateway of a turn that is sent again, cut short and continued; no other one is."""
    async with machine(tmp_path, TIGHT) as here:
        await busy(here, "turn.released", 1)
        await here.dies(await here.start("agent.answered"))
        await ends_well(here, await here.start())
        assert {step for gateway in here.started for step in gateway.passed} == set(STEPS)
