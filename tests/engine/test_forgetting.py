"""A session is forgotten from the chat and from the machine, and what is old once a day; figures stay, and no word is left."""

import os
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import anyio
import pytest

from gateway import clock, lock
from gateway.agents.forgetting import erase
from gateway.agents.scripted import AskPerson, Say, Script, UseTool
from gateway.core.forgetting import Cut
from gateway.domain.approval import ApprovalKind, Question
from gateway.domain.budget import ScopeKind
from gateway.domain.change import Asker, ChangeState, Wanted
from gateway.domain.events import Exited
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Session, Thread
from gateway.domain.turn import TurnState
from gateway.engine import World, approvals, forgetting, requests
from gateway.engine.decision import Draft
from gateway.ports import Decision, View
from gateway.store import open_readonly
from gateway.view import forget_words
from tests.engine.bench import OTHER, OWNER, THREAD, Bench, bench, call, script
from tests.engine.desk import attached
from tests.engine.test_desk import at_desk
from tests.store.test_forgetting import files_with

pytestmark = pytest.mark.anyio

WORD = "zanzibar"
SHELL = Asker("ada", "desk", (os.getppid(),), terminal=True)
ASKS = "Forget this session for good?"


def left(home: Path) -> list[str]:
    """The files of the home that hold the word, but for the agent's own transcripts."""
    own = {path.name for path in (home / "scripted").glob("*.jsonl")}
    return [name for name in files_with(home, WORD) if name not in own]


def beside(home: Path) -> Callable[[World], None]:
    """What the composition root gives a world, in this home."""

    def prepare(world: World) -> None:
        world.erase = partial(erase, home, {})
        world.rules = replace(world.rules, files=str(home / "files"))

    return prepare


WENT = Script((call(3), Say(f"I went to {WORD}.")))


def at(home: Path, play: Script = WENT) -> AbstractAsyncContextManager[Bench]:
    """A gateway whose agent says the word in its answer."""
    return bench(play, home=home, prepare=beside(lock.make_home(home)))


async def test_the_current_session_is_forgotten_after_a_tap_and_costs_what_it_cost(tmp_path: Path) -> None:
    """What would go is said first; then no file of the home holds a word of it, and the amounts are as they were."""
    home = tmp_path / "home"
    async with at(home) as gateway:
        gateway.says(f"go to {WORD}")
        turn = await gateway.ended(TurnState.FINISHED)
        await gateway.sees(f"I went to {WORD}")
        sent = home / "files" / turn.session_id
        sent.mkdir(parents=True, exist_ok=True)
        (sent / "t_1-1.txt").write_text(WORD)
        spent = (await gateway.balance_of(gateway.today())).spent
        gateway.says("/forget")
        shown = await gateway.sees(ASKS)
        assert "1 prompt, 1 answer" in shown.text
        assert forget_words.MESSAGES_STAY in shown.text
        assert left(home)
        await gateway.taps(ASKS, forget_words.BUTTON)
        await gateway.sees("Forgotten: 1 prompt, 1 answer")
        assert left(home) == []
        assert not sent.exists()
        kept = await gateway.turn()
        assert (kept.spent, kept.calls, kept.tokens, kept.state) == (turn.spent, turn.calls, turn.tokens, turn.state)
        assert (await gateway.balance_of(gateway.today())).spent == spent
        with open_readonly(home) as reader:
            assert reader.verify() == ()
        gateway.says("/cost")
        await gateway.sees("No session yet")
        gateway.says("something else")
        turns = await gateway.until(lambda turns: len(turns) == 2 and turns[1].state is TurnState.FINISHED)
        assert turns[0].session_id != turns[1].session_id


async def test_an_open_turn_is_stopped_first(tmp_path: Path) -> None:
    """Whoever asks is told so, and nothing goes."""
    async with at(tmp_path / "home", script(UseTool("Bash", "ls", asks_permission=True), call(1))) as gateway:
        gateway.says(f"go to {WORD}")
        await gateway.sees("ls")
        gateway.says("/forget")
        await gateway.sees(forget_words.STOP_FIRST)
        [turn] = await gateway.turns()
        told = await forgetting.asked(gateway.world, turn.session_id, SHELL)
        assert (told.state, told.words) == (ChangeState.REFUSED, forget_words.STOP_FIRST)
        assert (await gateway.turn()).prompt == f"go to {WORD}"


async def test_a_turn_that_begins_after_the_question_keeps_its_session(tmp_path: Path) -> None:
    """The button says what is so when it is pressed."""
    async with at(tmp_path / "home", script(AskPerson("Which colour?", ("red",)), call(1))) as gateway:
        await gateway.begins_anew()
        gateway.says("/forget")
        await gateway.sees(ASKS)
        gateway.says(f"go to {WORD}")
        await gateway.sees("Which colour?")
        await gateway.taps(ASKS, forget_words.BUTTON)
        await gateway.sees(forget_words.STOP_FIRST)
        assert (await gateway.turn()).prompt == f"go to {WORD}"


async def test_another_persons_session_is_not_forgotten_but_by_an_owner(tmp_path: Path) -> None:
    """A writer of the same chat wants somebody else's session gone; pressing the owner's button changes nothing either."""
    async with at(tmp_path / "home") as gateway:
        more = (Grant(OWNER, Role.OWNER), Grant("8", Role.WRITER, THREAD.chat))
        await gateway.world.store.transact(lambda _view: Decision(None, grants=more), clock.now_ms())
        gateway.says(f"go to {WORD}")
        await gateway.ended(TurnState.FINISHED)
        gateway.chat.says(THREAD, "8", "/forget")
        await gateway.sees(forget_words.MAY_NOT)
        gateway.says("/forget")
        tap = gateway.chat.taps(await gateway.sees(ASKS), forget_words.BUTTON, "8")
        await gateway.chat.told(tap)
        await gateway.until(
            lambda _turns: sum(one.text == forget_words.MAY_NOT for one in gateway.chat.sees(THREAD)) == 2
        )
        assert (await gateway.turn()).prompt == f"go to {WORD}"
        gateway.chat.says(OTHER, OWNER, f"/forget {(await gateway.turn()).session_id}")
        await gateway.sees(forget_words.NO_SESSION, OTHER)


async def test_who_wrote_the_session_may_forget_it(tmp_path: Path) -> None:
    """A writer's own."""
    async with at(tmp_path / "home") as gateway:
        more = (Grant(OWNER, Role.OWNER), Grant("8", Role.WRITER, THREAD.chat))
        await gateway.world.store.transact(lambda _view: Decision(None, grants=more), clock.now_ms())
        gateway.chat.says(THREAD, "8", f"go to {WORD}")
        await gateway.ended(TurnState.FINISHED)
        gateway.chat.says(THREAD, "8", "/forget")
        gateway.chat.taps(await gateway.sees(ASKS), forget_words.BUTTON, "8")
        await gateway.sees("Forgotten: 1 prompt")


async def test_the_machine_forgets_by_the_beginning_of_an_id_and_agents_forget_nothing(tmp_path: Path) -> None:
    """An agent that wants its traces gone is refused, as for everything that it may not change."""
    async with at(tmp_path / "home") as gateway:
        gateway.says(f"go to {WORD}")
        turn = await gateway.ended(TurnState.FINISHED)
        await gateway.sees(f"I went to {WORD}")
        for inside in (replace(SHELL, marked=True), replace(SHELL, lineage=(os.getpid(),)), replace(SHELL, lineage=())):
            told = await forgetting.asked(gateway.world, turn.session_id, inside)
            assert (told.state, told.words) == (ChangeState.REFUSED, forget_words.INSIDE_AGENT)
        assert (await forgetting.asked(gateway.world, "s_none", SHELL)).words == forget_words.which(0)
        told = await forgetting.asked(gateway.world, turn.session_id[:8], SHELL)
        assert (told.state, told.words.startswith("Forgotten: 1 prompt, 1 answer")) == (ChangeState.DONE, True)
        assert (await gateway.turn()).prompt == ""
        told = await forgetting.asked(gateway.world, turn.session_id, SHELL)
        assert (told.state, told.words) == (ChangeState.REFUSED, forget_words.IS_FORGOTTEN)


async def test_a_reply_to_a_forgotten_answer_goes_to_no_forgotten_session(tmp_path: Path) -> None:
    """Messages in the chat stay, and so can be replied to: a new session begins."""
    async with at(tmp_path / "home") as gateway:
        gateway.says(f"go to {WORD}")
        turn = await gateway.ended(TurnState.FINISHED)
        shown = await gateway.sees(f"I went to {WORD}")
        await forgetting.asked(gateway.world, turn.session_id, SHELL)
        gateway.chat.says(THREAD, OWNER, "and back", to=shown)
        turns = await gateway.until(lambda turns: len(turns) == 2)
        assert turns[1].session_id != turn.session_id


async def test_what_is_old_is_forgotten_and_the_line_in_cost_says_so(tmp_path: Path) -> None:
    """After so many days the words are gone from rows and files; the session goes on, and its costs are told."""
    home = tmp_path / "home"
    async with at(home) as gateway:
        gateway.says(f"go to {WORD}")
        turn = await gateway.ended(TurnState.FINISHED)
        await gateway.sees(f"I went to {WORD}")
        gateway.world.rules = replace(gateway.world.rules, prompts_days=90)
        assert await forgetting.forget_old(gateway.world) == Cut()
        later = clock.now_ms() + 91 * 24 * 3_600_000
        gateway.world.clock = replace(gateway.world.clock, now_ms=lambda: later)
        assert await forgetting.forget_old(gateway.world) == Cut(turns=1, questions=1)
        assert await forgetting.forget_old(gateway.world) == Cut()
        assert left(home) == []
        gateway.says("/cost")
        assert f"{turn.spent} · done · forgotten" in (await gateway.sees("Session:")).text
        gateway.world.rules = replace(gateway.world.rules, prompts_days=0)
        assert await forgetting.forget_old(gateway.world) == Cut()


async def test_what_a_person_has_open_is_closed_there_first() -> None:
    """A session at the desk goes on in its client, whatever is forgotten here: it can be forgotten once it is gone from there."""
    async with at_desk() as gateway:
        client = await attached(gateway)
        await client.types(f"go to {WORD}")
        client.tell(client.ends(f"I went to {WORD}."))
        turn = await gateway.ended(TurnState.FINISHED)
        told = await forgetting.asked(gateway.world, turn.session_id, SHELL)
        assert (told.state, told.words) == (ChangeState.REFUSED, forget_words.AT_DESK)
        client.tell(Exited("closed"))
        await gateway.steps.until(anyio.lowlevel.checkpoint, lambda _none: "client.forgotten" in gateway.steps.passed)
        told = await forgetting.asked(gateway.world, turn.session_id, SHELL)
        assert told.state is ChangeState.DONE
        again = await attached(gateway)
        await again.types("and back")
        turns = await gateway.until(lambda turns: len(turns) == 2)
        assert turns[0].session_id != turns[1].session_id


async def test_what_cannot_be_deleted_is_said_and_the_session_stays(tmp_path: Path) -> None:
    """Nothing is said to be forgotten that is not: it can be tried again."""

    def fails(_session: Session) -> str:
        raise PermissionError(13, "Permission denied", "/some/journal")

    async with at(tmp_path / "home") as gateway:
        gateway.says(f"go to {WORD}")
        turn = await gateway.ended(TurnState.FINISHED)
        erases, gateway.world.erase = gateway.world.erase, fails
        gateway.says("/forget")
        await gateway.taps(ASKS, forget_words.BUTTON)
        await gateway.sees("Nothing was forgotten: /some/journal cannot be deleted (Permission denied).")
        assert (await gateway.turn()).prompt == f"go to {WORD}"
        gateway.world.erase = erases
        await gateway.taps(ASKS, forget_words.BUTTON)
        await gateway.sees("Forgotten: 1 prompt")
        assert (await gateway.turn()).id == turn.id


async def test_journals_of_sessions_at_rest_go_with_the_rest_that_is_old(tmp_path: Path) -> None:
    """Not those of agents that still run: the engine says which."""
    asked: list[tuple[int, set[str]]] = []

    def erase_old(before_ms: int, working: Collection[str]) -> int:
        asked.append((before_ms, set(working)))
        return 1

    async with at(tmp_path / "home", script(UseTool("Bash", "ls", asks_permission=True), call(1))) as gateway:
        gateway.says(f"go to {WORD}")
        await gateway.sees("ls")
        gateway.world.erase_old = erase_old
        await forgetting.forget_old(gateway.world)
        assert asked == []
        gateway.world.rules = replace(gateway.world.rules, prompts_days=1)
        await forgetting.forget_old(gateway.world)
        [(before_ms, working)] = asked
        assert abs(clock.now_ms() - 24 * 3_600_000 - before_ms) < 60_000
        assert working == {(await gateway.turn()).session_id}


async def test_a_change_that_was_asked_for_long_ago_is_not_known_any_more(tmp_path: Path) -> None:
    """Its reason went with its question; who still asks how it stands is told that there is none."""
    async with at(tmp_path / "home") as gateway:
        wanted = Wanted(ScopeKind.DAY, Usd.parse("5").nano, raises=True, why=WORD)
        asked = await requests.request(gateway.world, wanted, SHELL)
        assert asked.state is ChangeState.ASKED
        own = Thread("memory", OWNER)
        [posed] = await gateway.world.store.read(lambda view: view.open_approvals(""))
        gateway.chat.taps(await gateway.sees(WORD, own), "No", OWNER)
        await gateway.sees("No (by", own)
        assert (await requests.standing(gateway.world, posed.id, 0)) is not None
        assert await gateway.world.store.cut(posed.expires_at_ms + 1, clock.now_ms()) == Cut(questions=1)
        assert await requests.standing(gateway.world, posed.id, 0) is None


async def test_a_question_about_a_forgotten_prompt_says_so(tmp_path: Path) -> None:
    """[Continue] cannot say what to go on with once the words are gone: the tap is answered with that, and starts nothing."""
    async with at(tmp_path / "home") as gateway:
        gateway.says(f"go to {WORD}")
        turn = await gateway.ended(TurnState.FINISHED)

        def ask(view: View) -> Decision[None]:
            draft, session = Draft(), view.session(turn.session_id)
            assert session is not None
            known = view.turn(turn.id)
            assert known is not None
            question = Question("Interrupted: go on?", approvals.CONTINUE_OPTIONS)
            approvals.ask(gateway.world, draft, known, session, ApprovalKind.CONTINUE, question)
            return draft.done(None)

        await gateway.world.commit(ask)
        await gateway.sees("Interrupted: go on?")
        while await gateway.world.store.cut(clock.now_ms() + 1, clock.now_ms()):
            pass
        await gateway.taps("Interrupted: go on?", approvals.CONTINUE_OPTIONS[0].label)
        await gateway.sees(forget_words.IS_FORGOTTEN)
        assert len(await gateway.turns()) == 1
