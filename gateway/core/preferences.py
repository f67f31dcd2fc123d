"""What people choose for a chat: read from what they write, who may choose it, and what it does to the rules and the messages."""

import json
from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.core.digest import Digest, DigestError
from gateway.core.policy import Hours, HoursError, Ruling
from gateway.core.progress import Doing
from gateway.domain.budget import Entry, EntryKind
from gateway.domain.money import LARGEST_AMOUNT_NANO, AmountError, Usd
from gateway.domain.place import Deed
from gateway.domain.preferences import Preferences, Verbosity
from gateway.view import preference_words as words

NEVER = Usd(LARGEST_AMOUNT_NANO)
"""Above this nobody is asked: there is no larger amount."""
AMOUNTS = tuple(map(Usd.parse, ("0.25", "1", "5", "20")))
"""On the buttons."""
NIGHTS = ("22:00-07:00", "20:00-08:00", "mon-fri 18:00-08:00")
"""On the buttons."""
DIGESTS = ("08:00", "18:00", "weekly mon 08:00")
"""On the buttons."""
VALUE_CHARACTERS_MAX = 64


class Topic(StrEnum):
    """What can be chosen, as it is written behind /settings."""

    ALL = ""
    SHOW = "show"
    ASK = "ask"
    QUIET = "quiet"
    DIGEST = "digest"


@dataclass(frozen=True, slots=True)
class Settings:
    """`/settings`, `/settings show` and so on: look; with a `value`, as it was written, choose."""

    topic: Topic = Topic.ALL
    value: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """`/model`, `/model NAME`: which model the session works with, or is to."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Mode:
    """`/mode`, `/mode NAME`: the agent's own way of working in this session."""

    name: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """`/status`: how it stands with the session and the gateway."""


@dataclass(frozen=True, slots=True)
class Help:
    """`/help`: what this person may do here."""


def read(argument: str) -> Settings | str:
    """What stands behind /settings; a str: what is wrong with it."""
    name, _, value = argument.strip().partition(" ")
    try:
        topic = Topic(name.lower())
    except ValueError:
        return words.HOW_TO_SET
    return Settings(topic, " ".join(value.split())[:VALUE_CHARACTERS_MAX].lower())


def chosen(before: Preferences, settings: Settings, person: str) -> Preferences | str:
    """The preferences with what a person chose; a str: what is wrong with it."""
    value = settings.value
    match settings.topic:
        case Topic.SHOW:
            return replace(before, verbosity=Verbosity(value)) if value in list(Verbosity) else words.HOW_TO_SHOW
        case Topic.ASK:
            return _asked(before, value, person)
        case Topic.QUIET:
            return _quiet(before, value)
        case Topic.DIGEST:
            return _digest(before, value)
        case _:
            return words.HOW_TO_SET


def _asked(before: Preferences, value: str, person: str) -> Preferences | str:
    if value == words.DEFAULT:
        return replace(before, confirm_above=None, confirm_by="")
    try:
        amount = NEVER if value == words.NEVER else Usd.parse(value)
    except AmountError as error:
        return words.wrong_amount(str(error))
    return replace(before, confirm_above=amount, confirm_by=person)


def _quiet(before: Preferences, value: str) -> Preferences | str:
    try:
        return replace(before, quiet="" if value == words.NONE else Hours.parse(value).words)
    except HoursError as error:
        return words.wrong_hours(str(error))


def _digest(before: Preferences, value: str) -> Preferences | str:
    try:
        return replace(before, digest="" if value in (words.OFF, words.NONE) else Digest.parse(value).words)
    except DigestError as error:
        return words.wrong_digest(str(error))


def needed(own: Usd, before: Preferences, after: Preferences) -> Deed:
    """What a person has to be allowed for this change: to be asked less widens, and beyond the owner's own setting only owners go."""
    was, will = (own if one.confirm_above is None else one.confirm_above for one in (before, after))
    if will <= was:
        return Deed.COMMAND
    return Deed.RAISE if will <= own else Deed.GRANT


def threshold(own: Usd, preferences: Preferences, *, by_owner: bool) -> Usd:
    """Above which amount people are asked in this chat where no rule says otherwise.

    `by_owner`: whoever chose it is an owner still. More than the owner's own setting counts only then.
    """
    above = preferences.confirm_above
    return own if above is None or (above > own and not by_owner) else above


def threshold_entry(chat: Preferences, before: Usd, after: Usd, who: str) -> Entry:
    """What the ledger keeps of another amount in a chat above which people are asked; `before` and `after`: as it counts there."""
    facts = {"service": chat.service, "chat": chat.chat, "before": before.nano, "after": after.nano}
    why = words.threshold(before, after, NEVER)
    return Entry(EntryKind.THRESHOLD, (), who=who, why=why, detail=json.dumps(facts, sort_keys=True))


def stricter(ruling: Ruling, preferences: Preferences, general: Usd) -> Ruling:
    """The rules' word and the chat's: whoever asked to be asked sooner is asked, also where a rule would let the run go unasked."""
    if preferences.confirm_above is None or general >= ruling.confirm_above:
        return ruling
    return replace(ruling, confirm_above=general, words=words.asked_sooner(general))


def is_quiet(preferences: Preferences, minute_of_week: int) -> bool:
    """Whether nothing rings in this chat at this minute of the owner's week."""
    return quiet_for(preferences, minute_of_week) > 0


def quiet_for(preferences: Preferences, minute_of_week: int) -> int:
    """For how many minutes from this one of the owner's week nothing rings in this chat; a whole week: it never does."""
    if not preferences.quiet:
        return 0
    try:
        return Hours.parse(preferences.quiet).left(minute_of_week)
    except HoursError:  # written by a program that knew other hours
        return 0


def shown(preferences: Preferences, doing: Doing) -> Doing:
    """What is told of work that goes on: the agent's actions and words, or the newest action alone."""
    return doing if preferences.verbosity is Verbosity.FULL else replace(doing, actions=doing.actions[-1:], said="")
