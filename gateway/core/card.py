"""What a chat tells of a session's spending, as lines and as what a picture is drawn from, and whose spending it tells to whom."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from gateway.core.access import may
from gateway.core.change import reason
from gateway.core.summary import TITLE_CHARACTERS_MAX, escape, title
from gateway.core.turn import CUT_SHORT, ENDED
from gateway.domain.charts import (
    Came,
    LimitFrom,
    SessionChart,
    TurnSpend,
)
from gateway.domain.money import Usd
from gateway.domain.outcome import LeftKind
from gateway.domain.place import Deed, Grant, Session, Thread
from gateway.domain.spending import Portion, Spent
from gateway.domain.turn import OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag
from gateway.view import cost_words, forget_words, turn_words

DEAREST_MAX: Final = 3
PROMPT_MAX: Final = 32
CAME: Final = {
    OutcomeKind.ANSWER: Came.ANSWER,
    OutcomeKind.NOTHING: Came.NOTHING,
    OutcomeKind.ERROR: Came.ERROR,
    OutcomeKind.CANCELLED: Came.STOPPED,
}
_LEFT: Final = {
    LeftKind.COMMITS: Came.COMMITS,
    LeftKind.REWRITTEN: Came.COMMITS,
    LeftKind.DIFF: Came.CHANGES,
    LeftKind.TESTS: Came.ANSWER,
}
"""What git tells beyond how a turn ended."""
CAME_OF: Final = _LEFT | {LeftKind(kind.value): came for kind, came in CAME.items()}
"""The same of turns that were added up; what is in neither is not known."""


class Whose(StrEnum):
    """Whose spending somebody is told of."""

    GATEWAY = "gateway"
    """All of it: an owner's, in their own chat with the bot."""
    GROUP = "group"
    """That of a group's sessions: everybody in the group reads it, so it is no more than that, whoever asks."""
    PERSON = "person"
    """That of their own turns."""


def whose(grants: Iterable[Grant], thread: Thread, person: str) -> Whose:
    """Whose spending may be told in this thread to this person, who may read there. A private chat has its person's number."""
    if thread.chat != person:
        return Whose.GROUP
    return Whose.GATEWAY if may(grants, Deed.GRANT, thread) else Whose.PERSON


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose spending is told; of which person, or from which of a group's sessions."""

    whose: Whose
    person: str
    here: frozenset[str] = frozenset()

    def portions(self, found: Iterable[Portion]) -> list[Portion]:
        """Those of the portions that may be told."""
        return [one for one in found if self._may_know(one.person, one.place.id)]

    def open_turns(self, found: Iterable[Turn]) -> list[Turn]:
        """Those of the turns that have cost something and that may be told."""
        return [one for one in found if _ran(one) and self._may_know(one.person, one.session_id)]

    def _may_know(self, person: str, session: str) -> bool:
        if self.whose is Whose.PERSON:
            return person == self.person
        return self.whose is Whose.GATEWAY or session in self.here


# ------------------------------------------------------------------------------------------------------------- a session
def came(turn: Turn, left: LeftKind | None = None) -> Came:
    """What came of a turn. `left`: what it left behind, as far as anybody has looked."""
    if turn.state not in ENDED:
        return Came.PAUSED if turn.state is TurnState.PAUSED else Came.RUNNING
    if left is not None and left in _LEFT:
        return _LEFT[left]
    if turn.state in CUT_SHORT:
        return Came.STOPPED
    return Came.NOTHING if turn.outcome is None else CAME[turn.outcome.kind]


def _ran(turn: Turn) -> bool:
    return bool(turn.calls or turn.spent or turn.unpriced_calls)


def ran(turns: Iterable[Turn]) -> tuple[Turn, ...]:
    """Those that made calls."""
    return tuple(turn for turn in turns if _ran(turn))


def spent(turns: Sequence[Turn]) -> Spent:
    """What turns come to that made calls."""
    return sum((_spent(turn) for turn in turns), Spent())


def _spent(turn: Turn) -> Spent:
    at_least = int(Flag.LOWER_BOUND in turn.flags)
    return Spent(turn.spent, turn.parts, turn.tokens, 1, turn.calls, turn.unpriced_calls, at_least)


@dataclass(frozen=True, slots=True)
class Cost:
    """What is told of a session: its turns that made calls, oldest first (the latest if there are many), what all of them cost, its
    limit, and what each turn left behind, by its id.
    """

    turns: Sequence[Turn]
    cost: Usd
    limit: Usd | None
    left: Mapping[str, LeftKind] = field(default_factory=dict[str, LeftKind])

    def came(self, turn: Turn) -> Came:
        """What came of one of the turns."""
        return came(turn, self.left.get(turn.id))


def session_lines(of: Cost, *, list_prices: bool) -> list[str]:
    """At most eight lines about a session."""
    whole = replace(spent(of.turns), cost=of.cost)
    lines = [cost_words.session(whole, of.limit), cost_words.session_size(whole)]
    ends = [of.came(turn) for turn in of.turns]
    lines += [cost_words.came_of_it({kind: ends.count(kind) for kind in Came if kind in ends})] if ends else []
    dearest = sorted(of.turns, key=lambda turn: -turn.spent.nano)[:DEAREST_MAX]
    lines += [cost_words.dear_turn(turn_words.spent(turn), of.came(turn), _words(turn)) for turn in dearest]
    lines += [words] if (words := cost_words.not_known(whole)) else []
    return [*lines, cost_words.LIST_PRICES] if list_prices else lines


def _words(turn: Turn) -> str:
    if turn.forgotten_at_ms is not None:
        return forget_words.FORGOTTEN_TITLE
    return escape(title(turn.prompt, PROMPT_MAX))


def session_chart(session: Session, of: Cost, now_ms: int) -> SessionChart:
    """What the picture of a session shows."""
    spends = tuple(_turn_spend(number, turn, of.came(turn)) for number, turn in enumerate(of.turns, start=1))
    limits = () if of.limit is None else (LimitFrom(spends[0].begun_ms if spends else now_ms, of.limit),)
    before = of.cost - spent(of.turns).cost
    return SessionChart(named(session.project or session.directory), spends, now_ms, limits, before)


def _turn_spend(number: int, turn: Turn, came_of_it: Came) -> TurnSpend:
    over = turn.state in ENDED
    begun_ms = turn.created_at_ms if turn.started_at_ms is None else turn.started_at_ms
    return TurnSpend(
        number=number,
        title="" if turn.forgotten_at_ms is not None else title(turn.prompt, TITLE_CHARACTERS_MAX),
        begun_ms=begun_ms,
        ended_ms=max(begun_ms, turn.ended_at_ms or begun_ms) if over else None,
        spent=turn.spent,
        came=came_of_it,
        unpriced_calls=turn.unpriced_calls,
        lower_bound=Flag.LOWER_BOUND in turn.flags,
        most=None if over or turn.estimate is None else turn.estimate.p90,
    )


def named(path: str) -> str:
    """A project, or a directory, by its last part."""
    return reason(path.rstrip("/").rpartition("/")[2] or path)
