"""A decision in the making."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeVar

from gateway.core.turn import ENDED
from gateway.domain.approval import Approval
from gateway.domain.budget import Balance, Entry, Lift, Quota, Scope
from gateway.domain.effects import Edit, Effect, Say
from gateway.domain.events import Moved
from gateway.domain.outcome import Left
from gateway.domain.place import Grant, Session, Thread, Unmetered
from gateway.domain.preferences import Preferences
from gateway.domain.turn import Turn
from gateway.ports import Decision, Process, View

T = TypeVar("T")


@dataclass(slots=True)
class Draft:
    """A decision in the making: what is to be written, said and done, in order. What it writes counts in it at once."""

    put: list[Session | Turn | Approval | Process | Quota | Unmetered | Preferences | Left] = field(
        default_factory=list
    )
    entries: list[Entry] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    current: Session | None = None
    handled: tuple[str, str] | None = None
    grants: tuple[Grant, ...] | None = None
    """All that there are from now on; None: they stay as they are."""
    asked: str = ""
    """The turn for which the team's bank was asked: it is not asked again."""
    moved: Moved | None = None
    gone: Thread | None = None
    """As in a Decision."""
    _lifts: list[Lift] | None = None

    def lifts(self, view: View, now_ms: int) -> list[Lift]:
        """By how much limits are higher now, until a time, with what this decision adds: the list may be added to."""
        if self._lifts is None:
            self._lifts = list(view.lifts(now_ms))
        return self._lifts

    def say(self, effect: Say | Edit) -> None:
        """Add a message."""
        self.effects.append(effect)

    def balances(self, view: View, scopes: Sequence[Scope]) -> Iterator[Balance]:
        """What stands against each of the scopes, with what this decision writes."""
        return (reduce(Balance.after, self.entries, found) for found in view.balances(scopes))

    def open_turns(self, view: View, session_id: str | None = None) -> list[Turn]:
        """The turns that have not ended, of the session or of all, oldest first, as this decision leaves them."""
        changed = {turn.id: turn for turn in self.put if isinstance(turn, Turn)}
        found = view.all_open_turns() if session_id is None else view.open_turns(session_id)
        turns = [changed.get(turn.id, turn) for turn in found]
        return [turn for turn in turns if turn.state not in ENDED]

    def done(self, result: T) -> Decision[T]:
        """The decision, with its result."""
        return Decision(
            result,
            put=tuple(self.put),
            grants=self.grants,
            current=self.current,
            entries=tuple(self.entries),
            handled=self.handled,
            effects=tuple(self.effects),
            moved=self.moved,
            gone=self.gone,
        )
