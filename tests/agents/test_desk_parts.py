"""The parts of a session at the desk, each by itself: its questions, the messages on their way to it, the way that they take."""

import json
import os
from pathlib import Path

import pytest

from gateway.agents.claude.desk import notes as notes_of
from gateway.agents.claude.desk.asks import ASKS_MAX, Asks
from gateway.agents.claude.desk.hooks import Event, no, read
from gateway.agents.claude.desk.notes import Note, Notes, started
from gateway.agents.claude.desk.pushes import FETCHED, SAID_AGAIN, Pushes, Shown
from gateway.agents.claude.desk.way import Way
from gateway.core.channel import UNCONFIRMED, Push
from gateway.domain.effects import AllowTool, DenyTool
from gateway.domain.events import AskedPermission, End, Finished, Listening, Withdrawn
from gateway.view import desk_words
from tests.agents.test_desk import OTHER, UUID, Channel, tag


# --------------------------------------------------------------------------------------------------------------- questions
def asked(asks: Asks, name: str, preview: str = "ls", tool: str = "Bash") -> list[AskedPermission]:
    """The session asks."""
    return asks.asked(name, tool, "", preview)


def test_a_tool_that_has_run_settles_the_question_that_was_about_it() -> None:
    """Of several questions about one tool that one which shows just what has run; where none does, the oldest."""
    asks = Asks()
    for name, command in (("a", "ls"), ("b", "rm x"), ("c", "pwd")):
        asked(asks, name, json.dumps({"command": command}, separators=(",", ":")))
    assert asks.ran("Bash", {"command": "rm x"}) == [Withdrawn("b")]
    assert asks.ran("Bash", {"command": "make"}) == [Withdrawn("a")]
    assert asks.ran("Edit", {"command": "pwd"}) == []
    assert asks.waiting("c") is not None


@pytest.mark.parametrize("preview", ["x" * 200, '{"command":"make …', "make ...", ""])
def test_what_is_not_shown_whole_is_allowed_once_and_no_longer(preview: str) -> None:
    """Nobody has said yes to what was left out, whatever the answer says."""
    asks = Asks()
    [question] = asked(asks, "a", preview)
    assert question.can_remember is False
    ask = asks.waiting("a")
    assert ask is not None
    asks.ran("Bash", {})
    assert asks.followed(ask, AllowTool(for_session=True))
    assert not asks.allows("Bash", preview)


def test_what_is_allowed_for_the_session_is_this_tool_with_this_input() -> None:
    """Once it has run, and not another one of the same name."""
    asks = Asks()
    asked(asks, "a")
    ask = asks.waiting("a")
    assert ask is not None
    asks.ran("Bash", {})
    assert asks.followed(ask, AllowTool(for_session=True))
    assert [asks.allows(*about) for about in (("Bash", "ls"), ("Bash", "ls -l"), ("Edit", "ls"))] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("ran", [True, False, None])
def test_an_answer_is_followed_if_the_tool_did_as_it_says(ran: bool | None) -> None:
    """A yes by what has run, a no by what has not; where nobody knows, neither."""
    for answer in (AllowTool(), DenyTool("no")):
        asks = Asks()
        asked(asks, "a")
        ask = asks.waiting("a")
        assert ask is not None
        assert asks.over(ran=ran) == [Withdrawn("a")]
        assert asks.followed(ask, answer) is (ran is not None and ran is isinstance(answer, AllowTool))


def test_an_answer_that_nobody_heard_leaves_a_later_question_of_its_name_alone() -> None:
    """Names are short, and come again."""
    asks = Asks()
    asked(asks, "a")
    first = asks.waiting("a")
    assert first is not None
    asks.over(ran=None)
    asked(asks, "a", "pwd")
    assert not asks.followed(first, AllowTool())
    assert asks.waiting("a") is not None


def test_so_many_questions_wait_each_once() -> None:
    """One that is asked again, and one too many, are on the session's own screen alone, until the run has come past those."""
    asks = Asks()
    told = [question for name in range(ASKS_MAX + 1) for _ in range(2) for question in asked(asks, str(name))]
    assert [question.request_id for question in told] == [str(name) for name in range(ASKS_MAX)]
    assert len(asks.over(ran=False)) == ASKS_MAX
    assert asked(asks, "later")


# ---------------------------------------------------------------------------------------------------------------- messages
def on_its_way(*names: str) -> Pushes:
    """Messages that were written, and may take until second 60."""
    pushes = Pushes()
    for name in names:
        pushes.writes(Push(name, "hello", {}), 60)
    return pushes


def test_a_message_is_given_up_when_its_time_is_over_and_not_let_in_then() -> None:
    """Not a moment before; one whose hook waits has as long as that takes."""
    pushes = on_its_way(UUID, OTHER)
    pushes.expect(OTHER, 120)
    assert (pushes.give_up(59), pushes.give_up(60), pushes.give_up(60)) == ([], [UUID], [])
    assert pushes.shown(tag()) == Shown(None, SAID_AGAIN, proves=True)
    assert [push.id for push in pushes.unread()] == [OTHER]


def test_a_message_that_was_fetched_is_not_run_again() -> None:
    """It is told of once, and only what was on its way can be fetched."""
    pushes = on_its_way(UUID)
    assert pushes.fetched([UUID, OTHER, UUID]) == [Finished(End.DONE, desk_words.TAKEN_IN, UUID, ())]
    assert pushes.shown(tag()) == Shown(None, FETCHED, proves=True)
    assert pushes.shown(tag(OTHER)) == Shown(None, SAID_AGAIN, proves=False)


def test_a_message_that_came_by_its_hook_is_on_its_way_no_more() -> None:
    """Whoever comes second finds nothing: neither the time nor the agent takes it again."""
    pushes = on_its_way(UUID)
    assert pushes.shown(tag()) == Shown(UUID, "", proves=True)
    assert (pushes.arrives(UUID), pushes.arrives(UUID), len(pushes)) == (True, False, 0)
    pushes.expect(UUID, 1)
    assert (pushes.fetched([UUID]), pushes.give_up(10**6)) == ([], [])


@pytest.mark.parametrize("prompt", ["fix it", f"see {tag()}", tag().replace("tollbridge", "other")])
def test_what_a_person_types_is_no_message(prompt: str) -> None:
    """A tag that is quoted, or comes from another channel, is neither proof nor refused."""
    shown = on_its_way(OTHER).shown(prompt)
    assert (shown.name, shown.refusal, shown.proves) == (None, "", False)


# -------------------------------------------------------------------------------------------------------------------- the way
def test_a_client_that_does_not_show_its_first_message_takes_none_until_it_shows_one() -> None:
    """It is told so with the message; what it shows after all opens the way again, and another channel does."""
    way, channel = Way(), Channel()
    assert way.join(channel) == [Listening(proven=False)]
    assert way.taken() is channel
    assert way.lost(UUID, at_rest=True).text == f"{UNCONFIRMED} {desk_words.DEAF}"
    assert (way.taken(), way.listens, way.join(channel)) == (None, False, [])
    other = Way()
    other.join(channel)
    other.taken()
    other.lost(UUID, at_rest=True)
    assert other.join(Channel()) == [Listening(proven=False)]
    assert way.shows() == [Listening(proven=True)]
    assert way.lost(UUID, at_rest=True).text == UNCONFIRMED
    assert way.listens


@pytest.mark.parametrize("why", ["at work", "another channel", "no channel"])
def test_a_message_that_could_not_be_shown_says_nothing_of_the_client(why: str) -> None:
    """Nobody knows whether it takes any, as before."""
    way, first = Way(), Channel()
    way.join(first)
    way.taken()
    if why != "at work":
        way.leave(first)
    if why == "another channel":
        way.join(Channel())
    assert way.lost(UUID, at_rest=why != "at work").text == UNCONFIRMED
    assert way.hears is None


def test_nobody_is_told_twice_whether_somebody_sits_there() -> None:
    """`claude -p` takes nothing; whoever goes on with it by hand does."""
    way = Way(unattended=True)
    assert (way.join(Channel()), way.taken()) == ([], None)
    assert (way.attended(False), way.attended(True), way.attended(True)) == ([], [Listening(proven=False)], [])


# ---------------------------------------------------------------------------------------------------------------------- notes
def test_only_the_process_that_has_a_session_open_changes_its_note(tmp_path: Path) -> None:
    """What is told late of an earlier one leaves it as it is."""
    notes = Notes(tmp_path)
    here = Note("s", "/s.jsonl", "/w", process=7, offset=3)
    notes.write(here)
    notes.end("s", 6, True)
    notes.hears("s", 6, True)
    assert notes.read("s") == here
    notes.hears("s", 7, True)
    notes.end("s", 7, True)
    found = notes.read("s")
    assert found is not None
    assert (found.hears, found.ended, found.offset) == (True, True, None)


def test_a_session_whose_client_still_runs_is_known_however_many_came_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the others the oldest are forgotten: it may be open for weeks, and `claude -p` runs every minute."""
    monkeypatch.setattr(notes_of, "NOTES_MAX", 3)
    notes, mine = Notes(tmp_path), os.getpid()
    notes.write(Note("open", "/s.jsonl", "/w", process=mine, started=started(mine), sure=True))
    notes.write(Note("claimed", "/s.jsonl", "/w", process=mine, started=started(mine)))
    notes.write(Note("another's", "/s.jsonl", "/w", process=mine, started="long ago", sure=True))
    notes.write(Note("ended", "/s.jsonl", "/w", process=mine, started=started(mine), sure=True, ended=True))
    for number, place in enumerate(sorted(tmp_path.iterdir())):
        os.utime(place, (number, number))
    for number in range(5):
        notes.write(Note(f"{number}", "/s.jsonl", "/w"))
        os.utime(tmp_path / f"{number}.json", (10 + number, 10 + number))
    assert {place.stem for place in tmp_path.iterdir()} == {"open", "2", "3", "4"}


# ------------------------------------------------------------------------------------------------------------------ the hooks
@pytest.mark.parametrize("event", list(Event))
def test_a_no_stops_what_can_be_stopped_and_says_nothing_elsewhere(event: Event) -> None:
    """Where there is a gate the verdict holds the reason; a hook that only tells is not answered."""
    gates = {Event.PROMPT, Event.TOOL, Event.BATCH, Event.COMPACT}
    assert ("because" in json.dumps(no(event, "because"))) is (event in gates)
    assert ".." not in json.dumps(no(event, "Stopped at the limit."))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"session_id": 7}', b"\xff", b'{"session_id": "' + b"x" * 500 + b'"}']
)
def test_a_hook_that_cannot_be_read_is_none(body: bytes) -> None:
    """Whatever comes in, the answer is a value."""
    assert read(body) is None
