"""Clients that do what none should: each ends in a clear word, within a limit, with what was spent on the books."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from gateway.agents import claude, supervise
from gateway.agents.claude import ClaudeAgent, client, dialogue
from gateway.agents.claude.client import ClaudeClient, redacted
from gateway.agents.supervise import is_alive
from gateway.domain.effects import GoOn
from gateway.domain.events import AskedPermission, End, Exited, Finished, Paused, Started, Withdrawn
from gateway.domain.usage import Tokens
from gateway.ports import AgentUnavailableError, Launch
from tests.agents.contract import U1, U2, Watch

pytestmark = pytest.mark.anyio

FAKE = Path(__file__).with_name("fake_claude.py")


@asynccontextmanager
async def agent(tmp_path: Path, scenario: str) -> AsyncIterator[ClaudeAgent]:
    """An agent whose client plays this scenario."""
    program = tmp_path / "claude"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S -E "{FAKE}" {scenario}\n')
    program.chmod(0o755)
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    async with ClaudeAgent(tmp_path / "home", str(program), environ) as made:
        yield made


@asynccontextmanager
async def at_work(tmp_path: Path, scenario: str) -> AsyncIterator[tuple[ClaudeClient, Watch]]:
    """Its client, watched; nothing is answered."""
    async with agent(tmp_path, scenario) as made, anyio.create_task_group() as crew:
        started = await made.start(Launch("s_1", str(tmp_path)))
        seen = Watch(started, lambda _event: None)
        crew.start_soon(seen.run)
        yield started, seen
        await started.close()
        assert not is_alive(started.process)


async def test_a_client_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not answer the handshake: it is ended, and the person reads that it did not answer."""
    monkeypatch.setattr(claude, "START_LIMIT_S", 0.5)
    async with agent(tmp_path, "never") as made:
        with anyio.fail_after(30), pytest.raises(AgentUnavailableError, match="did not answer"):
            await made.start(Launch("s_1", str(tmp_path)))


async def test_a_client_that_does_not_start_says_why_without_its_secrets(tmp_path: Path) -> None:
    """Its own words, with what looks like a secret taken out."""
    async with agent(tmp_path, "fails") as made:
        with anyio.fail_after(30), pytest.raises(AgentUnavailableError, match="unknown option") as caught:
            await made.start(Launch("s_1", str(tmp_path)))
    assert "abc123secret" not in str(caught.value)


async def test_a_client_that_dies_leaves_its_calls_on_the_books(tmp_path: Path) -> None:
    """The whole call is exact, the one in flight a lower bound, and Exited says how it died."""
    async with at_work(tmp_path, "dies") as (started, seen):
        await started.prompt(U1, "one")
        exited = await seen.until(Exited)
        assert [(call.call_id, call.ended) for call in seen.calls] == [("m1", True), ("m2", False)]
        assert isinstance(exited, Exited)
        assert "code 9" in exited.reason
        assert "verysecret" not in exited.reason
        with pytest.raises(AgentUnavailableError):
            await started.prompt(U1, "again")


@pytest.mark.parametrize("scenario", ["garbage", "huge"])
async def test_garbage_and_floods_are_read_over(tmp_path: Path, scenario: str) -> None:
    """Tens of thousands of broken lines, or one of 33 MiB: the run behind them is complete."""
    async with at_work(tmp_path, scenario) as (started, seen):
        await started.prompt(U1, "one")
        finished = await seen.finished()
        assert finished.end is End.DONE
        assert [call.call_id for call in seen.calls] == ["m1"]


async def test_what_the_client_withdraws_can_no_longer_be_answered(tmp_path: Path) -> None:
    """Paused, Withdrawn, and an answer that comes too late is False."""
    async with at_work(tmp_path, "withdraws") as (started, seen):
        await started.prompt(U1, "one")
        await seen.until(Withdrawn)
        assert [type(event) for event in seen.seen if isinstance(event, Paused | Withdrawn)] == [Paused, Withdrawn]
        assert not await started.respond("h1", GoOn())
        assert not await started.respond("never heard of", GoOn())


async def test_a_request_that_nobody_understands_is_refused_aloud(tmp_path: Path) -> None:
    """A newer client asks something new: it gets an error for an answer and goes on."""
    async with at_work(tmp_path, "unknown") as (started, seen):
        await started.prompt(U1, "one")
        assert (await seen.finished()).end is End.DONE


async def test_a_run_that_ignores_an_interrupt_is_ended_with_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The interrupt is answered but nothing stops: the process goes, and the call in flight is a lower bound."""
    monkeypatch.setattr(client, "STOP_LIMIT_S", 0.2)
    async with at_work(tmp_path, "hangs") as (started, seen):
        await started.prompt(U1, "one")
        await started.interrupt()
        await seen.until(Exited)
        assert [call.ended for call in seen.calls] == [False]
        assert not seen.of(Finished)


async def test_an_answer_that_nobody_takes_is_not_called_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client does not read any more: True would be a promise that nobody keeps."""
    monkeypatch.setattr(dialogue, "ANSWER_LIMIT_S", 0.2)
    async with at_work(tmp_path, "deaf") as (started, seen):
        await started.prompt(U1, "one")
        paused = await seen.paused()
        with anyio.fail_after(30):
            assert not await started.respond(paused.request_id, GoOn())


FLOOD = [{"type": "flood", "text": "x" * (3 * 1024 * 1024)}] * 4
"""More lines than all pipes and buffers on the way hold together."""


async def test_an_answer_to_a_client_that_does_not_read_is_given_up_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pipe to it is full: the answer counts as not taken, the interrupt returns, and the client is ended."""
    monkeypatch.setattr(dialogue, "ANSWER_LIMIT_S", 0.5)
    monkeypatch.setattr(supervise, "SEND_LIMIT_S", 0.5)
    async with at_work(tmp_path, "plugged") as (started, seen):
        await started.prompt(U1, "one")
        paused = await seen.paused()
        with anyio.fail_after(30):
            async with anyio.create_task_group() as crew:
                crew.start_soon(started._dialogue.tell, *FLOOD)
                await anyio.lowlevel.checkpoint()
                assert not await started.respond(paused.request_id, GoOn())
                await started.interrupt()
        assert started._link.leaving
        with pytest.raises(AgentUnavailableError):
            await started.prompt(U2, "two")
        await seen.until(Exited)


async def test_a_client_that_says_nothing_of_its_model_is_not_taken_to_have_switched(tmp_path: Path) -> None:
    """It accepts the setting, and does not show it afterwards: it stays with the one it has."""
    async with at_work(tmp_path, "obliging") as (started, _):
        assert not await started.use_model("claude-haiku-4-5")


async def test_a_client_that_does_not_answer_about_its_model_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what it would run on: it gets no prompt any more."""
    monkeypatch.setattr(client, "ANSWER_LIMIT_S", 0.2)
    async with at_work(tmp_path, "deaf") as (started, seen):
        await started.prompt(U1, "one")
        await seen.paused()
        with pytest.raises(AgentUnavailableError, match="starts it again"):
            await started.use_model("claude-haiku-4-5")
        await seen.until(Exited)


async def test_a_client_that_does_not_read_can_be_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not wait for what can no longer be written."""
    monkeypatch.setattr(supervise, "SEND_LIMIT_S", 0.2)
    async with at_work(tmp_path, "plugged") as (started, seen):
        await started.prompt(U1, "one")
        await seen.paused()
        assert not await started._dialogue.tell(*FLOOD)
        with anyio.fail_after(40):
            await started.close()
        await seen.until(Exited)


@pytest.mark.parametrize("before", [[], FLOOD], ids=["unconfirmed", "unwritten"])
async def test_a_prompt_that_is_not_taken_is_refused_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: list[dict[str, str]]
) -> None:
    """The client stopped reading before it came: AgentUnavailableError, and the client is ended without having run it."""
    monkeypatch.setattr(client, "TAKE_LIMIT_S", 0.5)
    async with at_work(tmp_path, "unread") as (started, seen):
        async with anyio.create_task_group() as crew:
            crew.start_soon(started._dialogue.tell, *before)
            await anyio.lowlevel.checkpoint()
            with anyio.fail_after(30), pytest.raises(AgentUnavailableError):
                await started.prompt(U1, "one")
        await seen.until(Exited)
        assert not seen.of(Started)


async def test_garbage_about_a_call_is_no_figure(tmp_path: Path) -> None:
    """Impossible counts, bottomless nesting, half characters, a result told twice: what is readable is booked once."""
    async with at_work(tmp_path, "odd") as (started, seen):
        await started.prompt(U1, "one")
        finished = await seen.finished()
        assert [(call.call_id, call.ended, call.usage.tokens.total) for call in seen.calls if call.usage.tokens] == [
            ("m1", True, 15)
        ]
        assert [call.usage.tokens for call in seen.calls if not call.ended] == [Tokens(), Tokens()]
        assert sum(usage.tokens.total for usage in finished.totals or ()) == 15
        await started.close()
        await seen.until(Exited)
        assert len(seen.of(Finished)) == 1


async def test_a_client_that_wants_too_many_answers_is_ended(tmp_path: Path) -> None:
    """Thousands of questions at once are no conversation: the client goes, and so many questions at most were told."""
    async with at_work(tmp_path, "demanding") as (started, seen):
        await started.prompt(U1, "one")
        await seen.until(Exited)
        assert len(seen.of(AskedPermission)) == client.WAITING_MAX


async def test_a_tool_whose_input_nobody_can_look_through_does_not_run(tmp_path: Path) -> None:
    """Nested hundreds of times: the hook is answered with a no, the run ends with an error, and the gateway goes on."""
    async with at_work(tmp_path, "nested") as (started, seen):
        await started.prompt(U1, "one")
        finished = await seen.finished()
        assert finished.end is End.ERROR
        assert "cannot read" in finished.text


async def test_a_client_that_has_exited_is_forgotten(tmp_path: Path) -> None:
    """The agent keeps nothing of it, also where nobody closed it."""
    async with agent(tmp_path, "dies") as made, anyio.create_task_group() as crew:
        started = await made.start(Launch("s_1", str(tmp_path)))
        seen = Watch(started, lambda _event: None)
        crew.start_soon(seen.run)
        await started.prompt(U1, "one")
        await seen.until(Exited)
        with anyio.fail_after(30):
            await started._dialogue.gone.wait()
            await anyio.wait_all_tasks_blocked()
        assert not made._clients


async def test_a_journal_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    """Its place is taken by something else: the person reads where and what to do, and the gateway lives."""
    async with agent(tmp_path, "deaf") as made:
        (tmp_path / "home").write_text("not a directory")
        with pytest.raises(AgentUnavailableError, match=r"journal in .*then try again"):
            await made.start(Launch("s_1", str(tmp_path)))
        assert not made._clients


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("ANTHROPIC_API_KEY=sk-ant-api03-abcdefgh", "abcdefgh"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("bot 1234567:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw", "AAHdq"),
        ('password: "hunter2"', "hunter2"),
    ],
)
def test_secrets_do_not_reach_the_chat(text: str, hidden: str) -> None:
    """What a client prints when it dies may hold them."""
    assert hidden not in redacted(text)
