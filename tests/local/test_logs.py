"""The route for OTLP log records on the loopback listener: what is taken, and what the sender is told otherwise."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.local import logs
from gateway.ports import AgentUnavailableError
from tests.mcp_servers.budget_kit import Listening, listening

pytestmark = pytest.mark.anyio

BODY = b'{"resourceLogs":[]}'
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def collector(home: Path) -> AsyncGenerator[tuple[Listening, list[bytes]]]:
    """A listener whose route notes what reaches it: `bad` cannot be read, `early` comes too early."""
    heard: list[bytes] = []

    async def take(body: bytes) -> bool:
        heard.append(body)
        if body == b"early":
            raise AgentUnavailableError("in a moment")
        return body != b"bad"

    async with listening({logs.PATH: logs.route(take)}, home) as there:
        yield there, heard


async def sends(there: Listening, body: bytes, token: str | None = None, **headers: str) -> httpx.Response:
    """The answer to these records."""
    bearer = {"Authorization": f"Bearer {there.token if token is None else token}"}
    async with there.client(**bearer) as client:
        return await client.post(f"http://127.0.0.1:{there.port}/v1/logs", content=body, headers=JSON | headers)


async def test_records_are_taken_and_none_is_rejected(tmp_path: Path) -> None:
    """An empty object is OTLP's word for that."""
    async with collector(tmp_path / "home") as (there, heard):
        found = await sends(there, BODY)
        assert (found.status_code, found.json(), heard) == (200, {}, [BODY])


async def test_nobody_without_the_token_tells_what_a_session_used(tmp_path: Path) -> None:
    """Figures move budgets: they come from those whom the person has given the token."""
    async with collector(tmp_path / "home") as (there, heard):
        assert (await sends(there, BODY, token="made-up")).status_code == 401
        assert heard == []


@pytest.mark.parametrize("headers", [{"Content-Type": "application/x-protobuf"}, {"Content-Encoding": "gzip"}])
async def test_another_form_is_refused_with_the_setting_that_mends_it(headers: dict[str, str], tmp_path: Path) -> None:
    """Whoever exports protobuf, as clients do by default, reads what to set."""
    async with collector(tmp_path / "home") as (there, heard):
        found = await sends(there, BODY, **headers)
        assert (found.status_code, heard) == (415, [])
        assert "OTEL_EXPORTER_OTLP_PROTOCOL=http/json" in found.json()["error"]


async def test_what_cannot_be_read_or_not_yet_is_answered_so(tmp_path: Path) -> None:
    """400 is not sent again, 503 is."""
    async with collector(tmp_path / "home") as (there, _):
        assert (await sends(there, b"bad")).status_code == 400
        early = await sends(there, b"early")
        assert (early.status_code, early.headers["retry-after"], early.json()) == (503, "1", {"error": "in a moment"})
