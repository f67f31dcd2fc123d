"""What stands out in a report: the dearest turns and why, what came to nothing, and what is not known."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.money import ZERO
from gateway.domain.spending import Dear, Source, Spending, Spent
from gateway.domain.turn import OutcomeKind, TurnState
from gateway.reports.cutting import NOTE, named, shorten
from gateway.reports.drawn import in_lines
from gateway.reports.looks import Look, marked, number, percent, place_name, when

_DEAREST: Final = 3
_KINDS: Final = {
    OutcomeKind.ERROR: "with an error",
    OutcomeKind.NOTHING: "with nothing",
    OutcomeKind.CANCELLED: "because somebody stopped them",
}
_STATES: Final = {
    TurnState.QUEUED: "waiting",
    TurnState.ASKING: "asking",
    TurnState.HELD: "about to run",
    TurnState.RUNNING: "running",
    TurnState.PAUSED: "paused",
}
_UNPRICED_SHOWN: Final = 3


def dearest(found: Spending, look: Look) -> list[str]:
    """The dearest turns, each with why."""
    if not found.dearest:
        return []
    pad = max(len(str(one.spent.cost)) for one in found.dearest[:_DEAREST])
    lines = [look.pen.faint("dearest turns")]
    for one in found.dearest[:_DEAREST]:
        first = f"{one.spent.cost!s:>{pad}}  "
        words = f"{when(one.at_ms, look).strip()} {place_name(one.place, look).split('  ')[0]}{_about(one)}{_why(one)}"
        mine = in_lines(words, look.columns, first, " " * (pad + 2))
        lines += mine
    return lines


def _about(one: Dear) -> str:
    about = f", {shorten(named(one.title), 30)}" if one.title else ""
    ended = (
        f" ({'error' if one.came_of_it is OutcomeKind.ERROR else one.came_of_it})" if one.came_of_it in _KINDS else ""
    )
    return about + ended


def _why(one: Dear) -> str:
    return (
        f": {'; '.join(map(named, one.why))}"
        if one.why
        else f": {number(one.spent.calls, 'call')}, {named(one.model) or 'model not known'}"
    )


def notes(found: Spending, look: Look) -> list[str]:
    """Sentences: what there is to know about the figures."""
    sentences = [
        *_came_of_it(found),
        *_unasked(found),
        *_estimates(found),
        *_open(found),
        *uncertain(found),
        *_sources(found),
        NOTE,
    ]
    return [drawn for sentence in sentences for drawn in in_lines(sentence, look.columns, then="  ")]


def _came_of_it(found: Spending) -> list[str]:
    """Of nothing but what the gateway has metered: of logs nobody knows how a turn ended."""
    some = [
        f"{words} ({of.turns:,}, {marked(of)})" for kind, words in _KINDS.items() if (of := found.fruitless[kind]).turns
    ]
    if not some:
        return []
    lost = sum(found.fruitless.values(), Spent())
    return [f"{marked(lost)}{_share(lost, found.by_source[Source.GATEWAY])} in turns that ended {_or(some)}."]


def _or(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]


def _share(part: Spent, whole: Spent) -> str:
    return (
        f" ({percent(part.cost.nano / whole.cost.nano)} of what was metered)"
        if part.cost and whole.cost.nano > 0
        else ""
    )


def _unasked(found: Spending) -> list[str]:
    said: list[str] = []
    if found.background.turns:
        said.append(
            f"Background: {number(found.background.turns, 'turn')} that nobody asked for cost {marked(found.background)}."
        )
    if found.unlisted:
        said.append(f"Calls that no transcript shows (titles, compactions): {found.unlisted}.")
    return said


def _estimates(found: Spending) -> list[str]:
    if not found.scored:
        return []
    return [
        f"Estimates: {found.within_p90} of {number(found.scored, 'turn')} cost at most the p90 told before; 9 in 10 should."
    ]


def _open(found: Spending) -> list[str]:
    if not found.open:
        return []
    each = ", ".join(f"{one.turns} {_STATES.get(one.state, one.state)}" for one in found.open)
    so_far = sum((one.cost for one in found.open), ZERO)
    return [f"Not settled now: {each}; {so_far} so far."]


def uncertain(found: Spending) -> list[str]:
    """What the marks at costs and numbers mean, a sentence for each that is there."""
    said: list[str] = []
    if found.unpriced:
        models = [f"{named(model) or 'a model that is not known'} ({calls})" for model, calls in found.unpriced.items()]
        rest = f" and {len(models) - _UNPRICED_SHOWN} more" if len(models) > _UNPRICED_SHOWN else ""
        calls = number(sum(found.unpriced.values()), "call")
        said.append(f"? without {calls} whose model has no known price: {', '.join(models[:_UNPRICED_SHOWN])}{rest}.")
    if found.total.at_least:
        said.append(
            f"+ at least this much: {number(found.total.at_least, 'turn')} with calls whose final count was never told."
        )
    if found.total.guessed:
        said.append("Turns are counted by pauses of 5 minutes where logs name no prompts.")
    return said


def _sources(found: Spending) -> list[str]:
    logs, ours = found.by_source[Source.LOGS], found.by_source[Source.GATEWAY]
    if not logs.calls:
        return []
    if not ours.calls and not ours.turns:
        return ["All of it is from agents' own logs: no budget held any of it back."]
    return [
        f"{marked(ours)} was metered by the gateway; {marked(logs)} more is from agents' own logs, held back by no budget."
    ]
