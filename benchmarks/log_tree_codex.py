"""Codex' part of a made-up home of logs: sums that grow and are told again, and forks that begin with another session's past."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.log_writing import Writer, line, stamp

MODELS = ("gpt-5.1-codex", "gpt-5.2-codex", "gpt-5.4")
CLASSES = ("input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens", "total_tokens")
SYSTEM_TOKENS, CONTEXT_MOST, AFTER_COMPACTION = 12_000, 240_000, 25_000
RESULT_MOST = 250_000
LATEST = 3


@dataclass
class Thread:
    """One conversation and its file."""

    path: Path
    id: str
    directory: str
    model: str
    at_ms: int
    total: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    last: dict[str, int] = field(default_factory=lambda: dict.fromkeys(CLASSES, 0))
    context: int = SYSTEM_TOKENS
    lines: list[bytes] = field(default_factory=list[bytes])


class Codex(Writer[Thread]):
    """Writes sessions into the tree."""

    latest_max, fork_share, turns_max = LATEST, 0.25, 30

    def _begin(self, old: Thread | None) -> Thread:
        at_ms, id_ = self.tree.now_ms(), f"019a{self.tree.uuid()[4:]}"
        if old is not None:
            at_ms = max(at_ms, old.at_ms + 60_000)
        day, at = stamp(at_ms)[:10], stamp(at_ms)[:19].replace(":", "-")
        path = self.tree.root / ".codex" / "sessions" / Path(*day.split("-")) / f"rollout-{at}-{id_}.jsonl"
        directory = old.directory if old else f"/home/me/code/tool-{self.tree.name(4)}"
        made = Thread(path, id_, directory, old.model if old else self.draw.choice(MODELS), at_ms)
        meta = {
            "id": id_,
            "timestamp": stamp(at_ms),
            "cwd": directory,
            "originator": "codex_cli_rs",
            "cli_version": "0.140.0",
            "source": "cli",
        }
        if old:
            meta["forked_from_id"] = old.id
        self._say(made, "session_meta", {**meta, "instructions": self.tree.text(3000), "git": {"branch": "main"}})
        self.tree.forms["codex sessions"] += 1
        if old:
            self._copy(made, old)
        return made

    def _copy(self, made: Thread, old: Thread) -> None:
        """A fork tells all of the other's past again: by its own clock, or by the old one."""
        rewritten = self.tree.chance(0.5)
        self.tree.forms[f"codex forks ({'new' if rewritten else 'old'} timestamps)"] += 1
        for number, each in enumerate(old.path.read_bytes().splitlines()):
            record = json.loads(each)
            if rewritten:
                record["timestamp"] = stamp(made.at_ms // 1000 * 1000 + min(number // 4, 999))
            made.lines.append(line(record))
        made.total, made.last, made.context = dict(old.total), dict(old.last), old.context
        made.at_ms += 2000
        self.tree.add(made.path, made.lines)
        made.lines.clear()

    def _say(self, made: Thread, kind: str, payload: dict[str, Any]) -> None:
        made.at_ms += self.draw.randrange(5, 4000)
        made.lines.append(line({"timestamp": stamp(made.at_ms), "type": kind, "payload": payload}))

    def _turn(self, made: Thread) -> None:
        made.at_ms += round(self.draw.lognormvariate(4.8, 1.8) * 1000)
        prompt = self.tree.text(self.tree.many(140, 1.2, 20_000))
        self._say(made, "event_msg", {"type": "user_message", "message": prompt, "images": []})
        policy = {"approval_policy": "on-request", "sandbox_policy": {"type": "workspace-write"}}
        self._say(
            made,
            "turn_context",
            {"cwd": made.directory, **policy, "model": made.model, "effort": "medium", "summary": "auto"},
        )
        self._say(
            made,
            "response_item",
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]},
        )
        self._tokens(made, None)
        calls = self.tree.many(5, 1.33, 200)
        for number in range(calls):
            self._call(made, last=number == calls - 1)
        self.tree.add(made.path, made.lines)
        made.lines.clear()

    def _call(self, made: Thread, *, last: bool) -> None:
        reasoning = {
            "type": "reasoning",
            "summary": [],
            "content": None,
            "encrypted_content": self.tree.name(self.tree.many(900, 0.7, 6000)),
        }
        self._say(made, "response_item", reasoning)
        call_id = f"call_{self.tree.name(24)}"
        if last:
            said = self.tree.text(self.tree.many(500, 0.9, 9000))
            self._say(made, "event_msg", {"type": "agent_message", "message": said})
            self._say(
                made,
                "response_item",
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": said}]},
            )
        else:
            given = json.dumps({"command": ["bash", "-lc", self.tree.text(90)]})
            self._say(
                made,
                "response_item",
                {"type": "function_call", "name": "shell", "arguments": given, "call_id": call_id},
            )
        self._count(made)
        if not last:
            output = json.dumps(
                {"output": self.tree.text(self.tree.many(2500, 1.6, RESULT_MOST)), "metadata": {"exit_code": 0}}
            )
            self._say(made, "response_item", {"type": "function_call_output", "call_id": call_id, "output": output})
        while self.tree.chance(0.25):
            self.tree.forms["codex sums told again"] += 1
            self._tokens(made, made.last)

    def _count(self, made: Thread) -> None:
        cached = 0 if self.tree.chance(0.05) else made.context
        made.context += self.tree.many(900, 1.0, 40_000)
        output = self.tree.many(300, 1.0, 20_000)
        reasoning = output * self.draw.randrange(80) // 100
        made.last = dict(zip(CLASSES, (made.context, cached, output, reasoning, made.context + output), strict=True))
        made.total = {name: made.total[name] + made.last[name] for name in CLASSES}
        counts = {"input": made.context - cached, "cache_read": cached, "output": output, "reasoning": reasoning}
        self.tree.tell("codex", made.model, **counts)
        made.context += output
        if made.context > CONTEXT_MOST:
            made.context = AFTER_COMPACTION
            self._say(made, "compacted", {"message": self.tree.text(4000)})
        self._tokens(made, made.last)

    def _tokens(self, made: Thread, last: dict[str, int] | None) -> None:
        info = (
            {"total_token_usage": made.total, "last_token_usage": last, "model_context_window": 272_000}
            if last
            else None
        )
        limits = {"primary": {"used_percent": 12.0, "window_minutes": 300, "resets_at": made.at_ms // 1000 + 9000}}
        self._say(made, "event_msg", {"type": "token_count", "info": info, "rate_limits": limits})
