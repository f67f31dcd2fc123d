"""A service that writes down what is said, as OpenAI's /v1/audio/transcriptions does: real HTTP on loopback."""

import json
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Service:
    """A small server that answers as the endpoint does; `answer` makes (status, body) of a request's body."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer: Callable[[bytes], tuple[int, bytes]] = _echo
        self.hold = threading.Event()
        self.hold.set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/audio/transcriptions"


def _echo(body: bytes) -> tuple[int, bytes]:
    """What is in the file is what is said in it."""
    content = body.partition(b'name="file"')[2].partition(b"\r\n\r\n")[2].partition(b"\r\n--")[0]
    return (200, json.dumps({"text": content.decode()}).encode()) if content else (400, b"{}")


@contextmanager
def serving() -> Generator[Service]:
    """The service, until the end of the block."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            service.requests.append((self.path, dict(self.headers), body))
            service.hold.wait(20)
            status, answer = service.answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield service
    finally:
        service.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
