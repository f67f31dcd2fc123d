"""A change of a limit that a person has to agree to: what a yes would do, its sentences, and how it is kept in a button."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from gateway.core.gauges import MOST, amount, is_none, limit_words, parse, parse_limit, used_of
from gateway.core.summary import escape, revealed
from gateway.domain.budget import Balance, Scope, ScopeKind, Unit
from gateway.domain.money import AmountError, Usd
from gateway.view import limits_words

WHY_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Change:
    """A higher limit of `scope`: raised by `amount`, or set to it, from `before` as it was when this was asked.

    `request` is the same for everybody who is asked. `until_ms` is when a raise is over (None: never), `until` the same in words.
    """

    request: str
    scope: Scope
    raises: bool
    amount: int
    before: int
    user: str
    host: str
    why: str = ""
    until_ms: int | None = None
    until: str = ""
    unit: Unit = Unit.USD
    """Of the amounts."""
    agent: str = ""
    """Who asks through MCP: a session's id, or the name of the way in. Empty: the command line. `user` says where it works then."""

    @property
    def asker(self) -> str:
        """Who asks, in words."""
        return asker(self.agent, self.user) if self.agent else limits_words.by_command_line(self.user, self.host)

    @property
    def limit(self) -> int:
        """The limit that a yes sets."""
        return self.before + self.amount if self.raises else self.amount

    @property
    def by(self) -> int:
        """How much higher that is."""
        return self.limit - self.before

    @property
    def dollars(self) -> Usd | None:
        """How much higher that is in dollars, for a person's largest raise; None in other units, which that does not bound."""
        return Usd(self.by) if self.unit is Unit.USD else None

    @property
    def takes_away(self) -> bool:
        """Whether there is to be no limit any more."""
        return not self.raises and is_none(self.unit, self.amount)

    def said(self, value: int) -> str:
        """An amount of its unit, in words."""
        return amount(self.unit, value)

    def value(self) -> str:
        """As the button keeps it; the digest of the question is over it. `read` is the reverse."""
        return json.dumps(asdict(self) | {"scope": [self.scope.kind, self.scope.key]}, sort_keys=True)

    @classmethod
    def read(cls, value: str) -> Self:
        """The change that a button keeps."""
        facts = json.loads(value)
        kind, key = facts["scope"]
        unit = Unit(facts.get("unit", Unit.USD))
        return cls(**(facts | {"scope": Scope(ScopeKind(kind), key), "unit": unit}))

    def same(self, other: "Change") -> bool:
        """Whether a yes to the other would do the same, for the same reason."""
        return replace(self, request=other.request) == other

    def renewed(self, limit: int) -> Self | str:
        """The same wish where the limit is another one by now; or why nothing is left of it."""
        now = replace(self, before=limit)
        if now.by <= 0:
            return limits_words.is_by_now(named(self.scope), self.said(limit))
        return over_the_top(now) or now


def asker(agent: str, where: str) -> str:
    """Who asks through MCP, in words: a session's agent, or, where nothing is known of a place, a program."""
    if not where:
        return limits_words.by_program(reason(agent))
    return limits_words.by_agent(reason(agent), where)


def read_amount(text: str, *, raises: bool) -> tuple[Unit, int]:
    """The limit, or what it is to be raised by, in its unit. Raises AmountError."""
    unit, value = parse(text) if raises else parse_limit(text)
    if not value:
        raise AmountError(limits_words.RAISE_BY_NOTHING if raises else limits_words.LIMIT_OF_NOTHING)
    return unit, value


def over_the_top(change: Change) -> str:
    """Why the limit would be too high; empty if it is not."""
    most = MOST[change.unit]
    if change.limit <= most:
        return ""
    return limits_words.over_the_top(change.said(most))


def reason(why: str) -> str:
    """What somebody gave as their reason, on one line of limited length and with nothing hidden in it; an ellipsis where it is cut."""
    shown, rest = revealed(" ".join(why.split()), WHY_CHARACTERS_MAX)
    return f"{shown}…" if rest else shown


def named(scope: Scope) -> str:
    """A limit as a sentence names it: `the day's limit`, `the limit of session s_12`."""
    return limits_words.named(scope, reason(scope.key))


def heading(scope: Scope) -> str:
    """The same at the beginning of a sentence."""
    return limits_words.opening(named(scope))


def deed(change: Change) -> str:
    """What a yes does: `raise the day's limit by $5.00 to $30.00 until 18:00`, `take the day's limit away, which is $25.00`."""
    if change.takes_away:
        return limits_words.taking_away(named(change.scope), change.said(change.before))
    limit, by = change.said(change.limit), change.said(change.by)
    return limits_words.raising(named(change.scope), by, limit, change.until)


def offer(change: Change) -> str:
    """The button that says yes."""
    return limits_words.TAKE_AWAY if change.takes_away else limits_words.raise_to(change.said(change.limit))


def accepted(change: Change) -> str:
    """What is said under the question after a yes."""
    return limits_words.TAKEN_AWAY if change.takes_away else limits_words.raised_to(change.said(change.limit))


def stands(change: Change) -> str:
    """How it stands with the limit after a yes: `The day's limit is $30.00 until 18:00`."""
    return limits_words.stands(named(change.scope), limit_words(change.unit, change.limit), change.until)


def question(change: Change, balance: Balance) -> str:
    """What people are asked, in Markdown."""
    asks = limits_words.asks(change.asker, deed(change), change.why)
    used = limits_words.used_of(change.unit, used_of(balance, change.unit), change.before)
    return f"{escape(asks)}\n{escape(used)}"


def ledger_words(change: Change) -> str:
    """Why the limit was changed, for the ledger."""
    asker = change.asker if change.agent else limits_words.as_command_line(change.user, change.host)
    if change.takes_away:
        return limits_words.taken_away_for(asker, change.why)
    return limits_words.raised_at_wish(change.said(change.by), change.until, asker, change.why)


def lowered(balance: Balance, unit: Unit, limit: int, before: int | None, asker: tuple[str, str], why: str) -> str:
    """What people are told of a limit that the command line has set without asking, in Markdown; `asker`: the user and machine."""
    user, host = asker
    was = "" if before is None else amount(unit, before)
    told = limits_words.set_by_command_line(user, host, named(balance.scope), amount(unit, limit), was, why)
    return f"{escape(told)}\n{escape(limits_words.used_of_it(unit, used_of(balance, unit)))}"
