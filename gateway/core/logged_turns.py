"""Turns out of what logs tell: calls of one prompt belong together, and where no prompts are named, those without a pause between them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from gateway.core.logged import Row
from gateway.core.periods import day_of
from gateway.core.price import parts
from gateway.core.why import PAUSE_MS, Made
from gateway.domain.money import ZERO, Usd
from gateway.domain.spending import NOTHING, Place, Portion, Source, Spent
from gateway.domain.usage import MAIN_LOOP, NO_PARTS, Rates

Told = tuple[str, Row, int | None, bool]
"""The agent, its call, what that costs in nano-dollars (None: unpriced), and whether the gateway's ledger has it too."""


@dataclass(frozen=True, slots=True)
class LoggedTurn:
    """Calls that belong together, in order, and of those only what the gateway's ledger does not have. `began_ms`: the first of all."""

    agent: str
    session: str
    prompt: str
    directory: str
    began_ms: int
    calls: tuple[tuple[Row, int | None], ...]
    is_rest: bool
    """The ledger has some of its calls: the turn is counted there."""
    before: Row | None
    """The last call of the session's main loop before it."""

    @property
    def cost(self) -> Usd:
        """Of the calls with a known price."""
        return Usd(sum(amount for _, amount in self.calls if amount is not None))

    @property
    def model(self) -> str:
        """What the main loop used last, and where nothing is known of it, what was used first."""
        main = [row.model for row, _ in self.calls if row.loop == MAIN_LOOP]
        return main[-1] if main else self.calls[0][0].model

    def made(self) -> list[Made]:
        """Its calls, as they are looked at to say why it was dear."""
        return [made(row, amount) for row, amount in self.calls]


def made(row: Row, amount: int | None) -> Made:
    """The call of a row. Where the log never told its final count it has ended all the same."""
    return Made(row.at_ms, row.usage, None if amount is None else Usd(amount), row.loop)


def turns(told: Iterable[Told]) -> list[LoggedTurn]:
    """The turns that these calls make. `told`: by agent and session, in the order in which they were made."""
    found: list[LoggedTurn] = []
    for (agent, session), mine in groupby(told, key=lambda one: (one[0], one[1].session)):
        before: Row | None = None
        for prompt, calls in _together(list(mine)):
            left = tuple((row, amount) for _, row, amount, known in calls if not known)
            if left:
                directory = next((row.directory for row, _ in left if row.directory), "")
                rest = len(left) < len(calls)
                found.append(LoggedTurn(agent, session, prompt, directory, calls[0][1].at_ms, left, rest, before))
            before = next((row for _, row, _, _ in reversed(calls) if row.loop == MAIN_LOOP), before)
    return found


def _together(calls: Sequence[Told]) -> list[tuple[str, list[Told]]]:
    """The calls of a session by prompt, or by stretches without a pause, in the order of their first."""
    found: dict[tuple[str, int], list[Told]] = {}
    stretch, last_ms = 0, calls[0][1].at_ms
    for one in calls:
        row = one[1]
        if not row.prompt:
            stretch += row.at_ms - last_ms >= PAUSE_MS
            last_ms = row.at_ms
        found.setdefault((row.prompt, 0 if row.prompt else stretch), []).append(one)
    return [(prompt, mine) for (prompt, _), mine in found.items()]


def portions(
    found: Iterable[LoggedTurn],
    first: date,
    begins: Sequence[int],
    place: Callable[[LoggedTurn], Place],
    rates: Callable[[Row], Rates | None],
) -> list[Portion]:
    """The turns that began on these days, each by model: what a sub-agent used on another one is told there.

    `begins`: when each day from `first` on begins, and when the last one is over. A turn counts with the model of its main loop.
    """
    made: list[Portion] = []
    for turn in found:
        day = day_of(turn.began_ms, first, begins)
        if day is not None:
            made += _portions(turn, day, place(turn), rates)
    return made


def _portions(turn: LoggedTurn, day: date, place: Place, rates: Callable[[Row], Rates | None]) -> list[Portion]:
    by_model: dict[str, Spent] = {}
    for row, amount in turn.calls:
        by_model[row.model] = by_model.get(row.model, NOTHING) + _spent(row, amount, rates)
    if not turn.is_rest:
        by_model[turn.model] += _one(turn)
    return [
        Portion(place, day, model, "", Source.LOGS, spent, turn.began_ms, turn.began_ms)
        for model, spent in by_model.items()
    ]


def _spent(row: Row, amount: int | None, rates: Callable[[Row], Rates | None]) -> Spent:
    usage, known = row.usage, rates(row) if amount is not None else None
    made_of = NO_PARTS if known is None else parts(usage, known)
    return Spent(ZERO if amount is None else Usd(amount), made_of, usage.tokens, calls=1, unpriced=int(amount is None))


def spent(turn: LoggedTurn, rates: Callable[[Row], Rates | None]) -> Spent:
    """What all its calls come to."""
    return sum((_spent(row, amount, rates) for row, amount in turn.calls), _one(turn))


def _one(turn: LoggedTurn) -> Spent:
    """The turn itself, without what its calls come to."""
    cut = any(row.lower_bound for row, _ in turn.calls)
    return Spent(turns=1, at_least=int(cut), guessed=int(not turn.prompt))


def usual_models(found: Iterable[LoggedTurn]) -> dict[tuple[str, str], str]:
    """The model that most turns of each session (agent, session) used."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for turn in found:
        models = counts.setdefault((turn.agent, turn.session), {})
        models[turn.model] = models.get(turn.model, 0) + 1
    return {session: min(models, key=lambda model: (-models[model], model)) for session, models in counts.items()}
