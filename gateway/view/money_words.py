"""The gate's sentences: what a run may cost, what is left, why it does not start or go on, and the buttons that say yes."""

from collections.abc import Sequence
from typing import Final

from gateway.domain.budget import ScopeKind, Unit
from gateway.domain.money import Usd
from gateway.view.figure_words import amount, dollars

# ------------------------------------------------------------------------------------------------------------ buttons
NO: Final = "No"
STOP_HERE: Final = "Stop here"
RUN_UNPRICED: Final = "Run, price unknown"


def run(most: Usd, *, more: bool = False) -> str:
    """The button that starts a run; `more`: it has cost something already, and this comes on top."""
    return f"Run, up to {most} more" if more else f"Run, up to {most}"


def run_until(most: Usd) -> str:
    """The same where that is all there is left."""
    return f"Run, stop at {most}"


def use(model: str, most: Usd) -> str:
    """The button that starts a run on another model."""
    return f"Use {model}, up to {most}"


def try_again(most: Usd) -> str:
    """The button that asks the team's bank again."""
    return f"Try again, up to {most}"


def raise_by(by: Usd, up_to: Usd | None = None) -> str:
    """The button that raises limits; `up_to`: how far the turn goes on then, where that is another amount."""
    return f"Raise +{dollars(by)}" if up_to is None else f"Raise +{dollars(by)}, up to {up_to} more"


def go_on(most: Usd) -> str:
    """The button that lets a paused turn go on."""
    return f"Go on, up to {most} more"


def raising(label: str, lifts: Sequence[tuple[Unit, int]]) -> str:
    """A button that also raises what is counted beside money: `Run, up to $1.00, +100 calls, +30 min of work`."""
    return ", ".join([label, *(f"+{amount(unit, by)}" for unit, by in lifts)])


# ------------------------------------------------------------------------------------------------------------ refusals
FROZEN: Final = "Everything is stopped: /go lets turns start again."
FROZEN_PAUSED: Final = "Everything is stopped: /go lets turns go on."
NOT_RUN_UNPRICED: Final = "the price of this model is not known, and the settings refuse that (budgets.unpriced)."


def refused_above(want: Usd, most: Usd) -> str:
    """A rule refuses what would be set aside for a run."""
    return f"{want} would be set aside for it, and a rule refuses such runs above {most}."


# ------------------------------------------------------------------------------------- why a turn pauses, after "Paused:"
UNPRICED: Final = "the price of this model is not known"
UNPRICED_REFUSED: Final = "the price of this model is not known, and the settings refuse that"
EVERYTHING_STOPPED: Final = "everything is stopped"
STOPPED_MEANWHILE: Final = "it was stopped"
PRICE_CHANGED: Final = "the price changed"
USED_MEANWHILE: Final = "the budget was used up meanwhile"
LENT_USED: Final = "what the team's bank lent is used up"


def budget_used(kind: ScopeKind, limit: Usd) -> str:
    """A limit in dollars is reached."""
    return f"the {kind} budget of {limit} is used up"


def agreed(most: Usd) -> str:
    """What a person said yes to is reached."""
    return f"{most} is what was agreed for this turn"


def most_by_rule(most: Usd) -> str:
    """What a rule allows at most is reached."""
    return f"{most} is the most that a rule allows for this turn"


def paced(pace: int) -> str:
    """It costs too much a minute: `pace` in nano-dollars."""
    return f"it costs {amount(Unit.PACE, pace)}, far more than other turns of this session"


def quota_used(window: str, percent: int, until: str) -> str:
    """So much of a subscription's window is used; `until`: when it begins anew (`18:00`), or empty."""
    if until:
        return f"{percent} % of the subscription's {window} window is used, until {until}"
    return f"{percent} % of the subscription's {window} window is used"


def used_in_turn(unit: Unit, used: int) -> str:
    """A limit of the turn's own is reached."""
    return f"{amount(unit, used)} in this turn"


def count_used(kind: ScopeKind, unit: Unit, limit: int) -> str:
    """A limit that others share is reached, on what is counted beside money."""
    verb = "is" if unit is Unit.CALLS and limit == 1 else "are"
    return f"the {kind}'s {amount(unit, limit)} {verb} used up"


def all_of(reasons: Sequence[str]) -> str:
    """Several of these reasons."""
    return "; ".join(reasons)


# ----------------------------------------------------------------------------------------------------------- questions
def pauses(most: Usd, *, more: bool) -> str:
    """A run that may become dearer than what is agreed to; `more`: it has cost something already."""
    return f"It pauses and asks after {most} more." if more else f"It pauses and asks at {most}."


def spent_before(spent: Usd) -> str:
    """Sub-agents were at work before the run was asked about."""
    return f"{spent} was spent before it was asked about."


def stuck(reasons: str) -> str:
    """Why a run is asked about, as a sentence; nothing if there is no reason."""
    return f"{reasons[:1].upper()}{reasons[1:]}." if reasons else ""


def paused(reason: str, spent: str) -> str:
    """A turn that has reached a limit; `spent`: what it cost, with what is not known of it."""
    return f"Paused: {reason}. {spent} spent so far."


def cannot_go_on(reason: str) -> str:
    """Nobody may let the turn go on."""
    return f"It cannot go on: {reason}."


def allowance(more: Sequence[tuple[Unit, int]]) -> str:
    """What a yes gives a turn on the limits that are its own: `Going on allows 150 calls more.`; nothing if there are none."""
    return f"Going on allows {', '.join(amount(unit, by) for unit, by in more)} more." if more else ""


def left(kind: ScopeKind, free: Usd, limit: Usd) -> str:
    """What is left of the tightest limit."""
    return f"{free} left of the {kind}'s {limit}."


def left_but_held(kind: ScopeKind, free: Usd, limit: Usd, spent: Usd, held: Usd) -> str:
    """The same where much of what is gone is not spent but held for other turns."""
    return f"{free} left of the {kind}'s {limit}: {spent} spent, {held} held."


def left_but_held_for(kind: ScopeKind, free: Usd, limit: Usd, spent: Usd, held: Usd, title: str, others: int) -> str:
    """The same where it is known for which turn most of it is held, by its title, and for how many others."""
    if others:
        return f"{free} left of the {kind}'s {limit}: {spent} spent, {held} held for '{title}' and {others} more."
    return f"{free} left of the {kind}'s {limit}: {spent} spent, {held} held for '{title}'."


def beyond(kind: ScopeKind, wanted: Usd, free: Usd, limit: Usd, raises: str) -> str:
    """An amount that was written in reply is more than is left; `raises`: the label of a button that helps, or empty."""
    told = f"{wanted} is more than the {free} left of the {kind}'s {limit}"
    command = f"write `/raise {kind} {wanted.exact()}`"
    if kind is ScopeKind.TEAM:  # a lease is nobody's here to raise by a command
        return f'{told}: press "{raises}".' if raises else f"{told}: nothing runs."
    return f'{told}: press "{raises}", or {command}.' if raises else f"{told}: {command}."


# ------------------------------------------------------------------------------------------------------------ forecast
def no_history(turns: int) -> str:
    """Too few turns for a forecast."""
    return f"Not enough history to say more (n={turns})."


def _turns(number: int) -> str:
    return "1 turn" if number == 1 else f"{number} turns" if number else "no turns yet"


def forecast_of_others(likely: Usd, upper: Usd, turns: int) -> str:
    """A forecast that rests on other people's turns."""
    return f"About {likely}, up to {upper} (from public sessions; you have {_turns(turns)})."


def _of_logs(turns: int, imported: int) -> str:
    """How many of them no gateway has metered, where these are most of them."""
    if 2 * imported <= turns:
        return ""
    number = "all" if imported == turns else f"{imported}"
    return f", {number} of them from the agent's own logs"


def forecast_of_both(likely: Usd, upper: Usd, turns: int, imported: int = 0) -> str:
    """A forecast that rests on the person's own turns and on others'; `imported`: so many of them are known from logs alone."""
    told = _of_logs(turns, imported)
    return (
        f"About {likely}, up to {upper} (from {_turns(turns)} of yours{told}{',' if told else ''} and public sessions)."
    )


def forecast_of_own(likely: Usd, upper: Usd, turns: int, imported: int = 0) -> str:
    """A forecast that rests on the person's own turns."""
    return f"About {likely}, up to {upper} (9 in 10 of {_turns(turns)} of yours{_of_logs(turns, imported)})."


RAN_DEARER: Final = "Turns ran dearer than forecast, so the upper figure is raised."
RAN_CHEAPER: Final = "Turns ran cheaper than forecast, so the upper figure is lowered."


def price_unknown(model: str | None, why: str) -> str:
    """No forecast, since nobody knows the price."""
    return f"The price of {model} is not known ({why})."


THIS_MODEL: Final = "this model"
"""Where its name is not known."""


def at_least(least: Usd) -> str:
    """What a run costs whatever it does."""
    return f"At least {least}."


def cache_expired(tokens: int, least: Usd) -> str:
    """What it costs to read the conversation again."""
    return f"The prompt cache has expired: reading {tokens} tokens again costs {least} alone."


# --------------------------------------------------------------------------------------------------------------- rules
def rule_title(number: int, name: str) -> str:
    """How a rule is called: `Rule 2 (nights)`."""
    return f"Rule {number} ({name})" if name else f"Rule {number}"


def rule_refuses(rule: str) -> str:
    """What a rule of this title does with a run."""
    return f"{rule} refuses such runs."


def rule_asks(rule: str) -> str:
    """The same for one that asks, whatever the amount."""
    return f"{rule} asks before every such run."


def rule_asks_above(rule: str, above: Usd) -> str:
    """The same for one that asks above an amount."""
    return f"{rule} asks above {above}."


def rule_lets_run(rule: str, up_to: Usd) -> str:
    """The same for one that lets runs go unasked."""
    return f"{rule} lets runs up to {up_to} go unasked."


def no_rule(above: Usd) -> str:
    """The general threshold decides."""
    return f"No rule decides: runs above {above} are asked about."
