"""Sentences about what people choose, and how it stands, in English."""

from dataclasses import replace

import pytest

from gateway.core.preferences import NEVER
from gateway.domain.money import Usd
from gateway.domain.preferences import Preferences, Traffic, Verbosity
from gateway.domain.turn import TurnState
from gateway.view import preference_words as words

NOW = Preferences("telegram", "7")
ONE, FIVE = Usd.parse("1"), Usd.parse("5")
ASKED = replace(NOW, confirm_above=FIVE)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (words.described("start a session", "/new [directory]"), "start a session (/new [directory])"),
        (words.described("w" * 300, ""), "w" * 256),
        (
            words.choose_amount(NOW, ONE, ONE, NEVER).splitlines()[0].partition("Now: ")[2],
            "above $1.00 a run, as the gateway's settings say.",
        ),
        (words.show_button(Verbosity.BRIEF), "Show: brief"),
        (words.ask_button(FIVE, NEVER), "Ask above $5.00"),
        (words.ask_button(NEVER, NEVER), "Never ask"),
        (words.default_button(ONE), "Default ($1.00)"),
        (words.quiet_button(""), "Quiet: none"),
        (words.quiet_button("22:00-07:00"), "Quiet: 22:00-07:00"),
        (words.threshold(ONE, FIVE, NEVER), "/settings ask: above $5.00, was above $1.00"),
        (words.threshold(FIVE, NEVER, NEVER), "/settings ask: never, was above $5.00"),
        (words.ticked("a", now=True), "✓ a"),
        (words.ticked("a", now=False), "a"),
        (words.model_now(None, ""), "The agent chooses its own model in this session."),
        (words.model_now("m", ""), "This session works with `m`."),
        (
            words.model_now("m", words.price(ONE, FIVE)),
            "This session works with `m`, $1.00 in, $5.00 out per million tokens.",
        ),
        (words.model_line("m", words.UNKNOWN_PRICE), "- `m`: price not known"),
        (
            words.model_chosen("m", "cheap", running=False),
            "From the next prompt on this session works with `m`, cheap.",
        ),
        (
            words.model_chosen("m", "cheap", running=True),
            "From the next prompt on this session works with `m`, cheap. What runs now ends on the one that it began with.",
        ),
        (words.model_is_so("m"), "This session works with `m` already."),
        (
            words.unknown_price("m").split(":")[0],
            "From the next prompt on this session works with `m`. The price of `m` is not known",
        ),
        (words.at_desk("It"), "It is open at the desk: its model and its mode are chosen there."),
        (words.one_model("It")[:41], "It cannot change its model within a sessi"),
        (words.no_modes("It"), "It has no modes to choose from."),
        (words.mode_line("own"), "- own: own"),
        (words.mode_now("own"), "This session is in mode own: own."),
        (words.mode_chosen("own"), "From the next prompt on this session is in mode own: own."),
        (words.no_such_mode("x", ("a", "b")), "There is no mode 'x': write /mode a, /mode b."),
        (words.stays_in_mode("It", "")[:36], "Not run: It does not go into mode as"),
        (words.session("`/`", "It", None, ""), "`/` · It"),
        (words.session("`/`", "It", "m", "plan"), "`/` · It · `m` · mode plan"),
        (words.runs(TurnState.RUNNING, "Fix it", 61, "$1.00"), "At work for 1 min 1 s: Fix it ($1.00)"),
        (words.runs(TurnState.QUEUED, "Fix it", -1, "$1.00"), "Waits for 0 s: Fix it ($1.00)"),
        (words.waits(1), "1 message waits behind it."),
        (words.waits(2), "2 messages wait behind it."),
        (words.elsewhere(1), "1 turn is open in another session."),
        (words.elsewhere(2), "2 turns are open in other sessions."),
        (words.limit("Day", ONE, Usd(0), FIVE), "Day: ▰▰▱▱▱▱▱▱▱▱ 20 % · $1.00 of $5.00"),
        (words.limit("Day", ONE, ONE, FIVE), "Day: ▰▰▰▰▱▱▱▱▱▱ 40 % · $1.00 of $5.00, $1.00 held"),
        (words.bar(9, 5), "▰▰▰▰▰▰▰▰▰▰ 100 %"),
        (words.bar(0, 0), "▰▰▰▰▰▰▰▰▰▰ 100 %"),
        (words.gateway_since(60), "The gateway has been up for 1 min 0 s."),
        (words.chat_reached("telegram", 1), "Telegram: reached without a break for 1 s."),
        (
            words.chat_away("telegram", 1, words.NO_ANSWER),
            "Telegram: not reached for 1 s (it does not answer, or wants a pause). `tollbridge doctor` looks closer.",
        ),
        (words.messages(Traffic(0, 0)), "Everything that was sent has arrived."),
        (words.messages(Traffic(2, 0)), "2 messages wait to be sent."),
        (words.messages(Traffic(2, 1)), "2 messages wait to be sent. 1 message may not have arrived."),
        (words.messages(Traffic(0, 2)), "2 messages may not have arrived."),
        (words.hooked(2, 0, ""), "Events that wait for the webhook: 2."),
        (
            words.hooked(1, 3, "it answered 500"),
            "Events that wait for the webhook: 1. Events for the webhook that were given up: 3. The last failure: it answered 500.",
        ),
        (words.unpriced(1), "1 call has no known price: `tollbridge reprice` looks for one."),
        (words.unpriced(2), "2 calls have no known price: `tollbridge reprice` looks for one."),
        (words.asked_sooner(ONE), "This chat wants to be asked above $1.00."),
    ],
)
def test_each_sentence_is_plain_english(said: str, told: str) -> None:
    """With every optional part there and not; one of something is one."""
    assert said == told


def test_the_settings_tell_when_people_are_asked() -> None:
    """As the settings say, by choice, never, and by the choice of somebody whose word counts no more."""
    asked = {
        words.settings(one, ONE, above, NEVER, "UTC", model).splitlines()[3]
        for one, above, model in (
            (NOW, ONE, None),
            (ASKED, FIVE, "m"),
            (replace(NOW, confirm_above=NEVER), NEVER, None),
            (ASKED, ONE, None),
        )
    }
    assert asked == {
        "You are asked above $1.00 a run, as the gateway's settings say.",
        "You are asked above $5.00 a run (the gateway's settings say $1.00).",
        "You are asked never: only the limits stop a run.",
        "You are asked above $1.00 a run: $5.00 was chosen by somebody who is no owner any more.",
    }
    assert words.settings(NOW, ONE, ONE, NEVER, "UTC", None).endswith("Model of this session: the agent's own choice.")


def test_the_choices_say_what_is_so_and_what_else_there_is() -> None:
    """Above each row of buttons."""
    assert words.choose_shown(NOW).startswith("How much is shown while the agent works? Now: full.")
    assert words.choose_quiet(NOW, "UTC").startswith("Quiet hours: none.")
    assert words.wrong_amount("No").startswith("No. Like: /settings ask 1")
    assert words.wrong_hours("No").startswith("No. Like: /settings quiet")
    assert words.wrong_digest("No").startswith("No. Like: /settings digest 08:30")
    assert words.choose_digest(NOW, "UTC").startswith("Digest: none.")


def test_the_digest_is_told_with_what_it_is_about() -> None:
    """The day before, or the week."""
    told = "; nothing where nothing was spent."
    assert words.digest_line("08:30", "UTC") == f"Digest: 08:30 (UTC), what the day before cost{told}"
    assert (
        words.digest_line("weekly mon 08:30", "UTC")
        == f"Digest: weekly mon 08:30 (UTC), what the week before cost{told}"
    )
    assert [words.digest_button(one) for one in ("", "08:30")] == ["Digest: off", "Digest: 08:30"]


def test_the_help_holds_what_somebody_may_use() -> None:
    """With what they are here, if they are anything."""
    read = words.help_for(["cost"], "reader")
    assert read.startswith("You may read here")
    assert all(one not in read for one in ("/stop", "//compact", "Write to your agent"))
    assert words.help_for(["cost"], "owner").endswith("You own this gateway.")
    assert words.help_for(["cost"], "").endswith("//compact.")
