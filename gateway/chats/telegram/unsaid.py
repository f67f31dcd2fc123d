"""What is never said: bot tokens, webhooks' secrets and proxies' passwords, not even by a library that logs what it sends."""

import logging
import re
from functools import lru_cache

_LOGGERS = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    "telegram.Bot",
    "telegram.request.BaseRequest",
    "telegram.request.HTTPXRequest",
)
HEAD = 8
"""Characters of a secret that tell it from other words."""
_secrets: dict[str, str] = {}
"""What is never said, and what stands in its place."""


def redact(text: str) -> str:
    """The text without any bot token, webhook's secret or proxy's password that this process was given.

    Also where marks of Markdown stand in it, and where it is cut off, but for its first characters: a bot's number is no secret.
    """
    for secret, shown in _secrets.items():
        text = _without(_without(text, secret, shown), secret.replace(":", "%3A"), shown)
    return text


def _without(text: str, secret: str, shown: str) -> str:
    parts: list[str] = []
    at = 0
    while (found := _telling(secret).search(text, at)) is not None:
        end = found.end()
        for letter in secret[len(_head(secret)) :]:
            end_of_letter = end + text.startswith("\\", end)
            if not text.startswith(letter, end_of_letter):
                break
            end = end_of_letter + 1
        parts += [text[at : found.start()], shown]
        at = end
    return "".join((*parts, text[at:]))


def _head(secret: str) -> str:
    """So much of a secret is taken for the beginning of it."""
    public = re.match(r"[0-9]{1,20}(:|%3A)", secret)
    return secret[: (public.end() if public else 0) + HEAD]


@lru_cache(maxsize=64)
def _telling(secret: str) -> re.Pattern[str]:
    return re.compile(r"\\?".join(map(re.escape, _head(secret))))


class _Redactor(logging.Filter):
    """HTTP libraries log addresses, and Telegram's addresses hold the token."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


_REDACTOR = _Redactor()


def keep_secret(secret: str, shown: str) -> None:
    """From now on nothing that is logged or said holds this text, but `shown` in its place."""
    _secrets[secret] = shown
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_REDACTOR)
    for name in ("httpx", "httpcore", "telegram"):
        logging.getLogger(name).setLevel(logging.WARNING)
