"""What people choose for a chat: read, judged, and put beside the owner's rules."""

import json
from dataclasses import replace

import pytest

from gateway.core.policy import WEEK_MINUTES, Ruling
from gateway.core.preferences import (
    NEVER,
    Settings,
    Topic,
    chosen,
    is_quiet,
    needed,
    quiet_for,
    read,
    shown,
    stricter,
    threshold,
    threshold_entry,
)
from gateway.core.progress import Doing
from gateway.domain.budget import EntryKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Deed
from gateway.domain.preferences import Preferences, Verbosity
from gateway.view import preference_words as words

NOW = Preferences("telegram", "7")
OWN = Usd.parse("1")
LOW, HIGH = Usd.parse("0.25"), Usd.parse("5")


def asked_above(amount: Usd | None) -> Preferences:
    """Somebody chose this amount."""
    return replace(NOW, confirm_above=amount, confirm_by="8")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", Settings()),
        ("ask", Settings(Topic.ASK)),
        ("QUIET  Mon-Fri   18:00-08:00", Settings(Topic.QUIET, "mon-fri 18:00-08:00")),
        ("volume", words.HOW_TO_SET),
    ],
)
def test_what_stands_behind_the_command_is_read_as_people_write_it(written: str, meant: Settings | str) -> None:
    """Letters and spaces are as they like; what is no setting is explained."""
    assert read(written) == meant


def test_no_value_is_longer_than_a_value_can_be() -> None:
    """Whatever is pasted behind the command is cut."""
    found = read(f"ask {'9' * 5_000}")
    assert isinstance(found, Settings)
    assert len(found.value) == 64


@pytest.mark.parametrize(
    ("settings", "after"),
    [
        (Settings(Topic.SHOW, "brief"), replace(NOW, verbosity=Verbosity.BRIEF)),
        (Settings(Topic.ASK, "0.25"), replace(asked_above(LOW), confirm_by="9")),
        (Settings(Topic.ASK, "never"), replace(asked_above(NEVER), confirm_by="9")),
        (Settings(Topic.ASK, "default"), NOW),
        (Settings(Topic.QUIET, "22:00-07:00"), replace(NOW, quiet="22:00-07:00")),
        (Settings(Topic.DIGEST, "weekly mon 8:30"), replace(NOW, digest="weekly mon 08:30")),
        (Settings(Topic.DIGEST, "off"), NOW),
        (Settings(Topic.DIGEST, "noon"), words.wrong_digest("'noon' is no time for a digest")),
        (Settings(Topic.QUIET, "none"), NOW),
    ],
)
def test_what_is_chosen_is_what_was_written(settings: Settings, after: Preferences) -> None:
    """One thing changes, and who chose an amount is kept with it."""
    assert chosen(NOW, settings, "9") == after


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (Settings(Topic.SHOW, "loud"), words.HOW_TO_SHOW),
        (
            Settings(Topic.ASK, "much"),
            "'much' is not an amount in dollars: write it like 5 or 2.50. Like: /settings ask 1",
        ),
        (Settings(Topic.QUIET, "at night"), "'at night' is not a span of hours"),
        (Settings(Topic.ALL, "x"), words.HOW_TO_SET),
    ],
)
def test_what_cannot_be_chosen_is_told_with_what_to_write(settings: Settings, told: str) -> None:
    """Nothing changes then."""
    found = chosen(NOW, settings, "9")
    assert isinstance(found, str)
    assert found.startswith(told)


@pytest.mark.parametrize(
    ("before", "after", "deed"),
    [
        (None, LOW, Deed.COMMAND),
        (LOW, LOW, Deed.COMMAND),
        (LOW, None, Deed.RAISE),
        (LOW, OWN, Deed.RAISE),
        (LOW, HIGH, Deed.GRANT),
        (None, NEVER, Deed.GRANT),
        (HIGH, None, Deed.COMMAND),
    ],
)
def test_to_be_asked_less_takes_who_may_raise_and_beyond_the_settings_an_owner(
    before: Usd | None, after: Usd | None, deed: Deed
) -> None:
    """Whatever widens takes somebody who may; what narrows counts at once."""
    assert needed(OWN, asked_above(before), asked_above(after)) is deed


@pytest.mark.parametrize(
    ("above", "by_owner", "counts"),
    [(None, True, OWN), (LOW, False, LOW), (HIGH, True, HIGH), (HIGH, False, OWN)],
)
def test_more_than_the_settings_say_counts_only_while_an_owner_stands_behind_it(
    above: Usd | None, by_owner: bool, counts: Usd
) -> None:
    """Whoever is no owner any more has chosen nothing wider."""
    assert threshold(OWN, asked_above(above), by_owner=by_owner) == counts


def test_another_amount_is_an_entry_with_who_chose_it_where_and_what_was_before() -> None:
    """The ledger keeps it to the nano-dollar, and in the words in which people were told."""
    entry = threshold_entry(NOW, LOW, HIGH, "7")
    assert (entry.kind, entry.scopes, entry.who, entry.why) == (
        EntryKind.THRESHOLD,
        (),
        "7",
        words.threshold(LOW, HIGH, NEVER),
    )
    facts = {"service": "telegram", "chat": "7", "before": 250_000_000, "after": 5_000_000_000}
    assert json.loads(entry.detail) == facts


def test_of_a_rule_and_a_chat_the_stricter_asks() -> None:
    """A rule that lets more run unasked yields to a chat that wants to be asked; one that asks sooner, or refuses, stays."""
    lets, asks = Ruling(HIGH, rule=2, words="rule"), Ruling(ZERO, rule=1, words="rule")
    assert stricter(lets, asked_above(LOW), LOW) == replace(
        lets, confirm_above=LOW, words="This chat wants to be asked above $0.25."
    )
    assert stricter(asks, asked_above(LOW), LOW) == asks
    assert stricter(lets, NOW, OWN) == lets


def test_quiet_hours_are_those_of_the_owners_week() -> None:
    """From ten to seven nothing rings; without hours, or with some that nobody can read, everything does."""
    night = replace(NOW, quiet="22:00-07:00")
    assert [is_quiet(night, hour * 60) for hour in (6, 7, 21, 22, 24 + 1)] == [True, False, False, True, True]
    assert not is_quiet(NOW, 0)
    assert not is_quiet(replace(NOW, quiet="at full moon"), 0)


def test_how_long_a_chat_stays_quiet_is_told_to_the_minute() -> None:
    """Over midnight and over the end of the week; hours that never end last a week at most."""
    night = replace(NOW, quiet="22:00-07:00")
    assert [quiet_for(night, minute) for minute in (0, 6 * 60 + 59, 7 * 60, 22 * 60)] == [420, 1, 0, 540]
    assert quiet_for(night, WEEK_MINUTES - 1) == 421
    assert quiet_for(replace(NOW, quiet="sat,sun 00:00-24:00"), 5 * 24 * 60) == 2 * 24 * 60
    assert quiet_for(replace(NOW, quiet="00:00-24:00"), 5) == WEEK_MINUTES
    assert quiet_for(NOW, 0) == 0


def test_brief_shows_the_newest_action_alone() -> None:
    """Everything, or that it works and at what."""
    doing = Doing(actions=("a", "b"), said="words")
    assert shown(NOW, doing) == doing
    assert shown(replace(NOW, verbosity=Verbosity.BRIEF), doing) == Doing(actions=("b",))
