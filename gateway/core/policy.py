"""The owner's rules for runs: which are asked about, which go unasked, which are refused. The first rule that decides wins.

A rule holds for a run if all its conditions do. `refuse_above` bounds what it holds for and leaves the rest to the rules below
it; every other action decides. Where no rule decides, the general `confirm_above` does.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.core.summary import count
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Origin
from gateway.view import money_words

RULES_MAX = 100
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
CONDITIONS = "model, directory, person, chat, origin, cold_tokens_above, hours or estimate_above_usd"
_HOURS = re.compile(r"(?:(?P<days>[a-z,-]+) )?(?P<start>\d\d:\d\d) ?- ?(?P<end>\d\d:\d\d)", re.ASCII)
_SHAPE = "write hours like 22:00-06:00, or mon-fri 18:00-08:00"


class HoursError(ValueError):
    """The text is not a span of hours; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of the week in the owner's time zone: `words` as the owner wrote them, and a bit for every minute since Monday 00:00."""

    words: str
    minutes: int = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Hours":
        """Read `22:00-06:00`, `mon-fri 18:00-08:00`, `sat,sun 00:00-24:00`; the days are those on which it begins. Raises HoursError."""
        words = " ".join(text.lower().split())
        match = _HOURS.fullmatch(words)
        if match is None:
            raise HoursError(f"{words[:40]!r} is not a span of hours: {_SHAPE}")
        start, end = _time(match["start"]), _time(match["end"])
        if start == end:
            raise HoursError(f"{words!r} begins when it ends: write 00:00-24:00 for a whole day")
        if start == DAY_MINUTES:
            raise HoursError(f"{words!r} begins at 24:00: write 00:00")
        length = (end - start) % DAY_MINUTES or DAY_MINUTES
        minutes = 0
        for day in _days(match["days"] or "mon-sun"):
            span = ((1 << length) - 1) << (day * DAY_MINUTES + start)
            # What reaches beyond Sunday midnight is Monday's.
            minutes |= (span | span >> WEEK_MINUTES) & ((1 << WEEK_MINUTES) - 1)
        return cls(words, minutes)

    def holds(self, minute_of_week: int) -> bool:
        """Whether the minute is one of them."""
        return bool(self.minutes >> minute_of_week & 1)

    def left(self, minute_of_week: int) -> int:
        """How many minutes from this one on are of them, without a gap; at most a week."""
        ahead = self.minutes >> minute_of_week | self.minutes << (WEEK_MINUTES - minute_of_week)
        first_other = ~ahead & (ahead + 1)
        return min(first_other.bit_length() - 1, WEEK_MINUTES)


def _time(text: str) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > DAY_MINUTES:  # noqa: PLR2004 - the last minute of an hour
        raise HoursError(f"{text} is not a time of day: {_SHAPE}")
    return hour * 60 + minute


def _days(text: str) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise HoursError(f"{part!r} is not a day: write {', '.join(DAYS)}, or a span of them like mon-fri")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 + 1 if dash else 1
        found |= {(begin + more) % 7 for more in range(length)}
    return found


class Action(StrEnum):
    """What a rule does with the runs that it holds for."""

    CONFIRM = "confirm"
    """Ask, whatever the amount."""
    CONFIRM_ABOVE = "confirm_above"
    """Ask above the amount: it can only ask sooner than the general threshold."""
    ALLOW_BELOW = "allow_below"
    """Run unasked up to the amount, which can only be more than the general threshold."""
    REFUSE = "refuse"
    REFUSE_ABOVE = "refuse_above"
    """Refuse what wants more than the amount, and let nobody say yes to more; up to it the rules below decide."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What has to hold of a run, all of it; None: no matter."""

    model: str | None = None
    """The name, with `*` for anything and `?` for one sign, in the letters' own case."""
    directory: str | None = None
    """The session works here or below."""
    person: str | None = None
    chat: str | None = None
    origin: Origin | None = None
    cold_tokens_above: int | None = None
    """More tokens of context have to be read again than this, because the prompt cache has expired."""
    hours: Hours | None = None
    estimate_above: Usd | None = None
    """More than this would be held."""


ANY = Condition()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `amount` belongs to the actions that have one in their name."""

    when: Condition
    then: Action
    amount: Usd | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """A run as the rules see it. `model` is None until it is known, `cold_tokens` 0 while the cache is warm."""

    model: str | None
    directory: str
    person: str
    chat: str
    origin: Origin
    cold_tokens: int
    minute_of_week: int
    """In the owner's time zone, since Monday 00:00."""
    want: Usd
    """What the gate would hold."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What the rules say of a run: refused (and why), bounded, asked about above an amount; `rule` is the deciding one's number, from 1."""

    confirm_above: Usd
    refuse: str | None = None
    refuse_above: Usd | None = None
    rule: int | None = None
    words: str = ""


def judge(rules: Sequence[Rule], facts: Facts, confirm_above: Usd) -> Ruling:
    """What the rules, and the general threshold below them, say of a run. The gate compares the bound with what it wants."""
    bound: Usd | None = None
    for number, rule in enumerate(rules, 1):
        if mismatch(rule.when, facts):
            continue
        amount = rule.amount or ZERO
        if rule.then is Action.REFUSE_ABOVE:
            bound = amount if bound is None else min(bound, amount)
            continue
        sooner, later = min(amount, confirm_above), max(amount, confirm_above)
        called = title(number, rule)
        above, said = {
            Action.REFUSE: (ZERO, money_words.rule_refuses(called)),
            Action.CONFIRM: (ZERO, money_words.rule_asks(called)),
            Action.CONFIRM_ABOVE: (sooner, money_words.rule_asks_above(called, sooner)),
            Action.ALLOW_BELOW: (later, money_words.rule_lets_run(called, later)),
        }[rule.then]
        return Ruling(above, said if rule.then is Action.REFUSE else None, bound, number, said)
    return Ruling(confirm_above, None, bound, None, money_words.no_rule(confirm_above))


def mismatch(when: Condition, facts: Facts) -> str:
    """The first condition that does not hold, in words; empty if all hold."""
    day, minute = divmod(facts.minute_of_week, DAY_MINUTES)
    now = f"{DAYS[day].capitalize()} {minute // 60:02d}:{minute % 60:02d}"
    conditions = (
        (
            when.model is None or matches(when.model, facts.model or ""),
            f"the model is {facts.model}" if facts.model else "the model is not known before its first call",
        ),
        (when.directory is None or _is_below(facts.directory, when.directory), f"the directory is {facts.directory}"),
        (when.person in (None, facts.person), f"the person is {facts.person}"),
        (when.chat in (None, facts.chat), f"the chat is {facts.chat}"),
        (when.origin in (None, facts.origin), f"its origin is {facts.origin}"),
        (
            when.cold_tokens_above is None or facts.cold_tokens > when.cold_tokens_above,
            f"{facts.cold_tokens} tokens have to be read again" if facts.cold_tokens else "the cache is warm",
        ),
        (when.hours is None or when.hours.holds(facts.minute_of_week), f"it is {now}"),
        (when.estimate_above is None or facts.want > when.estimate_above, f"it wants {facts.want}"),
    )
    return next((why for holds, why in conditions if not holds), "")


def matches(pattern: str, name: str) -> bool:
    """Whether the name is of this pattern: `*` is anything, `?` one sign, and all else itself, the brackets of `opus[1m]` too."""
    first, *rest = ("".join("." if sign == "?" else re.escape(sign) for sign in part) for part in pattern.split("*"))
    if rest:
        # What stands between two stars is taken where it first occurs, once for all: no pattern takes long.
        first += "".join(f"(?>.*?{part})" for part in rest[:-1]) + f".*{rest[-1]}"
    return re.fullmatch(first, name, re.DOTALL) is not None


def _is_below(place: str, directory: str) -> bool:
    return place == directory or place.startswith(f"{directory.rstrip('/')}/")


# -------------------------------------------------------------------------------------------------------------- words
def title(number: int, rule: Rule) -> str:
    """How a rule is called: `Rule 2 (nights)`."""
    return money_words.rule_title(number, rule.name)


def words(rule: Rule) -> str:
    """A rule as a person reads it: `model *opus*, more than 100k tokens to read again: ask above $0.50`."""
    when = rule.when
    conditions = (
        when.model and f"model {when.model}",
        when.directory and f"in {when.directory}",
        when.person and f"person {when.person}",
        when.chat and f"chat {when.chat}",
        when.origin and f"origin {when.origin}",
        when.cold_tokens_above is not None and f"more than {count(when.cold_tokens_above)} tokens to read again",
        when.hours and when.hours.words,
        when.estimate_above is not None and f"wants more than {when.estimate_above}",
    )
    action = {
        Action.CONFIRM: "ask",
        Action.CONFIRM_ABOVE: f"ask above {rule.amount}",
        Action.ALLOW_BELOW: f"run unasked up to {rule.amount}",
        Action.REFUSE: "refuse",
        Action.REFUSE_ABOVE: f"refuse above {rule.amount}",
    }
    return f"{', '.join(one for one in conditions if one) or 'every run'}: {action[rule.then]}"


def explain(rules: Sequence[Rule], facts: Facts, confirm_above: Usd) -> tuple[str, ...]:
    """A line for every rule, with why it holds or does not, and a line with what follows."""
    ruling = judge(rules, facts, confirm_above)
    lines: list[str] = []
    for number, rule in enumerate(rules, 1):
        why = mismatch(rule.when, facts)
        if ruling.rule is not None and number > ruling.rule:
            said = "not reached"
        elif why:
            said = f"does not hold, {why}"
        elif rule.then is Action.REFUSE_ABOVE:
            said = f"holds, nobody may say yes to more than {rule.amount}"
        else:
            said = "holds and decides"
        lines.append(f"{title(number, rule)}: {words(rule)} -> {said}.")
    return (*lines, f"{ruling.words} {outcome(ruling, facts.want)}")


def outcome(ruling: Ruling, want: Usd) -> str:
    """What follows for a run for which so much would be held."""
    if ruling.refuse is not None:
        return "It is refused."
    if ruling.refuse_above is not None and want > ruling.refuse_above:
        return f"It wants {want}, and above {ruling.refuse_above} it is refused."
    return f"It wants {want}: {'it is asked about' if want > ruling.confirm_above else 'it runs unasked'}."
