"""The HTTP side of the scripted Messages API: requests read, answers streamed, charges filled in."""

import json
import select
import socket
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol

from tests.fakes.messages_charges import Charge
from tests.fakes.messages_request import Request, read_request
from tests.fakes.messages_script import (
    HOLD_LIMIT_S,
    Block,
    Charged,
    Counts,
    DropStream,
    Error,
    Headers,
    Hold,
    Step,
    Stop,
    StreamError,
    Text,
    Thinking,
    Tool,
)

MAX_BODY = 64 * 1024 * 1024
CHUNK = 40
"""Characters per delta event: small, so that a reply really comes in pieces."""
POLL_S = 0.02


class Owner(Protocol):
    """What the HTTP side asks of the stand-in that it serves."""

    others: list[tuple[str, str]]
    stopping: bool

    def record(self, request: Request) -> Charge: ...
    def reply_to(self, request: Request) -> tuple[Step, ...]: ...
    def draw(self, request: Request) -> tuple[Counts, int]: ...
    def changed(self) -> None: ...


def handler_for(owner: Owner) -> type[BaseHTTPRequestHandler]:
    """The request handler class of one stand-in."""
    return type("MessagesHandler", (_Handler,), {"owner": owner})


class _ClientGoneError(Exception):
    """The client closed its end while the answer was being sent."""


class _CutError(Exception):
    """The script cuts the connection here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: Owner

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing is printed: standard output belongs to the test run."""

    def handle(self) -> None:
        """A client that goes away between two requests is no event worth a traceback."""
        try:
            super().handle()
        except (ConnectionResetError, BrokenPipeError):
            self.close_connection = True

    def do_HEAD(self) -> None:
        self.owner.others.append(("HEAD", self.path))
        self._json(200, {}, with_body=False)

    def do_GET(self) -> None:
        self.owner.others.append(("GET", self.path))
        self._json(404, error_body("not_found_error", "the stand-in has nothing there"))

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        if length > MAX_BODY:
            self._json(413, error_body("request_too_large", "too large for the stand-in"))
            return
        raw = self.rfile.read(length)
        path = self.path.partition("?")[0]
        if path == "/v1/messages":
            self._message(raw)
            return
        self.owner.others.append(("POST", self.path))
        self._json(200, {"input_tokens": max(1, length // 4)} if path == "/v1/messages/count_tokens" else {})

    def _json(
        self, status: int, value: object, *, headers: Mapping[str, str] | None = None, with_body: bool = True
    ) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.send_header("request-id", "req_" + uuid.uuid4().hex[:24])
        for key, text in (headers or {}).items():
            self.send_header(key, text)
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def _message(self, raw: bytes) -> None:
        try:
            request = read_request(json.loads(raw), raw, dict(self.headers.items()))
        except (ValueError, AttributeError):
            self._json(400, error_body("invalid_request_error", "the body is not a Messages request"))
            return
        charge = self.owner.record(request)
        try:
            self._answer(charge, self.owner.reply_to(charge.request))
        except (_ClientGoneError, BrokenPipeError, ConnectionResetError):
            charge.client_gone = True
            self.close_connection = True
        except _CutError:
            self._cut()
        finally:
            charge.ended = True
            charge.ended_at = time.monotonic()
            self.owner.changed()

    def _answer(self, charge: Charge, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, Hold) and step.before_start:
                self._hold(step)
        failed = next((step for step in steps if isinstance(step, Error)), None)
        if failed is not None:
            charge.status = failed.status
            self._json(failed.status, error_body(failed.type, failed.message), headers=failed.headers)
            charge.completed = True
            return
        counts, placeholder = self.owner.draw(charge.request)
        charge.would_be = next((step.counts for step in steps if isinstance(step, Charged)), counts)
        charge.message_id = "msg_" + uuid.uuid4().hex[:24]
        charge.status = 200
        if charge.request.stream:
            self._stream(charge, steps, placeholder)
        else:
            self._whole(charge, steps)

    def _whole(self, charge: Charge, steps: tuple[Step, ...]) -> None:
        for step in steps:
            if isinstance(step, Hold) and not step.before_start:
                self._hold(step)
            elif isinstance(step, DropStream | StreamError):
                raise _CutError
        message = message_head(charge, charge.would_be.output)
        message["content"] = [block_body(step) for step in steps if isinstance(step, Block)]
        message["stop_reason"] = stop_reason(steps)
        charge.counts = charge.would_be
        charge.started = charge.delta_sent = True
        self._json(200, message, headers=headers_of(steps))
        charge.completed = True

    def _stream(self, charge: Charge, steps: tuple[Step, ...], placeholder: int) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("cache-control", "no-cache")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("request-id", "req_" + uuid.uuid4().hex[:24])
        for key, text in headers_of(steps).items():
            self.send_header(key, text)
        self.end_headers()
        full = charge.would_be
        charge.counts = Counts(full.input, full.cache_read, full.cache_write_5m, full.cache_write_1h, placeholder)
        charge.started = True
        self._event("message_start", {"message": message_head(charge, placeholder)})
        self._event("ping", {})
        if not self._send_steps(steps):
            return
        delta = {"stop_reason": stop_reason(steps), "stop_sequence": None}
        charge.counts = full
        charge.delta_sent = True
        self._event("message_delta", {"delta": delta, "usage": usage_body(full)})
        self._event("message_stop", {})
        charge.completed = True
        self._chunk(b"")

    def _send_steps(self, steps: tuple[Step, ...]) -> bool:
        """Send the blocks in order. False if the stream ended with an error event."""
        index = 0
        for step in steps:
            if isinstance(step, Hold) and not step.before_start:
                self._hold(step)
            elif isinstance(step, DropStream):
                time.sleep(step.linger_s)
                raise _CutError
            elif isinstance(step, StreamError):
                self._event("error", {"error": {"type": step.type, "message": step.message}})
                self._chunk(b"")
                self.close_connection = True
                return False
            elif isinstance(step, Block):
                self._send_block(index, step)
                index += 1
        return True

    def _send_block(self, index: int, step: Block) -> None:
        block = block_body(step)
        if isinstance(step, Tool):
            pieces, kind, key = json.dumps(dict(step.input)), "input_json_delta", "partial_json"
            block["input"] = {}
        elif isinstance(step, Thinking):
            pieces, kind, key = step.text, "thinking_delta", "thinking"
            block |= {"thinking": "", "signature": ""}
        else:
            pieces, kind, key = step.text, "text_delta", "text"
            block["text"] = ""
        self._event("content_block_start", {"index": index, "content_block": block})
        sent = 0
        for until, hold in (*(step.holds if isinstance(step, Text) else ()), (len(pieces), None)):
            for at in range(sent, until, CHUNK):
                piece = pieces[at : min(at + CHUNK, until)]
                self._event("content_block_delta", {"index": index, "delta": {"type": kind, key: piece}})
            sent = until
            if hold is not None:
                self._hold(hold)
        if isinstance(step, Thinking):
            signature = {"type": "signature_delta", "signature": SIGNATURE}
            self._event("content_block_delta", {"index": index, "delta": signature})
        self._event("content_block_stop", {"index": index})

    def _event(self, name: str, value: dict[str, Any]) -> None:
        data = json.dumps({"type": name} | value)
        self._chunk(f"event: {name}\ndata: {data}\n\n".encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _hold(self, hold: Hold) -> None:
        hold.reached.set()
        self.owner.changed()
        deadline = time.monotonic() + HOLD_LIMIT_S
        while not hold.released.wait(POLL_S):
            if time.monotonic() > deadline:
                return
            if self.owner.stopping or self._client_closed():
                raise _ClientGoneError

    def _client_closed(self) -> bool:
        ready, _, _ = select.select([self.connection], [], [], 0)
        if not ready:
            return False
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except ConnectionResetError:
            return True

    def _cut(self) -> None:
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return


SIGNATURE = "c3RhbmQtaW4="


def headers_of(steps: tuple[Step, ...]) -> dict[str, str]:
    """The scripted headers of an answer."""
    return {key: text for step in steps if isinstance(step, Headers) for key, text in step.values.items()}


def error_body(kind: str, message: str) -> dict[str, Any]:
    """An error as the API words it."""
    return {"type": "error", "error": {"type": kind, "message": message}}


def block_body(step: Block) -> dict[str, Any]:
    """A whole content block."""
    if isinstance(step, Text):
        return {"type": "text", "text": step.text}
    if isinstance(step, Thinking):
        return {"type": "thinking", "thinking": step.text, "signature": SIGNATURE}
    tool_id = step.id or "toolu_" + uuid.uuid4().hex[:24]
    return {"type": "tool_use", "id": tool_id, "name": step.name, "input": dict(step.input)}


def stop_reason(steps: tuple[Step, ...]) -> str:
    """The scripted reason, else tool_use or end_turn by what the message holds."""
    scripted = next((step.reason for step in steps if isinstance(step, Stop)), None)
    return scripted or ("tool_use" if any(isinstance(step, Tool) for step in steps) else "end_turn")


def message_head(charge: Charge, output: int) -> dict[str, Any]:
    """The message of message_start: the only place where the two kinds of cache write stand apart."""
    counts = charge.would_be
    split = {"ephemeral_5m_input_tokens": counts.cache_write_5m, "ephemeral_1h_input_tokens": counts.cache_write_1h}
    return {
        "id": charge.message_id,
        "type": "message",
        "role": "assistant",
        "model": charge.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_body(counts) | {"output_tokens": output, "cache_creation": split, "service_tier": "standard"},
    }


def usage_body(counts: Counts) -> dict[str, Any]:
    """The usage of message_delta: cumulative, the cache writes unsplit."""
    return {
        "input_tokens": counts.input,
        "cache_read_input_tokens": counts.cache_read,
        "cache_creation_input_tokens": counts.cache_write,
        "output_tokens": counts.output,
    }
