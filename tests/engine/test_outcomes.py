"""A whole gateway over a real repository: what a turn left is seen, kept, told in its quiet line, and looked at again later."""

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.agents.scripted import Fail, Say, Script, UseTool, Wait
from gateway.core.outcome import DAY_MS
from gateway.domain.outcome import Change, Left, LeftKind, Merged, SeenTests, Sight, Whose
from gateway.domain.turn import TurnState
from gateway.engine import fates, outcomes
from gateway.engine.watch import Watch
from gateway.engine.world import World
from gateway.git_history import Look
from tests.engine.bench import OTHER, RULES, Bench, bench, call, with_limits
from tests.git_kit import Repo, made

pytestmark = pytest.mark.anyio


class Desk:
    """A repository, and a turn in it that works until it is told that it is done."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.ends = anyio.Event()
        self.steps: tuple[object, ...] = (Say("All done."),)

    def play(self, _prompt: str, _context: int) -> Script:
        return Script((call(1), Wait(self.ends), *self.steps))  # type: ignore[arg-type]

    async def at_work(self, bench: Bench) -> int:
        """The prompt is handed over; the time on the gateway's clock, in seconds."""
        bench.says("do it")
        await bench.until(lambda turns: bool(turns) and turns[-1].calls == 1)
        return bench.world.clock.now_ms() // 1000

    async def done(self, bench: Bench, state: TurnState = TurnState.FINISHED) -> Left | None:
        """What the turn has left."""
        self.ends.set()
        turn = await bench.ended(state)
        return await bench.world.store.read(lambda view: view.left(turn.id))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A repository with one old commit."""
    repo = made(tmp_path / "app")
    repo.commit("a.txt", "one", "two")
    return Desk(repo)


async def test_commits_of_a_turn_are_kept_and_told_in_its_line(desk: Desk) -> None:
    """With their lines and with the last tests; nothing that was seen before the turn is forgotten by then."""
    desk.steps = (
        UseTool("Bash", "pytest", tests=("pytest", False)),
        UseTool("Bash", "x", tests=("tox", True)),
        Say("Done."),
    )
    async with bench(desk.play, replace(RULES, directory=str(desk.repo.place))) as here:
        at_s = await desk.at_work(here)
        sha = desk.repo.commit("b.txt", "x", "y", at_s=at_s)
        left = await desk.done(here)
        assert left is not None
        assert (left.kind, left.sight, left.tests) == (LeftKind.COMMITS, Sight.SEEN, SeenTests(2, "tox", passed=True))
        assert left.before is not None
        assert left.after is not None
        assert left.after.head == sha != left.before.head
        assert [(one.sha, one.whose, one.change) for one in left.own] == [(sha, Whose.TURN, Change(1, 2, 0))]
        await here.sees("· 1 commit, +2 -0, tests passed")
        assert here.world.watched == {}


async def test_what_is_not_committed_is_told_as_that(desk: Desk) -> None:
    """Of a turn that found nothing uncommitted there."""
    async with bench(desk.play, replace(RULES, directory=str(desk.repo.place))) as here:
        await desk.at_work(here)
        desk.repo.write("a.txt", "one", "2", "three")
        left = await desk.done(here)
        assert left is not None
        assert (left.kind, left.commits) == (LeftKind.DIFF, ())
        await here.sees("· +2 -1, not committed")


async def test_an_error_is_one_whatever_lies_there_half_done(desk: Desk) -> None:
    """And it is kept that it left no commit."""
    desk.steps = (Fail("the API is down"),)
    async with bench(desk.play, replace(RULES, directory=str(desk.repo.place))) as here:
        await desk.at_work(here)
        desk.repo.write("a.txt", "half")
        left = await desk.done(here, TurnState.FAILED)
        assert left is not None
        assert (left.kind, left.own) == (LeftKind.ERROR, ())


async def test_without_a_repository_there_is_nothing_to_see_and_nothing_is_told(desk: Desk, tmp_path: Path) -> None:
    """The answer is what it left."""
    async with bench(desk.play, replace(RULES, directory=str(tmp_path))) as here:
        await desk.at_work(here)
        left = await desk.done(here)
        assert left is not None
        assert (left.kind, left.sight) == (LeftKind.ANSWER, Sight.NO_REPOSITORY)


async def test_a_look_that_takes_too_long_is_not_known_and_keeps_nothing_from_running(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither before the prompt nor before the answer."""
    monkeypatch.setattr(outcomes, "BEFORE_S", 0.0)
    async with bench(desk.play, replace(RULES, directory=str(desk.repo.place))) as here:
        await desk.at_work(here)
        left = await desk.done(here)
        assert left is not None
        assert (left.kind, left.sight, left.commits) == (LeftKind.UNKNOWN, Sight.UNKNOWN, None)


async def test_a_repository_that_is_gone_at_the_end_is_not_known(desk: Desk) -> None:
    """It was there before."""
    async with bench(desk.play, replace(RULES, directory=str(desk.repo.place))) as here:
        await desk.at_work(here)
        (desk.repo.place / ".git").rename(desk.repo.place / "git")
        left = await desk.done(here)
        assert left is not None
        assert (left.kind, left.sight) == (LeftKind.UNKNOWN, Sight.UNKNOWN)


async def test_two_sessions_at_once_in_one_worktree_share_their_commits(desk: Desk) -> None:
    """Also where the other one has ended meanwhile."""
    rules = with_limits(directory=str(desk.repo.place))
    async with bench(desk.play, rules) as here:
        at_s = await desk.at_work(here)
        here.says("do something else", OTHER)
        await here.until(lambda turns: len(turns) == 2 and all(turn.calls == 1 for turn in turns))
        desk.repo.commit("b.txt", "x", at_s=at_s)
        desk.ends.set()
        turns = await here.until(lambda turns: all(turn.state is TurnState.FINISHED for turn in turns))
        for turn in turns:
            left = await here.world.store.read(lambda view, one=turn.id: view.left(one))
            assert left is not None
            assert [one.whose for one in left.commits or ()] == [Whose.SHARED]
            assert left.kind is not LeftKind.COMMITS


async def test_only_so_many_turns_are_watched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is let go of; one that nobody knows is not begun with."""
    monkeypatch.setattr(outcomes, "WATCHED_MAX", 1)
    async with bench(desk.play) as here:
        here.world.watched["t_old"] = Watch("s_old", "/", Look(Sight.UNKNOWN))
        await desk.at_work(here)
        assert list(here.world.watched) == [(await here.turn()).id]
        await outcomes.begin(here.world, "t_nobody")
        assert "t_nobody" not in here.world.watched
        await desk.done(here)


async def test_commits_are_looked_at_when_they_are_due(desk: Desk) -> None:
    """What became of them is kept; what cannot be seen is tried again the next day."""
    async with bench(desk.play, replace(RULES, directory=str(desk.repo.place))) as here:
        at_s = await desk.at_work(here)
        desk.repo.commit("b.txt", "x", "y", at_s=at_s)
        await desk.done(here)
        turn = await here.turn()
        store, now_ms = here.world.store, here.world.clock.now_ms()
        assert await fates.look_all(store, now_ms) == fates.Round()
        assert await fates.look_all(store, now_ms + 8 * DAY_MS) == fates.Round(1, 0)
        left = await store.read(lambda view: view.left(turn.id))
        assert left is not None
        [fate] = [one.fate for one in left.own]
        assert fate is not None
        assert (fate.branch, fate.merged, fate.after_7, fate.after_30) == ("main", Merged.ITSELF, 2, None)
        desk.repo.place.rename(desk.repo.place.parent / "away")
        assert await fates.look_all(store, now_ms + 31 * DAY_MS) == fates.Round(1, 1)
        assert await fates.look_all(store, now_ms + 31 * DAY_MS) == fates.Round()
        assert await fates.look_all(store, now_ms + 33 * DAY_MS, 0) == fates.Round()


async def test_the_gateway_looks_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Soon after it has started, and again and again."""
    rounds = anyio.Event()

    async def look_all(_store: object, _now_ms: int) -> fates.Round:
        rounds.set()
        return fates.Round(1, 1)

    monkeypatch.setattr(fates, "FIRST_S", 0.0)
    monkeypatch.setattr(fates, "look_all", look_all)

    def prepare(world: World) -> None:
        assert world.watched == {}

    async with bench(desk.play, prepare=prepare):
        with anyio.fail_after(10):
            await rounds.wait()
