"""`tollbridge export focus` and `tollbridge hooks`, as people meet them: real processes on a real home."""

import csv
import io
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import anyio
import pytest

from gateway import lock
from gateway.core import meter
from gateway.core.hooks import secret
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.turn import TurnState
from gateway.domain.usage import Call, Tokens, Unpriced, Usage
from gateway.ports import Decision
from gateway.reports.focus_columns import HEADER
from gateway.store import open_readonly, open_store
from tests import nursery
from tests.cli.kit import environment, session, turn

NOON = 1_795_000_000_000
DAY_MS = 86_400_000
KNOWN = Usage("claude-opus-4-8", Tokens(cache_read=40_000, output=40_000))
UNKNOWN = Usage("mystery-1", Tokens(output=7))


def run(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return nursery.run(arguments, env=environment(home, **more), cwd=home.parent)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with two calls on two days, and one whose price nobody knows."""
    made = lock.make_home(tmp_path / "home")
    of = session(1)

    async def book() -> None:
        now = turn(of, "0")
        now = replace(
            now, calls=0, tokens=Tokens(), state=TurnState.FINISHED, scopes=(Scope(ScopeKind.SESSION, of.id),)
        )
        async with open_store(made, lambda: NOON) as store:
            for place, (usage, price) in enumerate(
                [(KNOWN, Usd(1_020_000_000)), (KNOWN, Usd(1_020_000_000)), (UNKNOWN, Unpriced("nobody knows"))]
            ):
                now, entry = meter.book(now, Call(f"c_{place}", usage, price))
                parts = Decision(None, put=(of, now), entries=(entry,))
                await store.transact(lambda _, parts=parts: parts, NOON + place * DAY_MS)

    anyio.run(book)
    return made


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_export_adds_up_to_the_ledger_and_says_what_has_no_price(home: Path) -> None:
    """Output and input at their own list prices; the header is FOCUS 1.2's."""
    done = run(home, "export", "focus")
    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert tuple(found[0]) == HEADER
    with open_readonly(home) as reader:
        booked = sum(record.entry.spent.nano for record in reader.records())
    assert sum(Decimal(row["BilledCost"] or "0") for row in found) * 10**9 == booked
    assert {row["ListUnitPrice"] for row in found} == {"0.50", "25.00", ""}
    assert [row["x_Model"] for row in found if not row["BilledCost"]] == ["mystery-1"]
    assert " ".join(done.stderr.split()) == (
        "5 rows, $2.04 at list price; no price is known of 1 call: the cells of their costs are empty, and not 0."
    )


def test_a_range_goes_into_a_file_of_ones_own(home: Path, tmp_path: Path) -> None:
    """From a day on and before another; nothing half-written is left."""
    out = tmp_path / "focus.csv"
    done = run(
        home, "export", "focus", "--since", "2026-11-19", "--until", "2026-11-20", "--out", str(out), "--priced-only"
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = rows(out.read_text(encoding="utf-8"))
    assert {row["ChargePeriodStart"] for row in found} == {"2026-11-19T00:00:00Z"}
    assert out.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"focus.csv", "home"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--since", "soon"), "write it like 2026-11-01, or 30d"),
        (("--since", "999999d"), "write it like 2026-11-01, or 30d"),
        (("--since", "2026-11-02", "--until", "2026-11-02"), "--until is a later day"),
        (("--account", " "), "--account is empty"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_a_sentence(
    home: Path, arguments: tuple[str, ...], says: str
) -> None:
    """And nothing is written."""
    done = run(home, "export", "focus", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr


@contextmanager
def receiver(status: int) -> Iterator[tuple[str, list[tuple[dict[str, str], bytes]]]]:
    """An HTTP server on this machine that answers with this status: its address, and what it was sent."""
    seen: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/in", seen
        finally:
            server.shutdown()
            thread.join()


def test_a_webhook_is_tried_with_a_secret_of_the_program(home: Path) -> None:
    """A ping arrives, signed; a no is said, with exit code 1, and so is that there is no webhook."""
    made = run(home, "hooks", "secret").stdout.strip()
    assert len(secret(made)) == 32
    with receiver(204) as (url, seen):
        done = run(
            home,
            "hooks",
            "test",
            TOLLBRIDGE_HOOKS__URL=url,
            TOLLBRIDGE_HOOKS__SECRET=made,
            HTTP_PROXY="http://127.0.0.1:1",
        )
    assert (done.returncode, "it answered 204" in done.stdout) == (0, True), done.stderr
    [(headers, body)] = seen
    assert json.loads(body)["type"] == "ping"
    assert headers["webhook-signature"].startswith("v1,")
    with receiver(500) as (url, _):
        done = run(home, "hooks", "test", TOLLBRIDGE_HOOKS__URL=url, TOLLBRIDGE_HOOKS__SECRET=made)
    assert (done.returncode, done.stderr) == (
        1,
        "tollbridge: the webhook did not take the ping: it answered 500 Internal Server Error\n",
    )
    assert "there is no webhook" in run(home, "hooks", "test").stderr
