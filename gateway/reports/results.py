"""What came of the money, as text for a terminal: what turns left, what a surviving commit cost, and what nobody can see."""

from collections.abc import Mapping, Sequence
from typing import Final

from gateway.core.periods import on
from gateway.domain.outcome import LeftKind
from gateway.domain.results import Came, Lines, Results, Share, Spread, Survival
from gateway.domain.spending import By, Source, Spending, Spent
from gateway.reports.cutting import NOTE, short_path_cells, shorten_cells
from gateway.reports.drawn import Column, bar, in_lines, table
from gateway.reports.looks import Look, dated, grouped, marked, name_of, number, percent

KINDS: Final[Mapping[LeftKind | None, str]] = {
    LeftKind.COMMITS: "commits",
    LeftKind.REWRITTEN: "commits made anew",
    LeftKind.DIFF: "changes, not committed",
    LeftKind.TESTS: "tests run, no change",
    LeftKind.ANSWER: "an answer, no change",
    LeftKind.NOTHING: "nothing",
    LeftKind.ERROR: "an error",
    LeftKind.CANCELLED: "a stop",
    LeftKind.UNKNOWN: "not known",
    None: "not over yet",
}
UNSEEN: Final = (
    "No figure here sees what the work is worth, whether it is right, the time to review and mend it, "
    "or who made a commit: one that you make while a turn runs counts as the turn's."
)
_FATES: Final = {
    Survival.SURVIVES: "survive",
    Survival.LOST: "lost (reverted, gone, or no line left)",
    Survival.YOUNG: "not 7 days old: not known yet",
    Survival.UNMERGED: "on no default branch",
    Survival.UNKNOWN: "not known",
}
_BAR: Final = 20
_ROOM: Final = 60
_ENOUGH: Final = 12
"""From so many figures on the middle half says more than the ends."""


def text(told: Results, found: Spending, heading: str, look: Look, by: By, due: int) -> str:
    """The whole report. `found`: what was spent in the same time; `due`: commits that are to be looked at again by now."""
    title = in_lines(f"What came of it: {dated(found, heading)}", look.columns, then="  ")
    if not told.total.turns:
        blocks = [[*title, *in_lines("The gateway has metered no turn in this time.", look.columns)]]
    else:
        blocks = [
            [*title, *_sum(told, look)],
            _came(told, look),
            [*_price(told, look), *_commits(told, look)],
            _shares(told, look, by),
        ]
    blocks.append(_notes(told, found, look, due))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _said(sentences: Sequence[str], look: Look) -> list[str]:
    return [drawn for sentence in sentences for drawn in in_lines(sentence, look.columns, then="  ")]


def _sum(told: Results, look: Look) -> list[str]:
    whole = marked(told.total)
    said = f"{whole} in {number(told.total.turns, 'turn')} of {number(told.sessions, 'session')}. " + fruitless(
        told.fruitless, told.total
    )
    lines = in_lines(said, look.columns, then="  ")
    return [look.pen.strong(whole) + lines[0][len(whole) :], *lines[1:]]


def fruitless(lost: Spent, whole: Spent) -> str:
    """The sentence on money of which nothing came."""
    if not lost.turns:
        return "No turn ended with nothing, an error or a stop."
    share = f", {percent(lost.cost.nano / whole.cost.nano)} of it," if lost.cost and whole.cost.nano > 0 else ""
    return f"{marked(lost)}{share} in turns that ended with nothing, an error or a stop."


def _came(told: Results, look: Look) -> list[str]:
    most = max(one.spent.cost.nano for one in told.came)
    whole = told.total.cost.nano
    columns = [
        Column("turns that left", [KINDS[one.kind] for one in told.came], elastic=True, least=_least(look, 22)),
        Column("turns", [f"{one.spent.turns:,}" for one in told.came], right=True, may_go=3),
        Column("median", [_median(one) for one in told.came], right=True, may_go=2),
        Column("cost", [marked(one.spent) for one in told.came], right=True),
        Column(
            "", [percent(one.spent.cost.nano / whole) if whole > 0 else "" for one in told.came], right=True, may_go=4
        ),
        Column("", [bar(one.spent.cost.nano, most, _BAR) for one in told.came], may_go=1, bar=True),
    ]
    return table(columns, look.columns, look.pen)


def _least(look: Look, columns: int) -> int:
    return columns if look.columns >= _ROOM else 16


def _median(one: Came) -> str:
    return "-" if one.spent.known is None else grouped(one.median)


def _price(told: Results, look: Look) -> list[str]:
    price, until = told.price, on(told.until_ms, look.zone)
    of = f"turns in repositories up to {until.day} {until:%b} ({marked(price.spent)}, whatever came of them)"
    if not price.spent.turns:
        return in_lines(
            "Cost per surviving commit: not known yet. No turn in a repository began 7 days ago or earlier.",
            look.columns,
            then="  ",
        )
    if price.each is None:
        return in_lines(f"No commit survives, so far, of {of}.", look.columns, then="  ")
    head = grouped(price.each)
    lines = in_lines(
        f"{head} per surviving commit: all {of}, divided by {number(price.commits, 'surviving commit')}.",
        look.columns,
        then="  ",
    )
    lines[0] = look.pen.strong(head) + lines[0][len(head) :]
    said = f"By session: {_spread(told.spread)}" if told.spread else ""
    if told.barren_sessions:
        said += f"; {told.barren_sessions:,} more, {marked(told.barren)}, without any"
    return [*lines, *in_lines(f"{said}.", look.columns, "  ", "  ")]


def _spread(one: Spread | None) -> str:
    if one is None:
        return ""
    if one.n == 1:
        return f"{grouped(one.median)} in the only one that has any"
    ends = (one.lower, one.upper) if one.n >= _ENOUGH else (one.least, one.most)
    how = "the middle half " if one.n >= _ENOUGH else ""
    return f"median {grouped(one.median)}, {how}{grouped(ends[0])} to {grouped(ends[1])}, n = {one.n:,}"


def _commits(told: Results, look: Look) -> list[str]:
    lines: list[str] = []
    if told.own:
        fates = [(one, told.fates[one]) for one in _FATES if told.fates.get(one)]
        most = max(many for _, many in fates)
        columns = [
            Column(number(told.own, "commit"), [_FATES[one] for one, _ in fates], elastic=True, least=_least(look, 30)),
            Column("", [f"{many:,}" for _, many in fates], right=True),
            Column("", [percent(many / told.own) for _, many in fates], right=True, may_go=2),
            Column("", [bar(many, most, _BAR) for _, many in fates], may_go=1, bar=True),
        ]
        lines += ["", *table(columns, look.columns, look.pen)]
    kept = [words for one in told.lines if (words := _lines(one))]
    if kept:
        lines += in_lines(f"Of the lines added {'; '.join(kept)}.", look.columns, then="  ")
    return lines


def _lines(one: Lines) -> str:
    if not one.added:
        return ""
    return f"{percent(one.left / one.added)} were there after {one.days} days ({one.left:,} of {one.added:,}, n = {one.commits:,})"


def _shares(told: Results, look: Look, by: By) -> list[str]:
    shown: list[Share] = [*told.groups, *([told.rest] if told.rest else [])]
    names = [name_of(one.group, by, look) for one in told.groups]
    if told.rest:
        names.append(f"{int(told.rest.group.name):,} more")
    columns = [
        Column(by.value, names, elastic=True, least=16, cut=short_path_cells if by is By.PROJECT else shorten_cells),
        Column("turns", [f"{one.group.spent.turns:,}" for one in shown], right=True, may_go=1),
        Column("cost", [marked(one.group.spent) for one in shown], right=True),
        Column("fruitless", [_share(one) for one in shown], right=True, may_go=2),
        Column("commits", [f"{one.own:,}" for one in shown], right=True, may_go=3),
        Column("survive", [_survive(one) for one in shown], right=True, may_go=4),
        Column(
            "each", ["-" if one.price.each is None else grouped(one.price.each) for one in shown], right=True, may_go=5
        ),
    ]
    return table(columns, look.columns, look.pen)


def _share(one: Share) -> str:
    whole = one.group.spent.cost.nano
    return percent(one.fruitless.cost.nano / whole) if one.fruitless.cost and whole > 0 else "-"


def _survive(one: Share) -> str:
    """Of how many it is known."""
    survive = one.fates.get(Survival.SURVIVES, 0)
    known = survive + one.fates.get(Survival.LOST, 0)
    return f"{survive:,} of {known:,}" if known else "-"


def _notes(told: Results, found: Spending, look: Look, due: int) -> list[str]:
    return _said(
        [
            *_tests(told),
            *_nobodys(told),
            *_left_out(told),
            *_not_watched(found),
            *_uncertain(told),
            *_due(due),
            NOTE,
            UNSEEN,
        ],
        look,
    )


def _tests(told: Results) -> list[str]:
    tests = told.tests
    if not tests.turns:
        return []
    ends = {"passed": tests.passed, "failed": tests.failed, "not known": tests.unknown}
    each = ", ".join(f"{many:,} {words}" for words, many in ends.items() if many)
    return [f"Tests were run in {number(tests.turns, 'turn')}; the last run: {each}."]


def _nobodys(told: Results) -> list[str]:
    """The share that nobody can attribute."""
    said: list[str] = []
    if told.shared:
        of = told.shared + told.own + told.rewritten
        said.append(f"{number(told.shared, 'commit')} of {of:,} ({percent(told.shared / of)}) cannot be attributed")
    unknown = next((one.spent for one in told.came if one.kind is LeftKind.UNKNOWN), None)
    if unknown is not None:
        share = f" ({percent(unknown.cost.nano / told.total.cost.nano)})" if told.total.cost.nano > 0 else ""
        said.append(f"of {marked(unknown)}{share} nobody knows what came of it")
    sentence = "; ".join(said)
    return [f"Unattributed: {sentence}."] if said else []


def _left_out(told: Results) -> list[str]:
    others = {
        "in turns of the last 7 days": told.young,
        "outside of repositories": told.outside,
        "never looked at": told.unseen,
    }
    some = [f"{marked(spent)} {words}" for words, spent in others.items() if spent.turns]
    return [f"Not in the price of a commit: {'; '.join(some)}."] if some else []


def _not_watched(found: Spending) -> list[str]:
    logs = found.by_source[Source.LOGS]
    if not logs.calls:
        return []
    return [f"Not watched: {marked(logs)} more is from agents' own logs, of which nobody knows what came."]


def _uncertain(told: Results) -> list[str]:
    said: list[str] = []
    if told.total.unpriced:
        said.append(f"? without {number(told.total.unpriced, 'call')} whose model has no known price.")
    if told.total.at_least:
        said.append("+ at least this much: some calls' final count was never told.")
    return said


def _due(due: int) -> list[str]:
    return [f"Still to be looked at again: {number(due, 'commit')}. A running gateway does that."] if due else []
