"""What the owner's webhook is told of real turns: one event for each, with its end."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway import app
from gateway.config import settings_from
from gateway.engine import World
from gateway.engine.repricing import reprice_all
from gateway.store import SqliteStore
from tests.engine.bench import Bench, bench, call, script, with_limits
from tests.engine.test_repricing import Published

pytestmark = pytest.mark.anyio

SECRET = "whsec_" + "A" * 40


def telling(tmp_path: Path, world: World) -> None:
    """Let the world's store write events, as the settings of a gateway with a webhook do."""
    settings = settings_from(f'[hooks]\nurl = "https://b.example.org"\nsecret = "{SECRET}"', {}, tmp_path)
    assert isinstance(world.store, SqliteStore)
    world.store._tell = app.tell_of(settings)


async def told(gateway: Bench) -> list[dict[str, object]]:
    """The events that wait, read."""
    assert isinstance(gateway.world.store, SqliteStore)
    return [json.loads(due.event.body) for due in await gateway.world.store.hooks.due(2**60, 100)]


async def test_every_turn_is_told_of_once_with_what_it_cost(tmp_path: Path) -> None:
    """One that ran and one that was refused; while one runs, nothing is; /status tells how many events wait."""
    async with bench(
        script(call(25)), with_limits(confirm="0.10"), prepare=lambda world: telling(tmp_path, world)
    ) as gateway:
        gateway.says("one")
        await gateway.taps("**one**", "Run")
        await gateway.sees("$0.25")
        gateway.says("two")
        await gateway.taps("**two**", "No")
        await gateway.until(lambda turns: len(turns) == 2 and turns[1].ended_at_ms is not None)
        first, second = (event["data"] for event in await told(gateway))
        assert isinstance(first, dict)
        assert isinstance(second, dict)
        assert (first["state"], first["cost_usd"], first["calls"], first["outcome"]) == (
            "finished",
            "0.25",
            1,
            "answer",
        )
        assert (second["state"], second["cost_usd"], second["calls"]) == ("refused", "0.00", 0)
        assert "one" not in json.dumps(first)
        gateway.says("/status")
        await gateway.sees("Events that wait for the webhook: 2.")


async def test_a_price_that_becomes_known_is_told_as_an_update_of_a_higher_version(tmp_path: Path) -> None:
    """The first event has no cost, and the second the whole one."""
    unknown = call(25, model="new-1")
    async with bench(script(unknown), with_limits(), prepare=lambda world: telling(tmp_path, world)) as gateway:
        gateway.says("one")
        await gateway.until(lambda turns: bool(turns) and turns[0].ended_at_ms is not None)
        store, now_ms = gateway.world.store, gateway.world.clock.now_ms()
        day = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        found = await reprice_all(store, Published({"new-1": day.replace(month=1, day=1)}), now_ms)
        assert found.calls == 1
        first, second = await told(gateway)
        assert (first["type"], second["type"]) == ("turn.ended", "turn.updated")
        before, after = first["data"], second["data"]
        assert isinstance(before, dict)
        assert isinstance(after, dict)
        assert (before["cost_usd"], before["unpriced_calls"], after["unpriced_calls"]) == (None, 1, 0)
        assert after["cost_usd"] == found.amount.exact()
        assert after["version"] > before["version"]
