"""People through the door: `POST /v1/pairings` opens a window, `/code` and `/answer` below it are what is typed there; `POST /v1/people`
changes a role, or takes it away. `GET /v1/changes/ID` tells how it stands with what an owner is asked.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.domain.change import Asker, Standing
from gateway.domain.money import AmountError, Usd
from gateway.domain.people import Terms, WantedRole, WindowStanding, WindowState
from gateway.domain.place import Role
from gateway.local.changes import asker_of, told
from gateway.local.door import Reply, Request, Routes

PAIRINGS: Final = "/v1/pairings"
PEOPLE: Final = "/v1/people"
MINUTES_MAX: Final = 60
PAIRED: Final = (Role.WRITER, Role.APPROVER, Role.READER)
"""Roles that somebody can be paired with: an owner is made of somebody who is in."""

B = TypeVar("B", bound=BaseModel)
_Chat = Annotated[str, StringConstraints(pattern=r"^(-?[0-9]{1,20})?$")]
_Id = Annotated[str, StringConstraints(max_length=100)]


@dataclass(frozen=True, slots=True)
class Engine:
    """What is done behind the door."""

    open: Callable[[Terms, int, Asker], Awaitable[WindowStanding]]
    type: Callable[[str, str, Asker], Awaitable[WindowStanding]]
    answer: Callable[[str, bool, Asker], Awaitable[Standing]]
    change: Callable[[WantedRole, Asker], Awaitable[Standing]]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Opening(_Body):
    role: str = Field(max_length=20)
    chat: _Chat | None = None
    largest_raise: str | None = Field(None, max_length=40)
    minutes: int = Field(ge=1, le=MINUTES_MAX)


class _Code(_Body):
    id: _Id
    code: str = Field(max_length=40)


class _Answer(_Body):
    id: _Id
    yes: bool


class _Role(_Body):
    person: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")]
    role: str | None = Field(None, max_length=20)
    chat: _Chat | None = None
    largest_raise: str | None = Field(None, max_length=40)


class _UnfitError(Exception):
    """What was sent cannot be meant: a sentence."""


def routes(engine: Engine) -> Routes:
    """The routes over what the engine does."""

    async def opening(request: Request) -> Reply:
        try:
            sent = _read(request, _Opening)
            role = _role(sent.role, PAIRED)
            terms = Terms(role, sent.chat, _largest(sent.largest_raise, role))
        except _UnfitError as error:
            return _bad(error)
        return _window(await engine.open(terms, sent.minutes, await asker_of(request)))

    async def code(request: Request) -> Reply:
        try:
            sent = _read(request, _Code)
        except _UnfitError as error:
            return _bad(error)
        return _window(await engine.type(sent.id, sent.code, await asker_of(request)))

    async def answer(request: Request) -> Reply:
        try:
            sent = _read(request, _Answer)
        except _UnfitError as error:
            return _bad(error)
        return told(await engine.answer(sent.id, sent.yes, await asker_of(request)))

    async def change(request: Request) -> Reply:
        try:
            sent = _read(request, _Role)
            role = None if sent.role is None else _role(sent.role, tuple(Role))
            wanted = WantedRole(sent.person, role, sent.chat, _largest(sent.largest_raise, role))
        except _UnfitError as error:
            return _bad(error)
        return told(await engine.change(wanted, await asker_of(request)))

    return {
        f"POST {PAIRINGS}": opening,
        f"POST {PAIRINGS}/code": code,
        f"POST {PAIRINGS}/answer": answer,
        f"POST {PEOPLE}": change,
    }


def _bad(error: _UnfitError) -> Reply:
    return Reply(HTTPStatus.BAD_REQUEST, {"error": str(error)})


def _window(standing: WindowStanding) -> Reply:
    if standing.state is WindowState.REFUSED:
        return Reply(HTTPStatus.CONFLICT, {"error": standing.words})
    return Reply(HTTPStatus.OK, {"state": standing.state, "words": standing.words, "id": standing.id})


def _read(request: Request, kind: type[B]) -> B:
    """What was sent. Raises _UnfitError."""
    try:
        return kind.model_validate(json.loads(request.body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        raise _UnfitError(f"{where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise _UnfitError("that is no JSON") from None


def _role(name: str, known: tuple[Role, ...]) -> Role:
    """A role of these. Raises _UnfitError."""
    if name not in known:
        raise _UnfitError(f"{name!r} is no role here: there are {', '.join(known)}")
    return Role(name)


def _largest(text: str | None, role: Role | None) -> Usd | None:
    """The largest raise, for a role that may raise. Raises _UnfitError."""
    if text is None:
        return None
    if role not in (Role.OWNER, Role.APPROVER):
        raise _UnfitError("only an approver or an owner raises limits: leave the largest raise away")
    try:
        return Usd.parse(text)
    except AmountError as error:
        raise _UnfitError(str(error)) from None
