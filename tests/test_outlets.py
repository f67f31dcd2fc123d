"""Where the figures go, by the settings, with a whole gateway behind them."""

import sys
from pathlib import Path

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families as parsed

from gateway import listener, outlets
from gateway.config import settings_from
from gateway.domain.turn import TurnState
from gateway.outlets import OutletError
from tests.core import make
from tests.engine.bench import MODEL, bench, call, script
from tests.fakes.collector import collecting

pytestmark = pytest.mark.anyio


def name() -> str:
    """The gateway's."""
    return "desk"


def free_port() -> int:
    """One that nobody listens on just now."""
    with listener.bound("127.0.0.1", 0) as there:
        return there.getsockname()[1]


async def test_without_settings_there_is_nothing_to_run(tmp_path: Path) -> None:
    """And nothing is looked at."""
    settings = settings_from("", {}, tmp_path)
    async with bench(script(call(1))) as gateway, outlets.opened(settings, gateway.world, name) as tasks:
        assert tasks == ()


async def test_a_turn_is_in_the_figures_that_are_fetched_and_in_those_that_are_sent(tmp_path: Path) -> None:
    """The same by both ways, and as a span."""
    port, reply, turn = free_port(), httpx.Response(500), make.turn()
    with anyio.fail_after(60):
        async with collecting() as collector, bench(script(call(3))) as gateway:
            toml = f'[metrics]\nlisten = "127.0.0.1:{port}"\n[telemetry]\notlp = "{collector.url}"'
            opened = outlets.opened(settings_from(toml, {}, tmp_path), gateway.world, name)
            async with opened as tasks, anyio.create_task_group() as group:
                for task in tasks:
                    group.start_soon(task)
                gateway.says("fix it")
                turn = await gateway.ended(TurnState.FINISHED)
                async with httpx.AsyncClient(trust_env=False) as client:
                    reply = await client.get(f"http://127.0.0.1:{port}/metrics")
                group.cancel_scope.cancel()
    [cost] = [
        sample
        for family in parsed(reply.text)
        for sample in family.samples
        if sample.name == "tollbridge_cost_usd_total"
    ]
    assert (cost.labels, cost.value) == ({"agent": "scripted", "model": MODEL, "origin": "person"}, 0.03)
    whose = (("agent", "scripted"), ("model", MODEL), ("origin", "person"))
    assert collector.figures()["tollbridge.cost.usd"] == {whose: 0.03}
    [inputs] = collector.figures()["gen_ai.client.inference.usage.output_tokens"]
    assert dict(inputs)["gen_ai.provider.name"] == "anthropic"
    [span] = collector.spans()
    told = {one.key: one.value for one in span.attributes}
    assert told["tollbridge.turn.id"].string_value == turn.id
    assert told["tollbridge.turn.cost.usd"].double_value == 0.03
    assert "fix it" not in str(span)


async def test_without_the_extra_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the gateway runs, and not as a fault of the program."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    for module in [one for one in sys.modules if one.startswith(("opentelemetry.", "gateway.telemetry.otlp"))]:
        monkeypatch.delitem(sys.modules, module)
    settings = settings_from('[telemetry]\notlp = "http://127.0.0.1:4318"', {}, tmp_path)
    async with bench(script(call(1))) as gateway:
        with pytest.raises(OutletError, match=r"pip install 'tollbridge\[telemetry\]'"):
            async with outlets.opened(settings, gateway.world, name):
                pass


def test_models_go_by_the_price_lists_names() -> None:
    """A dated name is the same model; one that merely sounds alike is none."""
    assert outlets.named(f"{MODEL}-20260101") == outlets.named(MODEL)
    found = outlets.named(MODEL)
    assert found is not None
    assert found.provider == "anthropic"
    assert outlets.named("claude-made-up-1") is None
