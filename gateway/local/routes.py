"""What can be asked for at the door, by whom it is answered, and within which limits."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from gateway.local.lines import Lines
from gateway.local.peers import Peer

BODY_BYTES_MAX: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What came through the door. `path` is what follows the route's own."""

    path: str
    query: str
    body: bytes
    peer: Peer


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer: a status, and an object."""

    status: int
    fields: Mapping[str, Any]


Talk = Callable[[Lines], Awaitable[None]]
"""What goes on after `101 Switching Protocols`: it ends by returning, or with either end of the connection."""
Handler = Callable[[Request], Awaitable[Reply | Talk]]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler with limits of its own. `answer_s`: how long its answer may take, if that is longer than for others; it is
    cancelled then when whoever asked goes away.
    """

    handler: Handler
    body_bytes_max: int = BODY_BYTES_MAX
    answer_s: float | None = None


Routes = Mapping[str, Handler | Route]
"""By method and path: `POST /v1/changes`, or with all that is below it: `GET /v1/changes/`."""


class BadRequestError(Exception):
    """What came in is refused before anybody looks at it: the status, and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Found:
    """Where a request goes, and what of its target is not the route's own."""

    route: Route
    path: str
    query: str


def find(routes: Routes, method: str, target: str) -> Found | BadRequestError:
    """The route of a request, or why there is none."""
    path, _, query = target.partition("?")
    others: list[str] = []
    for name, to in routes.items():
        known_method, _, known = name.partition(" ")
        if path == known or (known.endswith("/") and path.startswith(known)):
            if method == known_method:
                return Found(to if isinstance(to, Route) else Route(to), path.removeprefix(known), query)
            others.append(known_method)
    if others:
        sentence = f"{path[:100]} is asked for with {' or '.join(others)}"
        return BadRequestError(HTTPStatus.METHOD_NOT_ALLOWED, sentence)
    return BadRequestError(HTTPStatus.NOT_FOUND, f"there is nothing under {path[:100]}: is it of another version?")
