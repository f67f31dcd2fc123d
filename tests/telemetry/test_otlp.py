"""What a collector gets: the figures and the turns as the protocol has them, and nothing of it holds the gateway up."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from opentelemetry import metrics as otel_metrics
from opentelemetry import trace as otel_trace

from gateway import listener
from gateway.core import genai, metrics
from gateway.core.genai import Span
from gateway.core.telemetry import Increment, Named, Point, Totals
from gateway.ports import StoreError
from gateway.telemetry import otlp
from gateway.telemetry.otlp import Otlp
from tests.fakes.collector import Collector, collecting

pytestmark = pytest.mark.anyio

BEGAN_MS, NOW_MS = 1_800_000_000_000, 1_800_000_060_000
OPUS = {"opus": Named("anthropic", "opus")}
ABOUT = {"service.name": "tollbridge", "service.version": "1", "service.instance.id": "desk"}


class Sending:
    """An exporter and the totals that it tells of."""

    def __init__(self, url: str, headers: dict[str, str] | None = None) -> None:
        self.totals = Totals()
        self.otlp = Otlp(url, headers or {}, ABOUT, self.look, OPUS, self.totals.add, BEGAN_MS, lambda: NOW_MS)

    async def look(self) -> Sequence[Point]:
        """The figures."""
        days, weeks = (Point(metrics.SPENT, (scope,), 5 * 10**9) for scope in ("day", "week"))
        return (*self.totals.points(), days, Point(metrics.HOLDS, (), 3), weeks)

    def counted(self, metric: metrics.Metric) -> int:
        """Over all labels."""
        return sum(point.amount for point in self.totals.points() if point.metric is metric)


@asynccontextmanager
async def sending(headers: dict[str, str] | None = None) -> AsyncGenerator[tuple[Sending, Collector]]:
    """Both ends."""
    with anyio.fail_after(60):
        async with collecting() as collector:
            yield Sending(collector.url, headers), collector


def span(number: int) -> Span:
    """A turn."""
    return Span(
        "invoke_agent claude", number, number, NOW_MS, NOW_MS + 5, error=False, attributes={"tollbridge.turn.calls": 3}
    )


async def test_a_collector_gets_every_figure_with_its_unit_and_since_when_it_is_counted() -> None:
    """Cumulative sums, gauges and buckets under one resource and scope of a pinned schema, with no global provider set."""
    async with sending() as (here, collector):
        here.totals.add(
            [
                Increment(metrics.COST, ("claude", "opus", "person"), 1_234_567_891),
                Increment(metrics.TOKENS, ("claude", "opus", "cache_read"), 40),
                Increment(metrics.TOKENS, ("claude", "opus", "input"), 2),
                Increment(metrics.TURN_COST, ("claude", "person", "answer"), 20_000_000),
            ]
        )
        assert await here.otlp.export()
    found = collector.figures()
    whose = (("agent", "claude"), ("model", "opus"), ("origin", "person"))
    assert found["tollbridge.cost.usd"] == {whose: 1.234567891}
    assert found["tollbridge.holds"] == {(): 3}
    [inputs] = found["gen_ai.client.inference.usage.input_tokens"].values()
    [read] = found["gen_ai.client.inference.usage.cache_read.input_tokens"].values()
    assert (inputs, read) == (42, 40)
    [cost] = found["tollbridge.turn.cost.usd"].values()
    assert (cost.count, cost.sum, list(cost.explicit_bounds)[:2]) == (1, 0.02, [0.01, 0.02])
    assert list(cost.bucket_counts)[:3] == [0, 1, 0]
    assert not cost.HasField("min")
    [resource] = collector.metrics[-1].resource_metrics
    assert {one.key: one.value.string_value for one in resource.resource.attributes} == ABOUT
    [scope] = resource.scope_metrics
    assert (scope.scope.name, scope.schema_url) == ("tollbridge", genai.SCHEMA_URL)
    by_name: dict[str, Any] = {metric.name: metric for metric in scope.metrics}
    assert len(by_name) == len(scope.metrics)
    assert found["tollbridge.budget.spent.usd"] == {(("scope", "day"),): 5, (("scope", "week"),): 5}
    sums = by_name["tollbridge.cost.usd"].sum
    assert (sums.is_monotonic, sums.aggregation_temporality) == (True, 2)
    assert sums.data_points[0].start_time_unix_nano == BEGAN_MS * 1_000_000
    assert sums.data_points[0].time_unix_nano == NOW_MS * 1_000_000
    assert by_name["tollbridge.cost.usd"].unit == "{USD}"
    assert "Proxy" in type(otel_metrics.get_meter_provider()).__name__
    assert "Proxy" in type(otel_trace.get_tracer_provider()).__name__


async def test_a_turn_is_sent_once_as_a_span() -> None:
    """With its times and figures; the headers of the settings go along."""
    async with sending({"X-Key": "made-up"}) as (here, collector):
        here.otlp.ended(span(7))
        here.otlp.ended(None)
        assert await here.otlp.export()
        assert await here.otlp.export()
    [one] = collector.spans()
    assert (one.name, int.from_bytes(one.trace_id, "big"), int.from_bytes(one.span_id, "big")) == (
        "invoke_agent claude",
        7,
        7,
    )
    assert (one.start_time_unix_nano, one.end_time_unix_nano) == (NOW_MS * 1_000_000, (NOW_MS + 5) * 1_000_000)
    assert [(told.key, told.value.int_value) for told in one.attributes] == [("tollbridge.turn.calls", 3)]
    assert collector.headers["x-key"] == "made-up"


async def test_what_was_not_taken_is_sent_with_the_next_and_counted() -> None:
    """A collector that refuses loses no turn, and no figure."""
    async with sending() as (here, collector):
        here.otlp.ended(span(1))
        collector.status = 400
        assert not await here.otlp.export()
        assert here.counted(metrics.EXPORT_FAILURES) == 2
        collector.status = 200
        here.otlp.ended(span(2))
        assert await here.otlp.export()
    assert len(collector.spans()) == 2
    assert {name: sum(by.values()) for name, by in collector.figures().items() if "failures" in name} == {
        "tollbridge.export.failures": 2
    }


async def test_only_so_many_turns_wait_and_the_oldest_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """That they were is counted, and told with the next export; the others go in several requests."""
    monkeypatch.setattr(otlp, "SPANS_MAX", 5)
    monkeypatch.setattr(otlp, "SPANS_AT_ONCE", 2)
    async with sending() as (here, collector):
        for number in range(1, 9):
            here.otlp.ended(span(number))
        assert await here.otlp.export()
    assert [int.from_bytes(one.span_id, "big") for one in collector.spans()] == [4, 5, 6, 7, 8]
    assert len(collector.traces) == 3
    assert collector.figures()["tollbridge.export.spans.lost"] == {(): 3}


async def test_a_collector_that_is_not_there_is_counted_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the gateway's."""
    monkeypatch.setattr(otlp, "EXPORT_S", 0.2)
    here = Sending("http://127.0.0.1:9")
    with anyio.fail_after(30):
        assert not await here.otlp.export()
        assert not await here.otlp.export()
    assert here.counted(metrics.EXPORT_FAILURES) == 2


async def test_a_collector_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it is waited for others go on, and after a time it is given up."""
    monkeypatch.setattr(otlp, "EXPORT_S", 2.0)
    with listener.bound("127.0.0.1", 0) as silent, anyio.fail_after(60):
        silent.listen()
        here, done = Sending(f"http://127.0.0.1:{silent.getsockname()[1]}"), anyio.Event()

        async def exports() -> None:
            assert not await here.otlp.export()
            done.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(exports)
            connection, _ = await anyio.to_thread.run_sync(silent.accept)
            assert not done.is_set()
            await done.wait()
            connection.close()
    assert here.counted(metrics.EXPORT_FAILURES) == 1


async def test_a_ledger_that_cannot_be_read_sends_nothing_and_the_next_export_may() -> None:
    """What could not be looked at is no figure of nothing."""
    async with sending() as (here, collector):
        looks = here.look

        async def locked() -> Sequence[Point]:
            raise StoreError("locked")

        here.otlp._look = locked
        assert not await here.otlp.export()
        assert collector.asked == 0
        here.otlp._look = looks
        assert await here.otlp.export()


async def test_when_the_gateway_stops_what_waits_is_sent_once_more() -> None:
    """The last turn of a day is not lost, and nothing is sent after that."""
    async with sending() as (here, collector):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.otlp.run, 3600.0)
            await anyio.lowlevel.checkpoint()
            here.otlp.ended(span(1))
            tasks.cancel_scope.cancel()
        assert len(collector.spans()) == 1
        assert not await here.otlp.export()
