"""Who may do what: the same check behind every command and every button, and nobody keeps what was taken from them."""

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role
from gateway.domain.turn import TurnState
from tests.engine.bench import OWNER, RULES, THREAD, Bench, bench, call, script, with_limits

pytestmark = pytest.mark.anyio

WRITER, READER, APPROVER = "8", "9", "10"
PEOPLE = (
    Grant(OWNER, Role.OWNER),
    Grant(WRITER, Role.WRITER),
    Grant(READER, Role.READER),
    Grant(APPROVER, Role.APPROVER, largest_raise=Usd.parse("1")),
)
TEAM = replace(with_limits(session="1", confirm="0.10"), people=PEOPLE)
MAY_NOT = "You may read here, and no more than that: ask an owner."


def says(gateway: Bench, person: str, text: str) -> None:
    """Somebody writes in the one chat that all of them are in."""
    gateway.chat.says(THREAD, person, text)


async def test_a_writer_asks_for_work_and_an_approver_lets_it_run() -> None:
    """The writer's own tap counts for nothing; the approver's runs the turn."""
    async with bench(script(call(1)), TEAM) as gateway:
        says(gateway, WRITER, "do it")
        asked = await gateway.sees("**do it**")
        tap = gateway.chat.taps(asked, "Run", WRITER)
        assert await gateway.chat.told(tap) == "You may not answer this."
        assert gateway.agent.charges == []
        gateway.chat.taps(asked, "Run", APPROVER)
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.person == WRITER


@pytest.mark.parametrize("text", ["do it", "/new", "/stop", "/stop all", "/go", "/budget 3", "/raise 3", "/sessions 1"])
async def test_a_reader_changes_nothing(text: str) -> None:
    """Attack 29: what is not for reading is refused with a word, and nothing happens."""
    async with bench(script(call(1)), TEAM) as gateway:
        says(gateway, READER, text)
        await gateway.sees(MAY_NOT)
        assert await gateway.turns() == []
        assert not await gateway.world.store.read(lambda view: view.frozen)


@pytest.mark.parametrize("text", ["/cost", "/budget", "/sessions", "/help", "/nonsense"])
async def test_a_reader_reads(text: str) -> None:
    """What things cost and what is open is for everybody who was let in."""
    async with bench(script(call(1)), TEAM) as gateway:
        says(gateway, READER, text)
        says(gateway, READER, "/stop")
        await gateway.sees(MAY_NOT)
        said = [shown.text for shown in gateway.chat.sees(THREAD)]
        assert len(said) == 2
        assert said[0] != MAY_NOT


@pytest.mark.parametrize("text", ["/raise day 3", "/go"])
async def test_a_writer_widens_nothing(text: str) -> None:
    """Attack 29: raising and letting things run again takes an approver."""
    async with bench(script(call(1)), TEAM) as gateway:
        says(gateway, WRITER, text)
        await gateway.sees(MAY_NOT)


async def test_a_writer_lowers_a_limit_and_does_not_raise_it_by_the_same_command() -> None:
    """/budget day 5 is fine for a writer, /budget day 30 is a raise."""
    async with bench(script(call(1)), TEAM) as gateway:
        says(gateway, WRITER, "/budget day 5")
        await gateway.sees("Day: $0.00 spent, of $5.00")
        says(gateway, WRITER, "/budget day 30")
        await gateway.sees("You may not raise this limit by $25.00: ask an owner.")


async def test_an_approver_raises_as_much_as_the_settings_say() -> None:
    """With a largest raise of $1: a button that raises by $2 is not theirs, a limit $1 higher is."""
    async with bench(script(call(150)), replace(TEAM, step=Usd.parse("2"))) as gateway:
        says(gateway, WRITER, "do it")
        asked = await gateway.sees("**do it**")
        tap = gateway.chat.taps(asked, "Raise +$2", APPROVER)
        assert await gateway.chat.told(tap) == "You may not answer this."
        says(gateway, APPROVER, "/raise 1")
        await gateway.sees("of $2.00")


async def test_who_was_taken_out_of_the_settings_may_do_nothing_after_the_next_start(tmp_path: Path) -> None:
    """A question that was open for them is answered by others only; their words get no answer at all."""
    async with bench(script(call(1)), TEAM, home=tmp_path) as gateway:
        says(gateway, WRITER, "do it")
        await gateway.sees("**do it**")
    fewer = replace(TEAM, people=PEOPLE[:1])
    async with bench(script(call(1)), fewer, home=tmp_path, chat=gateway.chat) as again:
        asked = await again.sees("**do it**")
        tap = again.chat.taps(asked, "Run", APPROVER)
        assert await again.chat.told(tap) == "You may not answer this."
        says(again, WRITER, "/budget 1000")
        says(again, OWNER, "/help")
        await again.sees("Write to your agent")
        assert not any("1000" in shown.text for shown in again.chat.sees(THREAD))
        again.chat.taps(asked, "Run", OWNER)
        await again.ended(TurnState.FINISHED)


def test_the_usual_rules_name_an_owner() -> None:
    """The benches of other files are an owner's."""
    assert RULES.people == (Grant(OWNER, Role.OWNER),)
