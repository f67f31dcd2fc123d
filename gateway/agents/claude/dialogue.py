"""Requests to the client and their answers, over the lines that it reads."""

import json
from dataclasses import dataclass, field
from typing import Any

import anyio

from gateway import clock
from gateway.agents.claude import wire
from gateway.agents.supervise import GoneError, Supervised

ANSWER_LIMIT_S = 5.0
"""How long the client has to answer something small."""


@dataclass(slots=True)
class _Reply:
    come: anyio.Event = field(default_factory=anyio.Event)
    response: wire.Response | None = None


@dataclass(slots=True)
class Dialogue:
    """`gone` is set once there is nobody to answer any more; whoever waits here stops waiting then."""

    link: Supervised
    gone: anyio.Event = field(default_factory=anyio.Event)
    _replies: dict[str, _Reply] = field(default_factory=dict)

    def heard(self, response: wire.Response) -> None:
        """An answer came in."""
        reply = self._replies.get(response.request_id)
        if reply is not None:
            reply.response = response
            reply.come.set()

    async def ask(self, request: dict[str, Any], *, limit: float = ANSWER_LIMIT_S) -> wire.Response | None:
        """The answer to a control request; None: it did not come in time, or the request could not even be written."""
        return await self._exchange((), request, limit)

    async def answer(self, request_id: str, response: dict[str, Any]) -> bool:
        """Answer a control request of the client's; True once it has been read.

        Its input is read in order, so the answer to a small question behind it is the proof.
        """
        return (
            await self._exchange((success(request_id, response),), {"subtype": "get_usage"}, ANSWER_LIMIT_S) is not None
        )

    async def tell(self, *lines: dict[str, Any]) -> bool:
        """Write lines; False: nobody is there, or nobody reads them (then the link is given up)."""
        try:
            for line in lines:
                await self.link.send(json.dumps(line))
        except GoneError:
            return False
        return True

    async def until(self, event: anyio.Event) -> None:
        """Wait for the event, or until the client is gone."""
        async with anyio.create_task_group() as pair:

            async def give_up() -> None:
                await self.gone.wait()
                pair.cancel_scope.cancel()

            pair.start_soon(give_up)
            await event.wait()
            pair.cancel_scope.cancel()

    async def _exchange(
        self, before: tuple[dict[str, Any], ...], request: dict[str, Any], limit: float
    ) -> wire.Response | None:
        name = clock.new_id("ask")
        self._replies[name] = reply = _Reply()
        try:
            with anyio.move_on_after(limit):
                if await self.tell(*before, {"type": "control_request", "request_id": name, "request": request}):
                    await self.until(reply.come)
        finally:
            del self._replies[name]
        return reply.response


def success(request_id: str, response: dict[str, Any]) -> dict[str, Any]:
    """The line that answers a control request."""
    inner = {"subtype": "success", "request_id": request_id, "response": response}
    return {"type": "control_response", "response": inner}


def refusal(request_id: str) -> dict[str, Any]:
    """The line that answers a control request which nobody here understands."""
    inner = {"subtype": "error", "request_id": request_id, "error": "the gateway does not offer this"}
    return {"type": "control_response", "response": inner}
