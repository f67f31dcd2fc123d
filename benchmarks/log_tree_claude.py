"""Claude Code's part of a made-up home of logs: sessions, forks, side questions and sub-agents, in the forms of several of its versions."""

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.log_writing import BEGAN_MS, Tree, Writer, line, stamp

DAY_MS = 24 * 3_600_000
SYSTEM_TOKENS, CONTEXT_MOST, AFTER_COMPACTION = 16_000, 180_000, 30_000
RESULT_MOST = 1_000_000
MAIN_MODELS = ("claude-opus-4-5", "claude-opus-4-6", "claude-sonnet-4-5-20250929", "claude-opus-4-8")
SUB_MODELS = ("claude-haiku-4-5-20251001", "claude-sonnet-4-6")
VERSIONS = ((60, "1.0.128"), (120, "2.1.42"), (240, "2.1.119"), (9999, "2.1.328"))
"""Until which day of the span; the first does not split its cache writes, the first two never tell the final output."""
LATEST = 4
"""Sessions that may still go on, or be forked."""
SPACED, NULLS = "spaces after colons", "a null in a tool's input"
"""Forms that are set apart."""
TOOLS = ("Bash", "Read", "Edit", "Grep", "Glob", "Write")


@dataclass
class Session:
    """One conversation and the file that it is told in. A sub-agent is one as well, in a file of its own."""

    path: Path
    id: str
    directory: str
    version: str
    model: str
    at_ms: int
    hour: bool
    """Cache writes last an hour, not five minutes."""
    spaced: bool
    agent: str = ""
    """The sub-agent's own id."""
    context: int = SYSTEM_TOKENS
    cached: int = 0
    prompt: str = ""
    parent: str | None = None
    lines: list[bytes] = field(default_factory=list[bytes])
    """Of the turn that is being made."""
    last_calls: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=6))
    """Records of the latest calls, which a side question repeats."""

    @property
    def split(self) -> bool:
        """The version tells how long cache writes last."""
        return not self.version.startswith("1.")

    @property
    def final(self) -> bool:
        """The version tells the final output."""
        return self.version not in {"1.0.128", "2.1.42"}


class Claude(Writer[Session]):
    """Writes sessions into the tree."""

    latest_max, fork_share, turns_max = LATEST, 0.12, 40

    def __init__(self, tree: Tree) -> None:
        super().__init__(tree)
        self.projects = [
            f"/home/me/code/{name}-{tree.name(4)}"
            for name in ("api", "web", "shop", "infra", "notes", "engine", "site")
        ]

    # ---------------------------------------------------------------------------------------------------------- sessions
    def _begin(self, old: Session | None) -> Session:
        return self._fork(old) if old else self._new()

    def _new(self) -> Session:
        now_ms, id_ = self.tree.now_ms(), self.tree.uuid()
        day = (now_ms - BEGAN_MS) // DAY_MS
        version = next(name for until, name in VERSIONS if day < until)
        directory = self.draw.choice(self.projects)
        path = self._home(directory) / f"{id_}.jsonl"
        self.tree.forms["sessions"] += 1
        spaced = self.tree.chance(0.02)
        self.tree.forms["sessions with spaces after colons"] += spaced
        model = self.draw.choice(MAIN_MODELS[:-1] if day < 200 else MAIN_MODELS)  # noqa: PLR2004 - it did not exist before
        made = Session(
            path, id_, directory, version, model, now_ms, version != "1.0.128" and self.tree.chance(0.7), spaced
        )
        self._beginning(made)
        return made

    def _home(self, directory: str) -> Path:
        return self.tree.root / ".claude" / "projects" / directory.replace("/", "-")

    def _fork(self, old: Session) -> Session:
        """All lines of another session so far, under a new id, as `--fork-session` and older resumes leave them."""
        id_ = self.tree.uuid()
        copied = [
            each.replace(old.id.encode(), id_.encode()) for each in old.path.read_bytes().splitlines(keepends=True)
        ]
        keep = len(copied) if self.tree.chance(0.6) else self.draw.randint(1, len(copied))
        made = Session(
            old.path.with_name(f"{id_}.jsonl"),
            id_,
            old.directory,
            old.version,
            old.model,
            old.at_ms + 60_000,
            old.hour,
            old.spaced,
        )
        made.context, made.parent = old.context, old.parent
        self.tree.add(made.path, copied[:keep])
        self.tree.forms["forks"] += 1
        self.tree.forms["lines copied by forks"] += keep
        return made

    def _beginning(self, made: Session) -> None:
        if self.tree.chance(0.3):
            self._say(made, {"type": "summary", "summary": self.tree.text(60), "leafUuid": self.tree.uuid()})
        if made.version.startswith("2."):
            attachment = {"type": "skill_listing", "content": self.tree.text(6000)}
            self._chain(
                made, {"attachment": attachment, "type": "attachment", "rendered": [{"content": self.tree.text(6000)}]}
            )
        files = {f"src/{self.tree.name(6)}.py": {"backupFileName": None, "version": 1} for _ in range(5)}
        snapshot = {"messageId": self.tree.uuid(), "trackedFileBackups": files, "timestamp": stamp(made.at_ms)}
        self._say(
            made,
            {
                "type": "file-history-snapshot",
                "messageId": snapshot["messageId"],
                "snapshot": snapshot,
                "isSnapshotUpdate": False,
            },
        )

    # ------------------------------------------------------------------------------------------------------------- lines
    def _say(self, made: Session, record: dict[str, Any]) -> None:
        made.lines.append(line(record, spaced=made.spaced))

    def _chain(self, made: Session, record: dict[str, Any]) -> dict[str, Any]:
        """A line that has its place in the conversation."""
        made.at_ms += self.draw.randrange(20, 900)
        uuid = self.tree.uuid()
        head: dict[str, Any] = {"parentUuid": made.parent, "isSidechain": bool(made.agent)}
        if made.agent:
            head["agentId"] = made.agent
        place = {
            "userType": "external",
            "cwd": made.directory,
            "sessionId": made.id,
            "version": made.version,
            "gitBranch": "main",
        }
        tail = {"uuid": uuid, "timestamp": stamp(made.at_ms)}
        made.parent = uuid
        told = (
            {**head, **place, **record, **tail}
            if made.version.startswith("1.")
            else {**head, **record, **tail, **place}
        )
        self._say(made, told)
        return told

    def _write(self, made: Session) -> None:
        if self.tree.chance(0.01):  # the process died while it wrote
            self.tree.forms["lines cut off"] += 1
            made.lines.append(made.lines[-1][: len(made.lines[-1]) // 2] + b"\n")
        self.tree.add(made.path, made.lines)
        made.lines.clear()

    # ------------------------------------------------------------------------------------------------------------- turns
    def _turn(self, made: Session) -> None:
        """A prompt, and the calls that it took."""
        pause_ms = round(self.draw.lognormvariate(4.8, 1.8) * 1000)
        if pause_ms > (3_600_000 if made.hour else 300_000) or self.tree.chance(0.06):
            made.cached = 0
        made.at_ms += pause_ms
        made.prompt = self.tree.uuid()
        prompt = self.tree.text(self.tree.many(140, 1.2, 20_000))
        self._chain(made, {"promptId": made.prompt, "type": "user", "message": {"role": "user", "content": prompt}})
        self.tree.forms["turns"] += 1
        calls = self.tree.many(5, 1.33, 250)
        for number in range(calls):
            self._call(made, last=number == calls - 1)
        if self.tree.chance(0.5):
            self._chain(
                made,
                {
                    "type": "system",
                    "subtype": "turn_duration",
                    "durationMs": self.draw.randrange(10**6),
                    "isMeta": False,
                },
            )
        self._write(made)
        if self.tree.chance(0.05) and made.last_calls and made.split:
            self._side_question(made)

    def _call(self, made: Session, *, last: bool) -> None:
        if self.tree.chance(0.004):
            self._error(made)
        if self.tree.chance(0.012) and not last and not made.agent:
            self._task(made)
            return
        usage, counts = self._usage(made)
        tools = 0 if last else 1 + (self.tree.chance(0.12) and self.draw.randint(1, 3))
        ids = [f"toolu_01{self.tree.name(22)}" for _ in range(tools)]
        self._blocks(made, self._content(ids), usage, counts)
        for id_ in ids:
            self._result(made, id_)
        if made.context > CONTEXT_MOST:
            made.context, made.cached = AFTER_COMPACTION, 0
            self._chain(
                made,
                {"type": "system", "subtype": "compact_boundary", "content": "Conversation compacted", "isMeta": False},
            )

    def _content(self, tool_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The blocks of an answer: each becomes a line."""
        blocks: list[dict[str, Any]] = []
        if self.tree.chance(0.3):
            blocks.append(
                {
                    "type": "thinking",
                    "thinking": self.tree.text(self.tree.many(600, 0.9, 9000)),
                    "signature": self.tree.name(600),
                }
            )
        if self.tree.chance(0.5) or not tool_ids:
            blocks.append({"type": "text", "text": self.tree.text(self.tree.many(250, 1.0, 20_000))})
        for id_ in tool_ids:
            tool = self.draw.choice(TOOLS)
            given: dict[str, Any] = {"command": self.tree.text(80)}
            if tool in {"Edit", "Write"}:
                given = {
                    "file_path": f"src/{self.tree.name(6)}.py",
                    "content": self.tree.text(self.tree.many(900, 1.1, 60_000)),
                }
            elif self.tree.chance(0.01):
                tool, given = "mcp__tracker__search", {"id": None, "query": self.tree.text(30), "cursor": None}
                self.tree.forms["calls of tools with a null in their input"] += 1
            blocks.append({"type": "tool_use", "id": id_, "name": tool, "input": given})
        return blocks

    def _usage(self, made: Session) -> tuple[dict[str, Any], dict[str, int]]:
        """What a call used, as logs tell it and by class. It is counted as told."""
        fresh, added = self.draw.randint(1, 6), self.tree.many(900, 1.0, 40_000)
        made.context += added
        read = made.cached or (SYSTEM_TOKENS if self.tree.chance(0.7) else 0)
        wrote = max(0, made.context - read)
        made.cached = read + wrote
        output = self.tree.many(220, 1.1, 32_000)
        made.context += output
        usage: dict[str, Any] = {
            "input_tokens": fresh,
            "cache_creation_input_tokens": wrote,
            "cache_read_input_tokens": read,
        }
        counts = {"input": fresh, "cache_read": read}
        if made.split:
            hour = wrote if made.hour else 0
            usage["cache_creation"] = {"ephemeral_5m_input_tokens": wrote - hour, "ephemeral_1h_input_tokens": hour}
            counts |= {"cache_write_5m": wrote - hour, "cache_write_1h": hour}
        else:
            counts |= {"cache_write_unsplit": wrote}
        searches = self.draw.randint(1, 4) if self.tree.chance(0.015) else 0
        if searches or self.tree.chance(0.5):
            usage["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 0}
        if not made.final:
            output = self.draw.randint(1, 9)  # the only count that such a version tells
        counts |= {"output": output, "web_searches": searches}
        self.tree.tell("claude", made.model, **counts)
        self.tree.forms["calls whose final output is not told"] += not made.final
        usage["service_tier"] = "standard"
        if made.version == VERSIONS[-1][1]:
            usage |= {"inference_geo": "not_available", "iterations": [], "speed": "standard"}
        return usage, counts

    def _blocks(
        self, made: Session, blocks: Sequence[dict[str, Any]], usage: dict[str, Any], counts: dict[str, int]
    ) -> None:
        """One line a block; but for the last, the output is a placeholder or what there was so far."""
        output, understood = counts["output"], 0
        way = self.draw.choice(("placeholder", "placeholder", "growing", "the same")) if made.final else "the same"
        first = min(output, self.draw.randint(1, 8))
        id_, request = f"msg_01{self.tree.name(22)}", f"req_011C{self.tree.name(20)}"
        for number, block in enumerate(blocks, 1):
            ended = number == len(blocks)
            so_far = {"placeholder": first, "growing": max(1, output * number // len(blocks)), "the same": output}[way]
            message = {
                "model": made.model,
                "id": id_,
                "type": "message",
                "role": "assistant",
                "content": [block],
                "stop_reason": ("tool_use" if block["type"] == "tool_use" else "end_turn")
                if ended and made.final
                else None,
                "stop_sequence": None,
                "usage": usage | {"output_tokens": output if ended else so_far},
            }
            told = self._chain(made, {"message": message, "requestId": request, "type": "assistant"})
            self.tree.forms["assistant lines"] += 1
            if not made.spaced and block.get("input", {}).get("id", "") is not None:
                understood = max(understood, output if ended else so_far)
            if ended and not made.agent:
                made.last_calls.append(told)
        if made.spaced or not understood:
            self.tree.set_apart(SPACED if made.spaced else NULLS, made.model, calls=1, **counts)
        elif understood < output:
            self.tree.set_apart(NULLS, made.model, output=output - understood)

    def _result(self, made: Session, tool_id: str) -> None:
        """What a tool answered: where most bytes are."""
        text = self.tree.text(self.tree.many(1600, 1.6, RESULT_MOST))
        content = [{"tool_use_id": tool_id, "type": "tool_result", "content": text, "is_error": False}]
        record: dict[str, Any] = {"type": "user", "message": {"role": "user", "content": content}}
        if not made.agent:
            record["toolUseResult"] = {"stdout": text[: 1 << 16], "stderr": "", "interrupted": False, "isImage": False}
        self._chain(made, record)

    def _error(self, made: Session) -> None:
        """What stands for a request that failed: no call."""
        message = {
            "id": self.tree.uuid(),
            "model": "<synthetic>",
            "role": "assistant",
            "stop_reason": "stop_sequence",
            "stop_sequence": "",
            "type": "message",
            "usage": {
                "input_tokens": 0,
                "output_tokens": 0,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
            },
            "content": [{"type": "text", "text": "API Error: 529 Overloaded"}],
        }
        self._chain(made, {"message": message, "type": "assistant", "isApiErrorMessage": True})

    # -------------------------------------------------------------------------------------------------------- sub-agents
    def _side(self, made: Session, agent: str) -> Session:
        path = made.path.with_suffix("") / "subagents" / f"agent-{agent}.jsonl"
        model = self.draw.choice(SUB_MODELS)
        return Session(
            path, made.id, made.directory, made.version, model, made.at_ms, hour=False, spaced=made.spaced, agent=agent
        )

    def _task(self, made: Session) -> None:
        """A sub-agent does a part: told in a file of its own, by older versions in progress records, or in both."""
        tool_id = f"toolu_01{self.tree.name(22)}"
        usage, counts = self._usage(made)
        self._blocks(
            made,
            [{"type": "tool_use", "id": tool_id, "name": "Task", "input": {"prompt": self.tree.text(400)}}],
            usage,
            counts,
        )
        side = self._side(made, f"a{self.tree.name(16)}")
        self._chain(
            side, {"promptId": made.prompt, "type": "user", "message": {"role": "user", "content": self.tree.text(400)}}
        )
        calls = self.tree.many(6, 0.8, 60)
        for number in range(calls):
            self._call(side, last=number == calls - 1)
        made.at_ms = side.at_ms
        told_in = "file" if made.final else self.draw.choice(("progress", "both", "file"))
        self.tree.forms[f"sub-agents ({told_in})"] += 1
        if told_in != "file":
            self._progress(made, side, tool_id)
        if told_in != "progress":
            self._write(side)
        content = [{"type": "text", "text": self.tree.text(2000)}]
        result = {"tool_use_id": tool_id, "type": "tool_result", "content": content}
        sums = {
            "totalTokens": side.context,
            "totalToolUseCount": calls - 1,
            "usage": usage | {"output_tokens": counts["output"]},
        }  # not to be counted
        told = {"status": "completed", "agentId": side.agent, "content": content, "totalDurationMs": 9000, **sums}
        self._chain(made, {"type": "user", "message": {"role": "user", "content": [result]}, "toolUseResult": told})

    def _progress(self, made: Session, side: Session, tool_id: str) -> None:
        """The sub-agent's messages within the main loop's file."""
        for each in side.lines:
            inner = json.loads(each)
            kept = {
                name: inner[name] for name in ("type", "message", "requestId", "uuid", "timestamp") if name in inner
            }
            data = {"type": "agent_progress", "message": kept, "normalizedMessages": [], "agentId": side.agent}
            self._chain(
                made,
                {"type": "progress", "data": data, "toolUseID": f"agent_{kept['uuid']}", "parentToolUseID": tool_id},
            )

    def _side_question(self, made: Session) -> None:
        """A question beside the work: its file begins with the latest calls again, under other request ids, and has one of its own."""
        side = self._side(made, f"aside_question-{self.tree.name(12)}")
        side.model, side.hour, side.context = made.model, made.hour, made.context
        for told in made.last_calls:
            self._say(
                side, {**told, "isSidechain": True, "agentId": side.agent, "requestId": f"req_011C{self.tree.name(20)}"}
            )
        self.tree.forms["side questions"] += 1
        self._chain(side, {"type": "user", "message": {"role": "user", "content": self.tree.text(80)}})
        self._call(side, last=True)
        self._write(side)
