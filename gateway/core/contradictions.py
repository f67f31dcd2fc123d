"""Rules that cannot have been meant: found when the settings are read, and only where it is certain."""

from collections.abc import Sequence

from gateway.core.policy import ANY, CONDITIONS, RULES_MAX, Action, Condition, Rule, matches, title
from gateway.domain.money import ZERO, Usd

DECIDES = frozenset(Action) - {Action.REFUSE_ABOVE}
"""What leaves nothing to the rules below."""
LETS_RUN = (Action.ALLOW_BELOW, Action.CONFIRM_ABOVE)


def contradiction(rules: Sequence[Rule], confirm_above: Usd, default_hold: Usd) -> str | None:
    """The first thing that is wrong, with the rule's number and what to write; None: nothing is.

    `confirm_above`: the general threshold. `default_hold`: what is held for a run without history.
    """
    if len(rules) > RULES_MAX:
        return f"there are {len(rules)} rules, and at most {RULES_MAX} are read: put some together, or remove them"
    for number, rule in enumerate(rules, 1):
        wrong = _alone(rule, confirm_above, default_hold) or _after(rules[: number - 1], rule)
        if wrong is not None:
            return f"{title(number, rule)} {wrong}"
    return None


def _alone(rule: Rule, confirm_above: Usd, default_hold: Usd) -> str | None:
    """What is wrong with a rule whatever stands above it."""
    then, amount, least = rule.then, rule.amount or ZERO, rule.when.estimate_above
    every = 'directory = "/"' if then is Action.REFUSE else "budgets.confirm_above_usd"
    wrong = (
        (
            rule.when == ANY and then is not Action.REFUSE_ABOVE,
            f"has no condition: write {CONDITIONS} in it, or {every} if every run is meant",
        ),
        (
            then is Action.CONFIRM_ABOVE and amount > confirm_above,
            (
                f"asks above {amount}, and every run above {confirm_above} is asked about already"
                " (budgets.confirm_above_usd): write less, or allow_below_usd to let more go unasked"
            ),
        ),
        (
            then is Action.ALLOW_BELOW and amount < confirm_above,
            (
                f"lets runs up to {amount} go unasked, and every run up to {confirm_above} does already"
                " (budgets.confirm_above_usd): write more, or confirm_above_usd to be asked sooner"
            ),
        ),
        (
            then is Action.ALLOW_BELOW and not amount,
            'lets nothing go unasked: write an amount like 2.50, or then = "confirm"',
        ),
        (
            then is Action.ALLOW_BELOW and least is not None and least >= amount,
            (
                f"holds only for what wants more than {least}, and lets no more than {amount} go unasked:"
                " write a larger allow_below_usd, or a smaller estimate_above_usd"
            ),
        ),
        (
            then is Action.REFUSE_ABOVE and amount < default_hold,
            (
                f"refuses above {amount}, and {default_hold} is held for every run without history"
                ' (budgets.default_hold_usd): write at least that, or then = "refuse"'
            ),
        ),
    )
    return next((sentence for holds, sentence in wrong if holds), None)


def _after(above: Sequence[Rule], rule: Rule) -> str | None:
    """What is wrong with a rule because of one above it that holds whenever it does."""
    for number, earlier in enumerate(above, 1):
        if not covers(earlier.when, rule.when):
            continue
        name = title(number, earlier).replace("Rule", "rule")
        if earlier.then in DECIDES:
            return f"is never reached, because {name} decides whenever it holds: put it above that, or remove one"
        bound, amount = earlier.amount or ZERO, rule.amount or ZERO
        if rule.then is Action.REFUSE_ABOVE and amount >= bound:
            return f"changes nothing, because {name} refuses above {bound} already: write less than that, or remove one"
        if rule.then in LETS_RUN and amount > bound:
            return f"lets runs up to {amount} go unasked, and {name} refuses above {bound}: write at most that"
    return None


def covers(wide: Condition, narrow: Condition) -> bool:
    """Whether `wide` certainly holds wherever `narrow` does."""
    return (
        (wide.model is None or (narrow.model is not None and _covers_model(wide.model, narrow.model)))
        and (
            wide.directory is None or (narrow.directory is not None and _covers_place(wide.directory, narrow.directory))
        )
        and wide.person in (None, narrow.person)
        and wide.chat in (None, narrow.chat)
        and wide.origin in (None, narrow.origin)
        and _at_most(wide.cold_tokens_above, narrow.cold_tokens_above)
        and (wide.hours is None or (narrow.hours is not None and not narrow.hours.minutes & ~wide.hours.minutes))
        and _at_most(
            None if wide.estimate_above is None else wide.estimate_above.nano,
            None if narrow.estimate_above is None else narrow.estimate_above.nano,
        )
    )


def _covers_model(wide: str, narrow: str) -> bool:
    """Patterns are compared only where one of them is a plain name or everything."""
    plain = not any(sign in narrow for sign in "*?")
    return wide in ("*", narrow) or (plain and matches(wide, narrow))


def _covers_place(wide: str, narrow: str) -> bool:
    return narrow == wide or narrow.startswith(f"{wide.rstrip('/')}/")


def _at_most(wide: int | None, narrow: int | None) -> bool:
    return wide is None or (narrow is not None and wide <= narrow)
