"""From logs on a disk to an estimate: a real scan in a process of its own, and a gateway that takes over what it tells."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
import structlog

from benchmarks.log_tree import build
from gateway import history, priors
from gateway.core.imported import MAY_GO_ON_MS
from gateway.domain.turn import TurnState
from gateway.engine import World
from gateway.usage_store import DATABASE, open_usage
from tests.cli.kit import ROOT
from tests.engine.bench import bench, call, put_forward, script, with_limits

pytestmark = pytest.mark.anyio

SIZE = 30_000_000
RULES = with_limits("500", confirm="400", agent="claude")
SCAN = (sys.executable, "-m", "gateway", "scan", "--json")


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person on whose machine Claude Code and Codex have worked for months, up to a while ago."""
    place = tmp_path / "user"
    tree = build(place, SIZE, seed=5)
    for name in ("CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME", "CODEX_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(place))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert tree.tree.forms["turns"] >= 9


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The gateway's."""
    return tmp_path / "home"


def after(home: Path) -> Callable[[World], None]:
    """A world with the shipped prior, soon after the last call that the logs tell of, as the last scan left them."""

    def prepare(world: World) -> None:
        world.prior = priors.load()
        with open_usage(home, b"") as store:
            last_ms = max(row.at_ms for row, _ in store.calls("claude", 0))
        put_forward(world, last_ms + 2 * MAY_GO_ON_MS - world.clock.now_ms())

    return prepare


@pytest.mark.usefixtures("user")
async def test_what_agents_left_on_the_disk_is_in_the_first_estimate(home: Path) -> None:
    """A tree of logs, read by a scan of the gateway's own, gives the owner's first prompt an n; a second reading doubles nothing."""
    async with bench(script(call(1)), home=home) as earlier:
        await history.take_over(earlier.engine, home, SCAN)
    async with bench(script(call(1)), RULES, home, prepare=after(home)) as gateway:
        gateway.world.agents = {"claude": gateway.agent}
        await history.take_over(gateway.engine, home, SCAN)
        await history.take_over(gateway.engine, home, SCAN)
        gateway.says("go")
        found = (await gateway.ended(TurnState.FINISHED)).estimate
        told = history.histories(home, gateway.world.rates, gateway.world.clock.now_ms())
    assert found is not None
    assert found.n == len(told["claude"].turns) >= 9
    assert "of them from the agent's own logs" in found.words


@pytest.mark.usefixtures("user")
async def test_a_scan_that_fails_is_said_and_what_is_known_stays(home: Path) -> None:
    """The gateway goes on, with what an earlier scan had read."""
    async with bench(script(call(1)), RULES, home) as gateway:
        with structlog.testing.capture_logs() as said:
            await history.take_over(gateway.engine, home, SCAN)
            with open_usage(home, b"") as store:
                last_ms = max(row.at_ms for row, _ in store.calls("claude", 0))
            put_forward(gateway.world, last_ms + 2 * MAY_GO_ON_MS - gateway.world.clock.now_ms())
            await history.take_over(gateway.engine, home, (sys.executable, "-c", "raise SystemExit(3)"))
        past = await gateway.world.store.read(lambda view: view.past_turns("7", "claude", 9))
    assert past
    assert [one["why"] for one in said if one["log_level"] == "warning"] == ["it ended with 3"]


async def test_a_scan_that_cannot_be_started_or_a_database_that_cannot_be_read_stops_nothing(home: Path) -> None:
    """The log says why, and the estimates do without."""
    async with bench(script(call(1)), home=home) as gateway:
        with structlog.testing.capture_logs() as said:
            await history.take_over(gateway.engine, home, (str(home / "nothing"),))
            (home / DATABASE).write_bytes(b"no database at all, however long it is read" * 9)
            await history.take_over(gateway.engine, home, (sys.executable, "-c", ""))
        gateway.says("go")
        await gateway.ended(TurnState.FINISHED)
    whys = [one["why"] for one in said if one["log_level"] == "warning"]
    assert len(whys) == 2
    assert "nothing" in whys[0]
    assert "is damaged" in whys[1]


async def test_a_scan_that_takes_too_long_is_ended(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With whatever it has started; it had the lowest priority while it worked."""
    monkeypatch.setattr(history, "SCAN_S", 0.5)
    note = home.parent / "nice"
    forever = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    async with bench(script(call(1)), home=home) as gateway:
        with structlog.testing.capture_logs() as said, anyio.fail_after(30):
            await history.take_over(gateway.engine, home, (sys.executable, "-c", forever))
    assert any("took more than" in str(one.get("why")) for one in said)
    if note.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(note.read_text()), 0)


@pytest.mark.usefixtures("user")
async def test_what_is_not_wanted_any_more_is_forgotten(home: Path) -> None:
    """A gateway that reads no logs keeps nothing of what an earlier one read."""
    async with bench(script(call(1)), home=home) as earlier:
        await history.take_over(earlier.engine, home, SCAN)
    async with bench(script(call(1)), RULES, home, prepare=after(home)) as gateway:
        await history.take_over(gateway.engine, home, SCAN)
        assert await gateway.world.store.read(lambda view: view.past_turns("7", "claude", 9))
        await history.forget(gateway.engine)
        assert not await gateway.world.store.read(lambda view: view.past_turns("7", "claude", 9))
