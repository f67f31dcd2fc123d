"""The scripted Messages API keeps the promises that other tests rest on: it charges what it reports, and it sees all."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import claude_binary
from tests.fakes.messages_api import (
    Charge,
    Charged,
    Counts,
    DropStream,
    Error,
    Hold,
    MessagesApi,
    Request,
    StreamError,
    Text,
    Thinking,
    Tool,
)

SESSION = "11111111-1111-4111-8111-111111111111"
TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """A running stand-in; its seed is in the message of a failed comparison."""
    with MessagesApi() as api:
        yield api


def ask(
    api: MessagesApi, *prompts: str, agent: str | None = None, stream: bool = True, **body: Any
) -> tuple[int, list[dict[str, Any]]]:
    """One call with these prompts: the status and the events (or the one JSON answer)."""
    headers = {"x-claude-code-session-id": SESSION} | ({"x-claude-code-agent-id": agent} if agent else {})
    request = {"model": "m-1", "max_tokens": 4_096, "stream": stream, "tools": TOOLS, "messages": said(*prompts)} | body
    events: list[dict[str, Any]] = []
    with httpx.stream("POST", f"{api.url}/v1/messages?beta=true", json=request, headers=headers) as response:
        if response.headers["content-type"].startswith("application/json"):
            response.read()
            return response.status_code, [response.json()]
        events.extend(json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: "))
    return response.status_code, events


def said(*prompts: str) -> list[dict[str, Any]]:
    """A conversation in which each prompt but the last was answered."""
    messages: list[dict[str, Any]] = []
    for prompt in prompts:
        messages += [
            {"role": "user", "content": [{"type": "text", "text": prompt}]},
            {"role": "assistant", "content": [{"type": "text", "text": "yes"}]},
        ]
    return messages[:-1]


def text_of(events: list[dict[str, Any]]) -> str:
    """The text of a streamed message, its deltas joined."""
    return "".join(e["delta"]["text"] for e in events if e.get("delta", {}).get("type") == "text_delta")


def counts_of(events: list[dict[str, Any]]) -> Counts:
    """What a careful meter reads: the split from message_start, the rest from message_delta."""
    start = next(e for e in events if e["type"] == "message_start")["message"]["usage"]
    final = next(e for e in events if e["type"] == "message_delta")["usage"]
    split = start["cache_creation"]
    return Counts(
        final["input_tokens"],
        final["cache_read_input_tokens"],
        split["ephemeral_5m_input_tokens"],
        split["ephemeral_1h_input_tokens"],
        final["output_tokens"],
    )


def test_what_a_stream_reports_is_what_is_charged(api: MessagesApi) -> None:
    """A meter that reads message_start and message_delta comes to exactly the charge."""
    _, events = ask(api, "hello")
    assert [e["type"] for e in events if e["type"] != "content_block_delta"] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert counts_of(events) == api.total() == api.charges[0].counts, api
    assert text_of(events) == "echo: hello"


def test_message_start_carries_a_placeholder_that_is_never_the_output(api: MessagesApi) -> None:
    """Summing message_start's output count gives a wrong figure, as with the real service."""
    _, events = ask(api, "hello")
    placeholder = events[0]["message"]["usage"]["output_tokens"]
    assert 0 < placeholder < counts_of(events).output, api


def test_a_call_without_streaming_is_charged_the_same_way(api: MessagesApi) -> None:
    """The JSON answer holds the final counts and the whole content."""
    api.script([[Text("a"), Tool("Bash", {"command": "ls"})]])
    _, (message,) = ask(api, "hello", stream=False)
    usage = message["usage"]
    assert usage["output_tokens"] == api.total().output, api
    assert usage["cache_creation"]["ephemeral_1h_input_tokens"] == api.total().cache_write_1h, api
    assert [block["type"] for block in message["content"]] == ["text", "tool_use"]
    assert message["stop_reason"] == "tool_use"


@given(st.integers(min_value=0, max_value=1 << 32), st.permutations(range(5)), st.integers(min_value=1, max_value=6))
def test_swapped_or_repeated_classes_do_not_add_up(seed: int, order: list[int], calls: int) -> None:
    """A meter that takes one class for another, or one twice, comes to another total for every seed."""
    api = MessagesApi(seed)
    api._server.server_close()
    request = Request("main", "m", None, None, True, "", (), "", False, {}, {})
    total = sum((api.draw(request)[0] for _ in range(calls)), Counts())
    swapped = Counts(*(astuple(total)[place] for place in order))
    if order != sorted(order):
        assert swapped != total
    assert replace(total, cache_write_5m=total.cache_write_1h, cache_write_1h=total.cache_write_5m) != total
    assert all(getattr(total, one.name) > 0 for one in fields(Counts))


def test_the_same_seed_charges_the_same() -> None:
    """A failing run is repeated with the seed that it printed."""
    totals: list[Counts] = []
    for _ in range(2):
        with MessagesApi(seed=42) as api:
            ask(api, "a")
            ask(api, "b")
            totals.append(api.total())
            assert "seed=42" in repr(api)
    assert totals[0] == totals[1]


def test_tools_and_thinking_arrive_in_pieces_that_join(api: MessagesApi) -> None:
    """Several tools in one message, each with its input as JSON in deltas, after a thinking block."""
    long = {"command": "echo " + "x" * 200}
    api.script([[Thinking("hm"), Text("look"), Tool("Bash", long, id="t1"), Tool("Read", {"path": "a"})]])
    _, events = ask(api, "go")
    starts = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    assert [block["type"] for block in starts] == ["thinking", "text", "tool_use", "tool_use"]
    pieces = [
        e["delta"]["partial_json"] for e in events if e.get("index") == 2 and "partial_json" in e.get("delta", {})
    ]
    assert len(pieces) > 1
    assert json.loads("".join(pieces)) == long
    assert next(e for e in events if e["type"] == "message_delta")["delta"]["stop_reason"] == "tool_use"


def test_an_error_charges_nothing(api: MessagesApi) -> None:
    """The status and the type are the scripted ones; the next call is answered again."""
    api.script([Error(529, "overloaded_error", "busy", {"retry-after": "1"})])
    status, (body,) = ask(api, "go")
    assert (status, body["error"]["type"]) == (529, "overloaded_error")
    assert api.total() == Counts()
    assert ask(api, "go")[0] == 200
    assert api.total() != Counts()


def test_a_held_stream_waits_for_the_test(api: MessagesApi) -> None:
    """Until it is released the call is started and not ended, and reports no final usage."""
    hold = Hold()
    api.script([[Text("one"), hold, Text("two")]])
    answers: list[str] = []
    call = threading.Thread(target=lambda: answers.append(text_of(ask(api, "go")[1])))
    call.start()
    hold.wait_reached()
    charge = api.charges[0]
    assert (charge.started, charge.delta_sent, charge.ended) == (True, False, False)
    hold.release()
    call.join(10)
    assert answers == ["onetwo"]
    assert charge.completed


def test_a_call_held_before_its_start_has_charged_nothing(api: MessagesApi) -> None:
    """The request is seen, the answer is not begun."""
    hold = Hold(before_start=True)
    api.script([[hold, Text("late")]])
    call = threading.Thread(target=lambda: ask(api, "go"))
    call.start()
    hold.wait_reached()
    assert not api.charges[0].started
    assert api.total() == Counts()
    hold.release()
    call.join(10)
    assert api.total() != Counts()


def test_a_client_that_hangs_up_is_charged_what_was_reported(api: MessagesApi) -> None:
    """An interrupted stream costs its input and the placeholder, and says that the client went."""
    api.script([[Text("one"), Hold(), Text("two")]])
    body = {"model": "m", "max_tokens": 4_096, "stream": True, "tools": TOOLS, "messages": said("go")}
    with httpx.stream("POST", f"{api.url}/v1/messages", json=body) as response:
        start = next(json.loads(line[6:]) for line in response.iter_lines() if line.startswith("data: "))
    api.wait_for_calls(1, ended=True)
    charge = api.charges[0]
    assert charge.client_gone
    assert charge.cut
    assert charge.counts == replace(charge.would_be, output=start["message"]["usage"]["output_tokens"]), api


@pytest.mark.parametrize("broken", [DropStream(linger_s=0), StreamError()])
def test_a_broken_stream_never_sends_its_final_usage(api: MessagesApi, broken: DropStream | StreamError) -> None:
    """A cut connection and an error in the stream both leave the call charged and unfinished."""
    api.script([[Text("one"), broken, Text("two")]])
    try:
        _, events = ask(api, "go")
    except httpx.TransportError:
        events = []
    api.wait_for_calls(1, ended=True)
    assert not any(e["type"] == "message_delta" for e in events)
    assert api.charges[0].cut
    assert api.total().input == api.charges[0].would_be.input
    assert api.total().output < api.charges[0].would_be.output


def test_scripts_are_chosen_by_the_newest_prompt(api: MessagesApi) -> None:
    """A used-up script leaves its calls to the next, and those that nobody wants are echoed."""
    api.script([Text("apples"), Text("more apples")], prompt="apple")
    api.script([Text("pears")], prompt="pear")
    replies = [text_of(ask(api, *said)[1]) for said in (("an apple",), ("an apple", "a pear"), ("apple",), ("apple",))]
    assert replies == ["apples", "pears", "more apples", "echo: apple"]


def test_every_sub_agent_plays_its_script_from_the_start(api: MessagesApi) -> None:
    """Parallel sub-agents do not eat each other's replies, nor the main loop's."""
    api.script([Text("s1"), Text("s2")], kind="sub", prompt="count")
    api.script([Text("m1")], prompt="count")
    replies = [text_of(ask(api, "count them", agent=agent)[1]) for agent in ("a", "b", "a", "b", None)]
    assert replies == ["s1", "s1", "s2", "s2", "m1"]
    assert [charge.agent_id for charge in api.charges] == ["a", "b", "a", "b", None]


def test_the_clients_own_calls_use_up_no_script(api: MessagesApi) -> None:
    """Titles, compaction and probes are answered by default and told apart."""
    api.script([Text("mine")])
    ask(api, "go", "Your task is to create a detailed summary of the conversation so far")
    ask(api, "go", tools=[], system="Generate a concise, sentence-case title")
    ask(api, "Hi", tools=[], max_tokens=1, stream=False)
    ask(api, "find it", tools=[{"type": "web_search_20250305", "name": "web_search"}])
    assert [charge.kind for charge in api.charges] == ["compact", "title", "side", "side"]
    assert api.charges[2].counts.output == 1
    assert text_of(ask(api, "go")[1]) == "mine"


def test_a_script_can_be_a_function_of_the_request(api: MessagesApi) -> None:
    """It sees the prompts, and what it declines goes to the next."""
    api.script(lambda request: Text(f"{len(request.prompts)} prompts") if len(request.prompts) > 1 else None)
    assert text_of(ask(api, "one")[1]) == "echo: one"
    assert text_of(ask(api, "one", "two")[1]) == "2 prompts"


def test_a_script_that_fails_fails_the_test() -> None:
    """An exception in a script surfaces where the stand-in ends."""

    def broken(request: Request) -> Text:
        raise KeyError(request.prompt)

    def use() -> None:
        with MessagesApi() as api:
            api.script(broken)
            with pytest.raises(httpx.TransportError):
                ask(api, "go")

    with pytest.raises(RuntimeError, match="a script failed"):
        use()


def test_given_counts_are_charged_as_they_are(api: MessagesApi) -> None:
    """A test that needs a huge context says so."""
    huge = Counts(1_000, 990_000, 0, 0, 50)
    api.script([[Charged(huge), Text("ok")]])
    assert counts_of(ask(api, "go")[1]) == huge == api.total()


def test_a_prompt_said_once_is_seen_once(api: MessagesApi) -> None:
    """Later calls of the same conversation repeat it without counting it again."""
    ask(api, "one")
    ask(api, "one", "two")
    tool = [{"type": "tool_result", "tool_use_id": "t", "content": "x"}]
    ask(api, messages=[*said("one", "two"), {"role": "assistant", "content": []}, {"role": "user", "content": tool}])
    seen = api.prompts_seen(SESSION)
    assert {text: (s.in_conversation, s.turn_starts) for text, s in seen.items()} == {"one": (1, 1), "two": (1, 1)}


def test_a_prompt_said_twice_is_seen_twice(api: MessagesApi) -> None:
    """Sent again into the same conversation, it stands there twice and began two turns."""
    ask(api, "one")
    ask(api, "one", "one")
    assert api.prompts_seen()["one"].in_conversation == 2
    assert api.prompts_seen()["one"].turn_starts == 2


def test_a_retry_is_not_a_second_turn(api: MessagesApi) -> None:
    """The same request after a failure counts as an attempt only."""
    api.script([Error(500)])
    ask(api, "one")
    ask(api, "one")
    assert (api.prompts_seen()["one"].turn_starts, api.prompts_seen()["one"].attempts) == (1, 2)


def test_the_clients_reminders_are_no_prompts(api: MessagesApi) -> None:
    """What the client writes into the conversation by itself is left out, and a notification is not the user's."""
    ask(api, "<system-reminder>\nbe good\n</system-reminder>", "[Request interrupted by user]", "go on")
    notified = "<system-reminder>\n[SYSTEM NOTIFICATION - NOT USER INPUT]\n<task-notification>done</task-notification>"
    ask(api, "go on", notified)
    assert list(api.prompts_seen()) == ["go on"]
    assert "task-notification" in api.charges[1].request.prompt
    assert not api.charges[1].request.starts_turn


def test_a_prompt_taken_into_a_running_turn_is_seen(api: MessagesApi) -> None:
    """The client wraps it into a system message; it still counts."""
    wrapped = "The user sent a new message while you were working:\nhurry\n\nThis is how Claude Code surfaces messages"
    ask(api, messages=[*said("go"), {"role": "system", "content": [{"type": "text", "text": wrapped}]}])
    assert api.prompts_seen()["hurry"].in_conversation == 1


def test_anything_else_is_answered_harmlessly(api: MessagesApi) -> None:
    """Token counts are free, unknown paths do no harm, a broken body is refused."""
    assert httpx.post(f"{api.url}/v1/messages/count_tokens", json={"messages": []}).json()["input_tokens"] > 0
    assert httpx.head(f"{api.url}/api/hello").status_code == 200
    assert httpx.get(f"{api.url}/v1/models").status_code == 404
    assert httpx.post(f"{api.url}/api/event_logging", json={}).json() == {}
    assert httpx.post(f"{api.url}/v1/messages", content=b"{").status_code == 400
    assert api.charges == []
    assert ("HEAD", "/api/hello") in api.others


def test_the_clients_environment_is_its_own(api: MessagesApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's sign-in or home gets in, and it can reach no service but this one."""
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "real")
    env = api.claude_env(tmp_path / "home", retries=2)
    assert env["ANTHROPIC_BASE_URL"] == api.url
    assert "ANTHROPIC_AUTH_TOKEN" not in env
    assert Path(env["TMPDIR"]).is_dir()
    assert env["CLAUDE_CODE_MAX_RETRIES"] == "2"


def test_the_named_client_is_never_replaced_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that does not exist is none: a test never runs a client that nobody asked for."""
    monkeypatch.setenv("TBTEST_CLAUDE", str(tmp_path / "nowhere"))
    assert claude_binary.find_claude() is None
    monkeypatch.delenv("TBTEST_CLAUDE")
    monkeypatch.setenv("TBTEST_CLIENTS", str(tmp_path))
    there = tmp_path / "node_modules" / ".bin" / "claude"
    there.parent.mkdir(parents=True)
    there.touch()
    assert claude_binary.find_claude() == there


def run_claude(api: MessagesApi, home: Path, prompt: str, *options: str) -> list[dict[str, Any]]:
    """The lines that the real client writes for one prompt."""
    claude = claude_binary.find_claude()
    if claude is None:
        pytest.skip(claude_binary.MISSING)
    work = home / "work"
    work.mkdir(parents=True)
    done = subprocess.run(
        [claude, "-p", prompt, "--output-format", "stream-json", "--verbose", "--allowedTools", "Bash", *options],
        env=api.claude_env(home),
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def used(result: dict[str, Any]) -> Counts:
    """What the client itself says it used, all models together."""
    keys = (
        "inputTokens",
        "cacheReadInputTokens",
        "cacheCreationEphemeral5mInputTokens",
        "cacheCreationEphemeral1hInputTokens",
        "outputTokens",
    )
    models = result["model_usage_since_last_result"].values()
    return sum((Counts(*(model[key] for key in keys)) for model in models), Counts())


@pytest.mark.claude
def test_the_real_client_works_through_a_script(api: MessagesApi, tmp_path: Path) -> None:
    """It runs the scripted tool, ends with the scripted text, and its own account agrees with what was charged."""
    api.script([[Thinking("hm"), Tool("Bash", {"command": "echo made > made.txt"})], Text("all done")], prompt="make")
    result = run_claude(api, tmp_path, "make a file")[-1]
    assert result["result"] == "all done"
    assert (tmp_path / "work" / "made.txt").read_text() == "made\n"
    assert used(result) == api.total(), api
    assert (api.prompts_seen()["make a file"].in_conversation, api.prompts_seen()["make a file"].turn_starts) == (1, 1)


@pytest.mark.claude
def test_the_real_clients_sub_agents_are_told_apart(api: MessagesApi, tmp_path: Path) -> None:
    """Each foreground sub-agent plays the script of its task, and the sum is still exact."""
    tasks = ["count the apples", "count the pears"]
    spawn = [
        Tool("Agent", {"description": t, "prompt": t, "subagent_type": "general-purpose", "run_in_background": False})
        for t in tasks
    ]
    api.script([spawn, Text("both counted")], prompt="fruit")
    api.script([Tool("Bash", {"command": "echo 3"}), Text("three")], kind="sub")
    result = run_claude(api, tmp_path, "count the fruit")[-1]
    assert result["result"] == "both counted"
    subs: list[Charge] = api.calls("sub")
    assert len(subs) == 4
    assert len({charge.agent_id for charge in subs}) == 2
    assert used(result) == api.total() == api.total(kind="main") + api.total(kind="sub"), api


@pytest.mark.claude
def test_the_found_client_is_the_one_that_was_observed(api: MessagesApi, tmp_path: Path) -> None:
    """What the adapter was built on is the pinned version; another one is reported, not trusted silently."""
    claude = claude_binary.find_claude()
    if claude is None:
        pytest.skip(claude_binary.MISSING)
    if "TBTEST_CLAUDE" in os.environ:
        pytest.skip("TBTEST_CLAUDE names a client of its own")
    version = subprocess.run(
        [claude, "--version"], env=api.claude_env(tmp_path), capture_output=True, text=True, check=True
    )
    assert version.stdout.startswith(claude_binary.PINNED_VERSION)
