"""`[[policy]]`: rules about runs."""

import json
import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.config.values import Amount, Directory, Person, Section
from gateway.core.policy import RULES_MAX, Action, Condition, Hours, HoursError, Rule
from gateway.domain.money import Usd
from gateway.domain.turn import Origin


def _policy(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_float=str)
        except ValueError:
            raise ValueError('write a list of rules, like [{"model": "*opus*", "then": "confirm"}]') from None
    if not isinstance(value, list | tuple) or not all(isinstance(one, dict) for one in value):
        raise ValueError("write each rule as a table of its own: [[policy]], and its settings below it")
    if len(value) > RULES_MAX:
        raise ValueError(f"there are {len(value)} rules, and at most {RULES_MAX} are read: put some together")
    return value


def _rule_name(name: str) -> str:
    if not all(part.isalnum() for part in name.replace("-", " ").split()):
        raise ValueError(f"{name!r} is no name for a rule: write letters, digits, spaces and hyphens, like nights")
    return " ".join(name.split())


def _chat(value: object) -> str:
    text = str(value).strip()
    if isinstance(value, bool) or not text.removeprefix("-").isdigit() or not text.isascii():
        raise ValueError(f"{text[:40]!r} is not a chat: write its number, like 4711 or -1001234")
    return text


def _hours(value: object) -> object:
    try:
        return value if isinstance(value, Hours) else Hours.parse(str(value))
    except HoursError as error:
        raise ValueError(str(error)) from None


class PolicySettings(Section):
    """One rule about runs: conditions, which all have to hold, and the one thing that is done then."""

    name: Annotated[str, AfterValidator(_rule_name)] = Field(default="", max_length=40)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    directory: Directory | None = None
    person: Person | None = None
    chat: Annotated[str, BeforeValidator(_chat)] | None = None
    origin: Origin | None = None
    cold_tokens_above: int | None = Field(default=None, ge=0, le=100_000_000)
    hours: Annotated[Hours, BeforeValidator(_hours)] | None = None
    estimate_above_usd: Amount | None = None
    then: Literal["confirm", "refuse"] | None = None
    confirm_above_usd: Amount | None = None
    allow_below_usd: Amount | None = None
    refuse_above_usd: Amount | None = None

    def actions(self) -> dict[Action, Usd | None]:
        """What is to be done, with its amount."""
        amounts = {
            Action.CONFIRM_ABOVE: self.confirm_above_usd,
            Action.ALLOW_BELOW: self.allow_below_usd,
            Action.REFUSE_ABOVE: self.refuse_above_usd,
        }
        found: dict[Action, Usd | None] = {} if self.then is None else {Action(self.then): None}
        return found | {action: amount for action, amount in amounts.items() if amount is not None}

    @model_validator(mode="after")
    def _does_one_thing(self) -> "PolicySettings":
        known = 'then = "confirm", then = "refuse", confirm_above_usd, allow_below_usd or refuse_above_usd'
        match [f'then = "{one}"' if one == self.then else f"{one}_usd" for one in self.actions()]:
            case [_]:
                return self
            case []:
                raise ValueError(f"it says nothing of what to do: write one of {known}")
            case found:
                raise ValueError(
                    f"a rule does one thing, and this has {' and '.join(found)}: make it {len(found)} rules"
                )

    @property
    def rule(self) -> Rule:
        """The rule as the core knows it."""
        when = Condition(
            model=self.model,
            # Sessions work in real directories, so that a link names the same place.
            directory=None if self.directory is None else os.path.realpath(self.directory),
            person=None if self.person is None else str(self.person),
            chat=self.chat,
            origin=self.origin,
            cold_tokens_above=self.cold_tokens_above,
            hours=self.hours,
            estimate_above=self.estimate_above_usd,
        )
        ((then, amount),) = self.actions().items()
        return Rule(when, then, amount, self.name)


Policy = Annotated[tuple[PolicySettings, ...], BeforeValidator(_policy)]
