"""The figures and the turns over OTLP/HTTP, by OpenTelemetry's own exporters. No global provider is set, and nothing is measured by it:
what is sent are the figures of the ledger as they were folded.

Where it cannot be sent nothing waits and nothing else fails. Figures that only grow are told whole each time, so that a lost export loses
none; turns wait for the next export, a bounded number of them.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import requests
import structlog
from anyio import to_thread
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from gateway.core import genai, metrics
from gateway.core.genai import Span
from gateway.core.metrics import Kind
from gateway.core.telemetry import Increment, Named, Point
from gateway.ports import StoreError

log = structlog.get_logger()

EXPORT_S: Final = 10.0
"""How long one export may take, with what the exporter tries again by itself."""
LAST_S: Final = 3.0
"""How long the last one may take, when the gateway stops."""
SPANS_MAX: Final = 2_000
SPANS_AT_ONCE: Final = 200
BATCHES_MAX: Final = 5
"""So many times as many are sent in one go; the rest waits for the next."""
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_NANO: Final = 1_000_000

Look = Callable[[], Awaitable[Sequence[Point]]]


class Otlp:
    """One collector. `look` reads the figures, `models` those models that they name; `count` adds to them what became of exports.

    `about`: the resource's attributes. `began_ms`: since when it is counted.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        about: Mapping[str, str],
        look: Look,
        models: Mapping[str, Named],
        count: Callable[[Iterable[Increment]], None],
        began_ms: int,
        now_ms: Callable[[], int],
    ) -> None:
        logging.getLogger("opentelemetry").addHandler(
            logging.NullHandler()
        )  # it is told in the gateway's own log, once
        logging.getLogger("opentelemetry").propagate = False
        session = _session(url)
        more: Any = {"headers": dict(headers), "timeout": EXPORT_S, "compression": Compression.Gzip, "session": session}
        self._metrics = OTLPMetricExporter(f"{url}/v1/metrics", **more)
        self._traces = OTLPSpanExporter(f"{url}/v1/traces", **more)
        self._resource = Resource(dict(about), genai.SCHEMA_URL)
        self._scope = InstrumentationScope(genai.SCOPE, about.get("service.version"), genai.SCHEMA_URL)
        self._look = look
        self._models = models
        self._count = count
        self._began_ns = began_ms * _NANO
        self._now_ms = now_ms
        self._spans: deque[Span] = deque()
        self._failing = False
        self._count(Increment(metrics.EXPORT_FAILURES, (signal,), 0) for signal in ("metrics", "traces"))
        self._count((Increment(metrics.SPANS_LOST, (), 0),))

    def ended(self, span: Span | None) -> None:
        """A turn has ended: it is sent with the next export. Beyond `SPANS_MAX` the oldest are given up, and counted."""
        if span is None:
            return
        if len(self._spans) >= SPANS_MAX:
            self._spans.popleft()
            self._count((Increment(metrics.SPANS_LOST, (), 1),))
        self._spans.append(span)

    async def run(self, every_s: float) -> None:
        """Export every so often until cancelled, and once more then."""
        try:
            while True:
                await anyio.sleep(every_s)
                await self.export()
        finally:
            with anyio.CancelScope(shield=True):
                with anyio.move_on_after(LAST_S):
                    await self.export()
                self._metrics.shutdown()
                self._traces.shutdown()

    async def export(self) -> bool:
        """Send the figures as they stand, and the turns that wait. False: something of it was not taken, and it was counted."""
        try:
            points = await self._look()
        except StoreError as error:
            log.warning("the figures cannot be read", why=str(error))
            return False
        data = self._data(points)
        sent = await self._sent("metrics", partial(self._metrics.export, data), MetricExportResult.SUCCESS)
        sent = await self._export_turns() and sent
        if sent is self._failing:
            self._failing = not sent
            if sent:
                log.info("telemetry is taken again")
            else:
                log.warning("telemetry is not taken: the gateway goes on, and tries again")
        return sent

    async def _export_turns(self) -> bool:
        for _ in range(BATCHES_MAX):
            batch = list(islice(self._spans, SPANS_AT_ONCE))
            if not batch:
                break
            spans = [self._span(one) for one in batch]
            if not await self._sent("traces", partial(self._traces.export, spans), SpanExportResult.SUCCESS):
                return False
            for one in batch:
                if self._spans and self._spans[0] is one:  # else it was given up meanwhile
                    self._spans.popleft()
        return True

    async def _sent(self, signal: str, work: Callable[[], object], done: object) -> bool:
        with anyio.move_on_after(2 * EXPORT_S):
            if await to_thread.run_sync(work, abandon_on_cancel=True) is done:
                return True
        self._count((Increment(metrics.EXPORT_FAILURES, (signal,), 1),))
        return False

    # -------------------------------------------------------------------------------------------------- as it is encoded
    def _data(self, points: Sequence[Point]) -> MetricsData:
        now_ns = self._now_ms() * _NANO
        by_name: dict[str, list[Point]] = {}
        for point in points:
            by_name.setdefault(point.metric.name, []).append(point)
        own = (self._metric(group, now_ns) for group in by_name.values())
        found = ScopeMetrics(self._scope, [*own, *self._usage(points, now_ns)], genai.SCHEMA_URL)
        return MetricsData([ResourceMetrics(self._resource, [found], genai.SCHEMA_URL)])

    def _metric(self, points: Sequence[Point], now_ns: int) -> Metric:
        metric = points[0].metric
        scale = metric.unit.scale
        labels = [dict(zip(metric.labels, point.labels, strict=True)) for point in points]
        untold: Any = None  # the least and the largest are not kept, and need not be told
        data: Sum | Gauge | Histogram
        if metric.kind is Kind.HISTOGRAM:
            bounds = [bound / scale for bound in metric.bounds]
            found = [
                HistogramDataPoint(
                    *(named, self._began_ns, now_ns, sum(point.counts), point.amount / scale, point.counts, bounds),
                    min=untold,
                    max=untold,
                )
                for named, point in zip(labels, points, strict=True)
            ]
            data = Histogram(found, AggregationTemporality.CUMULATIVE)
        else:
            values = (point.amount if scale == 1 else point.amount / scale for point in points)
            numbers = [
                NumberDataPoint(named, self._began_ns, now_ns, value)
                for named, value in zip(labels, values, strict=True)
            ]
            data = Gauge(numbers)
            if metric.kind is Kind.COUNTER:
                data = Sum(numbers, AggregationTemporality.CUMULATIVE, is_monotonic=True)
        return Metric(metric.otel, metric.help, metric.unit.otel, data)

    def _usage(self, points: Sequence[Point], now_ns: int) -> list[Metric]:
        return [
            Metric(
                name,
                genai.HELPS[name],
                "{token}",
                Sum(
                    [NumberDataPoint(dict(key), self._began_ns, now_ns, count) for key, count in sums.items()],
                    AggregationTemporality.CUMULATIVE,
                    is_monotonic=True,
                ),
            )
            for name, sums in genai.usage(points, self._models).items()
        ]

    def _span(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            span.name,
            SpanContext(span.trace_id, span.span_id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED)),
            resource=self._resource,
            attributes=span.attributes,
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR if span.error else StatusCode.UNSET),
            start_time=span.start_ms * _NANO,
            end_time=span.end_ms * _NANO,
            instrumentation_scope=self._scope,
        )


def _session(url: str) -> requests.Session:
    """A collector that sends elsewhere gets nothing there, least of all the headers; and no proxy is asked for what is on this machine."""
    session = requests.Session()
    session.max_redirects = 0
    session.trust_env = urlsplit(url).hostname not in HERE
    return session
