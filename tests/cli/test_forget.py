"""`tollbridge forget`, as people meet it: beside a running gateway, and without one."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import lock
from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind
from gateway.domain.money import Usd
from gateway.domain.turn import Outcome, OutcomeKind, TurnState
from gateway.ports import AGENT_MARK, Decision
from gateway.store import open_readonly, open_store
from gateway.view import forget_words
from tests import nursery
from tests.cli.kit import environment, session, turn
from tests.cli.test_up import end, of_the_bot, said_until, start
from tests.fakes.bot_api import BotApi
from tests.store.test_forgetting import files_with

pytestmark = pytest.mark.anyio

NOW = 1_795_000_000_000
WORD = "zanzibar"


def run(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """`tollbridge forget ...` to its end."""
    known = environment(home, TOLLBRIDGE_AGENTS__FILES=str(home.parent / "files"), **more)
    return nursery.run(["forget", *arguments], env=known, cwd=home.parent)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home with two sessions, a journal and a file that a person sent."""
    (tmp_path / "project").mkdir()
    place = lock.make_home(tmp_path / "home")
    async with open_store(place, lambda: NOW) as store:
        for number, state in ((1, TurnState.FINISHED), (2, TurnState.PAUSED)):
            of = session(number)
            said = Outcome(OutcomeKind.ANSWER, f"{WORD} {number} it is")
            made = replace(turn(of, "0.42"), prompt=f"to {WORD} {number}", outcome=said, state=state)
            entry = Entry(
                EntryKind.CALL, (Scope(ScopeKind.SESSION, of.id),), spent=Usd.parse("0.42"), call_id=f"c{number}"
            )
            await store.transact(lambda _v, p=(of, made), e=entry: Decision(None, put=p, entries=(e,)), NOW)
    for file in (place / "agents" / f"{session(1).id}.jsonl", tmp_path / "files" / session(1).id / "t_1-1.png"):
        file.parent.mkdir(parents=True, mode=0o700)
        file.write_text(f"{WORD} 1")
    return place


async def test_without_a_gateway_the_command_forgets_by_itself(home: Path) -> None:
    """What would go is listed first; afterwards no file holds a word of it, the report says the same amount, the ledger holds."""
    sid = session(1).id
    listed = run(home, sid[:4], "--dry-run")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "What goes: 1 prompt, 1 answer" in listed.stdout
    assert "Amounts, tokens, times, models" in listed.stdout
    asked = run(home, sid[:4])
    assert (asked.returncode, "write --yes" in asked.stderr) == (1, True)
    assert files_with(home, f"{WORD} 1")
    done = run(home, sid[:4], "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Forgotten: 1 prompt, 1 answer." in done.stdout
    assert files_with(home.parent, f"{WORD} 1") == []
    assert files_with(home, f"{WORD} 2")
    with open_readonly(home) as reader:
        assert [(str(one.spent), one.prompt) for _, one in reader.report_rows()] == [
            ("$0.42", ""),
            ("$0.42", f"to {WORD} 2"),
        ]
        assert reader.verify() == ()
    again = run(home, sid, "--yes")
    assert (again.returncode, again.stderr) == (1, f"tollbridge: {forget_words.IS_FORGOTTEN}\n")


async def test_what_may_not_be_forgotten_is_refused_in_a_sentence(home: Path) -> None:
    """An agent's shell, an open turn, an id that names none or several: exit code 1, and everything is there."""
    tries = {
        forget_words.INSIDE_AGENT: run(home, session(1).id, "--yes", **{AGENT_MARK: "/some/journal"}),
        forget_words.STOP_FIRST: run(home, session(2).id, "--yes"),
        forget_words.which(2): run(home, "s_", "--yes"),
        forget_words.which(0): run(home, "s_none", "--yes"),
    }
    for words, done in tries.items():
        assert (done.returncode, done.stderr) == (1, f"tollbridge: {words}\n")
    assert files_with(home, f"{WORD} 1")
    assert files_with(home, f"{WORD} 2")


async def test_a_running_gateway_forgets_for_the_command(home: Path) -> None:
    """Through its door; its own connection holds nothing back."""
    with BotApi() as server:
        files = str(home.parent / "files")
        process = start(home, **of_the_bot(server), AGENTS__FILES=files, RETENTION__PROMPTS_DAYS="0")
        said_until(process, "the gateway runs")
        inside = run(home, session(1).id, "--yes", **{AGENT_MARK: "/some/journal"})
        assert (inside.returncode, inside.stderr) == (1, f"tollbridge: {forget_words.INSIDE_AGENT}\n")
        done = run(home, session(1).id, "--yes")
        left = files_with(home.parent, f"{WORD} 1")
        end(process)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Forgotten: 1 prompt, 1 answer." in done.stdout
    assert left == []
