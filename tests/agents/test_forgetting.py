"""What the home keeps of a session's agent is deleted; what the agent keeps of it elsewhere is named and stays."""

import os
from pathlib import Path

from gateway.agents.claude import journal_of
from gateway.agents.claude.desk.notes import Note, Notes
from gateway.agents.forgetting import erase, erase_old
from gateway.agents.supervise import stderr_of
from gateway.domain.place import Session, Thread

SESSION = Session("s_1", "claude", "/srv", Thread("telegram", "1"), "7", 0, agent_session="0c6a-1")


def test_journal_notes_and_the_scripted_agents_transcript_go_and_those_of_others_stay(tmp_path: Path) -> None:
    """Only this session's; a second time there is nothing, and that is no error."""
    notes = Notes(tmp_path / "agents" / "desk")
    for name in ("0c6a-1", "0c6a-2"):
        notes.write(Note(name, "/x", "/srv"))
        notes.kept(name).write_text("{}")
    scripted = tmp_path / "agents" / "scripted"
    scripted.mkdir()
    mine = [journal_of(tmp_path, "s_1"), stderr_of(journal_of(tmp_path, "s_1")), scripted / "0c6a-1.jsonl"]
    others = [journal_of(tmp_path, "s_2"), scripted / "0c6a-2.jsonl"]
    for file in (*mine, *others):
        file.write_text("words")
    for _ in range(2):
        assert erase(tmp_path, {"HOME": str(tmp_path / "user")}, SESSION) == ""
        assert not any(file.exists() for file in mine)
        assert (notes.read("0c6a-1"), notes.kept("0c6a-1").exists()) == (None, False)
    assert all(file.exists() for file in others)
    assert notes.read("0c6a-2") is not None


def test_the_clients_own_transcript_stays_and_is_named(tmp_path: Path) -> None:
    """It belongs to the agent."""
    own = tmp_path / "user" / ".claude" / "projects" / "-srv" / "0c6a-1.jsonl"
    own.parent.mkdir(parents=True)
    own.write_text("words")
    assert erase(tmp_path, {"HOME": str(tmp_path / "user")}, SESSION) == str(own)
    assert own.exists()


def test_a_session_that_never_had_an_agent_leaves_nothing(tmp_path: Path) -> None:
    """And a name that is no name of a file leads nowhere."""
    never = Session("s_1", "claude", "/srv", Thread("telegram", "1"), "7", 0)
    assert erase(tmp_path, {"HOME": str(tmp_path)}, never) == ""
    odd = Session("s_1", "claude", "/srv", Thread("telegram", "1"), "7", 0, agent_session="../../x")
    (tmp_path / "x.jsonl").touch()
    assert erase(tmp_path / "a" / "b", {"HOME": str(tmp_path)}, odd) == ""
    assert (tmp_path / "x.jsonl").exists()


def test_journals_that_nothing_was_written_to_for_long_go_unless_their_session_is_at_work(tmp_path: Path) -> None:
    """With what their clients said on stderr; younger ones, and the folders beside them, stay."""
    old, young, needed = (journal_of(tmp_path, name) for name in ("s_1", "s_2", "s_3"))
    (tmp_path / "agents" / "desk.jsonl").mkdir(parents=True)
    for file in (old, stderr_of(old), young, needed, stderr_of(needed)):
        file.write_text("words")
        os.utime(file, (1_000, 1_000))
    os.utime(young, (3_000, 3_000))
    assert erase_old(tmp_path, 2_000_000, {"s_3"}) == 2
    assert sorted(path.name for path in young.parent.iterdir()) == [
        "desk.jsonl",
        "s_2.jsonl",
        "s_3.jsonl",
        "s_3.jsonl.stderr",
    ]
    assert erase_old(tmp_path / "nowhere", 2_000_000, ()) == 0
