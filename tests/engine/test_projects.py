"""/new: projects by name, buttons where several fit, agents, models, and worktrees for branches."""

import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from gateway.chats.memory import Shown
from gateway.domain.place import Session
from gateway.domain.turn import TurnState
from gateway.engine import Rules, projects
from gateway.ports import Decision
from tests.engine.bench import OTHER, OWNER, RULES, Bench, bench, call, script

pytestmark = pytest.mark.anyio


@pytest.fixture
def rules(tmp_path: Path) -> Rules:
    """Four projects below one root, and a place for worktrees elsewhere."""
    root = tmp_path / "src"
    for name in ("api", "api-docs", "shop", "with space"):
        repository(root / name)
    (root / "no-repository").mkdir()
    place = str(root / "api")
    return replace(RULES, directory=place, roots=(str(root),), worktrees=str(tmp_path / "trees"))


def repository(place: Path) -> None:
    """A repository with one commit."""
    place.mkdir(parents=True)
    who = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    subprocess.run(["git", "init", "--quiet", place], check=True)
    subprocess.run(["git", *who, "commit", "--quiet", "--allow-empty", "-m", "first"], cwd=place, check=True)


async def begins(gateway: Bench, said: str) -> Session:
    """The session that the command begins."""
    before = len(await gateway.sessions())
    gateway.says(said)
    return (await gateway.steps.until(gateway.sessions, lambda found: len(found) > before))[-1]


async def test_a_project_is_named_and_a_model_with_it(rules: Rules) -> None:
    """By its name, the beginning of it, a path or a path with spaces; the model is the agent's to know."""
    root = Path(rules.roots[0])
    async with bench(script(call(1)), rules) as gateway:
        assert (await begins(gateway, "/new shop")).directory == str(root / "shop")
        assert (await begins(gateway, "/new sho")).directory == str(root / "shop")
        assert (await begins(gateway, "/new ../no-repository")).directory == str(root / "no-repository")
        assert (await begins(gateway, "/new ../with space")).directory == str(root / "with space")
        session = await begins(gateway, "/new api scripted some-model-1")
        assert (session.directory, session.agent, session.model) == (str(root / "api"), "scripted", "some-model-1")


async def test_where_several_projects_fit_or_none_is_named_buttons_stand_for_them(rules: Rules) -> None:
    """A press begins the session, with what else was asked for; the present directory comes first."""
    root = Path(rules.roots[0])
    async with bench(script(call(1)), rules) as gateway:
        gateway.says("/new ap some-model-1")
        asked = await gateway.sees("Several projects fit `ap`. Which one?")
        assert {button.label for button in asked.buttons} == {"api", "api-docs"}
        gateway.chat.taps(asked, "api-docs", "7")
        [session] = await gateway.steps.until(gateway.sessions, lambda found: len(found) == 1)
        assert (session.directory, session.model) == (str(root / "api-docs"), "some-model-1")
        gateway.says("/new")
        asked = await gateway.sees("In which project?")
        assert [button.label for button in asked.buttons] == ["Here: api-docs", "api", "shop", "with space"]
        gateway.chat.taps(asked, "with space", "7")
        found = await gateway.steps.until(gateway.sessions, lambda found: len(found) == 2)
        assert found[-1].directory == str(root / "with space")


async def test_what_names_no_project_is_explained(rules: Rules) -> None:
    """Nothing outside the roots, no file, and nothing that is not there."""
    (Path(rules.directory) / "file").write_text("")
    async with bench(script(call(1)), rules) as gateway:
        gateway.says("/new nowhere")
        await gateway.sees("There is no directory")
        gateway.says("/new /")
        await gateway.sees("`/` is not inside")
        gateway.says("/new file")
        await gateway.sees("is not a directory")
        gateway.says("/new api @--force")
        await gateway.sees("cannot be the name of a branch")
        assert await gateway.sessions() == []


async def test_a_branch_gets_a_worktree_that_its_agent_works_in(rules: Rules) -> None:
    """It counts against its repository's limits, is used again, and /new from there means the repository."""
    async with bench(script(call(1)), rules) as gateway:
        one = await begins(gateway, "/new shop @fix/login")
        shop = str(Path(rules.roots[0]) / "shop")
        assert (one.branch, one.project) == ("fix/login", shop)
        assert Path(one.directory).is_relative_to(rules.worktrees)
        gateway.says("work")
        await gateway.ended(TurnState.FINISHED)
        branch = subprocess.run(  # noqa: ASYNC221 - it is over at once
            ["git", "branch", "--show-current"], cwd=one.directory, check=True, capture_output=True, text=True
        )
        assert branch.stdout.strip() == "fix/login"
        two = await begins(gateway, "/new . @fix/login")
        assert (two.directory, two.project) == (one.directory, shop)


async def test_what_git_refuses_is_told_and_no_turn_runs(rules: Rules) -> None:
    """One sentence when the session begins, and again when it is written to; nothing is spent."""
    shop = str(Path(rules.roots[0]) / "shop")
    subprocess.run(["git", "checkout", "--quiet", "-b", "busy"], cwd=shop, check=True)  # noqa: ASYNC221 - see above
    async with bench(script(call(1)), rules) as gateway:
        await begins(gateway, "/new shop @busy")
        await gateway.sees("There is no worktree for `busy`: git says: 'busy' is already")
        gateway.says("work")
        turn = await gateway.ended(TurnState.FAILED)
        assert turn.calls == 0
        gateway.says("/new ../no-repository @fix")
        await gateway.sees("is in no git repository")


async def test_without_a_place_for_worktrees_a_branch_is_refused(rules: Rules) -> None:
    """The setting is named."""
    async with bench(script(call(1)), replace(rules, worktrees="")) as gateway:
        gateway.says("/new shop @fix")
        await gateway.sees("set agents.worktrees in the settings")
        assert await gateway.sessions() == []


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Directories that do not answer until the event is set: those that are looked at for their git, and what sessions work in."""
    answers = threading.Event()

    def never(_place: str) -> bool:
        answers.wait(20)
        return False

    monkeypatch.setattr(projects, "_is_repository", never)
    yield answers
    answers.set()


async def test_a_directory_that_does_not_answer_holds_up_no_decision(rules: Rules, hung: threading.Event) -> None:
    """A network drive that is away: while it is waited for others decide, and once it answers the session begins."""
    async with bench(script(call(1)), rules) as gateway:
        gateway.says("/new")

        async def waits() -> bool:
            return gateway.world.looking.borrowed_tokens == 1

        await gateway.steps.until(waits, bool)
        with anyio.fail_after(3):
            await gateway.world.commit(lambda _view: Decision(None))
        assert await gateway.sessions() == []
        hung.set()
        await gateway.steps.until(gateway.sessions, lambda found: len(found) == 1)


async def test_directories_that_do_not_answer_in_time_are_said_and_everybody_goes_on(
    rules: Rules, hung: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask: what names a directory that answers begins there, and messages of other chats are handled."""
    monkeypatch.setattr(projects, "LOOK_S", 0.2)
    async with bench(script(call(1)), rules) as gateway:

        def refused() -> list[Shown]:
            return [one for one in gateway.chat.sees(OTHER) if "did not answer in time" in one.text]

        for number in range(6):
            gateway.says("/new", OTHER)
            await gateway.chat.until(lambda count=number: len(refused()) == count + 1)
        gateway.says("work")
        await gateway.sees("All done.")
        hung.set()

        async def free() -> int:
            return gateway.world.looking.borrowed_tokens

        await gateway.steps.until(free, lambda taken: taken == 0)
        assert (await begins(gateway, "/new ../shop")).directory == str(Path(rules.roots[0]) / "shop")


async def test_a_button_for_a_project_is_looked_at_before_it_is_decided_on(
    rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the command would be; a button that nobody has means nothing."""
    async with bench(script(call(1)), rules) as gateway:
        gateway.says("/new")
        asked = await gateway.sees("In which project?")
        real, looked = projects._find, list[str]()

        def find(*arguments: object) -> object:
            looked.append(threading.current_thread().name)
            return real(*arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(projects, "_find", find)
        stale = replace(asked, buttons=tuple(replace(one, token="nobodys") for one in asked.buttons))
        tap = gateway.chat.taps(stale, "shop", OWNER)
        assert await gateway.chat.told(tap) != ""
        assert looked == []
        gateway.chat.taps(asked, "shop", OWNER)
        await gateway.steps.until(gateway.sessions, lambda found: len(found) == 1)
        assert len(looked) == 1
        assert looked[0] != threading.main_thread().name
