"""A client that misbehaves, in the protocol of the real one: `python fake_claude.py SCENARIO`. Standard library only."""

import json
import os
import sys
import time
from typing import Any

SESSION = "6a5c1d3e-0b1f-4c58-9a53-2f8f6f6a00ff"


def out(**fields: Any) -> None:
    """One line."""
    sys.stdout.write(json.dumps(fields, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def success(request_id: str, response: dict[str, Any]) -> None:
    """The answer to a control request."""
    out(type="control_response", response={"subtype": "success", "request_id": request_id, "response": response})


def begin(uuid: str) -> None:
    """A run of this prompt."""
    for state in ("queued", "started"):
        out(type="command_lifecycle", command_uuid=uuid, state=state)
    out(type="system", subtype="init", session_id=SESSION, model="m", user_message_uuids=[uuid])


def call(name: str, *, ends: bool = True) -> None:
    """An API call of the main loop."""
    message = {"id": name, "model": "m", "usage": {"input_tokens": 10, "output_tokens": 1}}
    out(type="stream_event", event={"type": "message_start", "message": message}, parent_tool_use_id=None)
    if ends:
        delta = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}
        out(type="stream_event", event=delta, api_message_id=name, parent_tool_use_id=None)


def result(prompt: str, **fields: Any) -> None:
    """The end of a run."""
    out(type="result", subtype="success", result="done", user_message_uuids=[prompt], num_turns=1, **fields)


def hook(name: str, event: str, **fields: Any) -> None:
    """A callback."""
    told = {"hook_event_name": event, **fields}
    out(
        type="control_request",
        request_id=name,
        request={"subtype": "hook_callback", "callback_id": event, "input": told},
    )


def run(scenario: str, uuid: str) -> None:
    """What a prompt sets going."""
    begin(uuid)
    if scenario == "dies":
        call("m1")
        call("m2", ends=False)
        sys.stderr.write("fatal: api_key=sk-ant-verysecret0123 was refused\n")
        sys.stderr.flush()
        os._exit(9)
    elif scenario == "garbage":
        for n in range(50_000):
            sys.stdout.write(
                '{"type":"stream_event","event":{"type":"content_block_delta"\n' if n % 2 else "garbage \x00\n"
            )
        sys.stdout.flush()
        call("m1")
        result(uuid)
    elif scenario == "huge":
        sys.stdout.write('{"type":"user","x":"' + "y" * (33 * 1024 * 1024) + '"}\n')
        call("m1")
        result(uuid)
    elif scenario == "withdraws":
        hook("h1", "UserPromptSubmit", prompt="x")
        time.sleep(0.2)
        out(type="control_cancel_request", request_id="h1")
        result(uuid)
    elif scenario == "unknown":
        out(type="control_request", request_id="odd", request={"subtype": "a_new_thing"})
    elif scenario == "hangs":
        call("m1", ends=False)
    elif scenario in {"deaf", "plugged"}:
        hook("h1", "UserPromptSubmit", prompt="x")
    else:
        flood(scenario, uuid)


def flood(scenario: str, uuid: str) -> None:
    """What a prompt sets going with a client that is out of its mind."""
    if scenario == "odd":
        # More than one way to tell garbage about a call, and the end of the run twice.
        call("m1")
        garbage = {"id": "m2", "model": "m", "usage": {"input_tokens": -5, "output_tokens": 1e300}}
        out(type="stream_event", event={"type": "message_start", "message": garbage}, parent_tool_use_id=None)
        sys.stdout.write('{"type":"assistant","x":' + "[" * 200_000 + "\n")
        sys.stdout.write('{"type":"assistant","message":{"id":"m3","usage":' + "9" * 10_000 + "}}\n")
        out(type="assistant", message={"id": "m4\0", "model": "\ud800", "content": []})
        told = {"m": {"inputTokens": 10, "outputTokens": 5}}
        for _ in range(2):
            result(uuid, uuid="r1", model_usage_since_last_result=told)
    elif scenario == "demanding":
        for n in range(5_000):
            out(type="control_request", request_id=f"p{n}", request={"subtype": "can_use_tool", "tool_name": "X"})
        time.sleep(600)
    elif scenario == "nested":
        tool: Any = "x"
        for _ in range(400):
            tool = [tool]
        hook("h1", "PreToolUse", tool_name="X", tool_input={"x": tool})


def serve(scenario: str) -> None:
    """Read to the end of the input."""
    uuid = ""
    for line in sys.stdin:
        told = json.loads(line)
        if told["type"] == "user":
            uuid = told["uuid"]
            run(scenario, uuid)
            if scenario == "plugged":
                time.sleep(600)
        elif told["type"] == "control_response" and scenario == "nested":
            decided = told["response"]["response"]["hookSpecificOutput"]["permissionDecision"]
            result(uuid, terminal_reason="hook_stopped" if decided == "deny" else "completed")
        elif told["type"] == "control_response" and told["response"]["subtype"] == "error":
            result(uuid)
        elif told["type"] == "control_request":
            kind = told["request"]["subtype"]
            if scenario == "never" or (uuid and scenario == "deaf"):
                continue
            success(told["request_id"], {"session": {"model_usage": {}}} if kind == "get_usage" else {})
            if scenario == "unread" and kind == "get_usage":
                time.sleep(600)


if __name__ == "__main__":
    if sys.argv[1] == "fails":
        sys.stderr.write("error: unknown option --whatever, token: abc123secret\n")
        sys.exit(2)
    serve(sys.argv[1])
