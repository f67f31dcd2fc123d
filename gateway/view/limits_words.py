"""Limits: the answers to /budget and /raise, the warnings on the way to a limit, and changes that are asked for from outside."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.budget import PERIODS, Scope, ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.view.figure_words import amount

# ------------------------------------------------------------------------------------------------- /budget and /raise
NO_SESSION: Final = "No session yet: write what you want done, and it has a budget of its own."
MAY_NOT_TAKE_AWAY: Final = "You may not take this limit away: ask an owner."


def may_not_raise_by(unit: Unit, by: int) -> str:
    """A person's own largest raise is less."""
    return f"You may not raise this limit by {amount(unit, by)}: ask an owner."


def no_limit(kind: ScopeKind) -> str:
    """There is nothing to raise."""
    return f"There is no limit on this {kind}: there is nothing to raise."


def too_high(most: Usd) -> str:
    """A raise to more than a limit can be."""
    return f"That would be more than {most}, the most there is."


def sentence(words: str) -> str:
    """An explanation of what was written wrong, which has no full stop."""
    return f"{words}."


def line(name: str, spent: Usd, held: Usd, limit: Usd | None) -> str:
    """How it stands with a limit: `Day: $2.00 spent, $1.00 held, of $25.00`."""
    waits = f", {held} held" if held else ""
    return f"{name}: {spent} spent{waits}, no limit" if limit is None else f"{name}: {spent} spent{waits}, of {limit}"


def scope_name(kind: ScopeKind) -> str:
    """A scope at the beginning of its line."""
    return kind.capitalize()


def team_name(period: str) -> str:
    """The same of a team, which may share several limits; `period`: `month`."""
    return f"Team's {period}"


def beside(parts: Sequence[str]) -> str:
    """What stands on one line."""
    return " · ".join(parts)


def subscription(windows: Sequence[str]) -> str:
    """How it stands with a subscription."""
    return f"Subscription: {beside(windows)}"


def window(name: str, percent: int, until: str) -> str:
    """One of its windows; `until`: when it begins anew (`18:00`), or empty."""
    return f"{name} window {percent} %, until {until}" if until else f"{name} window {percent} %"


def asked_above(amount: Usd) -> str:
    """The last line of the answer to /budget."""
    return f"You are asked above {amount} a run. Change a limit: /budget 10, /budget day 25"


# ------------------------------------------------------------------------------------------------------------ warnings
def warning(kind: ScopeKind, unit: Unit, used: int, limit: int, percent: int) -> str:
    """A good part of a limit is spent."""
    of, so_much = amount(unit, limit), amount(unit, used)
    part = "All" if used >= limit else f"{percent} %"
    exactly = f": {so_much}" if so_much != of else ""  # Rounded they may look the same.
    return f"{part} of the {kind}'s {of} {_is_used(unit)}{exactly}."


def _is_used(unit: Unit) -> str:
    """The verb for it: money is spent."""
    return "is spent" if unit is Unit.USD else "are used"


def used_of_it(unit: Unit, used: int) -> str:
    """How much of a limit is gone; plain text."""
    return f"{amount(unit, used)} of it {_is_used(unit)}."


def used_of(unit: Unit, used: int, limit: int) -> str:
    """The same with the limit; plain text."""
    return f"{amount(unit, used)} of {amount(unit, limit)} {_is_used(unit)}."


# ------------------------------------------------------------------- changes from outside the chat: all of it plain text
def by_command_line(user: str, host: str) -> str:
    """Who asks."""
    return f"the command line on {host} ({user})"


def by_program(name: str) -> str:
    """The same for a program of which no session is known."""
    return f"a program on this machine, through MCP ({name}),"


def by_agent(session: str, where: str) -> str:
    """The same for a session's agent; `where` it works."""
    return f"the agent of session {session} ({where})"


def agent_in(agent: str, directory: str) -> str:
    """Where it works: `Claude Code in /work`."""
    return f"{agent} in {directory}"


def named(scope: Scope, key: str) -> str:
    """A limit as a sentence names it: `the day's limit`, `the limit of session s_12`; `key`: the scope's, fit to be shown."""
    return f"the {scope.kind}'s limit" if scope.kind in PERIODS else f"the limit of {scope.kind} {key}"


def opening(words: str) -> str:
    """The words as a sentence begins with them."""
    return words[0].upper() + words[1:]


def is_by_now(limit: str, now: str) -> str:
    """A limit is as high already, or higher; `limit`: as `named`."""
    return f"{opening(limit)} is {now} by now: nothing was changed."


RAISE_BY_NOTHING: Final = "a raise by nothing changes nothing"
LIMIT_OF_NOTHING: Final = "a limit of nothing lets nothing run: /stop all in the chat does that"


def over_the_top(most: str) -> str:
    """A limit would be too high."""
    return f"That would be more than {most}, the most there is: nothing was changed."


def taking_away(limit: str, before: str) -> str:
    """What a yes does."""
    return f"take {limit} away, which is {before}"


def raising(limit: str, by: str, to: str, until: str) -> str:
    """The same: `raise the day's limit by $5.00 to $30.00 until 18:00`; `until` may be empty."""
    return f"raise {limit} by {by} to {to} {until}".rstrip()


TAKE_AWAY: Final = "Take it away"


def raise_to(limit: str) -> str:
    """The button that says yes."""
    return f"Raise to {limit}"


TAKEN_AWAY: Final = "Taken away"


def raised_to(limit: str) -> str:
    """What a yes did."""
    return f"Raised to {limit}"


def answered_by(words: str, who: str) -> str:
    """What was answered, and by whom: their number, empty for the reader."""
    return f"{words} (by {who or 'you'})."


def stands(limit: str, now: str, until: str) -> str:
    """How it stands with a limit: `The day's limit is $30.00 until 18:00`; `until` may be empty."""
    return f"{opening(limit)} is {now} {until}".rstrip()


def asks(asker: str, deed: str, why: str) -> str:
    """What people are asked; `why` may be empty."""
    return f"{opening(asker)} asks: {deed} ({why})." if why else f"{opening(asker)} asks: {deed}."


def set_by_command_line(user: str, host: str, limit: str, now: str, before: str, why: str) -> str:
    """What people are told of a limit that was set without asking; `before`: what it was, and `why`: either may be empty."""
    was = f", it was {before}" if before else ""
    reasons = f" ({why})" if why else ""
    return f"The command line on {host} ({user}) set {limit} to {now}{was}{reasons}."


# ------------------------------------------------------------------------------------------- how it stands with a change
ASKED_AGAIN: Final = "The limit is another one by now: asked again."
NO_LIMIT_NOW: Final = "There is no limit any more: nothing was changed."
TIME_OVER: Final = "That time is over: nothing was changed."
NOBODY_ANSWERED: Final = "nobody answered in time: nothing was changed."
NOT_ASKED: Final = "it is not asked any more: nothing was changed."


def period_over(kind: ScopeKind) -> str:
    """A yes for a day that is gone."""
    return f"That {kind} is over: nothing was changed."


def asked_in_chat(deed: str) -> str:
    """People have not answered yet."""
    return f"Asked in the chat: {deed}."


def said_yes(stands: str, who: str) -> str:
    """Somebody agreed."""
    return f"{stands}: {who} said yes."


def said_no(who: str) -> str:
    """Somebody did not."""
    return f"{who} said no: nothing was changed."


# ------------------------------------------------------------------------------------- why, as the ledger keeps it: plain
OTHER_LIMIT: Final = "another limit was set"
BUDGET_SET: Final = "budget set"
RAISED_IN_CHAT: Final = "raised in the chat for a turn"


def raised_for_turn(unit: Unit, by: int, title: str) -> str:
    """A yes to a question of this title raised a limit."""
    return f"raised by {amount(unit, by)} for {title}"


def fenced(lease: str) -> str:
    """The team's bank has given a lease away: everything was stopped."""
    return f"lease {lease} was fenced"


def at_gateway(person: str, gateway: str) -> str:
    """Who raised a team's limit, in the bank's ledger."""
    return f"{person} at {gateway}"


def as_in_session(session: str) -> str:
    """What was raised in the session before."""
    return f"as in session {session}"


def taken_away_for(asker: str, why: str) -> str:
    """A limit was taken away because somebody asked for it and somebody agreed; `why` may be empty."""
    return f"taken away, asked by {asker}: {why}" if why else f"taken away, asked by {asker}"


def raised_at_wish(by: str, until: str, asker: str, why: str) -> str:
    """The same for a raise; `until` may be empty as well."""
    how = f"raised by {by} {until}".rstrip()
    return f"{how}, asked by {asker}: {why}" if why else f"{how}, asked by {asker}"


def as_command_line(user: str, host: str) -> str:
    """Who asked, in the ledger."""
    return f"the command line ({user} on {host})"


def price_known(entry: int) -> str:
    """What the entry of this number booked has a price by now."""
    return f"the list price of what entry {entry} booked is known now"
