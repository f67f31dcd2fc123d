"""The real Claude Code client as a rig for the Agent contract: the test's hand plays the API behind it."""

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from gateway.agents.claude import ClaudeAgent
from gateway.domain.usage import Tokens
from gateway.ports import Launch
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import Hold, MessagesApi, Request, Text, Tool
from tests.fakes.messages_request import IN_MID_TURN
from tests.fakes.messages_script import Reply


class ClaudeRig:
    """The real client; the test's hand plays the API."""

    def __init__(self, api: MessagesApi, agent: ClaudeAgent, directory: Path) -> None:
        self.api = api
        self.agent = agent
        self.launch = Launch("s_1", str(directory))
        self.held = Hold()
        self.plans: list[list[Reply]] = []
        self.prompts: list[str] = []
        self.asked: list[str] = []
        """What each call of the main loop asked, whole."""
        api.script(self._play)

    def plan(self, *replies: Reply) -> None:
        """The replies to the calls of the next prompt."""
        self.plans.append(list(replies))

    def _play(self, request: Request) -> Reply | None:
        """Each new prompt takes the next plan; a prompt that was cut short leaves the rest of its plan unplayed."""
        self.asked.append(json.dumps(request.body))
        told = bool(self.prompts) and any(text == request.prompt for text in IN_MID_TURN.findall(_words(request)))
        if not told and request.prompt not in self.prompts:
            self.prompts.append(request.prompt)
        number = len(self.prompts) - 1 if told else self.prompts.index(request.prompt)
        return self.plans[number].pop(0) if number < len(self.plans) and self.plans[number] else None

    async def answer(self, text: str) -> None:
        self.plan(Text(text))

    async def tools(self, calls: int, *, ask: bool = False) -> None:
        def tool(n: int) -> Tool:
            command = f"touch made{n}" if ask else f"echo {n}"
            return Tool("Bash", {"command": command, "description": "a step"})

        self.plan(*([Text(f"step {n}"), tool(n)] for n in range(calls - 1)), Text("done"))

    async def hang(self) -> None:
        self.plan([Text("so far so good"), self.held])

    async def hanging(self) -> None:
        await anyio.to_thread.run_sync(self.held.wait_reached)

    async def quiet(self) -> None:
        await anyio.sleep(0.3)

    async def sub_agents(self, *, foreground: int = 0, background: int = 0) -> None:
        def spawn(n: int, *, behind: bool) -> Tool:
            inputs = {"description": f"task {n}", "prompt": f"work {n}", "subagent_type": "general-purpose"}
            return Tool("Agent", {**inputs, "run_in_background": behind})

        ahead = [spawn(n, behind=False) for n in range(foreground)]
        self.plan([*ahead, *(spawn(n, behind=True) for n in range(background))], Text("done"))
        self.api.script([[Text("looking"), Tool("Bash", {"command": "echo sub"})], Text("found it")], kind="sub")

    def charged(self) -> Sequence[Tokens]:
        return [
            Tokens(c.input, c.cache_read, c.cache_write_5m, c.cache_write_1h, 0, c.output)
            for c in (call.counts for call in self.api.calls() if call.started and call.counts == call.would_be)
        ]


def _words(request: Request) -> str:
    """All that was said in the conversation."""
    contents = [message.get("content") for message in request.body.get("messages", ())]
    blocks = [block for content in contents if isinstance(content, list) for block in content]
    return "\n".join(block["text"] for block in blocks if isinstance(block.get("text"), str))


@asynccontextmanager
async def claude_rig(tmp_path: Path) -> AsyncIterator[ClaudeRig]:
    """A client of its own, with its own home, and the stand-in."""
    directory = tmp_path / "work"
    directory.mkdir()
    with MessagesApi() as api:
        environ = api.claude_env(tmp_path / "client")
        async with ClaudeAgent(tmp_path / "home", str(find_claude()), environ) as agent:
            yield ClaudeRig(api, agent, directory)


def running(word: str) -> bool:
    """Some process has this word in its command line."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if word.encode() in (entry / "cmdline").read_bytes():
                    return True
    return False


async def until(happened: Callable[[], object]) -> None:
    """Wait for something that tells nobody: another process, or several events together."""
    with anyio.fail_after(30):
        while not happened():  # noqa: ASYNC110 - see above
            await anyio.sleep(0.02)
