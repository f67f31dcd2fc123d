"""The wire: loopback HTTP/1.1 with kept connections, the three ways to send parameters, and answers that go wrong on purpose."""

import contextlib
import json
import select
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message as MimeMessage
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.fakes.bot_api_facts import Upload

MAX_BODY = 64 * 1024 * 1024
READ_LIMIT_S = 120.0


class BadRequest(Exception):  # noqa: N818 - HTTP's word
    """The request cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request as it came: decoded path, raw parameters, files, and whether its client is still there."""

    path: str
    raw: dict[str, Any]
    uploads: dict[str, Upload]
    alive: Callable[[], bool]


@dataclass(slots=True)
class Reply:
    """An answer. `wire`: whole, none (connection closed) or half (cut in the middle of the body)."""

    status: int
    body: bytes
    content_type: str = "application/json"
    wire: str = "whole"
    sent: Callable[[bool], None] = field(default=lambda _reached: None)
    """Called afterwards: whether the answer went out whole."""


def read_parameters(query: str, content_type: str, body: bytes) -> tuple[dict[str, Any], dict[str, Upload]]:
    """Raw parameters (strings, or JSON values of a JSON body) and files of a request."""
    raw: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    uploads: dict[str, Upload] = {}
    header = MimeMessage()
    header["Content-Type"] = content_type or "application/octet-stream"
    kind = header.get_content_type()
    if kind == "application/json" and body:
        value = json.loads(body)
        if not isinstance(value, dict):
            raise BadRequest("a JSON body must be an object")
        raw |= value
    elif kind == "application/x-www-form-urlencoded":
        raw |= dict(parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body)))
    elif kind == "multipart/form-data":
        fields, uploads = read_multipart(body, str(header.get_param("boundary")))
        raw |= fields
    elif body:
        raise BadRequest(f"unsupported content type {content_type!r}")
    return raw, uploads


def read_multipart(body: bytes, boundary: str) -> tuple[dict[str, str], dict[str, Upload]]:
    """Fields and files of a multipart/form-data body."""
    fields: dict[str, str] = {}
    uploads: dict[str, Upload] = {}
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise BadRequest("the multipart body has no end")
    for part in parts[1:-1]:
        head, found, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not found:
            raise BadRequest("a part of the multipart body has no headers")
        headers = MimeMessage()
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(":")
            headers[name] = value.strip()
        name = str(headers.get_param("name", header="content-disposition"))
        filename = headers.get_filename()
        if filename is None:
            fields[name] = data.decode()
        else:
            uploads[name] = Upload(unquote(filename), data, headers.get_content_type())
    return fields, uploads


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = READ_LIMIT_S
    server: "HttpServer"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        try:
            request = self._read()
        except (BadRequest, ValueError) as error:
            self.server.complain(f"a request that cannot be read: {error}")
            self.close_connection = True
            body = json.dumps({"ok": False, "error_code": 400, "description": f"Bad Request: {error}"}).encode()
            self._write(Reply(400, body))
            return
        reply = self.server.answer(request)
        reply.sent(self._write(reply))

    do_GET = do_POST  # noqa: N815 - the base class's name

    def _read(self) -> RawRequest:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            raise BadRequest("chunked bodies are not modelled")
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_BODY:
            raise BadRequest(f"a body of {length} bytes")
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError("the client went away in the middle of its request")
        url = urlsplit(self.path)
        raw, uploads = read_parameters(url.query, self.headers.get("Content-Type", ""), body)
        return RawRequest(unquote(url.path), raw, uploads, self._alive)

    def _alive(self) -> bool:
        try:
            readable, _, _ = select.select([self.connection], [], [], 0)
            return not readable or bool(self.connection.recv(1, socket.MSG_PEEK))
        except (OSError, ValueError):
            return False

    def _write(self, reply: Reply) -> bool:
        reason = HTTPStatus(reply.status).phrase
        head = (
            f"HTTP/1.1 {reply.status} {reason}\r\nContent-Type: {reply.content_type}\r\n"
            f"Content-Length: {len(reply.body)}\r\nDate: {self.date_time_string()}\r\nConnection: {'close' if self.close_connection else 'keep-alive'}\r\n\r\n"
        )
        if reply.wire != "whole":
            self.close_connection = True
        if reply.wire == "none" or not self._alive():
            return False
        body = reply.body if reply.wire == "whole" else reply.body[: len(reply.body) // 2]
        try:
            self.wfile.write(head.encode() + body)
        except OSError:
            self.close_connection = True
            return False
        return reply.wire == "whole"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Stay quiet: the server keeps its own log."""


class HttpServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """Threads on a loopback port. `complain` hears of everything that should not have happened."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, answer: Callable[[RawRequest], Reply], complain: Callable[[str], None]) -> None:
        self.answer = answer
        self.complain = complain
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,), name="bot-api", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    def start(self) -> None:
        """Accept connections."""
        self._accepting.start()

    def stop(self) -> None:
        """Close the port and every connection, and wait for the threads."""
        self.shutdown()
        self._accepting.join()
        self.server_close()
        with self._guard:
            threads = list(self._connections.values())
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread of its own."""
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._guard:
            self._connections[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """The connection ends."""
        with self._guard:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        """A client that went away is nothing; anything else is a fault of the stand-in and fails the test."""
        if not isinstance(sys.exception(), OSError):
            self.complain(f"the stand-in crashed: {traceback.format_exc()}")
