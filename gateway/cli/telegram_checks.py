"""The doctor's checks on what lies between the gateway and Telegram: a webhook, a proxy, a Bot API server of one's own."""

import os
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.cli import bot_api
from gateway.cli.checks import Check, Status, free
from gateway.ports import TollbridgeError

if TYPE_CHECKING:
    from gateway.config import TelegramSettings


def webhook(url: str, found: bot_api.Webhook, *, running: bool) -> Check:
    """Whether Telegram sends updates where the settings say, and gets rid of them."""
    if found.url not in {"", url}:
        words = f"another program's webhook takes this bot's messages ({host(found.url)})"
        return _fail("webhook", words, "stop that program, or make another bot with @BotFather")
    if not found.url:
        mend = "it was started without these settings, or another program removed the webhook: start it again"
        ready = _ok("webhook", "Telegram is told of it when the gateway starts")
        return _fail("webhook", "Telegram sends updates nowhere", mend) if running else ready
    if found.last_error and running:
        words = f"Telegram could not deliver what waits ({found.pending}): {found.last_error}"
        mend = "look at the proxy before the gateway, its certificate, and that it hands on to telegram.webhook.listen"
        return Check("webhook", Status.WARN, words, mend)
    return _ok("webhook", f"Telegram sends updates to {host(url)}, {found.pending} wait")


def host(url: str) -> str:
    """A path may hold somebody's secret."""
    try:
        return bot_api.plain(urlsplit(url).hostname or "") or "no host"
    except ValueError:
        return "no host"


def ways(settings: "TelegramSettings", *, running: bool) -> Iterator[Check]:
    """What is between the gateway and Telegram: where a webhook listens, the proxy, the files of a server of one's own."""
    if settings.webhook.url is not None:
        yield free("webhook.listen", "telegram.webhook.listen", settings.webhook.listen, running=running)
        if not ip_address(settings.webhook.listen.address).is_loopback:
            found = (
                f"{settings.webhook.listen.address} can be reached from elsewhere, and updates come there in plain HTTP"
            )
            yield Check("webhook.listen", Status.WARN, found, "see to it that only the proxy reaches it")
    if settings.proxy_address is not None:
        from gateway.chats.telegram import way

        parts = urlsplit(settings.proxy_address)
        try:
            used = way(settings.base_url, settings.proxy_address)
        except TollbridgeError as error:
            yield _fail("proxy", str(error), "nothing can be asked of Telegram before")
        else:
            unused = "the Bot API server is on this machine: the proxy is not used"
            through = f"what is asked of Telegram goes through {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
            yield _ok("proxy", through if "proxy" in used else unused)
    if (place := settings.files_dir) is not None:
        if not place.is_dir() or not os.access(place, os.R_OK | os.X_OK):
            mend = "create it, or let the gateway's user read what the Bot API server keeps there"
            yield _fail("files_dir", f"{place} is no directory that can be read", mend)
        else:
            yield _ok("files_dir", f"files that people send are taken from {place}")


def _ok(name: str, found: str) -> Check:
    return Check(name, Status.OK, found)


def _fail(name: str, found: str, mend: str) -> Check:
    return Check(name, Status.FAIL, found, mend)
