"""Questions of a session about its tools, which its own screen shows as well: which of them wait, and what came of each. Pure.

The client says nowhere what was answered at its screen. That the tool has run shows a yes, and that the run went on without it a no.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio

from gateway.domain.effects import AllowTool, Answer
from gateway.domain.events import AskedPermission, Withdrawn

ASKS_MAX: Final = 16
"""So many questions of one session may wait; the screen at the desk shows every one."""
WHOLE_CHARACTERS_MAX: Final = 150


@dataclass(slots=True)
class Ask:
    """One question that waits."""

    request_id: str
    tool: str
    preview: str
    settled: anyio.Event = field(default_factory=anyio.Event)
    ran: bool | None = None
    """Whether the tool has run; None: nobody knows."""

    def shows(self, given: Mapping[str, Any]) -> bool:
        """Whether it was about just this input of its tool; one that the client has shortened is about none."""
        try:
            return bool(json.loads(self.preview) == given)
        except (ValueError, RecursionError):
            return False


class Asks:
    """The questions of one session. What it returns is what there is to tell."""

    def __init__(self) -> None:
        self._waiting: dict[str, Ask] = {}
        self._allowed: set[tuple[str, str]] = set()

    def waiting(self, request_id: str) -> Ask | None:
        """The question of this name; None: none waits."""
        return self._waiting.get(request_id)

    def allows(self, tool: str, preview: str) -> bool:
        """Whether a person has allowed just this for the rest of the session."""
        return (tool, preview) in self._allowed

    def asked(self, request_id: str, tool: str, description: str, preview: str) -> list[AskedPermission]:
        """The session asks whether a tool may run. Nothing where too many wait: its own screen asks all the same."""
        if request_id in self._waiting or len(self._waiting) >= ASKS_MAX:
            return []
        self._waiting[request_id] = Ask(request_id, tool, preview)
        detail = "\n".join(part for part in (tool, preview, description) if part)
        return [AskedPermission(request_id, tool, preview or description, detail, can_remember=_is_whole(preview))]

    def ran(self, tool: str, given: Mapping[str, Any]) -> list[Withdrawn]:
        """A tool has run with this input: the question that shows it is settled, by whomever, or the oldest about this tool."""
        about = [ask for ask in self._waiting.values() if ask.tool == tool]
        ask = next((ask for ask in about if ask.shows(given)), about[0] if about else None)
        return [] if ask is None else [self._settle(ask, ran=True)]

    def over(self, *, ran: bool | None) -> list[Withdrawn]:
        """Nothing waits any more; `ran`: whether the tools did, as far as that is known."""
        return [self._settle(ask, ran=ran) for ask in list(self._waiting.values())]

    def followed(self, ask: Ask, answer: Answer) -> bool:
        """Whether the session has done as it was answered; nobody waits any longer to see that."""
        if self._waiting.get(ask.request_id) is ask:
            del self._waiting[ask.request_id]
        followed = ask.ran is isinstance(answer, AllowTool)
        if followed and isinstance(answer, AllowTool) and answer.for_session and _is_whole(ask.preview):
            self._allowed.add((ask.tool, ask.preview))
        return followed

    def _settle(self, ask: Ask, *, ran: bool | None) -> Withdrawn:
        del self._waiting[ask.request_id]
        ask.ran = ran
        ask.settled.set()
        return Withdrawn(ask.request_id)


def _is_whole(preview: str) -> bool:
    """Whether what is shown of a tool's input is surely all of it: the client may shorten what is long."""
    return 0 < len(preview) < WHOLE_CHARACTERS_MAX and not preview.rstrip().endswith(("…", "..."))
