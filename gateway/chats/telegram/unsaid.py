"""What is never said: bot tokens, webhooks' secrets and proxies' passwords, not even by a library that logs what it sends."""

import logging

_LOGGERS = (
    "httpx",
    *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")),
    "telegram.Bot",
    "telegram.request.BaseRequest",
    "telegram.request.HTTPXRequest",
)
_secrets: dict[str, str] = {}
"""What is never said, and what stands in its place."""


def redact(text: str) -> str:
    """The text without any bot token, webhook's secret or proxy's password that this process was given."""
    for secret, shown in _secrets.items():
        text = text.replace(secret, shown).replace(secret.replace(":", "%3A"), shown)
    return text


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
