"""`[metrics]` and `[telemetry]`: who may fetch the gateway's figures, and where they are sent."""

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, model_validator

from gateway.config.local import Place, address_and_port
from gateway.config.values import Section
from gateway.config.voice import HERE

TOKEN_MIN: Final = 16
HEADERS_MAX: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{16,200}")
_URL: Final = "write the address of a collector for OTLP over HTTP, like http://127.0.0.1:4318"


def _place(value: object) -> Place | None:
    return value if value is None or isinstance(value, Place) else address_and_port(value, "127.0.0.1:9464")


def _token(value: object) -> object:
    if isinstance(value, str) and not _TOKEN.fullmatch(value):
        raise ValueError(f"write {TOKEN_MIN} to 200 letters, digits or ._~+/=- (`openssl rand -hex 32` makes some)")
    return value


def _url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError(_URL) from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not url.isprintable() or " " in url:
        raise ValueError(_URL)
    if parts.username is not None or parts.query or parts.fragment:
        raise ValueError(f"{_URL}; a secret goes into telemetry.headers")
    if parts.path.endswith(("/v1/metrics", "/v1/traces")):
        raise ValueError(f"{_URL}: what follows, /v1/metrics and /v1/traces, is added")
    return url


def _headers(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError('write a table like {"Authorization": "Bearer ..."}') from None
    if not isinstance(value, Mapping):
        raise ValueError('write a table like {Authorization = "Bearer ..."}')  # noqa: TRY004 - pydantic takes this one
    if len(value) > HEADERS_MAX:
        raise ValueError(f"at most {HEADERS_MAX} headers are sent")
    for name, text in value.items():
        if not _NAME.fullmatch(str(name)):
            raise ValueError("the name of a header has letters, digits and hyphens only")
        if isinstance(text, str) and not (text.isascii() and text.isprintable()):
            raise ValueError("the value of a header is one line of plain text")
    return value


class MetricsSettings(Section):
    """Where Prometheus fetches the figures (`/metrics`); nowhere, if it is not set. The token never shows in `repr` or errors."""

    listen: Annotated[Place | None, PlainValidator(_place)] = None
    token: Annotated[SecretStr, BeforeValidator(_token)] | None = None

    @model_validator(mode="after")
    def _is_not_open_to_others(self) -> "MetricsSettings":
        if self.token is not None and self.listen is None:
            raise ValueError("token is for a listener: set listen as well, or remove it")
        if self.listen is not None and self.token is None and not ip_address(self.listen.address).is_loopback:
            raise ValueError(
                f"{self.listen.address} can be reached from elsewhere: set token as well, which whoever fetches the figures has"
                " to bear, or listen on 127.0.0.1"
            )
        return self


class TelemetrySettings(Section):
    """Where the figures are sent by OpenTelemetry; nowhere, if `otlp` is not set. `headers` never show in `repr` or errors."""

    otlp: Annotated[str, BeforeValidator(_url)] | None = Field(default=None, max_length=2000)
    headers: Annotated[dict[str, SecretStr], BeforeValidator(_headers)] = Field(default_factory=dict[str, SecretStr])
    seconds: Annotated[int, Field(ge=5, le=3600)] = 60
    """How long it is waited between two exports."""

    @model_validator(mode="after")
    def _keeps_its_secrets(self) -> "TelemetrySettings":
        if self.otlp is None:
            if self.headers:
                raise ValueError("headers are for a collector: set otlp as well, or remove them")
            return self
        parts = urlsplit(self.otlp)
        if self.headers and parts.scheme != "https" and parts.hostname not in HERE:
            raise ValueError("headers would go over the network for all to read: use an address that begins with https")
        return self
