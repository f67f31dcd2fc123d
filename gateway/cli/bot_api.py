"""What setup and doctor ask of the Bot API while no gateway runs: who wrote, and whether somebody else listens.

One short question at a time, on the way that the gateway takes too: `proxy` as in telegram.proxy. The token stands in every
address, so no error here carries an address or an exception that holds one.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final

from gateway.ports import TollbridgeError

_LARGEST_ANSWER_BYTES: Final = 8 * 1024 * 1024
_PATIENCE_S: Final = 10
_SUCCESS: Final = 200
_UNAUTHORIZED: Final = frozenset({401, 404})
_CONFLICT: Final = 409


class BotApiError(TollbridgeError):
    """Telegram did not answer as it should; the message says what to do."""


class OtherPollerError(BotApiError):
    """Somebody else receives this bot's messages: another program, or a webhook."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote: a person's numeric id, and what they call themselves."""

    id: int
    name: str
    username: str | None


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Telegram sends updates instead of handing them to pollers; `url` is empty if nowhere."""

    url: str
    pending: int
    server_time_ms: int | None
    """What the server's clock said, to the second."""
    last_error: str = ""
    """Why the last delivery that failed did, for as long as something waits."""


def webhook(token: str, base_url: str, proxy: str | None = None) -> Webhook:
    """How this bot's updates are delivered. Raises TollbridgeError."""
    result, served_at = _ask(token, base_url, proxy, "getWebhookInfo", {}, 0)
    if not isinstance(result, Mapping):
        raise BotApiError(_UNREADABLE)
    waiting = result.get("pending_update_count")
    pending = waiting if isinstance(waiting, int) else 0
    error = plain(str(result.get("last_error_message") or "")) if pending else ""
    return Webhook(str(result.get("url") or ""), pending, served_at, error)


def updates(
    token: str, base_url: str, offset: int | None, wait_s: int, proxy: str | None = None
) -> list[Mapping[str, Any]]:
    """Updates that wait, at most 100. Those below `offset` are gone for good; None takes none away. Raises TollbridgeError."""
    question: dict[str, Any] = {"timeout": wait_s, "limit": 100}
    if offset is not None:
        question["offset"] = offset
    result, _ = _ask(token, base_url, proxy, "getUpdates", question, wait_s)
    if not isinstance(result, list):
        raise BotApiError(_UNREADABLE)
    return [update for update in result if isinstance(update, Mapping) and isinstance(update.get("update_id"), int)]


def send(token: str, base_url: str, person: int, text: str, proxy: str | None = None) -> None:
    """Write to a person. Raises TollbridgeError."""
    _ask(token, base_url, proxy, "sendMessage", {"chat_id": person, "text": text}, 0)


def writer(update: Mapping[str, Any]) -> Person | None:
    """The person behind a message in a private chat; None for everything else."""
    match update:
        case {"message": {"from": {"id": int(number), **who}, "chat": {"type": "private"}}} if not who.get("is_bot"):
            names = (who.get("first_name"), who.get("last_name"))
            name = " ".join(part for part in names if isinstance(part, str) and part)
            username = who.get("username")
            return Person(number, plain(name) or "(no name)", plain(username) if isinstance(username, str) else None)
    return None


def plain(text: str) -> str:
    """Text of a stranger on one line, at most 64 characters, with everything spelled out that would not be seen as it is."""
    shown = "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text[:64])
    return shown.strip()


_UNREADABLE: Final = "Telegram's answer cannot be read: check telegram.base_url, which may lead to something else"


def _ask(
    token: str, base_url: str, proxy: str | None, method: str, question: Mapping[str, Any], wait_s: int
) -> tuple[Any, int | None]:
    """The result of a method, and the server's time. Raises BotApiError, OtherPollerError; TollbridgeError for the proxy."""
    import httpx

    from gateway.chats.telegram import keep_secret, way

    keep_secret(token, "<bot token>")
    body = bytearray()
    try:
        with (
            httpx.Client(timeout=wait_s + _PATIENCE_S, **way(base_url, proxy)) as client,
            client.stream("POST", f"{base_url}{token}/{method}", json=dict(question)) as response,
        ):
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _LARGEST_ANSWER_BYTES:
                    break
    except httpx.HTTPError as error:
        raise BotApiError(
            f"Telegram cannot be reached ({_why(error)}): check the network and telegram.base_url"
        ) from None
    if response.status_code != _SUCCESS:
        raise _refusal(response.status_code, bytes(body))
    answer = _json(bytes(body))
    if answer.get("ok") is not True or "result" not in answer:
        raise BotApiError(_UNREADABLE)
    return answer["result"], _milliseconds(response.headers.get("Date"))


def _why(error: BaseException) -> str:
    """What the system says of it, if it says anything."""
    said: BaseException | None = error
    while said is not None:
        if isinstance(said, OSError) and said.errno:
            return os.strerror(said.errno) if said.errno > 0 else str(said.strerror)
        said = said.__cause__ or said.__context__
    return type(error).__name__


def _refusal(code: int, body: bytes) -> BotApiError:
    if code in _UNAUTHORIZED:
        return BotApiError(
            "Telegram does not accept this bot token: get the present one from @BotFather (/mybots, API Token) and run"
            " `tollbridge setup` again"
        )
    said = plain(str(_json(body).get("description") or ""))
    if code == _CONFLICT:
        return OtherPollerError(
            "somebody else receives this bot's messages, another program or a webhook: stop it, or make another bot with"
            " @BotFather"
        )
    return BotApiError(f"Telegram refused (HTTP {code}{': ' + said if said else ''}): try again in a minute")


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _milliseconds(date: str | None) -> int | None:
    try:
        return None if date is None else int(parsedate_to_datetime(date).timestamp() * 1000)
    except ValueError:
        return None
