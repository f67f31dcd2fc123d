"""The loopback listener's route for what clients export of themselves: OTLP log records, as JSON over HTTP."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from gateway.local.loopback import answering, refusal
from gateway.ports import AgentUnavailableError

PATH: Final = "/v1/logs"
JSON_TYPE: Final = "application/json"
NOT_JSON: Final = "only plain JSON is read here: set OTEL_EXPORTER_OTLP_PROTOCOL=http/json, and no compression"
UNREAD: Final = "these are no OTLP log records in JSON"

Take = Callable[[bytes], Awaitable[bool]]
"""Takes a body in; False: it cannot be read. Raises AgentUnavailableError where the sender had better try again."""


def route(take: Take) -> ASGIApp:
    """200 with an empty object where the records were read, which says that none was rejected."""

    async def handle(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != JSON_TYPE or request.headers.get("content-encoding", "identity").lower() != "identity":
            return refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, NOT_JSON)
        try:
            read = await take(await request.body())
        except AgentUnavailableError as error:
            return unavailable(str(error))
        return JSONResponse({}) if read else refusal(HTTPStatus.BAD_REQUEST, UNREAD)

    return answering("POST", handle)


def unavailable(sentence: str) -> Response:
    """Not now, but in a moment."""
    return refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence, Retry_After="1")
