"""`tollbridge report --outcomes` as people meet it, over a ledger and a repository made by hand."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway import clock, lock
from gateway.cli import results
from gateway.core.outcome import DAY_MS
from gateway.domain.outcome import Change, Commit, Left, LeftKind, Seen, Sight, Whose
from gateway.domain.turn import Outcome, OutcomeKind
from gateway.ports import Decision
from gateway.store import open_readonly, open_store
from tests import nursery
from tests.cli.kit import environment, session, turn
from tests.git_kit import Repo

pytestmark = pytest.mark.anyio
OUTCOMES = ("--outcomes", "--timezone", "UTC")


def run(user: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, where no agent has left logs."""
    own = {"HOME": str(user), "CLAUDE_CONFIG_DIR": "", "CODEX_HOME": "", "XDG_CONFIG_HOME": "", "XDG_CACHE_HOME": ""}
    return nursery.run(["report", *arguments], env=environment(user / "tollbridge", **own), cwd=user)


def values(user: Path, *arguments: str) -> dict[str, Any]:
    """What it says for programs."""
    done = run(user, *OUTCOMES, "--json", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """Two turns of ten days ago, $0.30 with a commit of two lines that nobody has looked at since, and $0.10 with an error; one of now."""
    repo = Repo(tmp_path / "app")
    repo.place.mkdir()
    repo.git("init", "--quiet")
    old_ms = clock.now_ms() - 10 * DAY_MS
    old_ms -= old_ms % 1000
    sha = repo.commit("a.txt", "one", "two", at_s=old_ms // 1000)
    where = replace(session(1), directory=str(repo.place), project=str(repo.place))
    one = replace(turn(where, "0.30"), created_at_ms=old_ms, ended_at_ms=old_ms, outcome=Outcome(OutcomeKind.ANSWER))
    two = replace(one, id="t_2", prompt_uuid="2", spent=turn(where, "0.10").spent, outcome=Outcome(OutcomeKind.ERROR))
    new = replace(one, id="t_3", prompt_uuid="3", created_at_ms=clock.now_ms(), outcome=Outcome(OutcomeKind.NOTHING))
    git = str(repo.place / ".git")
    seen = Seen(git, git, sha, "main", Change(), "", old_ms)
    made = Commit(one.id, sha, git, Whose.TURN, Change(1, 2, 0), old_ms, old_ms)
    lefts = (
        Left(one.id, LeftKind.COMMITS, Sight.SEEN, seen, seen, (made,)),
        Left(two.id, LeftKind.ERROR, Sight.SEEN, seen, seen, ()),
    )
    home = lock.make_home(tmp_path / "tollbridge")
    decision = Decision(None, put=(where, one, two, new, *lefts))
    async with open_store(home, lambda: old_ms) as store:
        await store.transact(lambda _: decision, old_ms)
    return home


@pytest.mark.usefixtures("home")
async def test_commits_that_are_due_are_looked_at_before_it_is_told(tmp_path: Path) -> None:
    """$0.40 for one commit that survives: with what failed. Without a look nobody knows, and it is said that one is due."""
    blind = values(tmp_path, "--no-look")
    assert (blind["commits"]["fates"]["unknown"], blind["commits_due"]) == (1, 1)
    assert blind["per_surviving_commit"]["overall_usd"] is None
    told = values(tmp_path)
    assert (told["commits"]["fates"]["survives"], told["commits_due"]) == (1, 0)
    assert told["per_surviving_commit"]["overall_usd"] == "0.40"
    assert told["fruitless"]["cost_usd"] == "0.10"
    assert [(one["after_days"], one["added"], one["left"]) for one in told["lines"]] == [(7, 2, 2), (30, 0, 0)]
    assert {one["kind"]: one["cost_usd"] for one in told["came_of_it"]} == {
        "commits": "0.30",
        "error": "0.10",
        "unknown": "0.30",
    }


@pytest.mark.usefixtures("home")
async def test_people_and_both_reports_read_the_same_sum(tmp_path: Path) -> None:
    """The plain report tells the money that came to nothing, and where the rest is told."""
    plain = run(tmp_path, "--timezone", "UTC").stdout
    assert "$0.10 (14 % of what was metered) in turns that ended with an error (1, $0.10)." in plain
    assert "report --outcomes`" in plain
    told = " ".join(run(tmp_path, *OUTCOMES).stdout.split())
    assert "$0.10, 14 % of it, in turns that ended with nothing, an error or a stop." in told
    assert "$0.40 per surviving commit" in told
    assert "app" in run(tmp_path, *OUTCOMES, "--by", "session", "--csv").stdout
    assert run(tmp_path, *OUTCOMES, "--markdown").stdout.startswith("**What came of it: Last 30 days")


async def test_beside_a_running_gateway_nothing_is_written(home: Path) -> None:
    """It looks by itself; the report says only what is due."""
    with lock.hold(home):
        assert results.look(home, clock.now_ms()) == 0
    with open_readonly(home) as reader:
        assert len(reader.read(lambda view: view.commits_due(clock.now_ms(), 9))) == 1


async def test_in_a_home_that_cannot_be_used_nothing_is_looked_up(home: Path) -> None:
    """The report goes on with what there is."""
    (home / lock.LOCK_FILE).unlink(missing_ok=True)
    (home / lock.LOCK_FILE).mkdir()
    assert results.look(home, clock.now_ms()) == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--outcomes", "--by", "person"), "nobody is ranked"),
        (("--outcomes", "--by", "day"), "choose project, session, model or agent"),
        (("--no-look",), "--no-look goes with --outcomes"),
        (("--team", "--outcomes"), "--outcomes does not go with --team"),
        (("--estimates", "--no-look"), "--no-look does not go with --estimates"),
    ],
)
def test_what_is_not_told_is_refused_with_a_sentence(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    """People are not told apart by what came of their turns."""
    done = run(tmp_path, *arguments)
    assert done.returncode != 0
    assert said in " ".join(done.stderr.split())


def test_where_nothing_was_ever_metered_it_says_so(tmp_path: Path) -> None:
    """No home, no ledger, no logs."""
    done = run(tmp_path, *OUTCOMES)
    assert (done.returncode, done.stderr) == (0, "")
    assert "The gateway has metered no turn in this time." in done.stdout
