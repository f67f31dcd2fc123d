"""Changes of limits through the door: `POST /v1/changes` asks for one, `GET /v1/changes/ID?wait=25` tells how it stands."""

import json
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

from anyio import to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.core.change import read_amount
from gateway.domain.budget import BOOKED, ScopeKind
from gateway.domain.change import Asker, ChangeState, Standing, Wanted
from gateway.domain.money import AmountError
from gateway.local.door import Reply, Request, Routes
from gateway.local.peers import family_of

WAIT_S_MAX: Final = 30.0
PATH: Final = "/v1/changes"

Ask = Callable[[Wanted, Asker], Awaitable[Standing]]
Look = Callable[[str, int], Awaitable[Standing | None]]
"""How it stands with the change of this id, after so many milliseconds at most."""


class _Body(BaseModel):
    """What is wanted, as it is sent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    kind: str = Field(max_length=20)
    amount: str = Field(max_length=40)
    raises: bool
    why: str = Field("", max_length=500)
    until: str = Field("", max_length=40)
    session: str = Field("", max_length=100)
    directory: str = Field("", max_length=4096)
    person: str = Field("", max_length=40)
    chat: str = Field("", max_length=40)


def routes(ask: Ask, look: Look) -> Routes:
    """The routes over what the engine does."""

    async def post(request: Request) -> Reply:
        wanted = read(request.body)
        if isinstance(wanted, str):
            return Reply(HTTPStatus.BAD_REQUEST, {"error": wanted})
        return told(await ask(wanted, await asker_of(request)))

    async def get(request: Request) -> Reply:
        wait_ms = _wait_ms(request.query)
        if wait_ms is None:
            return Reply(HTTPStatus.BAD_REQUEST, {"error": f"wait is a number of seconds, at most {WAIT_S_MAX:.0f}"})
        standing = await look(request.path, wait_ms)
        if standing is None:
            return Reply(HTTPStatus.NOT_FOUND, {"error": f"there is no change {request.path[:100]}"})
        return Reply(HTTPStatus.OK, _fields(standing))

    return {f"POST {PATH}": post, f"GET {PATH}/": get}


async def asker_of(request: Request) -> Asker:
    """Who asks, as the kernel knows them."""
    family = await to_thread.run_sync(family_of, request.peer.pid)
    return Asker(request.peer.user, socket.gethostname(), family.lineage, family.terminal, family.marked)


def told(standing: Standing) -> Reply:
    """How it stands, as the answer to who asked for the change."""
    if standing.state is ChangeState.REFUSED:
        return Reply(HTTPStatus.CONFLICT, {"error": standing.words})
    asked = standing.state is ChangeState.ASKED
    return Reply(HTTPStatus.ACCEPTED if asked else HTTPStatus.OK, _fields(standing))


def read(body: bytes) -> Wanted | str:
    """What is wanted, or what is wrong with it, in a sentence."""
    try:
        sent = _Body.model_validate(json.loads(body))
        kind, (unit, amount) = _kind(sent.kind), read_amount(sent.amount, raises=sent.raises)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'the request'}: {first['msg']}"
    except AmountError as error:
        return str(error)
    except (ValueError, RecursionError):
        return f"that is no change of a limit: there are {', '.join(BOOKED)}"
    if sent.until and not sent.raises:
        return "only a raise can have an end: a limit that is set stays until another one is"
    return Wanted(kind, amount, unit=unit, **sent.model_dump(exclude={"kind", "amount"}))


def _kind(name: str) -> ScopeKind:
    """A kind of scope that people set limits on. Raises ValueError."""
    return BOOKED[BOOKED.index(ScopeKind(name))]


def _fields(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state,
        "words": standing.words,
        "id": standing.id,
        "expires_at_ms": standing.expires_at_ms,
        "shown": standing.shown,
    }


def _wait_ms(query: str) -> int | None:
    """So many milliseconds; None: that is no time to wait."""
    try:
        [text] = parse_qs(query, strict_parsing=True)["wait"] if query else ["0"]
        wait_s = float(text)
    except (ValueError, KeyError):
        return None
    return int(wait_s * 1000) if 0 <= wait_s <= WAIT_S_MAX else None
