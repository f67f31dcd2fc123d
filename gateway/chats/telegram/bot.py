"""The Bot API under one token: python-telegram-bot does the HTTP; here its failures get names, and the token stays unsaid."""

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
from telegram import Bot
from telegram.error import BadRequest, InvalidToken, NetworkError, TelegramError
from telegram.request import BaseRequest, HTTPXRequest, RequestData

from gateway.chats.telegram.proxies import way
from gateway.chats.telegram.unsaid import keep_secret, redact
from gateway.files import content_below
from gateway.ports import TollbridgeError

OFFICIAL_URL = "https://api.telegram.org/bot"
CONNECTIONS_MAX = 16
"""For as many messages and files as are sent at once, and what else is asked meanwhile."""
CLOSE_LIMIT_S = 5.0
CHECK_LIMIT_S = 30.0
DEFAULT_FLOOD_WAIT_S = 5
LONGEST_FLOOD_WAIT_S = 24 * 3600
DOWNLOAD_PATIENCE_S = 20.0
DOWNLOAD_CHUNK = 256 * 1024
_FILE_PATH = re.compile(r"\w[\w./ -]{0,500}", re.ASCII)
_TOKEN = re.compile(r"\d{1,20}:[A-Za-z0-9_-]{1,200}", re.ASCII)
_BEFORE_IT_WENT_OUT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
LOCAL_BYTES_MAX = 2_000_000_000
"""What a Bot API server with `--local` takes and gives at most."""
LOCAL_PATIENCE_S = 140.0
"""How long a Bot API server with `--local` may take to get a file from Telegram before it says where it is."""
SLOWEST_UPLOAD = 1_000_000
"""Bytes a second."""


class NotSentError(NetworkError):
    """The request did not leave this machine: it may be repeated."""


class AnswerLostError(NetworkError):
    """The request may have arrived, and no readable answer came back."""


class ServerFailedError(NetworkError):
    """The server, or a proxy before it, answered with a failure of its own; `code` is the HTTP status."""

    __slots__ = ("code",)

    def __init__(self, code: int) -> None:
        super().__init__(f"the server answered with HTTP status {code}")
        self.code = code


class TooLargeForTelegramError(BadRequest):
    """The request was not taken: it is larger than the server allows."""


class FloodedError(TelegramError):
    """Too many requests: nothing happened; again after `wait_ms`."""

    __slots__ = ("wait_ms",)

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"too many requests: Telegram wants a pause of {wait_s} seconds")
        self.wait_ms = wait_s * 1000


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """Who the bot is. `link` opens a chat with it."""

    id: int
    username: str

    @property
    def link(self) -> str:
        return f"https://t.me/{self.username}"


class UnservedFileError(BadRequest):
    """The Bot API server does not hand a file over, and asking again changes nothing."""


class _Request(HTTPXRequest):
    """HTTPXRequest that tells apart what python-telegram-bot calls NetworkError, and trusts no answer's shape."""

    async def do_request(
        self,
        url: str,
        method: str,
        request_data: RequestData | None = None,
        read_timeout: Any = BaseRequest.DEFAULT_NONE,
        write_timeout: Any = BaseRequest.DEFAULT_NONE,
        connect_timeout: Any = BaseRequest.DEFAULT_NONE,
        pool_timeout: Any = BaseRequest.DEFAULT_NONE,
    ) -> tuple[int, bytes]:
        """Return an answer in Telegram's own form. Raises NotSentError, AnswerLostError, ServerFailedError, FloodedError."""
        try:
            code, payload = await super().do_request(
                url, method, request_data, read_timeout, write_timeout, connect_timeout, pool_timeout
            )
        except NetworkError as error:
            cause = error.__cause__
            name = type(cause).__name__
            if isinstance(cause, _BEFORE_IT_WENT_OUT):
                raise NotSentError(f"no connection to Telegram ({name})") from None
            raise AnswerLostError(f"the connection to Telegram broke ({name})") from None
        _check_answer(code, payload)
        return code, payload


def _check_answer(code: int, payload: bytes) -> None:
    answer = _parse(payload)
    if 200 <= code < 300:  # noqa: PLR2004 - HTTP's success
        if "result" not in answer:
            raise AnswerLostError("Telegram's answer cannot be read")
        return
    parameters = answer.get("parameters") or {}
    if code == 429:  # noqa: PLR2004 - HTTP's Too Many Requests
        wait = parameters.get("retry_after") if isinstance(parameters, Mapping) else None
        raise FloodedError(
            min(wait, LONGEST_FLOOD_WAIT_S) if isinstance(wait, int) and wait > 0 else DEFAULT_FLOOD_WAIT_S
        )
    if code == 413:  # noqa: PLR2004 - HTTP's Content Too Large
        raise TooLargeForTelegramError("it is too large for Telegram")
    telegram_speaks = answer.get("ok") is False and isinstance(parameters, Mapping)
    if code >= 500 or not telegram_speaks:  # noqa: PLR2004 - HTTP's server errors
        raise ServerFailedError(code)


def _parse(payload: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


class TelegramBot(Bot):
    """python-telegram-bot's Bot, asked method by method: parameters out, the raw `result` in.

    Raw, because one field that the library does not know yet must not cost an update, nor the receipt of a sent message.
    Raises TollbridgeError for a token or address that cannot be one.
    """

    def __init__(
        self,
        token: str,
        base_url: str | None = None,
        poll_s: int = 30,
        *,
        proxy: str | None = None,
        files_dir: Path | None = None,
    ) -> None:
        url = check_address(token, base_url)
        keep_secret(token, "<bot token>")
        self._way = way(url, proxy)
        self._files_dir = files_dir
        self._topical = False
        usual = {
            "connection_pool_size": CONNECTIONS_MAX,
            "pool_timeout": 10,
            "connect_timeout": 10,
            "httpx_kwargs": self._way,
        }
        self._lines = (
            _Request(**usual, read_timeout=poll_s + 10),
            _Request(**usual, read_timeout=20, write_timeout=20),
        )
        super().__init__(
            token,
            base_url=url,
            base_file_url=f"{url.removesuffix('/bot')}/file/bot",
            get_updates_request=self._lines[0],
            request=self._lines[1],
        )

    def __repr__(self) -> str:
        return "TelegramBot()"

    @property
    def number(self) -> int:
        """Whose messages the bot's own are: its token begins so."""
        return int(self.token.partition(":")[0])

    async def call(
        self, method: str, parameters: Mapping[str, Any] | None = None, *, patience_s: float | None = None
    ) -> Any:
        """Call a method of the Bot API and return its `result` as it came. Raises telegram.error.TelegramError.

        `patience_s`: how long the answer may take, if not the usual 20 seconds.
        """
        if patience_s is not None:
            return await self._post(method, dict(parameters or {}), read_timeout=patience_s)
        return await self._post(method, dict(parameters or {}))

    def upload_patience_s(self, size: int, usual_s: float) -> float:
        """How long the server may take over a file of so many bytes once it has it: one of our own has to pass it on."""
        return usual_s if self._files_dir is None else max(usual_s, size / SLOWEST_UPLOAD)

    async def content(self, file_id: str) -> AsyncGenerator[bytes]:
        """The content of a file that was sent to the bot, as it comes. Raises telegram.error.TelegramError."""
        patience_s = None if self._files_dir is None else LOCAL_PATIENCE_S
        match await self.call("getFile", {"file_id": file_id}, patience_s=patience_s):
            case {"file_path": str(path)} if path.startswith("/"):
                chunks = self._kept(path)
            case {"file_path": str(path)} if _FILE_PATH.fullmatch(path) and ".." not in path:
                chunks = self._download(path)
            case _:
                raise AnswerLostError("Telegram's answer does not say where the file is")
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    async def _download(self, path: str) -> AsyncGenerator[bytes]:
        client = httpx.AsyncClient(timeout=DOWNLOAD_PATIENCE_S, headers={"Accept-Encoding": "identity"}, **self._way)
        try:
            async with client, client.stream("GET", f"{self.base_file_url}/{path}") as answer:
                if answer.status_code != 200:  # noqa: PLR2004 - HTTP's success
                    raise ServerFailedError(answer.status_code)
                async for chunk in answer.aiter_raw(DOWNLOAD_CHUNK):
                    yield chunk
        except httpx.HTTPError as error:
            raise AnswerLostError(f"the connection to Telegram broke ({type(error).__name__})") from None

    async def _kept(self, path: str) -> AsyncGenerator[bytes]:
        """A file that the server keeps on this machine. What it says of the place is believed below its own directory only."""
        if self._files_dir is None:
            raise UnservedFileError(
                "the Bot API server runs with --local: telegram.files_dir has to name its directory"
            )
        try:
            async with aclosing(content_below(self._files_dir, path)) as chunks:
                async for chunk in chunks:
                    yield chunk
        except OSError as error:
            why = error.strerror or "it is no file"
            raise UnservedFileError(f"it cannot be taken from telegram.files_dir ({why})") from None

    async def identity(self) -> BotIdentity:
        """Who the bot is, as getMe says. Raises telegram.error.TelegramError."""
        match await self.call("getMe"):
            case {"id": int(number), "username": str(username), **more}:
                self._topical = more.get("has_topics_enabled") is True
                return BotIdentity(number, username)
            case _:
                raise AnswerLostError("Telegram's answer about the bot cannot be read")

    @property
    def has_topics(self) -> bool:
        """Private chats with the bot have topics, as getMe said last."""
        return self._topical

    async def close(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - the API's "close" is of no use here
        """Close the connections, within a time limit, also when cancelled."""
        with anyio.move_on_after(CLOSE_LIMIT_S, shield=True):
            for line in self._lines:
                await line.shutdown()


def check_address(token: str, base_url: str | None) -> str:
    """The base URL to use, for a token that can be one. Raises TollbridgeError."""
    if not _TOKEN.fullmatch(token):
        raise TollbridgeError(
            "This is not a bot token. It looks like 1234567890:AAE... : ask @BotFather in Telegram for it (/mybots, API Token)."
        )
    url = base_url or OFFICIAL_URL
    if not re.fullmatch(r"https?://[^\s{}]+/bot", url):
        raise TollbridgeError(
            f"{url[:200]!r} is not the address of a Bot API server: it starts with https:// and ends with /bot, "
            "like http://127.0.0.1:8081/bot."
        )
    return url


class RejectedTokenError(TollbridgeError):
    """Telegram knows no bot with this token."""


def rejected_token() -> RejectedTokenError:
    """What to say when Telegram knows no bot with this token."""
    return RejectedTokenError(
        "Telegram does not accept this bot token: it was mistyped or revoked. Get the present one from @BotFather "
        "(/mybots, API Token) and run `tollbridge setup` again."
    )


async def check_token(token: str, base_url: str | None = None, proxy: str | None = None) -> BotIdentity:
    """Ask Telegram whose token this is, within 30 seconds. Raises TollbridgeError with what to do."""
    async with _asking(token, base_url, proxy) as bot:
        return await bot.identity()


@asynccontextmanager
async def _asking(token: str, base_url: str | None, proxy: str | None) -> AsyncIterator[TelegramBot]:
    bot = TelegramBot(token, base_url, proxy=proxy)
    try:
        with anyio.fail_after(CHECK_LIMIT_S):
            yield bot
    except InvalidToken:
        raise rejected_token() from None
    except (TelegramError, TimeoutError) as error:
        why = redact(str(error)) or "no answer in time"
        raise TollbridgeError(f"Telegram could not be asked: {why}. Check the network and try again.") from None
    finally:
        await bot.close()
