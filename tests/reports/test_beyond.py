"""What an account cannot show is said, and no more than is so."""

from dataclasses import replace
from datetime import UTC, timedelta, timezone

import pytest

from gateway.domain.money import Usd
from gateway.domain.place import UNMETERED_MAX, Unmetered
from gateway.domain.turn import Origin
from gateway.reports.beyond import untold, went_without, wrapped
from tests.reports.test_cost import SESSION, TURN

AT_MS = 1_793_714_520_000
"""3 Nov 2026, 14:02."""
OFF = Unmetered("9f1c", "/home/me/app", AT_MS - 9_000_000, AT_MS)
DESK = replace(SESSION, agent="channel")


def test_sessions_that_went_without_are_counted_and_the_last_is_named() -> None:
    """When it was, in the person's own time, and where, as people write it."""
    assert went_without([], UTC, "/home/me") == ""
    both = [replace(OFF, session="old", last_ms=0), OFF]
    words = "Not metered: 2 sessions went with TOLLBRIDGE_OFF, the last on 3 Nov 14:02 in ~/app."
    assert went_without(both, UTC, "/home/me") == words
    many = went_without([OFF] * UNMETERED_MAX, UTC, "/home/me")
    assert many.startswith("Not metered: at least 1000 sessions went")
    one = went_without([OFF], timezone(timedelta(hours=1)), "/home/you")
    assert one == "Not metered: 1 session went with TOLLBRIDGE_OFF on 3 Nov 15:02 in /home/me/app."


@pytest.mark.parametrize(
    ("directory", "shown"),
    [
        ("", "14:02."),
        ("/home/me", "in ~."),
        ("/home/melissa", "in /home/melissa."),
        ("/srv/\x1b[2Jx\u202e", "in /srv/\\u{1b}[2Jx\\u{202e}."),
        ("/srv/" + "x" * 30 + "/" + "y" * 30, "in …/" + "y" * 30 + "."),
    ],
)
def test_a_directorys_name_hides_nothing_and_is_cut_where_it_is_long(directory: str, shown: str) -> None:
    """It is somebody's text: no terminal is told by it what to do."""
    assert went_without([replace(OFF, directory=directory)], UTC, "/home/me").endswith(shown)


def test_what_no_transcript_shows_is_said_where_sessions_of_the_desk_are_in_the_account() -> None:
    """With how much of it was booked when they ended; a session that the gateway has taken over since is still one."""
    assert untold([SESSION], [TURN], {SESSION.id: Usd(5)}) == ""
    assert untold([DESK], [], {}) == ""
    plain = untold([DESK], [TURN], {"another": Usd(5)})
    assert "are added when a session ends; `tollbridge plugin install --exact` adds them at once." in plain
    assert plain.startswith("Sessions at the desk: calls that Claude Code keeps no record of")
    assert "An open or killed session may lack them." in plain
    assert "ends ($0.31 so far); `" in untold([DESK], [TURN], {DESK.id: Usd.parse("0.31")})
    taken_over = untold([SESSION], [replace(TURN, origin=Origin.DESK)], {})
    assert taken_over == plain


@pytest.mark.parametrize("width", [40, 80, 200])
def test_sentences_fit_into_eighty_columns_and_fewer(width: int) -> None:
    """However wide the terminal is, and no word is lost."""
    sentences = untold([DESK], [TURN], {DESK.id: Usd.parse("1234.56")})
    lines = wrapped(sentences, width).splitlines()
    assert max(map(len, lines)) <= min(width, 80)
    assert " ".join(lines) == sentences
    assert any("`tollbridge plugin install --exact`" in line for line in lines)
