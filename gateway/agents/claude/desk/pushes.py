"""Messages on their way into a session: written to its channel, then shown by its hook, fetched by its agent, or given up. Pure.

A channel gives no receipt. What was given up is not let in when it comes after all, or a second sending would be a second run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.agents.claude.calls import Recent
from gateway.agents.claude.desk import hooks
from gateway.core import channel
from gateway.domain.events import End, Finished
from gateway.view import desk_words

SAID_AGAIN: Final = "Tollbridge: not run. This message came too late: send it again from the phone."
FETCHED: Final = "Tollbridge: not run. The agent has this message already."


@dataclass(frozen=True, slots=True)
class Shown:
    """What a prompt says of the messages. `name`: of the one that it is, if that is awaited; `refusal`: why it may not run, or nothing."""

    name: str | None
    refusal: str
    proves: bool
    """It is one of those that were written to this session: its client shows what comes from a channel."""


class Pushes:
    """The messages of one session, by their names, and until when each may be on its way: seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[channel.Push, float]] = {}
        self._given_up = Recent()
        self._fetched = Recent()

    def __len__(self) -> int:
        return len(self._under_way)

    def unread(self) -> tuple[channel.Push, ...]:
        """What was written to the session and is not known to be there."""
        return tuple(push for push, _ in self._under_way.values())

    def writes(self, push: channel.Push, until: float) -> None:
        """It is being written: its hook may be there before that is done."""
        self._under_way[push.id] = (push, until)

    def arrives(self, name: str | None) -> bool:
        """It is no longer on its way: it is there, or could not be written. False: it was known already."""
        return self._under_way.pop(name or "", None) is not None

    def expect(self, name: str | None, until: float) -> None:
        """One that is on its way may take until then."""
        if name is not None and name in self._under_way:
            self._under_way[name] = (self._under_way[name][0], until)

    def shown(self, prompt: str) -> Shown:
        """The session's hook shows a prompt, which may consist of messages."""
        ids = channel.received(prompt)
        name = next((one for one in ids if one in self._under_way), None)
        fetched = any(one in self._fetched for one in ids)
        given_up = any(one in self._given_up for one in ids)
        # An earlier gateway may have pushed it: the phone says that it is not confirmed, and can send it again.
        another = bool(ids) and name is None and hooks.is_ours(prompt)
        refusal = FETCHED if fetched else SAID_AGAIN if given_up or another else ""
        return Shown(name, refusal, proves=name is not None or fetched or given_up)

    def fetched(self, names: Sequence[str]) -> list[Finished]:
        """The agent has these now: they belong to what it does. What there is to tell of them."""
        taken = [name for name in names if self.arrives(name)]
        for name in taken:
            self._fetched.add(name)
        return [Finished(End.DONE, desk_words.TAKEN_IN, name, ()) for name in taken]

    def give_up(self, now: float) -> list[str]:
        """The names of those whose time is over."""
        over = [name for name, (_, until) in self._under_way.items() if until <= now]
        for name in over:
            del self._under_way[name]
            self._given_up.add(name)
        return over
