"""Relays and hooks at the door: `POST /v1/relay/KIND` becomes a connection that stays, `POST /v1/hooks/EVENT` asks for a verdict.

The other end of both is mcp_servers/relay.py. What is done behind the door is handed in.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.local.lines import Lines
from gateway.local.peers import Peer
from gateway.local.routes import Handler, Reply, Request, Route, Routes, Talk

RELAYS: Final = "/v1/relay"
HOOKS: Final = "/v1/hooks/"
VERSION: Final = 1
"""Of what relays say of themselves."""
HOOK_BYTES_MAX: Final = 32 * 1024 * 1024
EVENT_CHARS_MAX: Final = 40
BY_CHARS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class Hello:
    """A relay, as it introduces itself: the agent's session (may be empty), and the relay's process."""

    session: str
    peer: Peer


@dataclass(frozen=True, slots=True)
class Hook:
    """What a hook was told by its client. `off`: the session goes without Tollbridge; what is answered is not heard. `by`: the place of
    the hook among the client's settings, as it says; another one may ask about the same event.

    `unattended`: nobody sits at the client, it does one thing and ends.
    """

    event: str
    body: bytes
    off: bool
    peer: Peer
    by: str = ""
    unattended: bool = False


class _Hello(BaseModel):
    """As it is sent. What else a later relay may say is passed over."""

    model_config = ConfigDict(strict=True)

    version: int
    session: str = Field(max_length=200)


Serve = Callable[[Hello, Lines], Awaitable[None]]
Judge = Callable[[Hook], Awaitable[Mapping[str, Any]]]
"""The verdict, as the client takes it; nothing in it: go on."""


def routes(serve: Mapping[str, Serve], judge: Judge, hook_s: float) -> Routes:
    """The routes over what serves each kind of relay, and what judges hooks: for `hook_s` at most, or until the hook is gone."""
    relays = {f"POST {RELAYS}/{kind}": _relay(one) for kind, one in serve.items()}

    async def hook(request: Request) -> Reply:
        if not (request.path.isascii() and request.path.isalpha() and len(request.path) <= EVENT_CHARS_MAX):
            return Reply(HTTPStatus.NOT_FOUND, {"error": f"there is no event {request.path[:EVENT_CHARS_MAX]!r}"})
        said = {name: value for name, _, value in (part.partition("=") for part in request.query.split("&"))}
        off, unattended = said.get("off") == "1", said.get("unattended") == "1"
        by = "" if off else said.get("by", "")[:BY_CHARS_MAX]
        return Reply(HTTPStatus.OK, await judge(Hook(request.path, request.body, off, request.peer, by, unattended)))

    return {**relays, f"POST {HOOKS}": Route(hook, HOOK_BYTES_MAX, hook_s)}


def _relay(serve: Serve) -> Handler:
    async def greet(request: Request) -> Reply | Talk:
        hello = read(request)
        if isinstance(hello, str):
            return Reply(HTTPStatus.BAD_REQUEST, {"error": hello})

        async def talk(lines: Lines) -> None:
            await serve(hello, lines)

        return talk

    return greet


def read(request: Request) -> Hello | str:
    """Who a relay says it is, or what is wrong with that, in a sentence."""
    try:
        told = _Hello.model_validate_json(request.body)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the relay'}: {first['msg']}"
    if told.version != VERSION:
        return (
            f"this gateway knows relays of version {VERSION}, not {told.version}: run `tollbridge plugin install` again"
        )
    return Hello(told.session, request.peer)
