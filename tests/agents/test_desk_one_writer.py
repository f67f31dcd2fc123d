"""One conversation at the desk has one writer: whose hooks and whose channel count, and what poses as them from elsewhere."""

import json
import os
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.agents.claude.desk import MOVED, OPEN, SESSIONS_MAX, TOO_MANY
from gateway.agents.warden import ON_LINUX
from gateway.domain.events import CallMetered, End, Exited, Finished
from tests.agents.test_claude_desk import SESSION, Wire, call, gateway, process, writes

pytestmark = pytest.mark.anyio

OTHER = "0f4c1d6e-0000-4000-8000-000000000002"
FORGED = {"source": "startup", "transcript_path": "/forged.jsonl"}


async def no_desk(*_: object, **__: object) -> str:
    """The engine's answer where nobody has a desk."""
    return "no desk is here"


async def test_what_another_sessions_agent_starts_takes_over_no_open_session(tmp_path: Path) -> None:
    """A shell below one client says that it opens the session of another: the run there goes on, and so do its messages."""
    async with gateway(tmp_path) as one:
        with process() as client, process() as other, process() as shell:
            await one.hook("SessionStart", other, session_id="other", source="startup")
            await one.hook("SessionStart", client, source="startup")
            mine, theirs = Wire(), Wire()
            async with one.desk.joined(mine, SESSION, (1, client)):
                assert await one.hook("UserPromptSubmit", client, prompt="work", prompt_id="p") == {}
                await one.hook("SessionStart", shell, (other,), source="startup")
                async with one.desk.joined(theirs, SESSION, (1, shell, other)):
                    assert one.desk.client_of(theirs) is None
                    assert one.desk.client_of(mine) is one.clients[1]
                await one.hook("SessionEnd", shell, (other,), reason="other")
                await one.hook("Stop", client, prompt_id="p")
                await one.until(Finished)
                assert [end.end for end in one.ends()] == [End.DONE]
                assert len(one.clients) == 2


@pytest.mark.parametrize("restarted", [False, True], ids=["one gateway", "another one meanwhile"])
async def test_a_conversation_that_is_open_in_one_terminal_is_not_gone_on_with_in_another(
    tmp_path: Path, restarted: bool
) -> None:
    """The second client's prompts are blocked as long as the first one lives, and let in from then on."""
    async with AsyncExitStack() as stack:
        here = await stack.enter_async_context(gateway(tmp_path))
        with process() as first:
            await here.hook("SessionStart", first, source="startup")
            if restarted:
                await stack.aclose()
                here = await stack.enter_async_context(gateway(tmp_path))
            else:
                assert await here.hook("UserPromptSubmit", first, prompt="work", prompt_id="p") == {}
            assert await here.hook("SessionStart", source="resume") == {}
            blocked = {"decision": "block", "reason": OPEN}
            assert await here.hook("UserPromptSubmit", prompt="go on", prompt_id="q") == blocked
            await here.hook("SessionEnd", reason="other")
            assert Exited not in map(type, here.told)
            assert await here.hook("PostToolBatch", first, prompt_id="p") == {}
        assert await here.hook("UserPromptSubmit", prompt="go on", prompt_id="q") == {}


async def test_what_an_agent_has_opened_itself_is_its_persons_as_soon_as_they_open_it(tmp_path: Path) -> None:
    """Whoever names a conversation first, from a shell below a client, keeps nobody out of it who opens it in a terminal."""
    async with gateway(tmp_path) as one:
        with process() as other, process() as shell:
            await one.hook("SessionStart", other, session_id="other", source="startup")
            await one.hook("SessionStart", shell, (other,), source="resume")
            await one.hook("SessionStart", source="resume")
            assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="q") == {}


@pytest.mark.skipif(not ON_LINUX, reason="elsewhere only the first process takes in orphans")
async def test_what_takes_in_orphans_is_no_client(tmp_path: Path) -> None:
    """A hook that was set adrift has it for a parent, and so have clients and the gateway: nobody is kept out in its name."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", os.getppid(), source="startup")
        await one.hook("SessionStart", source="resume")
        assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="p") == {}


async def test_whoever_names_a_conversation_before_it_is_opened_does_not_have_it_then(tmp_path: Path) -> None:
    """Something adrift says that it opens it, with a transcript of its own: the client that opens it has its hooks and its messages."""
    writes(tmp_path, *call("old"))
    async with gateway(tmp_path) as one:
        named = json.dumps({"session_id": SESSION, "hook_event_name": "SessionStart", "cwd": str(tmp_path)} | FORGED)
        await one.desk.hook("SessionStart", named.encode(), (1, 1))
        theirs, mine = Wire(), Wire()
        async with one.desk.joined(theirs, SESSION, (1, 1)), one.desk.joined(mine, SESSION, (1, one.process)):
            await one.hook("SessionStart", source="resume")
            assert one.desk.client_of(theirs) is None
            assert one.desk.client_of(mine) is one.clients[-1]
            assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="p") == {}
            writes(tmp_path, *call("new"))
            assert await one.hook("PostToolBatch", prompt_id="p") == {}
            await one.until(CallMetered)
            assert one.calls() == [("new", 5)]


async def test_sessions_of_which_no_process_is_known_keep_nobody_out(tmp_path: Path) -> None:
    """When there are too many, the oldest makes room; not one that is at work, though, nor one whose client is known."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", session_id="known", source="startup")
        for number in range(SESSIONS_MAX - 1):
            await one.hook("SessionStart", 1, session_id=f"adrift {number}", source="startup")
        await one.hook("UserPromptSubmit", 1, session_id="adrift 0", prompt="work", prompt_id="p")
        assert await one.hook("UserPromptSubmit", prompt="hello", prompt_id="q") == {}
        await one.until(Exited)
        assert (await one.hook("Stop", 1, session_id="adrift 0", prompt_id="p"), len(one.clients)) == (
            {},
            SESSIONS_MAX + 1,
        )
        await one.until(Finished)
        await one.hook("UserPromptSubmit", 1, session_id="adrift 0", prompt="more", prompt_id="p2")
        for number in range(2, SESSIONS_MAX - 1):
            await one.hook("UserPromptSubmit", 1, session_id=f"adrift {number}", prompt="work", prompt_id="p")
        verdict = await one.hook("UserPromptSubmit", session_id="one more", prompt="hello", prompt_id="q")
        assert verdict == {"decision": "block", "reason": TOO_MANY}


async def test_another_program_cannot_speak_for_a_session(tmp_path: Path) -> None:
    """What its own agent has started, or what names another transcript: it is told so, and the session's own hooks are heard."""
    async with gateway(tmp_path) as one:
        await one.hook("SessionStart", source="startup")
        blocked = {"decision": "block", "reason": MOVED}
        told = {"session_id": SESSION, "hook_event_name": "UserPromptSubmit", "cwd": str(tmp_path), "prompt": "x"}
        own = str(tmp_path / "transcript.jsonl")
        for lineage, transcript in (((1, 2, os.getpid()), own), ((1, os.getpid()), str(tmp_path / "another.jsonl"))):
            body = json.dumps(told | {"transcript_path": transcript}).encode()
            assert await one.desk.hook("UserPromptSubmit", body, lineage) == blocked
        assert await one.hook("UserPromptSubmit", prompt="x", prompt_id="p") == {}


async def test_what_an_agent_starts_as_a_channel_is_given_no_closed_session_of_its_person(tmp_path: Path) -> None:
    """It names a conversation that nobody has open, from a shell below the client of another one: what is written to that waits."""
    async with gateway(tmp_path) as one:
        with process() as mine:
            await one.hook("SessionStart", mine, source="startup", session_id=OTHER)
            with process() as old:
                await one.hook("SessionStart", old, source="startup")
                await one.hook("SessionEnd", old, reason="other")
                await one.until(Exited)
            wire = Wire()
            with process() as shell:
                async with one.desk.joined(wire, SESSION, (1, shell, mine)):
                    assert one.desk.client_of(wire) is None
                    assert len(one.clients) == 2


@pytest.mark.parametrize("refused", [False, True])
async def test_whoever_named_a_conversation_with_another_transcript_does_not_have_its_client_run_unseen(
    tmp_path: Path, refused: bool
) -> None:
    """The gateway came later than the client, which says no more that it opens the conversation: it is told to, and then goes on. So it
    is where what had named it might not take part.
    """
    async with gateway(tmp_path) as one:
        if refused:
            one.desk.attach = no_desk
        named = {"session_id": SESSION, "hook_event_name": "SessionStart", "cwd": str(tmp_path)} | FORGED
        await one.desk.hook("SessionStart", json.dumps(named).encode(), (1, 1))
        one.desk.attach = one.attach
        verdict = await one.hook("UserPromptSubmit", prompt="go on", prompt_id="p")
        assert verdict == {"decision": "block", "reason": MOVED}
        await one.hook("SessionStart", source="resume")
        assert await one.hook("UserPromptSubmit", prompt="go on", prompt_id="p") == {}
