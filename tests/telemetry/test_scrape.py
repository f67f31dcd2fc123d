"""`/metrics` over real HTTP: what Prometheus reads there, who gets in, and how often it is looked at."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain

from gateway import listener
from gateway.core import metrics
from gateway.core.telemetry import Increment, Point, Totals
from gateway.ports import StoreError
from gateway.telemetry import scrape
from gateway.telemetry.scrape import MetricsError, Scrapes, bound

pytestmark = pytest.mark.anyio

TOKEN = "made-up-token-of-32-characters-x"
BEGAN_MS = 1_800_000_000_500


def some() -> tuple[Point, ...]:
    """A figure of each kind."""
    totals = Totals()
    totals.add(
        [
            Increment(metrics.COST, ("claude", "opus", "person"), 1_234_567_891),
            Increment(metrics.WORK, ("claude",), 1_500),
            Increment(metrics.TURN_COST, ("claude", "person", "answer"), 20_000_000),
            Increment(metrics.TURN_COST, ("claude", "person", "answer"), 10**12),
        ]
    )
    return (*totals.points(), Point(metrics.HOLDS, (), 3))


async def looks() -> Sequence[Point]:
    """Always the same."""
    return some()


class Ticks:
    """A clock that stands."""

    ms = 0

    def __call__(self) -> int:
        return self.ms


@asynccontextmanager
async def served(
    look: Callable[[], Awaitable[Sequence[Point]]] = looks, token: str = "", ticks: Callable[[], int] | None = None
) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a listener."""
    with bound("127.0.0.1", 0) as there:
        address, port = there.getsockname()
        app = Scrapes(look, BEGAN_MS, (address, port), token, ticks or Ticks())
        async with anyio.create_task_group() as tasks:
            there.listen()
            tasks.start_soon(listener.serve, there, app)
            with anyio.fail_after(30):
                async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                    yield client
            tasks.cancel_scope.cancel()


def values(families: Any) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


async def test_prometheus_reads_the_figures_in_its_own_format() -> None:
    """Dollars, seconds, and buckets that are summed up."""
    async with served() as client:
        reply = await client.get("/metrics")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = list(plain(reply.text))
    found = values(families)
    whose = (("agent", "claude"), ("model", "opus"), ("origin", "person"))
    assert found["tollbridge_cost_usd_total", whose] == 1.234567891
    assert found["tollbridge_work_seconds_total", (("agent", "claude"),)] == 1.5
    assert found["tollbridge_holds", ()] == 3
    cost = (("agent", "claude"), ("origin", "person"), ("outcome", "answer"))
    le = lambda bound: tuple(sorted((*cost, ("le", bound))))  # noqa: E731
    assert found["tollbridge_turn_cost_usd_bucket", le("0.01")] == 0
    assert found["tollbridge_turn_cost_usd_bucket", le("0.02")] == 1
    assert found["tollbridge_turn_cost_usd_bucket", le("100.0")] == 1
    assert found["tollbridge_turn_cost_usd_bucket", le("+Inf")] == 2
    assert found["tollbridge_turn_cost_usd_count", cost] == 2
    assert found["tollbridge_turn_cost_usd_sum", cost] == 1000.02
    told = {family.name: (family.type, family.documentation) for family in families}
    for metric in metrics.TABLE:
        assert told[metric.prometheus.removesuffix("_total")] == (metric.kind.value, metric.help)


async def test_open_metrics_is_told_since_when_it_is_counted() -> None:
    """To who asks for that format: so the first figure after a start is no leap from nothing."""
    async with served() as client:
        reply = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    found = values(open_metrics(reply.text))
    assert found["tollbridge_work_seconds_created", (("agent", "claude"),)] == BEGAN_MS / 1000
    assert found["tollbridge_work_seconds_total", (("agent", "claude"),)] == 1.5


async def test_who_asks_often_gets_what_was_looked_at_within_the_second() -> None:
    """The ledger is read once a second at most, however many ask."""
    looked, ticks = 0, Ticks()

    async def counted() -> Sequence[Point]:
        nonlocal looked
        looked += 1
        return some()

    async with served(counted, ticks=ticks) as client:
        for ticks.ms in (0, 10, 999, 1_000, 1_001):
            assert (await client.get("/metrics")).status_code == 200
    assert looked == 2


async def test_more_than_a_few_that_wait_are_sent_away() -> None:
    """They are told to come again; who waited gets the figures."""
    going, waiting = anyio.Event(), anyio.Event()

    async def slow() -> Sequence[Point]:
        waiting.set()
        await going.wait()
        return some()

    replies: list[int] = []
    async with served(slow) as client, anyio.create_task_group() as tasks:

        async def asks() -> None:
            reply = await client.get("/metrics")
            replies.append(reply.status_code)
            if reply.status_code == 503:
                going.set()

        for _ in range(scrape.WAITING_MAX + 1):
            tasks.start_soon(asks)
    assert sorted(replies) == [*[200] * scrape.WAITING_MAX, 503]


async def test_a_ledger_that_cannot_be_read_is_said_and_a_slow_one_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """503, in words that hold nothing of the error; the next one may do."""

    async def locked() -> Sequence[Point]:
        raise StoreError("/home/me/tollbridge.db is locked")

    async def never() -> Sequence[Point]:
        await anyio.sleep_forever()
        return ()

    monkeypatch.setattr(scrape, "ANSWER_S", 0.05)
    async with served(locked) as client:
        reply = await client.get("/metrics")
        assert (reply.status_code, "tollbridge.db" in reply.text) == (503, False)
    async with served(never) as client:
        reply = await client.get("/metrics")
        assert (reply.status_code, reply.text) == (503, "that took too long: try again\n")


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/metrics", {"Host": "evil.example:80"}, 403),
        ("GET", "/metrics", {"Origin": "http://evil.example"}, 403),
        ("GET", "/", {}, 404),
        ("POST", "/metrics", {}, 405),
        ("HEAD", "/metrics", {}, 200),
        ("GET", "/metrics?name=x", {}, 200),
    ],
)
async def test_what_is_no_scrape_of_this_machine_is_refused(
    method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """A page that made a name of its own lead here reads nothing, nor does any other."""
    async with served() as client:
        assert (await client.request(method, path, headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("borne", "status"),
    [
        (None, 401),
        (TOKEN, 401),
        ("Bearer wrong", 401),
        (f"Basic {TOKEN}", 401),
        (f"bearer {TOKEN}", 200),
        ("Bearer ümlaut", 401),
    ],
)
async def test_where_a_token_is_set_it_has_to_be_borne(borne: str | None, status: int) -> None:
    """In the header, and nowhere else; which path there is nobody else learns."""
    headers = {} if borne is None else {"Authorization": borne.encode("latin-1")}
    async with served(token=TOKEN) as client:
        reply = await client.get("/metrics", headers=headers)  # type: ignore[arg-type]
        assert reply.status_code == status
        assert TOKEN not in reply.text
        assert (await client.get(f"/x?token={TOKEN}")).status_code == 401


async def test_on_an_address_that_others_reach_the_token_counts_and_not_the_name() -> None:
    """Behind names that are not known here."""
    app = Scrapes(looks, BEGAN_MS, ("0.0.0.0", 9464), TOKEN, Ticks())  # noqa: S104 - as somebody may set it
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://metrics.example") as client:
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200


def test_a_port_that_is_taken_is_said_with_what_to_do() -> None:
    """By the name of its setting."""
    with bound("127.0.0.1", 0) as there:
        there.listen()
        with pytest.raises(MetricsError, match=r"metrics\.listen: .* set another port"):
            bound("127.0.0.1", there.getsockname()[1])
