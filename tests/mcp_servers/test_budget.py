"""The budget's MCP server in raw frames: what it says of itself, its tools, and what no client can make it do."""

import hashlib
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import jsonschema
import pytest
from mcp.client.session import ClientSession
from mcp.shared.message import SessionMessage

from gateway.core.summary import escape
from gateway.domain.asked import Cost, Status
from gateway.domain.budget import Balance, Caps, Counts, Scope, ScopeKind
from gateway.domain.change import ChangeState, Standing, Wanted
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Claim, ClaimKind, Origin, Turn, TurnState
from gateway.ports import StoreError
from mcp_servers import budget
from mcp_servers.relay import BUDGET_INSTRUCTIONS, NAME
from tests.engine.bench import OWNER, Bench, bench, call, script
from tests.mcp_servers.budget_kit import INITIALIZE, LIMIT_S, Client, desk_of, over_lines

pytestmark = pytest.mark.anyio

MINE = Thread("memory", OWNER)
SESSION = Session("s_1", "claude", "/srv", MINE, OWNER, 0)
TURN = Turn(
    "t_1", "s_1", Origin.PERSON, TurnState.RUNNING, OWNER, "Fix\nit", "u", 0,
    ceiling=Usd.parse("1"), spent=Usd.parse("0.25"), claim=Claim(ClaimKind.DONE, "All of it."),
)  # fmt: skip
BALANCE = Balance(
    Scope(ScopeKind.SESSION, "s_1"),
    Usd.parse("5"),
    Usd.parse("0.25"),
    Usd.parse("0.75"),
    Counts(100, 3, 90_001),
    Caps(1000, 10, 600_000),
)
ASKED = Standing(ChangeState.ASKED, "Asked in the chat.", "ask_1", 1_795_000_000_000)


class Fake:
    """A host that answers as it is told to, and notes what it was asked."""

    def __init__(self, standing: Standing | str = ASKED) -> None:
        self.asked: list[Any] = []
        self.next = standing
        self.then = standing
        self.broken = False

    async def status(self, handle: str) -> Status | str:
        self._heard(handle)
        return "no" if handle else Status(SESSION, TURN, (BALANCE,), Usd.parse("1"), frozen=True, list_price=True)

    async def cost(self, handle: str) -> Cost | str:
        self._heard(handle)
        return "not yours" if handle == "theirs" else Cost(SESSION, BALANCE, (TURN,), list_price=True)

    async def estimate(self, handle: str, prompt: str) -> Estimate | str:
        self._heard(handle, prompt)
        return Estimate(Usd(1), Usd.parse("0.5"), None, 3, Usd.parse("0.6"), "About $0.50.")

    async def request(self, handle: str, wanted: Wanted) -> Standing | str:
        self._heard(handle, wanted)
        return self.next

    async def ask(self, handle: str, question: str, choices: tuple[str, ...]) -> Standing | str:
        self._heard(handle, question, choices)
        return self.next

    async def standing(self, handle: str, approval_id: str, wait_ms: int) -> Standing | str:
        self._heard(handle, approval_id, wait_ms)
        return self.then

    async def report(self, handle: str, kind: ClaimKind, words: str) -> Turn | str:
        self._heard(handle, kind, words)
        return TURN

    def _heard(self, *what: Any) -> None:
        self.asked.append(what)
        if self.broken:
            raise StoreError("the database is locked: try again")


@asynccontextmanager
async def working() -> AsyncGenerator[tuple[Bench, Client]]:
    """A real gateway with a session of one turn, and a raw client that speaks for it."""
    async with bench(script(call(10))) as gateway:
        gateway.chat.says(MINE, OWNER, "Fix it")
        await gateway.until(lambda turns: bool(turns) and turns[-1].state is TurnState.FINISHED)
        [session] = await gateway.sessions()
        async with over_lines(desk_of(gateway, session)) as client:
            yield gateway, client


# -------------------------------------------------------------------------------------------------------------- beginning
async def test_it_says_who_it_is_and_what_it_can_do() -> None:
    """Tools and resources; no prompts, nothing experimental, and nothing that would ask the client for something."""
    async with over_lines(Fake(), handshake=False) as client:
        found = await client.begins()
        assert found["serverInfo"]["name"] == NAME
        assert found["instructions"] == BUDGET_INSTRUCTIONS
        assert set(found["capabilities"]) == {"tools", "resources"}
        assert found["protocolVersion"] == "2025-11-25"
        assert len(BUDGET_INSTRUCTIONS) < 2048


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
async def test_older_clients_are_served_in_their_own_version(version: str) -> None:
    """The version that a client asks for is the one that is spoken."""
    async with over_lines(Fake(), handshake=False) as client:
        found = await client.asks("initialize", **{**INITIALIZE, "protocolVersion": version})
        assert found["result"]["protocolVersion"] == version


async def test_a_client_of_2026_needs_no_handshake() -> None:
    """What it knows of itself comes with each request."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    async with over_lines(Fake(), handshake=False) as client:
        found = await client.asks("server/discover", _meta=meta)
        assert found["result"]["supportedVersions"] == ["2026-07-28"]
        called = await client.asks("tools/call", name="session_cost", arguments={}, _meta=meta)
        assert called["result"]["structuredContent"]["spent_usd"] == "0.25"


async def test_the_tools_are_those_that_were_agreed_on() -> None:
    """Attack 59: a description or a schema that changes is noticed here; each is short enough for every client to show whole."""
    async with over_lines(Fake()) as client:
        tools = (await client.asks("tools/list"))["result"]["tools"]
    names = [tool["name"] for tool in tools]
    assert names == ["budget_status", "session_cost", "estimate", "request_budget", "ask_human", "report_outcome"]
    assert all(len(tool["description"]) < 2048 for tool in tools)
    assert all("grant" not in name and "approve" not in name and "raise" not in name for name in names)
    for tool in tools:
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        jsonschema.Draft202012Validator.check_schema(tool["outputSchema"])
    told = json.dumps(tools, sort_keys=True).encode()
    assert hashlib.sha256(told).hexdigest()[:16] == TOLD


TOLD = "deebaff03f70a9b4"


# ------------------------------------------------------------------------------------------------------------------ tools
CALLS = [
    ("budget_status", {}, ("",)),
    ("session_cost", {"session": "s"}, ("s",)),
    ("estimate", {"prompt": "Fix it"}, ("", "Fix it")),
    ("request_budget", {"id": "ask_1", "wait_seconds": 1.5}, ("", "ask_1", 1500)),
    ("ask_human", {"id": "ask_1", "wait_seconds": 0}, ("", "ask_1", 0)),
    ("report_outcome", {"kind": "done", "words": "All."}, ("", ClaimKind.DONE, "All.")),
]


@pytest.mark.parametrize(("tool", "arguments", "asked"), CALLS)
async def test_every_result_is_as_its_schema_says(tool: str, arguments: dict[str, Any], asked: Any) -> None:
    """Structured content that the output schema accepts, the same as text, from what the host was asked."""
    host = Fake()
    async with over_lines(host) as client:
        found = await client.calls(tool, **arguments)
    assert host.asked == [asked]
    schema = budget.TOOLS[tool].told.output_schema
    assert schema is not None
    jsonschema.validate(found, schema, jsonschema.Draft202012Validator)
    assert found["words"]


async def test_amounts_are_exact_and_limits_in_their_own_units() -> None:
    """Dollars with every digit as text; minutes of work are rounded against the agent."""
    async with over_lines(Fake()) as client:
        status = await client.calls("budget_status")
        estimate = await client.calls("estimate", prompt="x")
    assert [(one["unit"], one["limit"], one["used"], one["held"], one["left"]) for one in status["limits"]] == [
        ("usd", "5.00", "0.25", "0.75", "4.00"),
        ("tokens", "1000", "100", "0", "900"),
        ("calls", "10", "3", "0", "7"),
        ("minutes", "10", "2", "0", "8"),
    ]
    assert status["turn"] == {"state": "running", "spent_usd": "0.25", "may_cost_usd": "1.00"}
    assert "A person has stopped all paid turns." in status["words"]
    assert "session: $0.25 of $5.00 used, $0.75 held, $4.00 left" in status["words"]
    assert (estimate["floor_usd"], estimate["p50_usd"], estimate["p90_usd"]) == ("0.000000001", "0.50", None)


@pytest.mark.parametrize(
    ("state", "status"),
    [("done", "granted"), ("asked", "pending"), ("no", "denied"), ("expired", "denied"), ("void", "denied")],
)
async def test_a_raise_is_granted_denied_or_pending(state: str, status: str) -> None:
    """Only a raise that has been carried out is granted; a pending one has an id to ask again with."""
    host = Fake()
    host.then = Standing(ChangeState(state), "Words.", "ask_1", 5)
    async with over_lines(host) as client:
        found = await client.calls("request_budget", amount="5", why="more tests", wait_seconds=2)
    assert host.asked == [
        ("", Wanted(ScopeKind.SESSION, Usd.parse("5").nano, raises=True, why="more tests")),
        ("", "ask_1", 2000),
    ]
    assert found["status"] == status
    assert (found["id"], found["expires_at_ms"]) == (("ask_1", 5) if status == "pending" else (None, None))


@pytest.mark.parametrize(
    ("state", "status"), [("done", "answered"), ("asked", "pending"), ("no", "declined"), ("expired", "declined")]
)
async def test_a_question_is_answered_declined_or_pending(state: str, status: str) -> None:
    """Only the person's own words are an answer."""
    host = Fake()
    host.then = Standing(ChangeState(state), "The blue one.", "ask_1", 5)
    async with over_lines(host) as client:
        found = await client.calls("ask_human", question="Which?", choices=["The blue one.", "The red one."])
    assert host.asked[0] == ("", "Which?", ("The blue one.", "The red one."))
    assert found["status"] == status
    assert found["answer"] == ("The blue one." if status == "answered" else None)


WRONG = [
    ("request_budget", {}, "amount: '' is not an amount in dollars: write it like 5 or 2.50"),
    ("request_budget", {"amount": "-5"}, "amount: '-5' is not an amount"),
    ("request_budget", {"amount": "0"}, "amount: a raise by nothing changes nothing"),
    ("request_budget", {"amount": 2.5}, "amount: Input should be a valid string"),
    ("request_budget", {"amount": "5", "scope": "team"}, "scope: Input should be 'session', 'project'"),
    ("request_budget", {"amount": "5", "approve": True}, "approve: there is no such argument"),
    ("request_budget", {"amount": "5", "wait_seconds": 1e9}, "wait_seconds: Input should be less than or equal to 45"),
    ("ask_human", {"question": "x" * 3001}, "question: String should have at most 3000 characters"),
    ("ask_human", {"question": "x", "choices": ["a"] * 5}, "choices: List should have at most 4 items"),
    (
        "report_outcome",
        {"kind": "perfect", "words": "x"},
        "kind: Input should be 'done', 'partly', 'failed' or 'nothing'",
    ),
    ("report_outcome", {}, "kind: it is missing; words: it is missing"),
    ("estimate", {"text": "go"}, "prompt: it is missing; text: there is no such argument (there are: prompt)"),
    ("budget_status", {"of": 1}, "of: there is no such argument (there are: none)"),
    (
        "ask_human",
        dict.fromkeys("abcde", 1),
        f"{'; '.join(f'{name}: there is no such argument' for name in 'abcd')}; and 1 more (there are: id, wait_seconds, question, choices)",
    ),
    ("estimate", {"prompt": ""}, "prompt: String should have at least 1 character"),
    ("budget_status", {"session": 5}, "session: Input should be a valid string"),
    ("session_cost", {"session": "theirs"}, "not yours"),
]


@pytest.mark.parametrize(("tool", "arguments", "sentence"), WRONG)
async def test_what_is_wrong_is_said_as_the_tools_result(tool: str, arguments: dict[str, Any], sentence: str) -> None:
    """The agent reads what to do differently; nothing was asked of anybody."""
    host = Fake()
    async with over_lines(host) as client:
        found = await client.calls(tool, **arguments)
    assert found["error"].startswith(sentence), found
    assert host.asked == ([("theirs",)] if sentence == "not yours" else [])


async def test_a_whole_number_is_an_amount() -> None:
    """Models write 5 as often as "5"; a fraction has to be text, so that no float is ever read."""
    host = Fake()
    async with over_lines(host) as client:
        await client.calls("request_budget", amount=5, scope="day")
    assert host.asked[0] == ("", Wanted(ScopeKind.DAY, Usd.parse("5").nano, raises=True))


async def test_a_gateway_in_trouble_says_so_and_the_connection_lasts() -> None:
    """A fault of the database is a sentence for the agent, and the next call is answered."""
    host = Fake()
    host.broken = True
    async with over_lines(host) as client:
        words = "the database is locked: try again"
        assert await client.calls("session_cost") == {"error": words}
        read = await client.asks("resources/read", uri="tollbridge://session")
        assert read["error"]["message"] == words
        host.broken = False
        assert (await client.calls("session_cost"))["spent_usd"] == "0.25"


async def test_unknown_methods_tools_and_lines_that_are_none_end_nothing() -> None:
    """Each is answered by an error, and what comes out is frames and nothing else."""
    async with over_lines(Fake()) as client:
        assert (await client.asks("tools/call", name="grant_budget", arguments={}))["error"]["code"] == -32602
        assert (await client.asks("prompts/list"))["error"]["code"] == -32601
        await client.said.send(b"{not json")
        await client.said.send(b"[]")
        assert (await client.asks("ping"))["result"] == {}
        assert all(frame["jsonrpc"] == "2.0" for frame in client.frames)


async def test_the_server_ends_when_its_client_is_gone() -> None:
    """No more lines come in: both ends are closed."""
    said, lines_in = anyio.create_memory_object_stream[bytes](1)
    lines_out, heard = anyio.create_memory_object_stream[bytes](1)
    said.close()
    with anyio.fail_after(LIMIT_S):
        await budget.serve(lines_in, lines_out, Fake(), session="raw")
    with pytest.raises(anyio.EndOfStream):
        await heard.receive()
    heard.close()


# -------------------------------------------------------------------------------------------------------------- resources
async def test_the_sessions_summary_is_a_resource() -> None:
    """For clients that put resources before the model: the budget, the session, and another session by its handle."""
    async with over_lines(Fake()) as client:
        listed = (await client.asks("resources/list"))["result"]["resources"]
        assert [one["uri"] for one in listed] == ["tollbridge://budget", "tollbridge://session"]
        templates = (await client.asks("resources/templates/list"))["result"]["resourceTemplates"]
        assert [one["uriTemplate"] for one in templates] == ["tollbridge://session/{session}"]
        texts = [
            (await client.asks("resources/read", uri=uri))["result"]["contents"][0]["text"]
            for uri in ("tollbridge://budget", "tollbridge://session", "tollbridge://session/mine")
        ]
        assert texts[0].startswith("session: $0.25 of $5.00 used")
        assert texts[1] == texts[2]
        assert texts[1] == (
            "Session s_1: $0.25 of $5.00. List prices.\n$0.25 · running · Fix it · the agent says: done, All of it."
        )
        for uri, words in (("tollbridge://secrets", "no such resource"), ("tollbridge://session/theirs", "not yours")):
            assert words in (await client.asks("resources/read", uri=uri))["error"]["message"]


# --------------------------------------------------------------------------------------------------------- with a gateway
async def test_no_tool_grants_and_no_answer_of_the_client_counts() -> None:
    """Attacks 30 and 31: the server asks the client for nothing, an elicitation's answer that nobody asked for is no answer, and
    only the person's tap raises the limit.
    """
    async with working() as (gateway, client):
        first = await client.calls("request_budget", amount="5", wait_seconds=0)
        assert first["status"] == "pending"
        await client.tells({"jsonrpc": "2.0", "id": 77, "result": {"action": "accept", "content": {"approve": True}}})
        for tool in budget.TOOLS:
            await client.asks("tools/call", name=tool, arguments={"id": first["id"], "approved": True})
        again = await client.calls("request_budget", id=first["id"], wait_seconds=0)
        assert again["status"] == "pending"
        assert all("method" not in frame for frame in client.frames)
        assert (await gateway.balance()).limit == Usd.parse("5")
        shown = await gateway.chat.waits_for(MINE, "asks: raise")
        gateway.chat.taps(shown, "Raise to $10.00", OWNER)
        granted = await client.calls("request_budget", id=first["id"], wait_seconds=20)
        assert granted["status"] == "granted"
        assert (await client.calls("budget_status"))["limits"][0]["limit"] == "10.00"


async def test_a_person_answers_while_the_tool_waits() -> None:
    """The call that asks gets the answer as soon as it is there."""
    async with working() as (gateway, client), anyio.create_task_group() as tasks:

        async def person() -> None:
            shown = await gateway.chat.waits_for(MINE, escape("Which one?"))
            gateway.chat.taps(shown, "the blue one", OWNER)

        tasks.start_soon(person)
        found = await client.calls("ask_human", question="Which one?", choices=["the blue one"], wait_seconds=20)
        assert (found["status"], found["answer"]) == ("answered", "the blue one")
        await gateway.chat.waits_for(MINE, "Answered: the blue one")


async def test_a_report_stands_in_the_sessions_summary_as_a_claim() -> None:
    """What the agent says of its work is told with its name on it."""
    async with working() as (_, client):
        kept = await client.calls("report_outcome", kind="partly", words="Two of three tests pass.")
        assert kept["claimed"] == "partly: Two of three tests pass."
        cost = await client.calls("session_cost")
        assert cost["turns"][0]["claimed"] == "partly: Two of three tests pass."
        assert cost["turns"][0]["state"] == "finished"


async def test_the_packages_own_client_gets_along_with_it() -> None:
    """The handshake, the list and a call through `mcp`'s client, which checks results against their schemas."""
    said, lines_in = anyio.create_memory_object_stream[bytes](16)
    lines_out, heard = anyio.create_memory_object_stream[bytes](16)
    to_client, reads = anyio.create_memory_object_stream[SessionMessage | Exception](16)
    writes, from_client = anyio.create_memory_object_stream[SessionMessage](16)

    async def there() -> None:
        async for message in from_client:
            await said.send(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode())

    async def back() -> None:
        async for line in heard:
            await to_client.send(SessionMessage(budget.types.jsonrpc_message_adapter.validate_json(line)))

    async def serve() -> None:
        await budget.serve(lines_in, lines_out, Fake(), session="raw")

    async with said, heard, to_client, from_client, anyio.create_task_group() as tasks:
        for task in (there, back, serve):
            tasks.start_soon(task)
        async with ClientSession(reads, writes) as client:
            with anyio.fail_after(LIMIT_S):
                await client.initialize()
                assert len((await client.list_tools()).tools) == len(budget.TOOLS)
                found = await client.call_tool("session_cost", {})
        assert found.structured_content is not None
        assert found.structured_content["session"] == "s_1"
        tasks.cancel_scope.cancel()
