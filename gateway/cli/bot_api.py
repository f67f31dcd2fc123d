"""What setup and doctor ask of the Bot API while no gateway runs: who wrote, and whether somebody else listens.

Plain HTTP of the standard library, one short question at a time. The token stands in every address, so no error here
carries an address or an exception that holds one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from gateway.ports import TollbridgeError

_LARGEST_ANSWER_BYTES: Final = 8 * 1024 * 1024
_PATIENCE_S: Final = 10
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


def webhook(token: str, base_url: str) -> Webhook:
    """How this bot's updates are delivered. Raises BotApiError."""
    result, served_at = _ask(token, base_url, "getWebhookInfo", {}, 0)
    if not isinstance(result, Mapping):
        raise BotApiError(_UNREADABLE)
    pending = result.get("pending_update_count")
    return Webhook(str(result.get("url") or ""), pending if isinstance(pending, int) else 0, served_at)


def updates(token: str, base_url: str, offset: int | None, wait_s: int) -> list[Mapping[str, Any]]:
    """Updates that wait, at most 100. Those below `offset` are gone for good; None takes none away. Raises BotApiError."""
    question: dict[str, Any] = {"timeout": wait_s, "limit": 100}
    if offset is not None:
        question["offset"] = offset
    result, _ = _ask(token, base_url, "getUpdates", question, wait_s)
    if not isinstance(result, list):
        raise BotApiError(_UNREADABLE)
    return [update for update in result if isinstance(update, Mapping) and isinstance(update.get("update_id"), int)]


def send(token: str, base_url: str, person: int, text: str) -> None:
    """Write to a person. Raises BotApiError."""
    _ask(token, base_url, "sendMessage", {"chat_id": person, "text": text}, 0)


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


def _ask(token: str, base_url: str, method: str, question: Mapping[str, Any], wait_s: int) -> tuple[Any, int | None]:
    """The result of a method, and the server's time. Raises BotApiError, OtherPollerError."""
    request = Request(  # noqa: S310 - the settings accept http and https only
        f"{base_url}{token}/{method}",
        data=json.dumps(question).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urlopen(request, timeout=wait_s + _PATIENCE_S) as response:  # noqa: S310 - see above
            body, date = response.read(_LARGEST_ANSWER_BYTES), response.headers.get("Date")
    except HTTPError as error:
        with error:
            raise _refusal(error.code, error.read(_LARGEST_ANSWER_BYTES)) from None
    except (URLError, HTTPException, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        why = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
        raise BotApiError(f"Telegram cannot be reached ({why}): check the network and telegram.base_url") from None
    answer = _json(body)
    if answer.get("ok") is not True or "result" not in answer:
        raise BotApiError(_UNREADABLE)
    return answer["result"], _milliseconds(date)


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
