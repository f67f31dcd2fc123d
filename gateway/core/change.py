"""A change of a limit that a person has to agree to: what a yes would do, its sentences, and how it is kept in a button."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Self

from gateway.core.gauges import MOST, is_none, limit_words, parse, parse_limit, used_of
from gateway.core.summary import escape, revealed
from gateway.domain.budget import Balance, Scope, ScopeKind, Unit
from gateway.domain.money import AmountError, Usd
from gateway.view import change_words, limits_words

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
    def wish(self) -> change_words.Wish:
        """The change as its sentences need it."""
        return change_words.Wish(
            scope=shown(self.scope),
            unit=self.unit,
            before=self.before,
            limit=self.limit,
            takes_away=self.takes_away,
            until=self.until,
            why=self.why,
            agent=reason(self.agent),
            user=self.user,
            host=self.host,
        )

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
            return change_words.is_by_now(shown(self.scope), self.unit, limit)
        return over_the_top(now) or now


def read_amount(text: str, *, raises: bool) -> tuple[Unit, int]:
    """The limit, or what it is to be raised by, in its unit. Raises AmountError."""
    unit, value = parse(text) if raises else parse_limit(text)
    if not value:
        raise AmountError(change_words.RAISE_BY_NOTHING if raises else change_words.LIMIT_OF_NOTHING)
    return unit, value


def over_the_top(change: Change) -> str:
    """Why the limit would be too high; empty if it is not."""
    most = MOST[change.unit]
    return "" if change.limit <= most else change_words.over_the_top(change.unit, most)


def reason(why: str) -> str:
    """What somebody gave as their reason, on one line of limited length and with nothing hidden in it; an ellipsis where it is cut."""
    shown, rest = revealed(" ".join(why.split()), WHY_CHARACTERS_MAX)
    return f"{shown}…" if rest else shown


def shown(scope: Scope) -> Scope:
    """The scope with its key as people may be shown it."""
    return replace(scope, key=reason(scope.key))


def named(scope: Scope) -> str:
    """A limit as a sentence names it: `the day's limit`, `the limit of session s_12`."""
    return change_words.named(shown(scope))


def heading(scope: Scope) -> str:
    """The same at the beginning of a sentence."""
    return change_words.heading(shown(scope))


def deed(change: Change) -> str:
    """What a yes does: `raise the day's limit by $5.00 to $30.00 until 18:00`, `take the day's limit away, which is $25.00`."""
    return change_words.deed(change.wish)


def offer(change: Change) -> str:
    """The button that says yes."""
    return change_words.offer(change.wish)


def accepted(change: Change) -> str:
    """What is said under the question after a yes."""
    return change_words.accepted(change.wish)


def stands(change: Change) -> str:
    """How it stands with the limit after a yes: `The day's limit is $30.00 until 18:00`."""
    return change_words.stands(change.wish, limit_words(change.unit, change.limit))


def said_yes(change: Change, who: str) -> str:
    """The same, with who agreed."""
    return change_words.said_yes(change.wish, limit_words(change.unit, change.limit), who)


def question(change: Change, balance: Balance) -> str:
    """What people are asked, in Markdown."""
    used = limits_words.used_of(change.unit, used_of(balance, change.unit), change.before)
    return f"{escape(change_words.asks(change.wish))}\n{escape(used)}"


def ledger_words(change: Change) -> str:
    """Why the limit was changed, for the ledger."""
    return change_words.at_wish(change.wish)


def lowered(balance: Balance, unit: Unit, limit: int, before: int | None, asker: tuple[str, str], why: str) -> str:
    """What people are told of a limit that the command line has set without asking, in Markdown; `asker`: the user and machine."""
    told = change_words.lowered(asker, shown(balance.scope), unit, limit, before, why)
    return f"{escape(told)}\n{escape(limits_words.used_of_it(unit, used_of(balance, unit)))}"
