"""A strict stand-in for Telegram's Bot API server: real HTTP on loopback, every call checked against Bot API 10.3.

    async with BotApi() as server:
        alice = server.user(1, "Alice")
        bot = ApplicationBuilder().token(server.token).base_url(server.base_url).base_file_url(server.base_file_url)
        alice.says("/start")
        seen = await alice.waits_for("Welcome")
        alice.taps("Run")
        assert server.violations == []

It lives in threads of the test's process, so that a gateway in another process can be killed and started again beside it.
Methods that are in the table but not modelled are checked, answered 501 and recorded as a violation.
"""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.fakes.bot_api_desk import Desk, Violation
from tests.fakes.bot_api_faults import DEFAULT_WORDS, Fault, Hold, Request
from tests.fakes.bot_api_group import Group
from tests.fakes.bot_api_http import HttpServer
from tests.fakes.bot_api_phone import Phone, Seen
from tests.fakes.bot_api_webhook import Delivery
from tests.fakes.bot_api_world import Chat, Json, World

TOKEN = "987654321:AAtollbridge-test-token-of-35-chars"


class BotApi:
    """The server. `private_topics`: topics in private chats are on; `reads_all`: privacy mode is off. `local`: it runs with `--local`,
    and with `files_dir` files are to be taken from there. `unit_s`: the unit of the waits between deliveries to a webhook, really 1.
    """

    def __init__(
        self,
        *,
        token: str = TOKEN,
        private_topics: bool = False,
        reads_all: bool = False,
        local: bool = False,
        files_dir: Path | None = None,
        unit_s: float = 1.0,
    ) -> None:
        self.token = token
        self.world = World(
            private_topics=private_topics,
            reads_all=reads_all,
            local=local,
            files_dir=files_dir,
            unit_s=unit_s,
            token=token,
        )
        self._desk = Desk(self.world, token)
        self._holds: list[Hold] = []
        self._port = 0
        self._http: HttpServer | None = None

    def __enter__(self) -> Self:
        self.comes_back()
        return self

    def __exit__(self, _kind: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self.goes_down()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.__exit__(kind, e, tb)

    def comes_back(self) -> None:
        """Listen, after an outage on the same port."""
        self.world.updates.stopping = False
        self._http = HttpServer(self._port, self._desk.answer, self._desk.complain)
        self._port = self._http.port
        self._http.start()
        self.world.webhooks.start()

    def goes_down(self) -> None:
        """Refuse connections and end those there are; chats and updates stay."""
        http, self._http = self._http, None
        if http is None:
            return
        for hold in self._holds:
            hold.release()
        with self.world.changing():
            self.world.updates.stopping = True
            self.world.updates.changed.notify_all()
        http.stop()
        self.world.webhooks.stop()

    @property
    def base_url(self) -> str:
        """What a bot is told as `base_url`: the token follows."""
        return f"http://127.0.0.1:{self._port}/bot"

    @property
    def base_file_url(self) -> str:
        """What a bot is told as `base_file_url`: the token follows."""
        return f"http://127.0.0.1:{self._port}/file/bot"

    def user(self, user_id: int, first_name: str, username: str | None = None, *, started: bool = True) -> Phone:
        """A person with a private chat; one who has not `started` the bot cannot be written to."""
        with self.world.changing():
            named = {"first_name": first_name} | ({"username": username} if username else {})
            person = {"id": user_id, "is_bot": False, **named, "language_code": "en"}
            self.world.users[user_id] = person
            chat = Chat({"id": user_id, "type": "private", **named}, {user_id: person}, started=started)
            self.world.chats[user_id] = chat
            return Phone(self.world, person, chat)

    def group(
        self,
        chat_id: int,
        title: str = "Team",
        *,
        kind: str = "supergroup",
        forum: bool = False,
        bot: str = "administrator",
    ) -> Group:
        """A group with the bot in it, as administrator or member."""
        with self.world.changing():
            info = {"id": chat_id, "type": kind, "title": title} | ({"is_forum": True} if forum else {})
            chat = self.world.chats[chat_id] = Chat(info, bot_status=bot)
            return Group(self.world, chat)

    def rotates_token(self, token: str) -> None:
        """What @BotFather does: the bot has another token, and the one before is no bot's."""
        with self.world.changing():
            self.token = self.world.token = self._desk.token = token

    def push_raw(self, update: Json) -> int:
        """Queue an update as it is, poison or repeated; without an update_id it gets the next one."""
        with self.world.changing():
            return self.world.updates.push_raw(update)

    def advance(self, seconds: float) -> None:
        """Move the server's clock on: updates, callback queries and messages age."""
        with self.world.changing():
            self.world.skew += seconds

    def expire_callbacks(self) -> None:
        """Make every tap so far too old to be answered."""
        with self.world.changing():
            for callback in self.world.callbacks.values():
                callback.expires = 0.0

    def rival_polls(self) -> bool:
        """Another poller with the same token: the long poll in flight gets its 409. False when there was none."""
        with self.world.changing():
            return self.world.updates.beat()

    def flood(self, chat_id: int, seconds: float) -> None:
        """Answer 429 to everything that writes to this chat until `seconds` have really passed."""
        with self.world.lock:
            self._desk.floods[chat_id] = time.monotonic() + seconds

    def fail_next(
        self,
        method: str,
        *,
        status: int = 500,
        description: str | None = None,
        retry_after: int | None = None,
        html: bool = False,
        times: int = 1,
        when: Callable[[Request], bool] | None = None,
    ) -> None:
        """Answer the next calls of `method` ("*": any) with an error instead of carrying them out."""
        if retry_after is not None:
            status, description = 429, description or f"Too Many Requests: retry after {retry_after}"
        words = description or DEFAULT_WORDS.get(status, "Bad Request")
        self._add(Fault(method, "status", times, when, status, words, retry_after, html))

    def drop_next(self, method: str, *, times: int = 1, when: Callable[[Request], bool] | None = None) -> None:
        """Close the connection without carrying the call out: a request that never arrived."""
        self._add(Fault(method, "drop", times, when))

    def lose_next(self, method: str, *, times: int = 1, when: Callable[[Request], bool] | None = None) -> None:
        """Carry the call out and close the connection: a lost response."""
        self._add(Fault(method, "lose", times, when))

    def cut_next(self, method: str, *, times: int = 1, when: Callable[[Request], bool] | None = None) -> None:
        """Carry the call out and break off in the middle of the response's body."""
        self._add(Fault(method, "cut", times, when))

    def slow_next(
        self, method: str, seconds: float, *, times: int = 1, when: Callable[[Request], bool] | None = None
    ) -> None:
        """Carry the call out and answer `seconds` later."""
        self._add(Fault(method, "slow", times, when, seconds=seconds))

    def hold_next(self, method: str, *, when: Callable[[Request], bool] | None = None) -> Hold:
        """Carry the call out and answer when the test says so."""
        hold = Hold(self.world)
        self._holds.append(hold)
        self._add(Fault(method, "hold", 1, when, hold=hold))
        return hold

    @property
    def log(self) -> list[Request]:
        """Every request so far, oldest first."""
        with self.world.lock:
            return list(self._desk.log)

    def requests(self, *methods: str) -> list[Request]:
        """The requests of these methods."""
        return [request for request in self.log if request.method in methods]

    @property
    def violations(self) -> list[Violation]:
        """What a correct bot would not have sent; a test asserts that it is empty."""
        with self.world.lock:
            return list(self._desk.violations)

    @property
    def pending(self) -> list[Json]:
        """Updates that the bot has not confirmed."""
        with self.world.lock:
            return self.world.updates.pending()

    @property
    def deliveries(self) -> list[Delivery]:
        """Every request to the bot's webhook that has ended, oldest first."""
        with self.world.lock:
            return list(self.world.webhooks.log)

    def another_sets_webhook(self, url: str) -> None:
        """Another program calls setWebhook with the same token; an empty address takes the webhook away."""
        with self.world.changing():
            self.world.webhooks.set({"url": url})

    @property
    def commands(self) -> dict[str, list[Json]]:
        """The bot's commands by scope ("default")."""
        with self.world.lock:
            return dict(self.world.commands)

    async def until(self, find: Callable[[], Any], timeout: float = 30.0, what: str = "such state") -> Any:  # noqa: ASYNC109 - the limit is the promise
        """What `find` returns, as soon as it is neither None nor False; it is asked again after every change."""
        return await self.world.until(lambda: find() or None, timeout, what)

    async def waits_for_request(
        self,
        method: str,
        count: int = 1,
        timeout: float = 30.0,  # noqa: ASYNC109 - the limit is the promise
        *,
        done: bool = False,
    ) -> Request:
        """The `count`-th request of this method, as soon as it is there; with `done`, as soon as it was answered."""

        def find() -> Request | None:
            found = [r for r in self._desk.log if r.method == method and (r.done or not done)]
            return found[count - 1] if len(found) >= count else None

        return await self.world.until(find, timeout, f"request number {count} of {method}")

    def _add(self, fault: Fault) -> None:
        with self.world.lock:
            self._desk.faults.waiting.append(fault)


__all__ = ["BotApi", "Delivery", "Group", "Hold", "Phone", "Request", "Seen", "Violation"]
