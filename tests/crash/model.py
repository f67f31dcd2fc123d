"""What the model does: each call of a job is decided from the conversation alone, so that a crash in between changes nothing."""

import re
import threading
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.fakes.messages_api import Hold, MessagesApi, Request, Text, Tool
from tests.fakes.messages_script import Reply

JOB = re.compile(r"job \d+")
NAMED = re.compile(rf"(?:Continue where you left off: )?({JOB.pattern})")
LATEST = "done: "


def works(api: MessagesApi, directory: Path, lasts_s: float = 0.0) -> None:
    """Answer every job: note it in a file (a tool that asks), look around (one that does not), and say that it is done.

    `lasts_s`: how long the last answer streams.
    """

    def answer(request: Request) -> Reply | None:
        job, results = at_work(request.body)
        match results:
            case 0:
                return [
                    Text(f"I will note {job}."),
                    Tool("Bash", {"command": f"echo {job} >> {notes(directory, job)}"}),
                ]
            case 1:
                return Tool("Bash", {"command": "ls"})
            case _:
                return [Text("Nearly there. "), *pause(lasts_s), Text(f"{LATEST}{job}.")]

    api.script(answer)


def pause(seconds: float) -> list[Hold]:
    """The stream stands still for so long."""
    if not seconds:
        return []
    hold = Hold()
    timer = threading.Timer(seconds, hold.release)
    timer.daemon = True
    timer.start()
    return [hold]


def notes(directory: Path, job: str) -> Path:
    """Where a job is noted: a line for each time that its tool really ran."""
    return directory / f"{job.replace(' ', '-')}.txt"


def at_work(body: Mapping[str, Any]) -> tuple[str, int]:
    """The job that the conversation is about now, and how many tool results it has had in all."""
    job, results = "", Counter[str]()
    for message in body.get("messages", []):
        content = message["content"]
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            named = NAMED.fullmatch(block.get("text", "").strip()) if message["role"] == "user" else None
            job = named[1] if named else job
            results[job] += block["type"] == "tool_result"
    return job, results[job]
