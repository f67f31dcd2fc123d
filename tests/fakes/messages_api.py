"""A scripted stand-in for the Anthropic Messages API, over real HTTP on loopback, that counts what it charged.

It lives in the test's process; the client and the gateway are other processes. It knows nothing of the gateway.

    with MessagesApi(seed=7) as api:
        api.script([[Text("let me look"), Tool("Bash", {"command": "ls"})], Text("done")], prompt="list the files")
        ... run a client with env=api.claude_env(tmp_path) ...
        assert booked == api.total(), api

The outer list has one entry per API call; an inner list holds the steps of one message. A call that no script wants is
answered with an echo of its prompt. The client's own calls (titles, compaction, probes) never use up a script for the
conversation. The client names the sub-agent tool `Agent` on this side.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import ThreadingHTTPServer
from pathlib import Path
from random import Random, SystemRandom
from types import TracebackType
from typing import Any, Literal, Self

from tests.fakes.messages_charges import Charge, Seen, prompts_in
from tests.fakes.messages_http import handler_for
from tests.fakes.messages_request import Request
from tests.fakes.messages_script import (
    Charged,
    Counts,
    DropStream,
    Error,
    Headers,
    Hold,
    Reply,
    Step,
    Stop,
    StreamError,
    Text,
    Thinking,
    Tool,
    steps_of,
)

__all__ = [
    "Charge",
    "Charged",
    "Counts",
    "DropStream",
    "Error",
    "Headers",
    "Hold",
    "MessagesApi",
    "Request",
    "Seen",
    "Stop",
    "StreamError",
    "Text",
    "Thinking",
    "Tool",
]

KEPT_CALLS = 20_000
KEPT_BODIES = 500
ECHO_LENGTH = 2_000

Account = Literal["key", "token", "login"]
LOGIN = {
    "accessToken": "sk-ant-oat01-test",
    "refreshToken": "sk-ant-ort01-test",
    "expiresAt": 4_000_000_000_000,
    "scopes": ["user:inference", "user:profile"],
    "subscriptionType": "max",
}
"""What `/login` leaves behind."""

Answering = Callable[[Request], Reply | None]
"""A script as a function of the request; None leaves the call to the next script."""


@dataclass(slots=True)
class _Script:
    replies: Sequence[Reply] | Answering
    prompt: re.Pattern[str] | str | None
    kind: str
    repeat: bool
    places: dict[str | None, int] = field(default_factory=dict[str | None, int])

    def wants(self, request: Request) -> bool:
        if self.kind not in {"any", request.kind}:
            return False
        if self.prompt is None:
            return True
        return (
            re.search(re.escape(self.prompt) if isinstance(self.prompt, str) else self.prompt, request.prompt)
            is not None
        )

    def next_reply(self, request: Request) -> Reply | None:
        if not isinstance(self.replies, Sequence):
            return self.replies(request)
        place = self.places.get(request.agent_id, 0)
        if place >= len(self.replies):
            if not self.repeat or not self.replies:
                return None
            place = 0
        self.places[request.agent_id] = place + 1
        return self.replies[place]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, api: "MessagesApi") -> None:
        self.failures: list[BaseException] = []
        super().__init__(("127.0.0.1", 0), handler_for(api))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - given by the base class
        """A script that raises fails the test when it leaves the stand-in, not in some thread's traceback."""
        error = sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1]
        if error is not None:
            self.failures.append(error)


class MessagesApi:
    """The stand-in. Safe to use from several threads; `with` starts and stops it.

    `seed` is what the token counts are drawn with; without one it is drawn too. It stands in the repr: put the stand-in
    into the message of an assertion to get the same counts again.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = SystemRandom().randrange(1 << 32) if seed is None else seed
        self.charges: list[Charge] = []
        self.others: list[tuple[str, str]] = []
        """Method and path of every request that was not a message."""
        self.stopping = False
        self._random = Random(self.seed)  # noqa: S311 - token counts, not secrets
        self._scripts: list[_Script] = []
        self._last_prompt: dict[str | None, str] = {}
        self._changed = threading.Condition()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __repr__(self) -> str:
        return f"MessagesApi(seed={self.seed}) after {len(self.charges)} calls"

    # -- running ------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The base address, for ANTHROPIC_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> Self:
        self._thread.start()
        return self

    def stop(self) -> None:
        """End all held streams and stop listening."""
        self.stopping = True
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        if error is None and self._server.failures:
            raise RuntimeError(f"a script failed while it answered a call ({self})") from self._server.failures[0]

    def claude_env(self, home: Path, *, retries: int = 0, account: Account = "key") -> dict[str, str]:
        """The whole environment of a client that talks to this stand-in and to nothing else.

        `home` (made if absent) holds its home, configuration and temporary files. `retries` limits how often the
        client tries a failed call again. `account`: an API key, or a subscription, by its token or by a login, which also
        lets the client ask elsewhere what is used (here it reaches nobody).
        """
        for name in ("config", "tmp"):
            (home / name).mkdir(parents=True, exist_ok=True)
        passed_on = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL", "TZ") if key in os.environ}
        signed_in = {"ANTHROPIC_API_KEY": "sk-ant-test"}
        if account == "token":
            signed_in = {"CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-test"}
        elif account == "login":
            (home / "config" / ".credentials.json").write_text(json.dumps({"claudeAiOauth": LOGIN}))
            signed_in = {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}
        return (
            passed_on
            | signed_in
            | {
                "HOME": str(home),
                "CLAUDE_CONFIG_DIR": str(home / "config"),
                "CLAUDE_CODE_TMPDIR": str(home / "tmp"),
                "TMPDIR": str(home / "tmp"),
                "ANTHROPIC_BASE_URL": self.url,
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "CLAUDE_CODE_MAX_RETRIES": str(retries),
                "DISABLE_TELEMETRY": "1",
                "DISABLE_AUTOUPDATER": "1",
            }
        )

    # -- scripting ----------------------------------------------------------------------------------------------

    def script(
        self,
        replies: Sequence[Reply] | Answering,
        *,
        prompt: str | re.Pattern[str] | None = None,
        kind: str = "main",
        repeat: bool = False,
    ) -> None:
        """Answer calls of this kind (main, sub, compact, title, side, any) whose prompt contains `prompt`.

        Scripts are asked in the order they were given; one that is used up leaves its calls to the next. A script for
        sub-agents is played from its start to each of them. `repeat` starts over instead of running out.
        """
        with self._changed:
            self._scripts.append(_Script(replies, prompt, kind, repeat))

    def reply_to(self, request: Request) -> tuple[Step, ...]:
        """The steps that answer this request (asked by the HTTP side)."""
        with self._changed:
            for script in self._scripts:
                reply = script.next_reply(request) if script.wants(request) else None
                if reply is not None:
                    return steps_of(reply)
        return (_default_reply(request),)

    def draw(self, request: Request) -> tuple[Counts, int]:
        """Counts for one call, and the placeholder output count for its start (asked by the HTTP side)."""
        with self._changed:
            counts, placeholder = Counts.drawn(self._random), self._random.randint(1, 8)
        if 0 < request.max_tokens < counts.output:
            counts, placeholder = replace(counts, output=request.max_tokens), min(placeholder, request.max_tokens)
        return counts, placeholder

    # -- what was seen and charged ------------------------------------------------------------------------------

    def record(self, request: Request) -> Charge:
        """Keep a call (told by the HTTP side). A conversation that was compacted keeps the prompt it works on."""
        with self._changed:
            if len(self.charges) >= KEPT_CALLS:
                raise RuntimeError(f"more than {KEPT_CALLS} calls: something calls in a loop")
            if request.kind == "main":
                if request.prompt:
                    self._last_prompt[request.session_id] = request.prompt
                else:
                    request = replace(request, prompt=self._last_prompt.get(request.session_id, ""))
            charge = Charge(len(self.charges), request)
            self.charges.append(charge)
            if len(self.charges) > KEPT_BODIES:
                old = self.charges[-KEPT_BODIES - 1]
                old.request = replace(old.request, body={})
            self._changed.notify_all()
            return charge

    def changed(self) -> None:
        """A call moved on (told by the HTTP side)."""
        with self._changed:
            self._changed.notify_all()

    def calls(self, kind: str | None = None, session_id: str | None = None) -> list[Charge]:
        """The calls so far, oldest first."""
        return [c for c in list(self.charges) if kind in {None, c.kind} and session_id in {None, c.session_id}]

    def total(self, session_id: str | None = None, *, kind: str | None = None) -> Counts:
        """What was charged in all, of one session, or of one kind of call."""
        return sum((call.counts for call in self.calls(kind, session_id)), Counts())

    def prompts_seen(self, session_id: str | None = None) -> Mapping[str, Seen]:
        """Every user prompt in the main loops, with how often it was seen."""
        return prompts_in(self.calls("main", session_id))

    def wait_until(self, happened: Callable[[], bool], timeout: float = 30.0) -> None:
        """Block until this is true of the calls. In an async test, run it in a thread. TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(happened, timeout):
                raise TimeoutError(f"did not happen in {timeout} s: {self}")

    def wait_for_calls(
        self, count: int, *, kind: str | None = None, ended: bool = False, timeout: float = 30.0
    ) -> None:
        """Block until so many calls have arrived (or ended). In an async test, run it in a thread. TimeoutError."""
        self.wait_until(lambda: sum(1 for c in self.calls(kind) if c.ended or not ended) >= count, timeout)


def _default_reply(request: Request) -> Text:
    if request.kind == "title":
        return Text(json.dumps({"title": "A conversation", "branch": "a-conversation"}))
    if request.kind == "compact":
        said = "; ".join(request.prompts[:-1])
        return Text(f"<analysis>read it all</analysis><summary>Prompts so far: {said}</summary>"[:ECHO_LENGTH])
    return Text(f"echo: {request.prompt}"[:ECHO_LENGTH])
