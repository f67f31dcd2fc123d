"""`[hooks]`: the owner's webhook."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gateway.config.values import Section
from gateway.core.hooks import ProjectName, is_here, secret


def _url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("write the port of the webhook's address as a number") from None
    wrong = (
        parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not url.isprintable() or " " in url
    )
    if wrong or parts.fragment or parts.username is not None:
        raise ValueError(
            "write the address that is told of turns, like https://bills.example.org/tollbridge, without a user"
        )
    if parts.scheme != "https" and not is_here(url):
        raise ValueError(
            "what turns cost would go over the network for all to read: use an address that begins with https"
        )
    return SecretStr(url)


def _secret(value: SecretStr) -> SecretStr:
    secret(value.get_secret_value())
    return value


Secret = Annotated[SecretStr, AfterValidator(_secret)]


class HookSettings(Section):
    """Who is told of every turn that ended. Without `url` nobody is. Neither the address, which may hold a token, nor a secret shows."""

    url: Annotated[SecretStr, BeforeValidator(_url)] | None = Field(default=None)
    secret: Secret | None = None
    old_secret: Secret | None = None
    """While receivers change to a new secret everything is signed with both."""
    project: ProjectName = "last"
    """What a project is called: its directory's name, a hash of the path, or the path."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "HookSettings":
        if self.url is None and self.model_fields_set - {"url"}:
            raise ValueError("there is no url: write the address that is told of turns, or remove the section")
        if self.url is not None and self.secret is None:
            raise ValueError(
                "there is no secret, and without one anybody could make bills up: `tollbridge hooks secret` makes one"
            )
        return self

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What everything is signed with, the newest first."""
        return tuple(secret(one.get_secret_value()) for one in (self.secret, self.old_secret) if one is not None)
