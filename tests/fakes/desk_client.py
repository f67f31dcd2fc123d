"""A Claude Code session as relays, hooks and the meter see it: a process of its own that can be killed and taken up again.

Run as `python desk_client.py RELAY FOLDER SESSION SOURCE [MODEL]`; standard library only. It starts `RELAY channel` as its child and
starts it anew when it is gone (as a person does by /mcp > Reconnect), asks `RELAY hook EVENT` for each verdict, and takes every
message that comes through the channel as a prompt: two calls and one reply each. What it writes outlives it: `FOLDER/SESSION.jsonl`
is the transcript, line by line as version 2.1.328 writes it, and `FOLDER/record.jsonl` has every frame and every verdict. SIGTERM ends
it in good order.
"""

import asyncio
import json
import os
import random
import signal
import sys
import uuid
from contextlib import suppress

HOOK_S = "20"
ANSWER_S = 20.0
CALL_S = (0.02, 0.25)
"""How long a call to the API takes, at least and at most."""
RECONNECTED_S = (0.1, 0.6)
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"roots": {"listChanged": True}, "elicitation": {"form": {}, "url": {}}},
    "clientInfo": {"name": "claude-code", "title": "Claude Code", "version": "2.1.328"},
}
CLASSES = ("input_tokens", "cache_read_input_tokens", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
CLASSES = (*CLASSES, "output_tokens")


class Gone(Exception):  # noqa: N818 - it is no error of anybody's
    """The relay has ended."""


class Relay:
    """One relay's life: frames both ways."""

    def __init__(self, process, keep):
        self.process, self.keep = process, keep
        self.messages = asyncio.Queue()
        self._waiting = {}
        self._over = False
        self._count = 0

    async def read(self):
        """Until it ends; what waits for an answer is told."""
        while line := await self.process.stdout.readline():
            frame = json.loads(line)
            self.keep(frame=frame)
            if frame.get("method") == "notifications/claude/channel":
                self.messages.put_nowait(frame["params"])
            elif "method" not in frame and frame["id"] in self._waiting:
                self._waiting.pop(frame["id"]).set_result(frame)
        for waits in self._waiting.values():
            waits.set_exception(Gone())
        self._over = True

    def send(self, method, params=None, own=None):
        frame = {"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})}
        with suppress(OSError):
            self.process.stdin.write(json.dumps(frame if own is None else {**frame, "id": own}).encode() + b"\n")

    async def ask(self, method, params=None):
        """A request and its answer. Raises Gone."""
        if self._over:
            raise Gone
        self._count += 1
        waits = self._waiting[self._count] = asyncio.get_running_loop().create_future()
        self.send(method, params, self._count)
        try:
            return await asyncio.wait_for(waits, ANSWER_S)
        except asyncio.TimeoutError:  # noqa: UP041 - another one before 3.11
            raise Gone from None


class Session:
    """The client."""

    def __init__(self, relay, folder, name, model):
        self.program, self.name, self.model = relay, name, model
        self.transcript = f"{folder}/{name}.jsonl"
        self._record = os.open(f"{folder}/record.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._lines = os.open(self.transcript, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.relay = None
        self.pushed = asyncio.Queue()

    def keep(self, **fields):
        """For whoever looks later; whole or not at all, whenever it is killed."""
        os.write(self._record, json.dumps(fields).encode() + b"\n")

    def line(self, *values):
        own = b"".join(json.dumps({**value, "sessionId": self.name}).encode() + b"\n" for value in values)
        os.write(self._lines, own)

    # ---------------------------------------------------------------------------------------------- hooks and the relay
    async def start(self, *words, **more):
        return await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", self.program, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, **more
        )  # fmt: skip

    async def hook(self, event, **told):
        """The verdict; True: it goes on."""
        body = {"session_id": self.name, "hook_event_name": event, "cwd": os.environ["CLAUDE_PROJECT_DIR"], **told}
        process = await self.start("hook", event, HOOK_S)
        said, _ = await process.communicate(json.dumps({**body, "transcript_path": self.transcript}).encode())
        verdict = json.loads(said or b"{}")
        self.keep(hook=event, verdict=verdict, code=process.returncode)
        return verdict.get("decision") != "block" and verdict.get("continue", True)

    async def connected(self):
        """A relay at all times; messages go on to `pushed`, those of an earlier one too."""
        while True:
            process = await self.start("channel", limit=1 << 24)
            relay = Relay(process, self.keep)
            self.keep(relay=process.pid)
            reading = asyncio.ensure_future(relay.read())
            passing = asyncio.ensure_future(self.pass_on(relay))
            with suppress(Gone):
                await relay.ask("server/discover", {"_meta": {}})
                await relay.ask("initialize", INITIALIZE)
                relay.send("notifications/initialized")
                await relay.ask("tools/list")
                self.relay = relay
            await reading
            self.relay = None
            while not relay.messages.empty():
                self.pushed.put_nowait(relay.messages.get_nowait())
            passing.cancel()
            await process.wait()
            await asyncio.sleep(random.uniform(*RECONNECTED_S))  # noqa: S311 - moments, not secrets

    async def pass_on(self, relay):
        while True:
            self.pushed.put_nowait(await relay.messages.get())

    # ------------------------------------------------------------------------------------------------------------- runs
    async def live(self, source):
        """Until it is cancelled."""
        started = asyncio.ensure_future(self.hook("SessionStart", source=source, model=self.model))
        relays = asyncio.ensure_future(self.connected())
        try:
            await started
            while True:
                pushed = await self.pushed.get()
                await self.run(pushed["content"], pushed["meta"])
        finally:
            relays.cancel()

    async def run(self, content, meta):
        attributes = "".join(f' {key}="{value}"' for key, value in meta.items())
        prompt = f'<channel source="plugin:tollbridge:channel"{attributes}>\n{content}\n</channel>'
        prompt_id = str(uuid.uuid4())
        if not await self.hook("UserPromptSubmit", prompt=prompt, prompt_id=prompt_id):
            return
        mine = {"type": "user", "message": {"role": "user", "content": prompt}, "promptId": prompt_id}
        self.line({**mine, "uuid": str(uuid.uuid4())})
        if await self.replies(f"Answer to {content}", meta["message_id"], prompt_id):
            said = f"Done with {content}"
            await self.call({"type": "text", "text": said}, "end_turn")
            await self.hook("Stop", prompt_id=prompt_id, last_assistant_message=said, background_tasks=[])
        self.line({"type": "system", "subtype": "turn_duration", "durationMs": 1})

    async def replies(self, text, quotes, prompt_id):
        """One call that replies by the tool; True: the next call may be made."""
        use = {"type": "tool_use", "id": f"toolu_{uuid.uuid4().hex}", "input": {"text": text, "quotes": quotes}}
        use["name"] = "mcp__plugin_tollbridge_channel__reply"
        await self.call(use, "tool_use")
        about = {"tool_name": use["name"], "tool_input": use["input"], "tool_use_id": use["id"], "prompt_id": prompt_id}
        if not await self.hook("PreToolUse", **about):
            return False
        told = await self.tool("reply", use["input"])
        self.keep(answer=text, taken=not told.get("isError", False))
        result = {"type": "tool_result", "tool_use_id": use["id"], "content": json.dumps(told)}
        self.line({"type": "user", "message": {"role": "user", "content": [result]}})
        await self.hook("PostToolUse", **about)
        return await self.hook("PostToolBatch", prompt_id=prompt_id, tool_calls=[{"tool_use_id": use["id"]}])

    async def tool(self, name, arguments):
        with suppress(Gone):
            if self.relay is not None:
                answer = await self.relay.ask("tools/call", {"name": name, "arguments": arguments})
                return answer.get("result", {"isError": True})
        return {"isError": True}

    async def call(self, block, stop_reason):
        """A call to the API, and its two lines once it has ended."""
        await asyncio.sleep(random.uniform(*CALL_S))  # noqa: S311 - moments, not secrets
        name = uuid.uuid4().hex
        counts = {key: random.randint(1, 3000) for key in CLASSES}  # noqa: S311 - figures, not secrets
        short, long = counts.pop("ephemeral_5m_input_tokens"), counts.pop("ephemeral_1h_input_tokens")
        split = {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}
        usage = {**counts, "cache_creation_input_tokens": short + long, "cache_creation": split}
        message = {"id": f"msg_{name}", "role": "assistant", "model": self.model, "content": [block], "usage": usage}
        self.line(
            {"type": "api-request", "id": f"ar_{name}", "params": {"model": self.model}},
            {
                "type": "assistant",
                "requestRef": f"ar_{name}",
                "requestId": f"req_{name}",
                "message": {**message, "stop_reason": stop_reason},
            },
        )

    async def end(self):
        """As at a clean exit: what was used in all, and the hook."""
        sums = dict.fromkeys(CLASSES, 0)
        with open(self.transcript, encoding="utf-8") as lines:  # noqa: ASYNC230, PTH123 - nothing else happens any more
            used = [line["message"]["usage"] for line in map(json.loads, lines) if line["type"] == "assistant"]
        for usage in used:
            for key in CLASSES:
                sums[key] += {**usage, **usage["cache_creation"]}[key]
        plain, read, short, long, out = sums.values()
        told = {"inputTokens": plain, "cacheReadInputTokens": read, "outputTokens": out}
        told |= {"cacheCreationEphemeral5mInputTokens": short, "cacheCreationEphemeral1hInputTokens": long}
        self.line(
            {"type": "cost-state", "modelUsage": {self.model: {**told, "cacheCreationInputTokens": short + long}}}
        )
        await self.hook("SessionEnd", reason="other")


async def main(relay, folder, name, source, model="claude-opus-4-8"):
    """Live until SIGTERM."""
    session = Session(relay, folder, name, model)
    session.keep(started=source, process=os.getpid())
    living = asyncio.ensure_future(session.live(source))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, living.cancel)
    with suppress(asyncio.CancelledError):
        await living
    await session.end()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
