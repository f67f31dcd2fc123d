"""Changes of limits that are asked for from outside the chat, and why a limit was changed, as the ledger keeps it; all plain text."""

from dataclasses import dataclass
from typing import Final

from gateway.domain.budget import PERIODS, Scope, ScopeKind, Unit
from gateway.view import people_words
from gateway.view.figure_words import amount, opening


@dataclass(frozen=True, slots=True)
class Wish:
    """A higher limit that somebody asks for, as its sentences need it: everything that others wrote is fit to be shown.

    `limit` is what a yes makes of `before`, in the unit. `until`: when a raise is over (`until 18:00`), or empty; `why` may be empty.
    `agent` asks, a session's id or a program's name, and `user` says where it works; where it is empty `user` asks, at the command
    line of `host`.
    """

    scope: Scope
    unit: Unit
    before: int
    limit: int
    takes_away: bool
    until: str
    why: str
    agent: str
    user: str
    host: str


# --------------------------------------------------------------------------------------------------- who, and which limit
def asker(agent: str, user: str, host: str = "") -> str:
    """Who asks: through MCP a session's agent that works in `user`, or a program where nothing is known of a place; with no `agent` the
    command line.
    """
    if not agent:
        return people_words.command_line(user, host)
    return f"the agent of session {agent} ({user})" if user else f"a program on this machine, through MCP ({agent}),"


def _asker(wish: Wish) -> str:
    return asker(wish.agent, wish.user, wish.host)


def agent_in(agent: str, directory: str) -> str:
    """Where an agent works: `Claude Code in /work`."""
    return f"{agent} in {directory}"


def named(scope: Scope) -> str:
    """A limit within a sentence: `the day's limit`, `the limit of session s_12`."""
    return f"the {scope.kind}'s limit" if scope.kind in PERIODS else f"the limit of {scope.kind} {scope.key}"


def heading(scope: Scope) -> str:
    """The same at the beginning of a sentence."""
    return opening(named(scope))


# ------------------------------------------------------------------------------------------------------------ questions
def deed(wish: Wish) -> str:
    """What a yes does: `raise the day's limit by $5.00 to $30.00 until 18:00`, `take the day's limit away, which is $25.00`."""
    if wish.takes_away:
        return f"take {named(wish.scope)} away, which is {amount(wish.unit, wish.before)}"
    by, to = amount(wish.unit, wish.limit - wish.before), amount(wish.unit, wish.limit)
    return f"raise {named(wish.scope)} by {by} to {to} {wish.until}".rstrip()


def asks(wish: Wish) -> str:
    """What people are asked."""
    why = f" ({wish.why})" if wish.why else ""
    return f"{opening(_asker(wish))} asks: {deed(wish)}{why}."


def offer(wish: Wish) -> str:
    """The button that says yes."""
    return "Take it away" if wish.takes_away else f"Raise to {amount(wish.unit, wish.limit)}"


def accepted(wish: Wish) -> str:
    """What is said under the question after a yes."""
    return "Taken away" if wish.takes_away else f"Raised to {amount(wish.unit, wish.limit)}"


def answered_by(words: str, who: str) -> str:
    """What was answered, and by whom: their number, empty for the reader."""
    return f"{words} (by {who or 'you'})."


def is_by_now(scope: Scope, unit: Unit, limit: int) -> str:
    """A limit is as high already, or higher."""
    return f"{heading(scope)} is {amount(unit, limit)} by now: nothing was changed."


def over_the_top(unit: Unit, most: int) -> str:
    """A limit would be too high."""
    return f"That would be more than {amount(unit, most)}, the most there is: nothing was changed."


RAISE_BY_NOTHING: Final = "a raise by nothing changes nothing"
LIMIT_OF_NOTHING: Final = "a limit of nothing lets nothing run: /stop all in the chat does that"


# ------------------------------------------------------------------------------------------------- lower: nobody is asked
def lowered(asked: tuple[str, str], scope: Scope, unit: Unit, limit: int, before: int | None, why: str) -> str:
    """What people are told of a limit that the command line has set: `asked` by which user and machine, and what it was `before`."""
    user, host = asked
    was = "" if before is None else f", it was {amount(unit, before)}"
    reasons = f" ({why})" if why else ""
    return (
        f"{opening(people_words.command_line(user, host))} set {named(scope)} to {amount(unit, limit)}{was}{reasons}."
    )


# ------------------------------------------------------------------------------------------- how it stands with a change
ASKED_AGAIN: Final = "The limit is another one by now: asked again."
NO_LIMIT_NOW: Final = "There is no limit any more: nothing was changed."
TIME_OVER: Final = "That time is over: nothing was changed."
NOBODY_ANSWERED: Final = "nobody answered in time: nothing was changed."
NOT_ASKED: Final = "it is not asked any more: nothing was changed."


def period_over(kind: ScopeKind) -> str:
    """A yes for a day that is gone."""
    return f"That {kind} is over: nothing was changed."


def asked_in_chat(wish: Wish) -> str:
    """People have not answered yet."""
    return f"Asked in the chat: {deed(wish)}."


def stands(wish: Wish, now: str) -> str:
    """How it stands with a limit after a yes, `now` being that limit: `The day's limit is $30.00 until 18:00`."""
    return f"{heading(wish.scope)} is {now} {wish.until}".rstrip()


def said_yes(wish: Wish, now: str, who: str) -> str:
    """Somebody agreed."""
    return f"{stands(wish, now)}: {who} said yes."


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


def at_wish(wish: Wish) -> str:
    """Somebody asked for the change, and somebody agreed."""
    why = f": {wish.why}" if wish.why else ""
    by = _asker(wish)
    if wish.takes_away:
        return f"taken away, asked by {by}{why}"
    how = f"raised by {amount(wish.unit, wish.limit - wish.before)} {wish.until}".rstrip()
    return f"{how}, asked by {by}{why}"


def price_known(entry: int) -> str:
    """What the entry of this number booked has a price by now."""
    return f"the list price of what entry {entry} booked is known now"
