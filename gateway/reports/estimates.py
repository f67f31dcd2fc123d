"""How good the estimates were: what turns were told before they ran, against what they then cost.

Scored are turns that are settled, fully priced and made calls. What was stopped, interrupted or lost sight of cost at least
what is known: such turns are counted apart. A turn that was paused and went on is held to its first estimate, the one that
was made before it ran. Figures are about estimates, never about people.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.core.scores import Scores, score
from gateway.core.turn import CUT_SHORT, ENDED
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.domain.usage import Flag
from gateway.reports.text import Layout, fitted, shorten

SCHEMA: Final = 1
TENTHS: Final = (*range(1, 11), 15, 20)
"""Upper ends of the classes in which costs are counted, in tenths of the p90; the last class has none."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The scores of one agent on one model (`model` None: not known), or of all (`agent` empty).

    `at_least`: turns that cost at least what is known; `above`: those of them that cost more than their p90 even so.
    """

    agent: str
    model: str | None
    scores: Scores
    at_least: int
    above: int


@dataclass(frozen=True, slots=True)
class Account:
    """Every turn once: scored, silent or at least so much (`all`), or not scored because it is one of the last three.

    `shares`: how many of the scored turns cost so many tenths of their p90, by the classes of `TENTHS`.
    """

    all: Judged
    groups: tuple[Judged, ...]
    shares: tuple[int, ...]
    unpriced: int
    """With calls of unknown price."""
    open: int
    """Not over yet."""
    without_calls: int
    """Refused, or ended before the first call."""


def account(sessions: Sequence[Session], turns: Iterable[Turn]) -> Account:
    """Hold the turns' estimates against their costs, by agent and model; the largest group first."""
    agents = {session.id: session.agent for session in sessions}
    groups: defaultdict[tuple[str, str | None], list[Turn]] = defaultdict(list)
    unpriced = unfinished = without_calls = 0
    for turn in turns:
        if turn.state not in ENDED:
            unfinished += 1
        elif not turn.calls:
            without_calls += 1
        elif turn.unpriced_calls:
            unpriced += 1
        else:
            groups[agents[turn.session_id], turn.model].append(turn)
    judged = [_judge(agent, model, mine) for (agent, model), mine in groups.items()]
    judged.sort(key=lambda one: (-one.scores.n, one.agent, one.model or ""))
    ran = [turn for mine in groups.values() for turn in mine]
    return Account(_judge("", None, ran), tuple(judged), _shares(ran), unpriced, unfinished, without_calls)


def _judge(agent: str, model: str | None, turns: Sequence[Turn]) -> Judged:
    cut = [turn for turn in turns if _is_cut(turn)]
    pairs = _pairs(turns)
    scores = score(pairs)
    unsaid = len(turns) - len(cut) - len(pairs)
    above = sum(p90 is not None and turn.spent > p90 for turn in cut for p90 in [_p90(turn)])
    return Judged(agent, model, replace(scores, silent=scores.silent + unsaid), len(cut), above)


def _is_cut(turn: Turn) -> bool:
    return turn.state in CUT_SHORT or Flag.LOWER_BOUND in turn.flags


def _pairs(turns: Iterable[Turn]) -> list[tuple[Estimate, Usd]]:
    return [(turn.estimate, turn.spent) for turn in turns if turn.estimate is not None and not _is_cut(turn)]


def _p90(turn: Turn) -> Usd | None:
    return None if turn.estimate is None else turn.estimate.p90


def _shares(turns: Iterable[Turn]) -> tuple[int, ...]:
    counts = [0] * (len(TENTHS) + 1)
    for estimate, cost in _pairs(turns):
        if estimate.p50 is not None and estimate.p90 is not None:
            p90 = estimate.p90.nano
            counts[next((n for n, tenths in enumerate(TENTHS) if 10 * cost.nano <= tenths * p90), len(TENTHS))] += 1
    return tuple(counts)


# ------------------------------------------------------------------------------------------------------- for programs
def report(found: Account) -> dict[str, Any]:
    """The account as JSON values, schema 1: amounts as decimal strings in dollars, shares between 0 and 1, null where n is 0."""
    starts = (0, *TENTHS)
    return {
        "schema": SCHEMA,
        "all": _values(found.all),
        "groups": [{"agent": one.agent, "model": one.model} | _values(one) for one in found.groups],
        "cost_over_p90": [
            {"above": start / 10, "at_most": None if end is None else end / 10, "turns": turns}
            for start, end, turns in zip(starts, (*TENTHS, None), found.shares, strict=True)
        ],
        "not_scored": {"unpriced": found.unpriced, "open": found.open, "without_calls": found.without_calls},
    }


def _values(one: Judged) -> dict[str, Any]:
    scores = one.scores
    return {
        "n": scores.n,
        "silent": scores.silent,
        "coverage_p50": _rounded(scores.coverage50),
        "coverage_p90": _rounded(scores.coverage90),
        "pinball_p50_usd": _exact(scores.pinball50),
        "pinball_p90_usd": _exact(scores.pinball90),
        "width_p90_over_p50": _rounded(scores.width),
        "floor_violations": scores.floor_violations,
        "at_least": {"n": one.at_least, "above_p90": one.above},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def _exact(amount: Usd | None) -> str | None:
    return None if amount is None else amount.exact()


# --------------------------------------------------------------------------------------------------------- for people
def tables(found: Account, width: int = 80) -> RenderableType:
    """What the figures promised and what came of it, a line for each agent and model, and a picture of the costs."""
    scores = found.all.scores
    if not scores.n:
        nothing = "There is nothing to score yet: no turn that was told a p50 and a p90 has come to its end."
        return Group(*map(Text, [nothing, *_apart(found)]))
    within50, within90 = (round((share or 0) * scores.n) for share in (scores.coverage50, scores.coverage90))
    rows = [_row(one.agent, one.model or "-", one) for one in found.groups]
    if len(found.groups) > 1:
        rows.append(_row("all", "", found.all))
    return Group(
        Text(f"{within90} of {_turns(scores.n)} cost at most the p90 that was told before: 9 in 10 should."),
        Text(f"{within50} cost at most the p50: half of them should."),
        Text(""),
        fitted(_SCORES, rows, width),
        Text(""),
        Text("loss: pinball loss a turn, less is better. p90/p50: how wide, the median."),
        Text("<floor: turns that cost less than the lowest forecast."),
        Text(""),
        Text("Costs as a share of the p90, and how many turns:"),
        *_picture(found.shares, width),
        *map(Text, ["", *_apart(found)]),
    )


def _row(agent: str, model: str, one: Judged) -> tuple[str, ...]:
    scores = one.scores
    figures = (_percent(scores.coverage50), _percent(scores.coverage90), _dollars(scores.pinball50))
    wide = "-" if scores.width is None else f"{scores.width:.1f}"
    start = (shorten(agent, 10), model, str(scores.n), *figures)
    return (*start, _dollars(scores.pinball90), wide, str(scores.floor_violations))


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _dollars(amount: Usd | None) -> str:
    return "-" if amount is None else str(amount)


def _picture(shares: Sequence[int], width: int) -> list[Text]:
    """A bar for each class of costs, to scale, and a line at the p90."""
    starts = (0, *TENTHS)
    names = [f"{start * 10}-{end * 10}%" for start, end in zip(starts, TENTHS, strict=False)] + [
        f"over {TENTHS[-1] * 10}%"
    ]
    margin, most = max(map(len, names)), max(*shares, 1)
    room = max(1, min(width, 80) - margin - len(str(most)) - 2)
    lines: list[Text] = []
    for start, name, turns in zip(starts, names, shares, strict=True):
        if start == 10:  # noqa: PLR2004 - ten tenths
            lines.append(Text("p90".rjust(margin) + " " + "-" * min(20, room)))
        bar = "█" * (max(1, turns * room // most) if turns else 0)
        lines.append(Text(f"{name.rjust(margin)} {bar}{' ' if bar else ''}{turns}"))
    return lines


def _apart(found: Account) -> list[str]:
    """What is not in the scores, and why."""
    everything = found.all
    lines: list[str] = []
    if everything.scores.silent:
        lines.append(f"Without a forecast: {_turns(everything.scores.silent)}.")
    if everything.at_least:
        above = f"; {everything.above} of them more than the p90 even so" if everything.above else ""
        lines.append(
            f"Cost at least what is known (stopped, interrupted, or calls out of sight): {_turns(everything.at_least)}{above}."
        )
    if found.unpriced:
        lines.append(f"With calls of unknown price: {_turns(found.unpriced)}.")
    if found.open:
        lines.append(f"Not over yet: {_turns(found.open)}.")
    return [f"Not scored. {lines[0]}", *lines[1:]] if lines else []


def _turns(number: int) -> str:
    return "1 turn" if number == 1 else f"{number} turns"


_SCORES: Final = Layout(
    ("agent", "model", "turns>", "<=p50>", "<=p90>", "loss50>", "loss90>", "p90/p50>", "<floor>"),
    "model",
    shorten,
    ("<floor>", "p90/p50>", "loss50>", "model", "loss90>", "<=p50>", "agent"),
)
