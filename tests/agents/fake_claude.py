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


def result(uuid: str, **fields: Any) -> None:
    """The end of a run."""
    out(type="result", subtype="success", result="done", user_message_uuids=[uuid], num_turns=1, **fields)


def hook(name: str, event: str, **fields: Any) -> None:
    """A callback."""
    told = {"hook_event_name": event, **fields}
    out(type="control_request", request_id=name, request={"subtype": "hook_callback", "input": told})


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
    elif scenario == "deaf":
        hook("h1", "UserPromptSubmit", prompt="x")


def serve(scenario: str) -> None:
    """Read to the end of the input."""
    uuid = ""
    for line in sys.stdin:
        told = json.loads(line)
        if told["type"] == "user":
            uuid = told["uuid"]
            run(scenario, uuid)
        elif told["type"] == "control_response" and told["response"]["subtype"] == "error":
            result(uuid)
        elif told["type"] == "control_request":
            kind = told["request"]["subtype"]
            if scenario == "never" or (uuid and scenario == "deaf"):
                continue
            success(told["request_id"], {"session": {"model_usage": {}}} if kind == "get_usage" else {})


if __name__ == "__main__":
    if sys.argv[1] == "fails":
        sys.stderr.write("error: unknown option --whatever, token: abc123secret\n")
        sys.exit(2)
    serve(sys.argv[1])
