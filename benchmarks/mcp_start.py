"""What a client's session waits for: from the start of its MCP server to a listed tool, and from a hook to its verdict.

Usage: python -m benchmarks.mcp_start [--json] [--rounds N] [--hooks N]. The relay, with the whole gateway up, stands beside the smallest server
on stdio that the package `mcp` makes; a hook, asking the door alone, beside a Python that does nothing. All of a round run one
after another, and each figure is the median of its rounds. Memory is what the started process has when the tool is listed. Both are also given for a relay and
a hook whose compiled file Python has kept, which it does if they are imported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RELAY = ROOT / "mcp_servers" / "relay.py"
PYTHON = os.path.realpath(sys.executable)
"""Without the virtual environment, as a client finds it: looking for that takes time as well."""
BARE = [PYTHON, "-I", "-S"]
GATEWAY = [sys.executable, "-m", "tests.fakes.desk_gateway"]
SMALLEST = """
import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

async def tools(context, params):
    return types.ListToolsResult(tools=[types.Tool(name="reply", input_schema={"type": "object"})])

async def main():
    server = Server("smallest", on_list_tools=tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

anyio.run(main)
"""
KEPT = f"import sys; sys.path.append({str(RELAY.parent)!r}); import relay; relay.main(sys.argv[1:])"
"""The hook by import, so that Python keeps what it has compiled."""
START_S = 30.0
AIM_TIME, AIM_MEMORY, AIM_HOOK = 0.05, 0.2, 2.0
BLOCKS = {"decision": "block", "reason": "asked on your phone"}
CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "1"}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--rounds", type=int, default=11, help="how often each server is started")
    parser.add_argument("--hooks", type=int, default=101, help="how often each hook is started")
    given = parser.parse_args(arguments)
    if min(given.rounds, given.hooks) < 1:
        parser.error("--rounds and --hooks begin at 1")
    measured = measure(given.rounds, given.hooks)
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def measure(rounds: int, hooks: int) -> dict[str, Any]:
    """Every figure, by name: seconds and bytes."""
    with tempfile.TemporaryDirectory() as directory:
        home, blocking = Path(directory) / "home", Path(directory) / "blocking"
        real = Path(directory) / "real"
        with gateway(home), gateway(blocking, BLOCKS), whole_gateway(real):
            return {"servers": servers(real, rounds), "hooks": verdicts(home, blocking, hooks)}


def in_turn(names: Sequence[str], rounds: int) -> Iterator[str]:
    """All of them in each round, another one first: whoever follows a large process is disturbed by its end."""
    for number in range(rounds):
        first = number % len(names)
        yield from names[first:]
        yield from names[:first]


def environment(home: Path) -> dict[str, str]:
    """Of what is started: nothing that would lead to the person's own gateway."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TOLLBRIDGE_")}
    return {**plain, "TOLLBRIDGE_HOME": str(home)}


@contextmanager
def gateway(home: Path, verdict: Mapping[str, Any] | None = None) -> Iterator[None]:
    """A gateway that answers relays and hooks, in a process of its own."""
    command = [*GATEWAY, str(home), json.dumps(verdict or {})]
    pipe, where = subprocess.PIPE, environment(home)
    with subprocess.Popen(command, cwd=ROOT, env=where, stdout=pipe, text=True) as process:  # noqa: S603 - made here
        try:
            if process.stdout is None or process.stdout.readline() != "ready\n":
                raise SystemExit("the gateway to measure with did not start")
            yield
        finally:
            process.kill()


@contextmanager
def whole_gateway(home: Path) -> Iterator[None]:
    """`tollbridge up`, with a terminal for its chat: relays meet the channel's own server."""
    work = home.parent / "work"
    work.mkdir()
    where = environment(home) | {"TOLLBRIDGE_AGENTS__DEFAULT": "scripted", "TOLLBRIDGE_AGENTS__DIRECTORY": str(work)}
    command = [sys.executable, "-m", "gateway", "up", "--chat", "console"]
    pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=where, stdin=pipe, stdout=quiet) as process:  # noqa: S603 - made here
        try:
            until = time.monotonic() + START_S
            while not (home / "gateway.sock").exists():
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("the gateway to measure with did not start")
                time.sleep(0.1)
            yield
        finally:
            process.kill()


# -------------------------------------------------------------------------------------------------------------- servers
def servers(home: Path, rounds: int) -> dict[str, Any]:
    """The relay and the smallest server, from the start to a listed tool."""
    commands = {
        "relay": [*BARE, str(RELAY), "channel"],
        "relay, imported": [*BARE, "-c", KEPT, "channel"],
        "mcp": [sys.executable, "-c", SMALLEST],
    }
    found: dict[str, list[tuple[float, int]]] = {name: [] for name in commands}
    for command in commands.values():  # once, so that files are read from memory
        listed(command, home)
    for name in in_turn(list(commands), rounds):
        found[name].append(listed(commands[name], home))
    medians = {
        name: {"seconds": statistics.median(one[0] for one in runs), "bytes": statistics.median(one[1] for one in runs)}
        for name, runs in found.items()
    }
    for one in medians.values():
        one.update({f"{unit}_ratio": one[unit] / medians["mcp"][unit] for unit in ("seconds", "bytes")})
    return {"medians": medians, "rounds": rounds}


def listed(command: Sequence[str], home: Path) -> tuple[float, int]:
    """The seconds from the start to the tool, and the bytes that the process had in memory at most."""
    began = time.perf_counter()
    pipe = subprocess.PIPE
    where, quiet = environment(home), subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, env=where)  # noqa: S603 - made here
    try:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("a server without stdin and stdout cannot be measured")

        def say(**message: Any) -> None:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")  # pyright: ignore[reportOptionalMemberAccess] - see above
            process.stdin.flush()  # pyright: ignore[reportOptionalMemberAccess] - see above

        say(id=1, method="initialize", params=CLIENT)
        json.loads(process.stdout.readline())["result"]
        say(method="notifications/initialized")
        say(id=2, method="tools/list")
        tools = json.loads(process.stdout.readline())["result"]["tools"]
        took = time.perf_counter() - began
        if "reply" not in [tool["name"] for tool in tools]:
            raise SystemExit(f"{command[-1][:100]} listed {tools}, and not the tool that is there")
        return took, memory(process.pid)
    finally:
        process.kill()
        process.wait()
        for end in (process.stdin, process.stdout):
            if end is not None:
                end.close()


def memory(pid: int) -> int:
    """The bytes that a process has in memory. (What the system reports of ended ones counts their parent's as well.)"""
    ps = ["ps", "-o", "rss=", "-p", str(pid)]
    return int(subprocess.run(ps, stdout=subprocess.PIPE, text=True, check=True).stdout) * 1024  # noqa: S603 - made here


# ---------------------------------------------------------------------------------------------------------------- hooks
def verdicts(home: Path, blocking: Path, hooks: int) -> dict[str, Any]:
    """A verdict of each kind, beside a Python that does nothing."""
    hook = ["hook", "UserPromptSubmit"]
    blocked = json.dumps(BLOCKS).encode()
    runs: dict[str, Callable[[], float]] = {
        "python": lambda: finished([*BARE, "-c", "pass"], home, b""),
        "hook, imported": lambda: finished([*BARE, "-c", KEPT, *hook], home, b"{}"),
        "hook that blocks, imported": lambda: finished([*BARE, "-c", KEPT, *hook], blocking, blocked),
        "hook": lambda: finished([*BARE, str(RELAY), *hook], home, b"{}"),
    }
    for run in runs.values():
        run()
    found: dict[str, list[float]] = {name: [] for name in runs}
    for name in in_turn(list(runs), hooks):
        found[name].append(runs[name]())
    medians = {name: statistics.median(times) for name, times in found.items()}
    ratios = {name: seconds / medians["python"] for name, seconds in medians.items()}
    return {"seconds": medians, "ratios": ratios, "rounds": hooks}


def finished(command: Sequence[str], home: Path, expected: bytes) -> float:
    """The seconds until it has ended, having said what it should."""
    said = b'{"hook_event_name": "UserPromptSubmit", "prompt": "Fix the flaky login test"}'
    where = environment(home)
    began = time.perf_counter()
    done = subprocess.run(command, input=said, stdout=subprocess.PIPE, env=where, check=True)  # noqa: S603 - made here
    took = time.perf_counter() - began
    if done.stdout != expected:
        raise SystemExit(f"the hook said {done.stdout[:200]!r}, and not {expected!r}")
    return took


# ---------------------------------------------------------------------------------------------------------------- table
def table(measured: Mapping[str, Any]) -> str:
    """The figures as people read them."""
    servers, hooks = measured["servers"], measured["hooks"]
    lines = [f"from the start to a listed tool, a gateway being up: medians of {servers['rounds']}", ""]
    lines += [
        f"  {name:<26}{one['seconds'] * 1000:7.1f} ms{one['seconds_ratio']:8.3f}{one['bytes'] / 2**20:9.1f} MiB{one['bytes_ratio']:8.3f}"
        for name, one in servers["medians"].items()
    ]
    relay = servers["medians"]["relay, imported"]  # as the plugin starts it
    lines += [
        (
            f"  aims, imported: at most {AIM_TIME} of the time: {_met(relay['seconds_ratio'] <= AIM_TIME)};"
            f" {AIM_MEMORY} of the memory: {_met(relay['bytes_ratio'] <= AIM_MEMORY)}"
        ),
        "",
        f"a hook's verdict, beside a Python that does nothing: medians of {hooks['rounds']}",
        "",
    ]
    lines += [
        f"  {name:<26}{seconds * 1000:7.1f} ms{hooks['ratios'][name]:7.2f}"
        for name, seconds in hooks["seconds"].items()
    ]
    passes, blocks = (hooks["ratios"][name] <= AIM_HOOK for name in ("hook, imported", "hook that blocks, imported"))
    lines.append(f"  aim: at most {AIM_HOOK:g} times, imported: {_met(passes)}; where it blocks: {_met(blocks)}")
    return "\n".join(lines) + "\n"


def _met(met: bool) -> str:  # noqa: FBT001 - a word for a truth
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    sys.exit(main())
