"""Sessions with the real client in rotation: how many of its processes live at once, and what they have in memory, beside one session's."""

import os
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from benchmarks.chat_server import FIRST
from tests.fakes.bot_api import BotApi
from tests.fakes.claude_binary import find_claude
from tests.fakes.messages_api import MessagesApi
from tests.journeys.rig import owners, rig

LIMIT_S = 900.0
LOOK_S = 0.2
CLIENT = "claude"
PS = ("ps", "-ww", "-eo", "pid=,ppid=,rss=,args=")


def measure(sessions: int, processes_max: int = 4) -> dict[str, Any]:
    """One session, then so many. Bytes are of all the client's processes together, at their most."""
    if find_claude() is None:
        raise SystemExit("Claude Code is not there: TBTEST_CLIENTS names the directory that it was installed in")
    return {
        "sessions": sessions,
        "processes_max": processes_max,
        "one": anyio.run(_run, 1, processes_max),
        "many": anyio.run(_run, sessions, processes_max),
    }


async def _run(sessions: int, processes_max: int) -> dict[str, int]:
    most = {"processes": 0, "bytes": 0}

    async def look() -> None:
        count, size = await to_thread.run_sync(children)
        most["processes"], most["bytes"] = max(most["processes"], count), max(most["bytes"], size)

    async def watch() -> None:
        while True:
            await look()
            await anyio.sleep(LOOK_S)

    with tempfile.TemporaryDirectory() as directory, MessagesApi() as api, BotApi() as telegram:
        phones = [telegram.user(FIRST + number, f"P{number}") for number in range(sessions)]
        more = {"people": owners(*phones), "processes_max": processes_max}
        async with (
            rig(Path(directory), api, telegram, phones[0], **more),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(watch)
            for phone in phones:
                phone.says("hello")
            for phone in phones:
                await phone.waits_for("echo: hello", timeout=LIMIT_S)
            await look()  # what is idle is still there
            tasks.cancel_scope.cancel()
    return most


def children() -> tuple[int, int]:
    """The client's processes below this one: how many, and the bytes that they have in memory."""
    told = subprocess.run(PS, stdout=subprocess.PIPE, text=True, check=True).stdout  # noqa: S603 - a constant
    below: defaultdict[int, list[tuple[int, int, str]]] = defaultdict(list)
    for line in told.splitlines():
        pid, parent, rss, arguments = line.split(None, 3)
        below[int(parent)].append((int(pid), int(rss) * 1024, arguments))
    found, open_ = [], [os.getpid()]
    while open_:
        for pid, size, arguments in below[open_.pop()]:
            open_.append(pid)
            found += [size] if "stream-json" in arguments and CLIENT in arguments else []
    return len(found), sum(found)
