"""The webhook's sender, against receivers that say yes, no, later, and nothing; and what docs/hooks.md tells receivers."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import httpx
import pytest

from gateway import app
from gateway.config import SettingsError, settings_from
from gateway.core.hooks import Event, secret
from gateway.hooks import Hook, Sender
from gateway.ports import StoreError
from gateway.ports.hooks import Due, HookQueue

pytestmark = pytest.mark.anyio

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + "B" * 40
URL = "https://bills.example.org/in?token=t0psecret"
DOCS = Path(__file__).resolve().parent.parent / "docs" / "hooks.md"


@dataclass
class MemoryQueue:
    """Events in memory. Keeps the HookQueue contract."""

    waiting: dict[int, tuple[Due, int]] = field(default_factory=dict)
    noted: list[tuple[int, str, int | None]] = field(default_factory=list)
    empty: anyio.Event = field(default_factory=anyio.Event)
    news: anyio.Event = field(default_factory=anyio.Event)

    def add(self, number: int, attempts: int = 0) -> None:
        self.waiting[number] = (Due(number, Event(f"e_{number}", f'{{"n":{number}}}'), attempts), 0)
        self.news.set()

    async def due(self, now_ms: int, limit: int) -> tuple[Due, ...]:
        return tuple(due for due, at in self.waiting.values() if at <= now_ms)[:limit]

    async def next_ms(self, now_ms: int) -> int | None:
        if not self.waiting:
            self.empty.set()
        return min((max(0, at - now_ms) for _, at in self.waiting.values()), default=None)

    async def delivered(self, due: Due) -> None:
        del self.waiting[due.number]
        self.noted.append((due.number, "", None))

    async def failed(self, due: Due, why: str, now_ms: int, not_before_ms: int | None) -> None:
        self.noted.append((due.number, why, None if not_before_ms is None else not_before_ms - now_ms))
        if not_before_ms is None:
            del self.waiting[due.number]
        else:
            self.waiting[due.number] = (Due(due.number, due.event, due.attempts + 1), not_before_ms)

    async def written(self) -> None:
        await self.news.wait()
        self.news = anyio.Event()


Handler = Callable[[httpx.Request], httpx.Response]


def hook(handler: Handler, *, seconds: float = 5) -> Hook:
    """A hook whose receiver answers like this."""
    return Hook(URL, (secret(SECRET),), transport=httpx.MockTransport(handler), seconds=seconds)


def sender(queue: MemoryQueue, handler: Handler, now: list[int] | None = None) -> Sender:
    """A sender without chance and without pauses."""
    port: HookQueue = queue
    clock = now or [1000]
    return Sender(port, hook(handler), lambda: clock[0], jitter=lambda: 0, pause_s=0)


def verifier() -> Callable[..., bool]:
    """The function in docs/hooks.md."""
    [code] = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Callable[..., bool]] = {}
    exec(compile(code, str(DOCS), "exec"), names)  # noqa: S102 - what is tested
    return names["verified"]


async def test_the_receiver_in_the_documents_knows_what_is_sent() -> None:
    """With either secret while both count; another body, another name, another secret or an old time is refused."""
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    both = Hook(URL, (secret(SECRET), secret(OTHER)), transport=httpx.MockTransport(handler))
    assert (await both.send(Event("e_1", '{"ä":1}'), int(time.time() * 1000))).why == ""
    headers, body, verified = dict(seen[0].headers), seen[0].content, verifier()
    assert headers["content-type"] == "application/json"
    assert verified(SECRET, headers, body)
    assert verified(OTHER, headers, body)
    assert not verified("whsec_" + "C" * 40, headers, body)
    assert not verified(SECRET, headers, body + b" ")
    assert not verified(SECRET, headers | {"webhook-id": "e_2"}, body)
    assert not verified(SECRET, headers | {"webhook-timestamp": "1"}, body)
    await both.send(Event("e_1", "{}"), 0)
    assert not verified(SECRET, dict(seen[1].headers), seen[1].content)


async def test_what_waits_is_sent_in_order_and_then_what_comes() -> None:
    """Each once, as long as all goes well."""
    queue, seen = MemoryQueue(), list[str]()

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["webhook-id"])
        return httpx.Response(200)

    queue.add(1)
    queue.add(2)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sender(queue, handler).run)
            await queue.empty.wait()
            queue.empty = anyio.Event()
            queue.add(3)
            await queue.empty.wait()
            tasks.cancel_scope.cancel()
    assert seen == ["e_1", "e_2", "e_3"]


@pytest.mark.parametrize(
    ("answer", "why", "after_ms"),
    [
        (httpx.Response(500), "it answered 500 Internal Server Error", 5000),
        (
            httpx.Response(302, headers={"location": "https://elsewhere.example.org"}),
            "redirects are not followed",
            5000,
        ),
        (httpx.Response(404, headers={"retry-after": "60"}), "it answered 404 Not Found", 60_000),
        (httpx.Response(299), "", None),
        (httpx.Response(799), "it answered 799", 5000),
    ],
)
async def test_whatever_is_no_yes_is_tried_again(answer: httpx.Response, why: str, after_ms: int | None) -> None:
    """After the schedule's time, or what was asked for; a redirect leads nowhere."""
    queue, seen = MemoryQueue(), list[httpx.URL]()
    queue.add(1)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.url)
        return answer

    assert await sender(queue, handler).turn()
    [(number, said, waits_ms)] = queue.noted
    assert (number, waits_ms, why in said, bool(why)) == (1, after_ms, True, bool(said))
    assert seen == [httpx.URL(URL)]


async def test_one_that_fails_does_not_keep_the_others() -> None:
    """It comes later, and is known by its name."""
    queue = MemoryQueue()
    queue.add(1)
    queue.add(2)
    refused = {"e_1"}
    now = [1000]
    one = sender(queue, lambda request: httpx.Response(500 if request.headers["webhook-id"] in refused else 200), now)
    assert await one.turn()
    assert [(number, bool(why)) for number, why, _ in queue.noted] == [(1, True), (2, False)]
    refused.clear()
    now[0] += 5000
    assert await one.turn()
    assert queue.waiting == {}


async def test_after_the_last_attempt_an_event_is_given_up() -> None:
    """That is noted, and it is not tried again."""
    queue = MemoryQueue()
    queue.add(1, attempts=9)
    assert await sender(queue, lambda _: httpx.Response(503)).turn()
    assert queue.noted == [(1, "it answered 503 Service Unavailable", None)]
    assert queue.waiting == {}


async def test_a_receiver_that_is_gone_is_left_alone() -> None:
    """Nothing more is sent to it, and nothing is lost: a new start tries again."""
    queue, seen = MemoryQueue(), list[str]()
    queue.add(1)
    queue.add(2)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["webhook-id"])
        return httpx.Response(410)

    with anyio.fail_after(5):
        await sender(queue, handler).run()
    assert seen == ["e_1"]
    assert set(queue.waiting) == {1, 2}
    assert "410 Gone" in queue.noted[0][1]


async def test_no_connection_and_no_answer_are_said_without_the_address() -> None:
    """It may hold a token."""

    def refuses(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"no way to {request.url}", request=request)

    answer = await hook(refuses).send(Event("e", "{}"), 0)
    assert (answer.status, answer.why) == (None, "it cannot be reached (ConnectError)")

    async def never(_request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError

    silent = Hook(URL, (b"1" * 24,), transport=httpx.MockTransport(never), seconds=0.01)
    assert "no answer" in (await silent.send(Event("e", "{}"), 0)).why


async def test_a_proxy_that_cannot_be_used_is_said_and_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address may hold a password."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "gopher://me:t0psecret@proxy.example.org")
    answer = await Hook(URL, (b"1" * 24,)).send(Event("e", "{}"), 0)
    assert answer.status is None
    assert "cannot be used" in answer.why
    assert "t0psecret" not in answer.why


async def test_the_body_of_an_answer_is_not_read() -> None:
    """However large it is."""
    read: list[int] = []

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self):
            while True:
                read.append(1)
                yield b"x" * 65536

    answer = await hook(lambda _: httpx.Response(200, stream=Endless())).send(Event("e", "{}"), 0)
    assert (answer.status, answer.why, read) == (200, "", [])


async def test_a_database_that_refuses_ends_neither_the_sending_nor_the_gateway() -> None:
    """It is tried again, and what was sent but could not be noted may come twice."""

    class Broken(MemoryQueue):
        refusals = 2

        async def delivered(self, due: Due) -> None:
            self.refusals -= 1
            if self.refusals >= 0:
                raise StoreError("the disk is full")
            await super().delivered(due)

    queue, seen = Broken(), list[str]()
    queue.add(1)

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["webhook-id"])
        return httpx.Response(200)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sender(queue, handler).run)
            await queue.empty.wait()
            tasks.cancel_scope.cancel()
    assert seen == ["e_1"] * 3


def refusal(home: Path, lines: str) -> str:
    """Why these lines of the section are refused."""
    with pytest.raises(SettingsError) as found:
        settings_from(f"[hooks]\n{lines}\n", {}, home)
    return str(found.value)


def test_without_an_address_nobody_is_told(tmp_path: Path) -> None:
    """Nothing is written, and nothing sent."""
    assert app.tell_of(settings_from("", {}, tmp_path)) is None


@pytest.mark.parametrize("url", [URL, "http://localhost:8080/in", "http://127.0.0.1/in", "http://[::1]:9/in"])
def test_an_address_and_a_secret_are_enough(tmp_path: Path, url: str) -> None:
    """Neither shows."""
    settings = settings_from(f'[hooks]\nurl = "{url}"\nsecret = "{SECRET}"\nold_secret = "{OTHER}"', {}, tmp_path)
    assert app.tell_of(settings) is not None
    assert settings.hooks.keys == (secret(SECRET), secret(OTHER))
    assert SECRET[6:] not in repr(settings)
    assert url not in repr(settings)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('url = "http://bills.example.org/in"', "begins with https"),
        ('url = "ftp://bills.example.org"', "write the address"),
        ('url = "https://me:pw@bills.example.org"', "without a user"),
        ('url = "https://bills.example.org/#t0psecret"', "write the address"),
        ('url = "https://bills.example.org:x"', "as a number"),
        ('url = "https://bills.example.org"', "there is no secret"),
        (f'secret = "{SECRET}"', "there is no url"),
        ('url = "https://bills.example.org"\nsecret = "t0psecret"', "`tollbridge hooks secret` makes one"),
        (f'url = "https://b.example.org"\nsecret = "{SECRET}"\nold_secret = "whsec_t0psecret"', "makes one"),
    ],
)
def test_settings_that_make_no_sense_are_refused_without_repeating_a_secret(
    tmp_path: Path, lines: str, says: str
) -> None:
    """Each with what to do."""
    said = refusal(tmp_path, lines)
    assert says in said
    assert "t0psecret" not in said
    assert SECRET not in said
