"""`[voice]`: who writes down what people say."""

import json
import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from gateway.config.values import Section

FILE: Final = "{file}"
ENDPOINT: Final = "/audio/transcriptions"
HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
"""Names of this machine: what goes there goes over no network."""
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


def _command(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except ValueError:
            raise ValueError('write the command as a list, like ["whisper-cli", "-f", "{file}"]') from None
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) and "\0" not in part for part in value):
        return value
    words = [str(part) for part in value]
    if words and words[0].startswith("~"):
        words[0] = str(Path(words[0]).expanduser())
    if words and "/" in words[0] and not Path(words[0]).is_absolute():
        raise ValueError(f"{words[0][:200]!r} is a relative path: write the whole path, or the name of a program")
    if words and not any(FILE in word for word in words[1:]):
        raise ValueError(f"say where the recording goes: {FILE} stands for its path in one of the arguments")
    return tuple(words)


def _url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"that is no address ({error}): write one like https://api.openai.com/v1") from None
    wrong = parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None
    if wrong or parts.query or parts.fragment:
        raise ValueError(
            "write the address of the service, like https://api.openai.com/v1; the key goes into voice.key"
        )
    return url if url.endswith(ENDPOINT) else url + ENDPOINT


def _language(value: object) -> object:
    if isinstance(value, str) and not _LANGUAGE.fullmatch(value):
        raise ValueError("write the language as its code, like en or de")
    return value


class VoiceSettings(Section):
    """A program (`command`) or a service (`url`, `model`) that writes down what people say; without either nothing does.

    The key never shows in `repr` or errors.
    """

    command: Annotated[tuple[str, ...], BeforeValidator(_command)] = Field(default=(), max_length=100)
    url: Annotated[str, BeforeValidator(_url)] | None = Field(default=None, max_length=2000)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    key: SecretStr | None = None
    language: Annotated[str, BeforeValidator(_language)] | None = None
    seconds: int = Field(default=120, ge=1, le=600)
    show: bool = True
    """What was written down is shown in the chat."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> "VoiceSettings":
        if self.command and self.url is not None:
            raise ValueError("set command or url, not both: one of them writes down what is said")
        if self.url is not None and self.model is None:
            raise ValueError("name the service's model as well, like whisper-1")
        named = [name for name in ("model", "key", "language") if getattr(self, name) is not None]
        if self.url is None and named:
            raise ValueError(f"{named[0]} is for a service: set url as well, or remove it")
        if self.key is not None and self.url is not None:
            parts = urlsplit(self.url)
            if parts.scheme != "https" and parts.hostname not in HERE:
                raise ValueError(
                    "the key would go over the network for all to read: use an address that begins with https"
                )
        return self
