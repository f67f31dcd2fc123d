"""Prometheus' text of the figures. The library's global registry is left alone: what is collected is what was looked at."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Final

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway.core.metrics import TABLE, Kind
from gateway.core.telemetry import Point

OPEN_METRICS: Final = "application/openmetrics-text"
_UNITS: Final = ("usd", "seconds", "ratio")
_MILLI: Final = 1000


def exposed(points: Sequence[Point], accept: str, began_ms: int) -> tuple[bytes, str]:
    """The text, and its type, in the format that was asked for. `began_ms`: since when it is counted, which OpenMetrics tells."""
    encode, kind = choose_encoder(accept)
    since_s = began_ms / _MILLI if kind.startswith(OPEN_METRICS) else None
    return encode(_Collected(points, since_s)), kind


class _Collected:
    """What an encoder takes for a registry."""

    def __init__(self, points: Iterable[Point], since_s: float | None) -> None:
        self._points = tuple(points)
        self._since_s = since_s

    def collect(self) -> Iterator[Metric]:
        """Every figure of the table, also one that has no value yet: its name and help are told."""
        for metric in TABLE:
            name = metric.prometheus.removesuffix("_total")
            unit = next((unit for unit in _UNITS if name.endswith(f"_{unit}")), "")
            mine = [point for point in self._points if point.metric.name == metric.name]
            scale = metric.unit.scale
            match metric.kind:
                case Kind.COUNTER:
                    counter = CounterMetricFamily(name, metric.help, labels=metric.labels, unit=unit)
                    for point in mine:
                        counter.add_metric(point.labels, point.amount / scale, created=self._since_s)
                    yield counter
                case Kind.GAUGE:
                    gauge = GaugeMetricFamily(name, metric.help, labels=metric.labels, unit=unit)
                    for point in mine:
                        gauge.add_metric(point.labels, point.amount / scale)
                    yield gauge
                case Kind.HISTOGRAM:
                    histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels, unit=unit)
                    names = [*(f"{bound / scale!r}" for bound in metric.bounds), "+Inf"]
                    for point in mine:
                        buckets = list(zip(names, map(float, accumulate(point.counts)), strict=True))
                        histogram.add_metric(point.labels, buckets, point.amount / scale)
                    yield histogram
