"""A change of a limit that a person has to agree to: what a yes would do, its sentences, and how it is kept in a button."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from gateway.core.gauges import MOST, amount, is_none, is_used, limit_words, parse, parse_limit, used_of
from gateway.core.summary import escape, revealed
from gateway.domain.budget import PERIODS, Balance, Scope, ScopeKind, Unit
from gateway.domain.money import AmountError, Usd

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
        return asker(self.agent, self.user) if self.agent else f"the command line on {self.host} ({self.user})"

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
            return f"{heading(self.scope)} is {self.said(limit)} by now: nothing was changed."
        return over_the_top(now) or now


def asker(agent: str, where: str) -> str:
    """Who asks through MCP, in words: a session's agent, or, where nothing is known of a place, a program."""
    if not where:
        return f"a program on this machine, through MCP ({reason(agent)}),"
    return f"the agent of session {reason(agent)} ({where})"


def read_amount(text: str, *, raises: bool) -> tuple[Unit, int]:
    """The limit, or what it is to be raised by, in its unit. Raises AmountError."""
    unit, value = parse(text) if raises else parse_limit(text)
    if not value:
        nothing = "a raise by nothing changes nothing"
        raise AmountError(nothing if raises else "a limit of nothing lets nothing run: /stop all in the chat does that")
    return unit, value


def over_the_top(change: Change) -> str:
    """Why the limit would be too high; empty if it is not."""
    most = MOST[change.unit]
    if change.limit <= most:
        return ""
    return f"That would be more than {change.said(most)}, the most there is: nothing was changed."


def reason(why: str) -> str:
    """What somebody gave as their reason, on one line of limited length and with nothing hidden in it; an ellipsis where it is cut."""
    shown, rest = revealed(" ".join(why.split()), WHY_CHARACTERS_MAX)
    return f"{shown}…" if rest else shown


def named(scope: Scope) -> str:
    """A limit as a sentence names it: `the day's limit`, `the limit of session s_12`."""
    if scope.kind in PERIODS:
        return f"the {scope.kind}'s limit"
    return f"the limit of {scope.kind} {reason(scope.key)}"


def heading(scope: Scope) -> str:
    """The same at the beginning of a sentence."""
    return sentence(named(scope))


def sentence(words: str) -> str:
    """The words as a sentence begins with them."""
    return words[0].upper() + words[1:]


def deed(change: Change) -> str:
    """What a yes does: `raise the day's limit by $5.00 to $30.00 until 18:00`, `take the day's limit away, which is $25.00`."""
    if change.takes_away:
        return f"take {named(change.scope)} away, which is {change.said(change.before)}"
    return f"raise {named(change.scope)} by {change.said(change.by)} to {change.said(change.limit)} {change.until}".rstrip()


def offer(change: Change) -> str:
    """The button that says yes."""
    return "Take it away" if change.takes_away else f"Raise to {change.said(change.limit)}"


def accepted(change: Change) -> str:
    """What is said under the question after a yes."""
    return "Taken away" if change.takes_away else f"Raised to {change.said(change.limit)}"


def stands(change: Change) -> str:
    """How it stands with the limit after a yes: `The day's limit is $30.00 until 18:00`."""
    return f"{heading(change.scope)} is {limit_words(change.unit, change.limit)} {change.until}".rstrip()


def question(change: Change, balance: Balance) -> str:
    """What people are asked, in Markdown."""
    why = f" ({change.why})" if change.why else ""
    asks = f"{sentence(change.asker)} asks: {deed(change)}{why}."
    used = change.said(used_of(balance, change.unit))
    return f"{escape(asks)}\n{escape(f'{used} of {change.said(change.before)} {is_used(change.unit)}.')}"


def ledger_words(change: Change) -> str:
    """Why the limit was changed, for the ledger."""
    why = f": {change.why}" if change.why else ""
    how = "taken away" if change.takes_away else f"raised by {change.said(change.by)} {change.until}".rstrip()
    asker = change.asker if change.agent else f"the command line ({change.user} on {change.host})"
    return f"{how}, asked by {asker}{why}"


def lowered(balance: Balance, unit: Unit, limit: int, before: int | None, asker: tuple[str, str], why: str) -> str:
    """What people are told of a limit that the command line has set without asking, in Markdown; `asker`: the user and machine."""
    user, host = asker
    was = f", it was {amount(unit, before)}" if before is not None else ""
    reasons = f" ({why})" if why else ""
    told = f"The command line on {host} ({user}) set {named(balance.scope)} to {amount(unit, limit)}{was}{reasons}."
    return f"{escape(told)}\n{escape(f'{amount(unit, used_of(balance, unit))} of it {is_used(unit)}.')}"
