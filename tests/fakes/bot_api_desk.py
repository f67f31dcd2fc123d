"""The way of a request through the stand-in: address, check, fault, method, answer; and the record of all that."""

import json
import math
import time
from dataclasses import dataclass
from typing import Any

from tests.fakes.bot_api_facts import METHOD_NAMES, Problem, check_call
from tests.fakes.bot_api_faults import Fault, Faults, Request
from tests.fakes.bot_api_http import RawRequest, Reply
from tests.fakes.bot_api_messages import LIMIT_WORDS
from tests.fakes.bot_api_methods import Call, perform
from tests.fakes.bot_api_updates import Conflict
from tests.fakes.bot_api_world import ApiError, Json, World

BEFORE = frozenset({"status", "drop"})
"""Faults that keep a call from being carried out; the others strike its answer."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A call that a correct bot does not make. `kind`: unknown, missing, type, limit, unmodelled, server (cannot be read)."""

    method: str
    kind: str
    text: str


class Desk:
    """Answers requests from the world's state. `log`, `violations`, `faults` and `floods` are guarded by the world's lock."""

    def __init__(self, world: World, token: str) -> None:
        self.world = world
        self.token = token
        self.log: list[Request] = []
        self.violations: list[Violation] = []
        self.faults = Faults()
        self.floods: dict[int, float] = {}

    def complain(self, text: str) -> None:
        """Something came that cannot be read, or the stand-in itself failed."""
        self._violated("", "server", text)

    def answer(self, raw: RawRequest) -> Reply:
        """The answer to one request."""
        for prefix, handle in ((f"/file/bot{self.token}/", self._download), (f"/bot{self.token}/", self._call)):
            if raw.path.startswith(prefix):
                return handle(raw.path.removeprefix(prefix), raw)
        with self.world.changing():
            known = raw.path.startswith(("/bot", "/file/bot"))
            status, words = (401, "Unauthorized") if known else (404, "Not Found")
            path = raw.path.rpartition("/")[2]
            self.log.append(Request(path, dict(raw.raw), {}, time.monotonic(), status, words, done=True))
        return _reply(status, description=words)

    def _download(self, path: str, _raw: RawRequest) -> Reply:
        with self.world.changing():
            found = [u for file_id, u in self.world.files.items() if self.world.file_path(file_id) == path]
            request = Request("file", {"path": path}, {}, time.monotonic(), 200 if found else 404)
            self.log.append(request)
            fault = self.faults.take(request)
        reply = Reply(200, found[0].data, "application/octet-stream") if found else _reply(404, description="Not Found")
        return self._finish(request, self._failed(request, fault) or reply, fault)

    def _call(self, name: str, raw: RawRequest) -> Reply:
        method = METHOD_NAMES.get(name.lower())
        with self.world.changing():
            uploads = {field: upload.name for field, upload in raw.uploads.items()}
            request = Request(method or name, dict(raw.raw), uploads, time.monotonic())
            self.log.append(request)
            if method is None:
                self.violations.append(Violation(name, "unknown", f"there is no method {name!r}"))
                return self._finish(request, _reply(404, description="Not Found: method not found"), None)
            checked = check_call(method, raw.raw, raw.uploads)
            request.params = checked.params
            self.violations += [Violation(method, problem.kind, problem.text) for problem in checked.problems]
            fault = self.faults.take(request)
        reply = self._failed(request, fault) or self._carried_out(request, checked.problems, raw)
        return self._finish(request, reply, fault)

    def _failed(self, request: Request, fault: Fault | None) -> Reply | None:
        if fault is None or fault.kind not in BEFORE:
            return self._flooded(request)
        if fault.kind == "drop":
            return Reply(500, b"", wire="none")
        if fault.html:
            page = f"<html><head><title>{fault.status} {fault.description}</title></head><body></body></html>"
            return Reply(fault.status, page.encode(), "text/html")
        wait = None if fault.retry_after is None else {"retry_after": fault.retry_after}
        return _reply(fault.status, description=fault.description, parameters=wait)

    def _flooded(self, request: Request) -> Reply | None:
        chat_id = request.params.get("chat_id")
        left = self.floods.get(chat_id, 0.0) - time.monotonic() if isinstance(chat_id, int) else 0.0
        if left <= 0 or request.method.startswith("get"):
            return None
        seconds = math.ceil(left)
        return _reply(429, description=f"Too Many Requests: retry after {seconds}", parameters={"retry_after": seconds})

    def _carried_out(self, request: Request, problems: tuple[Problem, ...], raw: RawRequest) -> Reply:
        if problems:
            return _reply(400, description=problems[0].words)
        call = Call(self.world, request.method, request.params, raw.uploads, raw.alive)
        pause = 0.0
        try:
            with self.world.lock:
                reply = _reply(200, result=perform(call))
        except ApiError as error:
            if error.description in LIMIT_WORDS or error.description.startswith("Bad Request: entity "):
                self._violated(request.method, "limit", error.description)
            reply = _reply(error.status, description=error.description, parameters=error.parameters)
        except Conflict as error:
            pause, reply = error.pause, _reply(409, description=str(error))
        except NotImplementedError:
            self._violated(request.method, "unmodelled", f"the stand-in does not model {request.method}")
            reply = _reply(501, description=f"Not Implemented: the stand-in does not model {request.method}")
        self._rest(pause)
        return reply

    def _violated(self, method: str, kind: str, text: str) -> None:
        with self.world.changing():
            self.violations.append(Violation(method, kind, text))

    def _rest(self, seconds: float) -> None:
        if seconds > 0:
            with self.world.lock:
                self.world.changed.wait_for(lambda: self.world.updates.stopping, seconds)

    def _finish(self, request: Request, reply: Reply, fault: Fault | None) -> Reply:
        with self.world.changing():
            request.status = None if reply.wire == "none" else reply.status
            answer: Json = json.loads(reply.body) if reply.body.startswith(b'{"ok"') else {}
            request.description = str(answer.get("description", ""))
        if fault is not None and fault.hold is not None:
            fault.hold.wait_released()
        elif fault is not None:
            self._rest(fault.seconds)
            reply.wire = {"lose": "none", "cut": "half"}.get(fault.kind, reply.wire)

        def sent(reached: bool) -> None:
            with self.world.changing():
                request.lost, request.done = not reached, True

        reply.sent = sent
        return reply


def _reply(status: int, *, result: Any = None, description: str = "", parameters: Json | None = None) -> Reply:
    if status == 200:
        return Reply(200, json.dumps({"ok": True, "result": result}).encode())
    extra = {"parameters": parameters} if parameters else {}
    return Reply(status, json.dumps({"ok": False, "error_code": status, "description": description, **extra}).encode())
