"""Forgetting through the door: `POST /v1/forget` has a session's words forgotten for good."""

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from gateway.domain.change import Asker, Standing
from gateway.local.changes import asker_of, told
from gateway.local.door import Reply, Request, Routes

PATH: Final = "/v1/forget"

Forget = Callable[[str, Asker], Awaitable[Standing]]
"""By the id of a session, or how it begins."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    session: Annotated[str, StringConstraints(pattern=r"^s_[0-9a-z]{1,40}$")]


def routes(forget: Forget) -> Routes:
    """The route over what the engine does."""

    async def post(request: Request) -> Reply:
        try:
            sent = _Body.model_validate(json.loads(request.body))
        except (ValidationError, ValueError, RecursionError):
            return Reply(HTTPStatus.BAD_REQUEST, {"error": "write the id of a session, or how it begins: s_12"})
        return told(await forget(sent.session, await asker_of(request)))

    return {f"POST {PATH}": post}
