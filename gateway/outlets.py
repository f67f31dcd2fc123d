"""Where the gateway's figures go, by its settings: fetched at `/metrics`, or sent to a collector. Neither is there unless it is set."""

import socket
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

import structlog
from anyio import to_thread

from gateway import listener, pricing
from gateway.config import Settings
from gateway.core import genai
from gateway.core.telemetry import Named
from gateway.engine import World
from gateway.engine.watching import Ended, Watch
from gateway.ports import TollbridgeError

log = structlog.get_logger()

NOT_INSTALLED: Final = (
    "telemetry.otlp is set, but OpenTelemetry is not installed: run `pip install 'tollbridge[telemetry]'` where Tollbridge is"
    " installed, or remove the setting"
)

Task = Callable[[], Coroutine[Any, Any, None]]


class OutletError(TollbridgeError):
    """What the settings ask for cannot be; the message says why and what to do."""


@asynccontextmanager
async def opened(settings: Settings, world: World, name: Callable[[], str]) -> AsyncGenerator[tuple[Task, ...]]:
    """What has to run beside the engine. Entered before the engine runs: it is counted from then on.

    `name`: tells the gateway's own. Raises OutletError, MetricsError, StoreError.
    """
    place, otlp = settings.metrics.listen, settings.telemetry.otlp
    if place is None and otlp is None:
        yield ()
        return
    watch = Watch(world, named)
    await watch.begin()
    tasks: list[Task] = []
    if otlp is not None:
        tasks.append(await _sent(settings, watch, world, name()))
    if place is None:
        yield tuple(tasks)
        return
    scrape = await to_thread.run_sync(import_module, "gateway.telemetry.scrape")
    with scrape.bound(*place) as bound:
        token = settings.metrics.token
        secret = "" if token is None else token.get_secret_value()
        app = scrape.Scrapes(watch.points, watch.began_ms, tuple(place), secret, world.clock.ticks_ms)
        yield (*tasks, partial(_answered, bound, app))


def named(model: str) -> Named | None:
    """What the price list calls a model."""
    found = pricing.named(model)
    return None if found is None else Named(*found)


async def _answered(bound: socket.socket, app: Any) -> None:
    address, port, *_ = bound.getsockname()
    log.info("Prometheus can fetch the figures", address=address, port=port, path="/metrics")
    await listener.serve(bound, app)


async def _sent(settings: Settings, watch: Watch, world: World, name: str) -> Task:
    """The task that sends the figures, and a span of each turn."""
    try:
        module = await to_thread.run_sync(import_module, "gateway.telemetry.otlp")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"opentelemetry", "requests"}:
            raise
        raise OutletError(NOT_INSTALLED) from None
    otlp = module.Otlp(
        settings.telemetry.otlp,
        {key: value.get_secret_value() for key, value in settings.telemetry.headers.items()},
        {"service.name": "tollbridge", "service.version": _version(), "service.instance.id": name},
        watch.points,
        watch.models,
        watch.totals.add,
        watch.began_ms,
        world.clock.now_ms,
    )

    def ended(one: Ended) -> None:
        otlp.ended(genai.span_of(one.turn, one.session, one.model))

    watch.ended = ended
    return partial(otlp.run, float(settings.telemetry.seconds))


def _version() -> str:
    try:
        return version("tollbridge")
    except PackageNotFoundError:
        return "unknown"
