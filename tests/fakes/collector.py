"""A collector for OTLP over HTTP: it decodes what is sent, as the protocol has it, and keeps it."""

import gzip
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway import listener


@dataclass
class Collector:
    """What came in. `status`: what is answered. `headers`: those of the last request."""

    url: str = ""
    status: int = 200
    metrics: list[ExportMetricsServiceRequest] = field(default_factory=list)
    traces: list[ExportTraceServiceRequest] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request in."""
        request = Request(scope, receive)
        self.asked += 1
        self.headers = dict(request.headers)
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert request.headers["content-type"] == "application/x-protobuf"
        if self.status == 200:
            if scope["path"].endswith("/v1/metrics"):
                self.metrics.append(ExportMetricsServiceRequest.FromString(body))
            else:
                assert scope["path"].endswith("/v1/traces")
                self.traces.append(ExportTraceServiceRequest.FromString(body))
        await Response(b"", self.status)(scope, receive, send)

    def figures(self) -> dict[str, dict[tuple[tuple[str, str], ...], Any]]:
        """The last figures by name and attributes: numbers, and the data points of histograms."""
        found: dict[str, dict[tuple[tuple[str, str], ...], Any]] = {}
        [resource] = self.metrics[-1].resource_metrics
        [scope] = resource.scope_metrics
        for metric in scope.metrics:
            data = getattr(metric, metric.WhichOneof("data") or "")
            for point in data.data_points:
                key = tuple(sorted((one.key, one.value.string_value) for one in point.attributes))
                kind = None if metric.HasField("histogram") else point.WhichOneof("value")
                found.setdefault(metric.name, {})[key] = point if kind is None else getattr(point, kind)
        return found

    def spans(self) -> list[Any]:
        """Every span that came."""
        return [
            span
            for request in self.traces
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@asynccontextmanager
async def collecting() -> AsyncGenerator[Collector]:
    """A collector on a port of its own."""
    collector = Collector()
    with listener.bound("127.0.0.1", 0) as there:
        collector.url = f"http://127.0.0.1:{there.getsockname()[1]}"
        there.listen()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, there, collector)
            yield collector
            tasks.cancel_scope.cancel()
