"""Claude Code as an agent: the user's own installed client, driven over stream-json with its hooks held as boundaries.

async with ClaudeAgent(home) as claude:
    client = await claude.start(Launch("s_1", "/home/me/project"))
"""

import os
import re
import shutil
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio

from gateway import clock
from gateway.agents import supervise
from gateway.agents.claude import past, recovery, transcript
from gateway.agents.claude.client import ClaudeClient, redacted
from gateway.agents.claude.control import MODES
from gateway.agents.claude.translate import Translator
from gateway.agents.supervise import Manners
from gateway.ports import AgentTraits, AgentUnavailableError, Conversation, Launch, Process, Recovered

__all__ = ["ClaudeAgent", "ClaudeClient"]

START_LIMIT_S = 60.0
QUIET = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
"""Unless it is set otherwise. A client that is signed in asks its vendor for the account's usage whenever it is asked for its own
figures, which is at every boundary, and says nothing else until that is answered."""
INTERRUPT = '{"type":"control_request","request_id":"%s","request":{"subtype":"interrupt"}}'
MANNERS = Manners(
    # The first stops the run, the second, met at rest, its background agents: an agent that waits at a boundary would take
    # the end of its input for leave to go on.
    farewell=(INTERRUPT % "farewell-1", INTERRUPT % "farewell-2"),
    settled=('"type":"result"', '"request_id":"farewell-2"'),
    drop=('"type":"content_block_delta"',),
    vital=(
        '"message_start"',
        '"message_delta"',
        '"type":"result"',
        '"command_lifecycle"',
        '"task_',
        '"background_tasks_changed"',
    ),
)
_OF_A_PARENT = re.compile(
    r"CLAUDECODE|CLAUDE_CODE_(ENTRYPOINT|SESSION_ID|CHILD_SESSION|SSE_PORT|(PARENT|MESSAGING)\w*)|CLAUDE_(SESSION_ID|PID)"
)
"""What Claude Code sets for its own children: a gateway started from one must not hand it on."""
_FILE_NAME = re.compile(r"[^0-9A-Za-z_-]")


def journal_of(home: Path, session_id: str) -> Path:
    """Where every line of a session's client is written."""
    return home / "agents" / f"{_FILE_NAME.sub('_', session_id)}.jsonl"


class ClaudeAgent:
    """The Agent port. Its clients live inside `async with agent:` and end with it.

    `home`: the gateway's own directory; journals go to `agents/` in it. `command`: the client's name or path. `environ`:
    what the clients get, without everything that begins with TOLLBRIDGE_ (default: the gateway's own environment).
    """

    traits = AgentTraits(
        name="claude",
        label="Claude Code",
        pauses=True,
        overshoot="at most the one API call that each running loop (main, each sub-agent, a compaction) has in flight",
        list_price=True,
        switches_model=True,
        steers=True,
        forks=True,
        modes=tuple(MODES),
        unasking=frozenset({"edits"}),
    )

    def __init__(self, home: Path, command: str = "claude", environ: Mapping[str, str] | None = None) -> None:
        self._home = home
        self._command = command
        self._environ = dict(os.environ if environ is None else environ)
        self._clients: dict[str, ClaudeClient] = {}
        self._crew = anyio.create_task_group()
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._exit.enter_async_context(self._crew)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as closing:
                for client in list(self._clients.values()):
                    closing.start_soon(client.close)
        self._crew.cancel_scope.cancel()
        return await self._exit.__aexit__(kind, error, trace)

    async def start(self, launch: Launch) -> ClaudeClient:
        """Start a client, ready for a prompt; it makes no API call by itself. Raises AgentUnavailableError."""
        program = self._program()
        if not await anyio.Path(launch.directory).is_dir():
            raise AgentUnavailableError(f"The directory {launch.directory} is gone: /new starts in another one")
        earlier = self._clients.pop(launch.session_id, None)
        if earlier is not None:
            await earlier.close()
        name = launch.agent_session or clock.new_uuid()
        before, known = await anyio.to_thread.run_sync(_transcripts, self._environ, name)
        if before is not None and not await anyio.to_thread.run_sync(transcript.has_messages, before):
            # The client finds no conversation there, and begins none under a name that has a file.
            name, before, known = clock.new_uuid(), None, {}
        if before is None and launch.forked_from and transcript.find(self._environ, launch.forked_from) is None:
            raise AgentUnavailableError("The conversation that this one is a copy of is gone: start another with /new")
        environ = QUIET | {key: value for key, value in self._environ.items() if _OF_A_PARENT.fullmatch(key) is None}
        link = await supervise.start(
            [program, *_arguments(launch, name, resume=before is not None)],
            session_id=launch.session_id,
            directory=launch.directory,
            environ=environ,
            journal=self._journal(launch.session_id),
            manners=MANNERS,
        )
        client = ClaudeClient(link, Translator(name, launch.directory, launch.model), known, self._home)
        self._clients[launch.session_id] = client
        self._crew.start_soon(self._live, client, launch.session_id)
        await self._meet(client, link)
        return client

    async def _live(self, client: ClaudeClient, session_id: str) -> None:
        try:
            await client.live()
        finally:
            if self._clients.get(session_id) is client:
                del self._clients[session_id]

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        """End what is left of the process, then tell from its journal and the transcript what became of the prompt."""
        client = self._clients.pop(launch.session_id, None)
        if client is not None:
            await client.close()
        journal = Path(process.journal) if process is not None else self._journal(launch.session_id)
        if process is not None:
            await supervise.end_left_behind(process, MANNERS.grace_s)
        else:
            await supervise.end_marked(str(journal))
        return await anyio.to_thread.run_sync(recovery.replay, journal, self._environ, launch, prompt_uuid)

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:
        """From the client's own files."""
        return await anyio.to_thread.run_sync(past.conversations, self._environ, directory, limit)

    def _program(self) -> str:
        found = shutil.which(self._command, path=self._environ.get("PATH"))
        if found is None:
            raise AgentUnavailableError(
                f"Claude Code is not installed here ({self._command} is not on the PATH): install it with "
                "`npm install -g @anthropic-ai/claude-code`, run `claude` once to sign in, then try again"
            )
        return found

    def _journal(self, session_id: str) -> Path:
        return journal_of(self._home, session_id)

    async def _meet(self, client: ClaudeClient, link: supervise.Supervised) -> None:
        described: dict[str, Any] | None = None
        try:
            with anyio.move_on_after(START_LIMIT_S) as patience:
                described = await client.initialize()
        finally:
            if described is None:
                with anyio.CancelScope(shield=True):
                    await client.close()
        if described is None:
            said = redacted(link.stderr())
            if patience.cancelled_caught:
                said = f"it did not answer within {START_LIMIT_S:.0f} s. {said}".strip()
            raise AgentUnavailableError(
                f"Claude Code does not start: {said or 'it gave no reason'}. Run `claude` in the session's directory to see why"
            )
        if _signed_out(described):
            await client.close()
            raise AgentUnavailableError(
                "Claude Code is not signed in: run `claude` on the gateway's machine and use /login"
            )


def _transcripts(environ: Mapping[str, str], name: str) -> tuple[Path | None, dict[Path, int]]:
    """The conversation's transcript, if it has one, and how long it and its sub-agents' are now."""
    try:
        main = transcript.find(environ, name)
        files = (main, *transcript.sub_agents(main)) if main is not None else ()
        return main, {path: path.stat().st_size for path in files}
    except OSError as error:
        where = ", ".join(map(str, transcript.config_dirs(environ)))
        raise AgentUnavailableError(
            f"Claude Code's own files in {where} cannot be read ({error.strerror}): make them readable, then try again"
        ) from error


def _arguments(launch: Launch, name: str, *, resume: bool) -> list[str]:
    arguments = ["-p", "--output-format", "stream-json", "--input-format", "stream-json", "--verbose"]
    arguments += ["--include-partial-messages", "--forward-subagent-text", "--permission-prompt-tool", "stdio"]
    # A conversation that never had a prompt has no transcript, and cannot be resumed: it begins under the same name.
    arguments += [f"--resume={name}" if resume else f"--session-id={name}"]
    # The copy is made with its first prompt: until then it is asked for again.
    arguments += [f"--resume={launch.forked_from}", "--fork-session"] if launch.forked_from and not resume else []
    arguments += [f"--add-dir={launch.folder}"] if launch.folder else []
    arguments += [f"--permission-mode={MODES[launch.mode]}"] if launch.mode in MODES else []
    return arguments + ([f"--model={launch.model}"] if launch.model else [])


def _signed_out(described: dict[str, Any]) -> bool:
    """The client says that it has no way to authenticate. (Whether what it has is valid only the API can tell.)"""
    account = described.get("account")
    if not isinstance(account, dict) or account.get("apiProvider") not in (None, "firstParty"):
        return False
    return account.get("tokenSource") == "none" and account.get("apiKeySource") in (None, "none")
