"""How good estimates were: coverage, pinball loss and width of what was said, against what the turns then cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd


@dataclass(frozen=True, slots=True)
class Scores:
    """Over `n` turns with figures; `silent` had none. Coverage: the share of turns that cost at most the figure.

    Pinball loss: the mean over the turns, in dollars; a cost above the p90 counts nine times what one as far below it does.
    `width`: the median of p90/p50. `floor_violations`: turns that cost less than their floor. All None where n is 0.
    """

    n: int
    silent: int
    coverage50: float | None = None
    coverage90: float | None = None
    pinball50: Usd | None = None
    pinball90: Usd | None = None
    width: float | None = None
    floor_violations: int = 0


def pinball(said: Usd, cost: Usd, tenths: int) -> int:
    """Ten times the pinball loss of one figure at the level tenths/10, in nano-dollars: whole numbers, so sums are exact."""
    missed = cost.nano - said.nano
    return tenths * missed if missed > 0 else (tenths - 10) * missed


def score(pairs: Iterable[tuple[Estimate, Usd]]) -> Scores:
    """Score estimates against the costs that their turns came to."""
    n = silent = under50 = under90 = loss50 = loss90 = below = 0
    widths: list[float] = []
    for estimate, cost in pairs:
        if estimate.p50 is None or estimate.p90 is None:
            silent += 1
            continue
        n += 1
        under50 += cost <= estimate.p50
        under90 += cost <= estimate.p90
        loss50 += pinball(estimate.p50, cost, 5)
        loss90 += pinball(estimate.p90, cost, 9)
        below += cost < estimate.floor
        if estimate.p50 > ZERO:
            widths.append(estimate.p90.nano / estimate.p50.nano)
    if not n:
        return Scores(0, silent)
    return Scores(
        n,
        silent,
        coverage50=under50 / n,
        coverage90=under90 / n,
        pinball50=Usd(round(loss50 / (10 * n))),
        pinball90=Usd(round(loss90 / (10 * n))),
        width=_median(widths) if widths else None,
        floor_violations=below,
    )


def _median(values: list[float]) -> float:
    values = sorted(values)
    return (values[(len(values) - 1) // 2] + values[len(values) // 2]) / 2
