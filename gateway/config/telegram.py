"""`[telegram.webhook]`, `telegram.proxy`, and what fits which Bot API server."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainValidator, SecretStr, model_validator

from gateway.config.local import Place, address_and_port
from gateway.config.values import Section

OFFICIAL_HOST: Final = "api.telegram.org"
_PORTS: Final = frozenset({None, 443, 80, 88, 8443})
"""Where Telegram's own server delivers; None is 443."""
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_MAKE_ONE: Final = (
    "write 16 to 256 characters of A-Z, a-z, 0-9, _ and -, like those that"
    ' `python3 -c "import secrets; print(secrets.token_urlsafe(32))"` makes'
)
_PROXY: Final = "write the address of a proxy, like http://127.0.0.1:3128 or socks5://user:password@127.0.0.1:1080"


def _secret(value: object) -> object:
    if isinstance(value, str):
        if not _SECRET.fullmatch(value.strip()):
            raise ValueError(f"this is no secret for a webhook: {_MAKE_ONE}")
        return SecretStr(value.strip())
    return value


def _url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("write the port of the webhook's address as a number") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise ValueError(
            "write the public address that Telegram sends updates to, like https://bot.example.org/telegram"
        )
    if parts.query or parts.fragment or parts.username is not None or "?" in url or "#" in url:
        raise ValueError("the webhook's address has no query and no user: its secret stands in telegram.webhook.secret")
    if not _PATH.fullmatch(parts.path):
        raise ValueError("the path of the webhook's address is made of letters, digits and . _ ~ - between the slashes")
    return url


def _listen(value: object) -> Place:
    return value if isinstance(value, Place) else address_and_port(value, "127.0.0.1:8443")


def _proxy(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(_PROXY) from None
    if parts.scheme not in {"http", "https", "socks5"} or not parts.hostname or port == 0 or not url.isprintable():
        raise ValueError(_PROXY)
    if parts.path.strip("/") or parts.query or parts.fragment or " " in url:
        raise ValueError(f"{_PROXY}, with nothing behind the port (write a / in a password as %2F)")
    return SecretStr(url)


Proxy = Annotated[SecretStr, BeforeValidator(_proxy)]
"""It may hold a password, and never shows."""


class WebhookSettings(Section):
    """Where Telegram sends updates to (`url`), and where the gateway waits for them (`listen`). Without a `url` it polls."""

    url: Annotated[str, BeforeValidator(_url)] | None = None
    listen: Annotated[Place, PlainValidator(_listen)] = Place("127.0.0.1", 8443)
    secret: Annotated[SecretStr, BeforeValidator(_secret)] | None = Field(default=None, repr=False)

    @model_validator(mode="after")
    def _has_a_secret(self) -> "WebhookSettings":
        if self.url is None:
            if self.model_fields_set - {"url"}:
                raise ValueError(
                    "there is no url: write the public address that Telegram sends updates to, or remove the section"
                )
            return self
        if self.secret is None:
            raise ValueError(f"there is no secret, and without one anybody could send updates: {_MAKE_ONE}")
        if self.secret.get_secret_value() in self.url:
            raise ValueError("the secret stands in url too, where proxies log it: take it out there")
        return self


def misfit(base_url: str, *, has_files_dir: bool, webhook: str | None, token: str | None) -> str:
    """What does not fit together in `[telegram]`, in a sentence; empty if all does."""
    official = urlsplit(base_url).hostname == OFFICIAL_HOST
    if official and has_files_dir:
        return "files_dir is for a Bot API server of your own with --local: set base_url to it, or remove files_dir"
    if webhook is None:
        return ""
    parts = urlsplit(webhook)
    if token is not None and token.partition(":")[2] in webhook:
        return "the bot token stands in webhook.url, where proxies log it: take it out there"
    if official and parts.scheme != "https":
        return "Telegram delivers to https addresses only: begin webhook.url with https://"
    if official and parts.port not in _PORTS:
        return "Telegram delivers to the ports 443, 80, 88 and 8443 only: use one of them in webhook.url"
    return ""
