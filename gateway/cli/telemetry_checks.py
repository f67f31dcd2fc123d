"""The doctor's checks on where the gateway's figures go: whether they can be fetched, and whether a collector is there."""

import socket
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gateway.cli.checks import Check, Status, free
from gateway.config.voice import HERE

if TYPE_CHECKING:
    from gateway.config import MetricsSettings, TelemetrySettings

CONNECT_S: Final = 3.0
NEEDED: Final = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")


def metrics(settings: "MetricsSettings", *, running: bool) -> Iterator[Check]:
    """Whether Prometheus finds the gateway where the settings say."""
    if settings.listen is None:
        return
    yield free("metrics", "metrics.listen", settings.listen, running=running)
    if not ip_address(settings.listen.address).is_loopback:
        found = f"metrics.listen: {settings.listen.address} can be reached from elsewhere, and the token comes there in plain HTTP"
        yield Check(
            "metrics", Status.WARN, found, "put a proxy with TLS before it, unless the network between is yours"
        )


def telemetry(settings: "TelemetrySettings") -> Iterator[Check]:
    """Whether what sends is installed, and something answers where it is sent. Nothing is sent."""
    if settings.otlp is None:
        return
    if not _installed():
        found = "telemetry.otlp is set, but OpenTelemetry is not installed: the gateway does not start"
        mend = "run `pip install 'tollbridge[telemetry]'` where Tollbridge is installed, or remove the setting"
        yield Check("telemetry", Status.FAIL, found, mend)
        return
    parts = urlsplit(settings.otlp)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((host, port), CONNECT_S).close()
    except OSError as error:
        found = f"telemetry.otlp: nothing answers at {host} port {port} ({error.strerror or 'no answer in time'})"
        yield Check(
            "telemetry", Status.WARN, found, "start the collector, or correct its address; the gateway runs without"
        )
        return
    if parts.scheme != "https" and host not in HERE:
        found = f"telemetry.otlp: what things cost goes over the network to {host} for all to read"
        yield Check("telemetry", Status.WARN, found, "use an address that begins with https")
        return
    yield Check("telemetry", Status.OK, f"figures are sent to {host} port {port}")


def _installed() -> bool:
    try:
        return all(find_spec(name) is not None for name in NEEDED)
    except (ModuleNotFoundError, ValueError):
        return False
