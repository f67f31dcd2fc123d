"""The way of a message measured: updates per second to the answer, and from the update to the agent's prompt, beside a bare echo bot.

Usage: python -m benchmarks.chat [--json] [--quick] [--chats N] [--rounds N] [--profile] [--claude N]. The gateway is whole: inbox, gate, ledger, outbox, each
step durable before the next; its agent is the scripted one. The echo bot is python-telegram-bot's, eight updates at a time. Both talk
to the same stand-in for Telegram over real HTTP, each in a process of its own, one after the other in every round; figures are medians
of the rounds. What the stand-in itself takes stands beside them: nearer than half of that, it is what was measured.

Half of the echo bot's rate is out of reach for CPython as both are built. An echo takes 1.2 ms of CPU, nearly all of it one request
through python-telegram-bot and httpx. A turn is three such requests (the status, its end, the answer), 3 ms and more than the 2.3 ms
of the aim, before anything is decided or stored. It takes 12.5 ms in all: 5.6 on the event loop (the three requests, some twenty
hops to the store's threads, the scripted agent's own files), 5.6 where it is written (5 decisions and 6 notes of the outbox,
about 80 statements and 6 hashed entries, in 2 commits when many wait), 1.3 where it is read (8 looks). (60 chats with 4 messages
each; on a machine that others load, all of it takes up to half as much again.)
"""

import argparse
import json
import multiprocessing
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from benchmarks import chat_bots, chat_clients
from benchmarks.chat_server import PER_SECOND, serve

AIM_RATE, AIM_MS = 0.5, 25.0
LIMIT_S = 300.0
START_S = 60.0
STOP_S = 20.0
SPAWN = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured."""

    chats: int = 200
    each: int = 3
    """Messages that wait in each chat."""
    steady: int = 200
    """Messages one after the other, for what each takes."""
    gap_s: float = 0.1
    rounds: int = 3
    steps: int = 6
    """Of a turn that streams."""
    lines: int = 8
    """Connections that find out what the stand-in takes."""


QUICK = Sizes(chats=6, each=1, steady=6, gap_s=0.02, rounds=1, steps=2, lines=1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and say what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    usual = Sizes()
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--quick", action="store_true", help="a look at whether it runs, and no measurement")
    parser.add_argument("--chats", type=int, default=usual.chats, help="how many private chats")
    parser.add_argument("--rounds", type=int, default=usual.rounds, help="how often each bot runs")
    parser.add_argument("--profile", action="store_true", help="where the gateway spends its time, instead")
    parser.add_argument(
        "--claude", type=int, metavar="N", help="instead: the processes of N sessions with the real client"
    )
    given = parser.parse_args(arguments)
    if given.claude is not None:
        found = chat_clients.measure(given.claude)
        sys.stdout.write(json.dumps(found, indent=1) + "\n" if given.json else clients_table(found))
        return 0
    if min(given.chats, given.rounds) < 1:
        parser.error("--chats and --rounds begin at 1")
    sizes = QUICK if given.quick else Sizes(chats=given.chats, rounds=given.rounds)
    if given.profile:
        sys.stdout.write(burst(sizes, "gateway", profile=True)[2])
        return 0
    measured = measure(sizes)
    sys.stdout.write(json.dumps(measured, indent=1, allow_nan=False) + "\n" if given.json else table(measured))
    return 0


def measure(sizes: Sizes) -> dict[str, Any]:
    """Every figure, by name: messages per second, milliseconds, counts."""
    rates: dict[str, list[float]] = {"gateway": [], "echo": []}
    waits: dict[str, list[float]] = {"gateway": [], "echo": []}
    with stand_in(sizes.chats) as (asks, _):
        ceiling = asks("ceiling", sizes.lines, 50 * sizes.each)
    for number in range(sizes.rounds):
        for kind in ("gateway", "echo") if number % 2 else ("echo", "gateway"):
            rate, waited, _ = burst(sizes, kind)
            rates[kind].append(rate)
            waits[kind] += waited
    medians = {kind: statistics.median(found) for kind, found in rates.items()}
    latency = {kind: {"p50": _share(found, 0.5), "p99": _share(found, 0.99)} for kind, found in waits.items()}
    return {
        "chats": sizes.chats,
        "rounds": sizes.rounds,
        "per_second": {**medians, "stand-in": ceiling},
        "ratio": medians["gateway"] / medians["echo"],
        "ms": latency,
        "ms_above": latency["gateway"]["p50"] - latency["echo"]["p50"],
        "streams": streams(sizes),
    }


def burst(sizes: Sizes, kind: str, *, profile: bool = False) -> tuple[float, list[float], str]:
    """Messages a second of a burst, the milliseconds to the prompt of messages one after the other, and a profile."""
    with stand_in(sizes.chats) as (asks, (token, url)):
        arguments = (token, url, sizes.chats, 0, profile) if kind == "gateway" else (token, url)
        with bot(kind, arguments) as stops:
            asks("burst", 1, LIMIT_S)  # sessions begin, and files are read from memory
            seconds = asks("burst", sizes.each, LIMIT_S)
            sent: dict[str, float] = asks("steady", sizes.steady, sizes.gap_s, LIMIT_S)
            reached, told = stops()
        if flaws := asks("violations"):
            raise SystemExit(f"the {kind} sent what Telegram does not take: {flaws[:3]}")
    waited = [1000 * (reached[text] - at) for text, at in sent.items()]
    return sizes.chats * sizes.each / seconds, waited, told


def streams(sizes: Sizes) -> dict[str, Any]:
    """All chats at work at once, with the real pace: how their messages and edits were spaced."""
    with (
        stand_in(sizes.chats) as (asks, (token, url)),
        bot("gateway", (token, url, sizes.chats, sizes.steps, False)) as stops,
    ):
        found = asks("streams", LIMIT_S)
        stops()
        return {**found, "violations": len(asks("violations"))}


def _share(found: Sequence[float], share: float) -> float:
    return sorted(found)[min(len(found) - 1, round(share * (len(found) - 1)))]


# ------------------------------------------------------------------------------------------------------------ processes
@contextmanager
def stand_in(chats: int) -> Iterator[tuple[Any, tuple[str, str]]]:
    """The stand-in in its process: what asks it to do something, and its token and address."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=serve, args=(theirs,), daemon=True)
    process.start()

    def asks(*call: Any) -> Any:
        ours.send(call)
        if not ours.poll(LIMIT_S + START_S):
            raise SystemExit(f"the stand-in does not answer {call[0]!r}")
        done, result = ours.recv()
        if not done:
            raise SystemExit(f"{call[0]}: {result}")
        return result

    try:
        yield asks, asks("open", chats)
    finally:
        ours.send(None)
        _end(process)


@contextmanager
def bot(kind: str, arguments: tuple[Any, ...]) -> Iterator[Any]:
    """A bot in its process: what stops it, and tells when each text reached it, and a profile."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=run_bot, args=(kind, theirs, arguments), daemon=True)
    process.start()

    def stops() -> Any:
        ours.send("stop")
        return _told(ours, kind)

    try:
        _told(ours, kind)
        yield stops
    finally:
        _end(process)


def run_bot(kind: str, pipe: Connection, arguments: tuple[Any, ...]) -> None:
    """In the bot's process."""
    if kind == "echo":
        chat_bots.echo(pipe, *arguments)
    else:
        token, url, chats, steps, profile = arguments
        chat_bots.gateway(pipe, token, url, chats, steps=steps, profile=profile)


def _told(pipe: Connection, kind: str) -> Any:
    if not pipe.poll(START_S):
        raise SystemExit(f"the {kind} to measure with does not answer")
    return pipe.recv()


def _end(process: Any) -> None:
    process.join(STOP_S)
    if process.is_alive():
        process.kill()
        process.join()


# ---------------------------------------------------------------------------------------------------------------- table
def table(measured: Mapping[str, Any]) -> str:
    """The figures as people read them."""
    rates, waits, streamed = measured["per_second"], measured["ms"], measured["streams"]
    above, ratio, most = measured["ms_above"], measured["ratio"], streamed["most_in_a_second"]
    lines = [f"messages to answers, {measured['chats']} private chats: medians of {measured['rounds']}", ""]
    lines += [f"  {name:<12}{rates[name]:9.0f} a second" for name in ("gateway", "echo", "stand-in")]
    lines += [
        f"  aim: at least {AIM_RATE:g} of the echo bot's: {ratio:.2f}, {_met(ratio >= AIM_RATE)}",
        "",
        "from the update to the agent's prompt, or to the echo bot's handler",
        "",
    ]
    lines += [f"  {name:<12}p50 {waits[name]['p50']:7.1f} ms   p99 {waits[name]['p99']:7.1f} ms" for name in waits]
    bounded = _met(streamed["too_soon"] == streamed["refused"] == streamed["violations"] == 0)
    lines += [
        f"  aim: p50 at most {AIM_MS:g} ms above the echo bot's: {above:.1f} ms, {_met(above <= AIM_MS)}",
        "",
        f"{measured['chats']} sessions that stream at once, with the real pace: {streamed['seconds']:.0f} s",
        "",
        f"  {streamed['sends']} messages and {streamed['edits']} edits, the least time between two in a chat {streamed['least_gap_s']:.2f} s",
        f"  aim: none within a second of another in its chat ({streamed['too_soon']}), none refused: {bounded}",
        f"  at most {most} in a second over all chats (Telegram: {PER_SECOND}): {_met(most <= PER_SECOND)}",
    ]
    return "\n".join(lines) + "\n"


def clients_table(found: Mapping[str, Any]) -> str:
    """What the clients' processes took, as people read it."""
    one, many = found["one"], found["many"]
    return (
        f"{found['sessions']} sessions with the real client, at most {found['processes_max']} of it at work\n\n"
        f"  one session {one['processes']:4d} processes {one['bytes'] / 2**20:8.0f} MiB\n"
        f"  all of them {many['processes']:4d} processes {many['bytes'] / 2**20:8.0f} MiB, {many['bytes'] / one['bytes']:.1f} times as much\n"
    )


def _met(met: bool) -> str:  # noqa: FBT001 - a word for a truth
    return "met" if met else "NOT MET"


if __name__ == "__main__":
    sys.exit(main())
