"""Sentences about people, about what they may do, and about how they are let in, in English."""

import pytest

from gateway.domain.place import Grant, GrantFrom, Role
from gateway.view import people_words
from tests.core.make import usd

GRACE = Grant("8", Role.WRITER, "8", origin=GrantFrom.PAIRED, name="Grace", by="4711")
WRITES = '8 ("Grace") is a writer in their own chat with the bot'
ADA = Grant("4711", Role.OWNER, origin=GrantFrom.SETTINGS)
BOUNDED = Grant("9", Role.APPROVER, "-100", usd("5"), GrantFrom.SETTINGS)
AT_MOST = "who raises limits by at most $5.00 at a time"
DESK = ("ada", "desk")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (people_words.may_do(GRACE), "a writer in their own chat with the bot"),
        (people_words.may_do(BOUNDED), f"an approver in chat -100, {AT_MOST}"),
        (people_words.may_do(ADA), "an owner everywhere"),
        (people_words.role_in(Role.READER, None, None), "a reader in their own chat with the bot"),
        (people_words.who("8", "Grace"), '8 ("Grace")'),
        (people_words.who("8", ""), "8"),
        (people_words.command_line(*DESK), "the command line on desk (ada)"),
        (people_words.given_by(ADA), "settings"),
        (people_words.given_by(GRACE), "paired, by 4711"),
    ],
)
def test_people_and_roles_are_named_in_english(said: str, words: str) -> None:
    """By their numbers; a name is only what somebody calls themselves."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            people_words.code("ABCD-EFGH", 5),
            (
                "Your code is ABCD-EFGH. Read it to the owner of this machine, who types it there."
                " It counts once, only for you, and for 5 minutes at most."
            ),
        ),
        (
            people_words.welcome(GRACE),
            (
                "You are a writer in your own chat with the bot from now on. Write here what the agent should do."
                " What costs much is put to somebody who may approve it. /help tells more."
            ),
        ),
    ],
)
def test_a_newcomer_is_told_what_to_do_in_english(said: str, words: str) -> None:
    """What the code is for, and what they may do once they are in."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            people_words.opened(Role.APPROVER, "", usd("5"), 5),
            (
                "For 5 min whoever writes /pair to the bot gets a code."
                f" The person whose code you type here becomes an approver everywhere, {AT_MOST}."
            ),
        ),
        (people_words.wrong(1, 0), "That is no code of this window (nobody has asked for one yet): 1 try is left."),
        (people_words.wrong(2, 1), "That is no code of this window (1 was given out): 2 tries are left."),
        (people_words.wrong(2, 3), "That is no code of this window (3 were given out): 2 tries are left."),
        (
            people_words.found(GRACE),
            (
                'That code was given to 8, their number in Telegram. They call themselves "Grace", which is only a'
                " name: anybody can choose any. They would be a writer in their own chat with the bot."
            ),
        ),
        (
            people_words.found(ADA),
            "That code was given to 4711, their number in Telegram. They would be an owner everywhere.",
        ),
        (people_words.stands(GRACE), WRITES),
        (
            people_words.already(ADA),
            (
                "4711 is an owner everywhere already, and pairing changes nothing of that:"
                " their role is in the settings, and is changed there"
            ),
        ),
        (
            people_words.already(GRACE),
            f"{WRITES} already, and pairing changes nothing of that: `tollbridge people role 8 ROLE` changes that",
        ),
        (people_words.is_already(GRACE), f"{WRITES} already."),
        (people_words.nobody("8", None), "8 may do nothing: `tollbridge people` lists who may do what"),
        (people_words.nobody("8", ""), "8 may do nothing everywhere: `tollbridge people` lists who may do what"),
        (people_words.nobody("8", "-1"), "8 may do nothing in chat -1: `tollbridge people` lists who may do what"),
        (
            people_words.in_settings(ADA),
            (
                "4711 is an owner everywhere by the settings: change telegram.allowed_users there and start the"
                " gateway again; what stands there would count again at its next start"
            ),
        ),
        (
            people_words.in_settings(BOUNDED),
            (
                f"9 is an approver in chat -100, {AT_MOST} by the settings: change telegram.allowed_users or [[people]]"
                " there and start the gateway again; what stands there would count again at its next start"
            ),
        ),
        (people_words.which("8", 2), "8 has a role in 2 chats: add --chat NUMBER, or --chat everywhere"),
        (
            people_words.raises_nothing(Role.WRITER),
            "a writer raises nothing: leave --largest-raise away, or make them an approver",
        ),
        (
            people_words.asked("8", "Grace", "4711, 4712"),
            ('Asked in the chat of 4711, 4712, and nothing has changed before an owner says yes there: 8 ("Grace").'),
        ),
        (people_words.done(GRACE, "4711"), f"{WRITES}: 4711 said yes."),
        (people_words.said_no("4711"), "4711 said no: nothing was changed."),
        (people_words.nobody_answered(), "nobody answered in time: nothing was changed."),
        (
            people_words.removed("8", "Grace", 0),
            'That is taken from 8 ("Grace"): they may do nothing there any more.',
        ),
        (
            people_words.removed("8", "", 1),
            "That is taken from 8. What the settings give them stays: it is changed there.",
        ),
    ],
)
def test_the_terminal_is_told_in_english(said: str, words: str) -> None:
    """What was found, what was done, and why something was not."""
    assert said == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            people_words.question(GRACE, None, *DESK),
            (
                'The command line on desk (ada) asks: let 8, who calls themselves "Grace", in as a writer in their own'
                " chat with the bot. The code that 8 was given was typed there."
            ),
        ),
        (
            people_words.question(ADA, None, *DESK),
            (
                "The command line on desk (ada) asks: let 4711 in as an owner everywhere."
                " The code that 4711 was given was typed there."
            ),
        ),
        (
            people_words.question(BOUNDED, Grant("9", Role.READER, "-100"), *DESK),
            (
                f"The command line on desk (ada) asks: make 9 an approver in chat -100, {AT_MOST}."
                " Until now they are a reader in chat -100."
            ),
        ),
        (people_words.closed(people_words.YES, "you"), "Yes (by you)."),
        (
            people_words.told_removed(GRACE, *DESK),
            f"The command line on desk (ada) took this away: {WRITES} no longer.",
        ),
        (
            people_words.told_lowered(GRACE, Grant("8", Role.OWNER), *DESK),
            f"The command line on desk (ada) changed this: {WRITES}, and was an owner everywhere.",
        ),
        (people_words.why(*DESK, paired=True), "paired with a code, asked by the command line on desk (ada)"),
        (people_words.why(*DESK, paired=False), "role changed, asked by the command line on desk (ada)"),
        (people_words.why_taken(*DESK), "taken away by the command line on desk (ada)"),
    ],
)
def test_owners_are_asked_and_told_in_english(said: str, words: str) -> None:
    """The number is who it is, before and after; the ledger keeps who asked for it."""
    assert said == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, ""), (1, "A turn of theirs was stopped."), (2, "2 turns of theirs were stopped.")],
)
def test_what_was_stopped_with_who_was_taken_out_is_said_in_english(count: int, words: str) -> None:
    """How many turns; none is nothing to say."""
    assert people_words.runs_stopped(count) == words
