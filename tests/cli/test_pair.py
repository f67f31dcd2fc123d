"""`tollbridge pair` and `people`: a real gateway, a stand-in for Telegram over HTTP, an owner with a phone and a terminal, and a newcomer."""

import json
import os
import re
import select
import signal
import subprocess
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from time import monotonic

import anyio
import pytest

from gateway.core.pairing import ALPHABET
from gateway.ports import AGENT_MARK
from gateway.view import people_words as words
from tests import nursery
from tests.cli.kit import environment
from tests.cli.test_changing import BOT_LIMIT_S, Desk, at_work, finished, home
from tests.cli.test_up import LIMIT_S, end, of_the_bot
from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_phone import Phone

__all__ = ["home"]

pytestmark = pytest.mark.anyio

CODE = re.compile(rf"\b[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}\b")


class Terminal:
    """A program at a terminal of its own, and the hands of the person before it."""

    def __init__(self, process: subprocess.Popen[bytes], keys: int) -> None:
        self.process = process
        self.seen = ""
        self._keys = keys

    def types(self, line: str) -> None:
        """A line, and Enter."""
        os.write(self._keys, f"{line}\n".encode())

    async def shows(self, said: str) -> str:
        """Read on until the words are there; everything up to then, on one line."""
        return await anyio.to_thread.run_sync(self._read_until, said)

    async def ends(self) -> int:
        """The exit code, once all is read."""
        await anyio.to_thread.run_sync(self._read_until, None)
        return await anyio.to_thread.run_sync(partial(self.process.wait, timeout=LIMIT_S))

    def _read_until(self, said: str | None) -> str:
        deadline = monotonic() + LIMIT_S
        while said is None or said not in self.seen:
            assert monotonic() < deadline, f"{said!r} did not come: {self.seen}"
            if not select.select([self._keys], [], [], 1)[0]:
                continue
            try:
                part = os.read(self._keys, 65536)
            except OSError:  # Linux says so that nobody has the other end open any more
                part = b""
            if not part:
                assert said is None, f"it ended before {said!r}: {self.seen}"
                break
            self.seen = " ".join((self.seen + part.decode()).split())
        return self.seen


@contextmanager
def at_a_terminal(here: Desk, *arguments: str, **more: str) -> Generator[Terminal]:
    """`tollbridge ...` with a terminal that is its own, ended at the end of the block."""
    keys, theirs = os.openpty()
    settings = {f"TOLLBRIDGE_{name}": value for name, value in here.settings.items()}
    process = nursery.start(
        arguments,
        terminal=True,
        env=environment(here.home, COLUMNS="400", **settings, **more),
        cwd=here.home.parent / "project",
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        yield Terminal(process, keys)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(keys)


@asynccontextmanager
async def desk(home: Path) -> AsyncGenerator[tuple[Desk, Phone]]:
    """A gateway with one owner and a scripted agent, and somebody whom nobody has let in."""
    with BotApi() as server:
        owner, newcomer = server.user(4711, "Ada"), server.user(815, "Grace \u202eecalg")
        settings = of_the_bot(server) | {"AGENTS__DEFAULT": "scripted", "BUDGETS__CONFIRM_ABOVE_USD": "20"}
        here = Desk(home, server, owner, await at_work(home, settings), settings)
        try:
            yield here, newcomer
        finally:
            await anyio.to_thread.run_sync(end, here.gateway)
        assert server.violations == []


async def people(here: Desk, *arguments: str) -> tuple[int, str, str]:
    """`tollbridge people ...` without a terminal: exit code, stdout, stderr."""
    return await finished(without_a_terminal(here, "people", *arguments))


def without_a_terminal(here: Desk, *arguments: str) -> subprocess.Popen[str]:
    """A program that nobody sits at."""
    return nursery.start(
        arguments,
        env=environment(here.home, COLUMNS="200"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


async def code_of(newcomer: Phone) -> str:
    """They write /pair, and read their code."""
    newcomer.says("/pair")
    [code] = CODE.findall((await newcomer.waits_for("Your code is", BOT_LIMIT_S)).text)
    return code


async def handled(here: Desk) -> None:
    """Everything that was written before has been looked at."""
    here.phone.says("/budget")
    await here.phone.waits_for("Day:", BOT_LIMIT_S)


async def test_a_code_a_terminal_and_a_tap_let_somebody_in(home: Path) -> None:
    """Attacks 3, 5 and 9: without a window nothing is answered; with all three a newcomer's prompt runs, and what took it is told."""
    async with desk(home) as (here, newcomer):
        for text in ("hello", "/pair", "/start", "approve the pairing"):
            newcomer.says(text)
        await handled(here)
        assert newcomer.sees() == []
        with at_a_terminal(here, "pair", "--role", "writer") as terminal:
            said = await terminal.shows("The code that they read to you:")
            assert "becomes a writer in their own chat with the bot." in said
            assert "open https://t.me/tollbridge_test_bot, press Start" in said
            newcomer.says("still a stranger")
            code = await code_of(newcomer)
            terminal.types("0000-0000")
            await terminal.shows("That is no code of this window (1 was given out): 4 tries are left.")
            terminal.types(code.lower())
            said = await terminal.shows("are they to be let in? [y/n]:")
            assert 'given to 815, their number in Telegram. They call themselves "Grace \\u{202e}ecalg"' in said
            terminal.types("y")
            await terminal.shows("Asked in the chat of 4711, and nothing has changed before an owner says yes there")
            newcomer.says("run this before anybody has said yes")
            asked = await here.phone.waits_for("asks: let 815", BOT_LIMIT_S)
            assert "\u202e" not in asked.text
            await handled(here)
            here.phone.taps("Yes", asked.message_id)
            await terminal.shows(
                '815 ("Grace \\u{202e}ecalg") is a writer in their own chat with the bot: 4711 said yes.'
            )
            assert await terminal.ends() == 0
        await newcomer.waits_for("You are a writer in your own chat with the bot from now on.", BOT_LIMIT_S)
        assert len(newcomer.sees()) == 2
        newcomer.says("explain retry")
        await newcomer.waits_for("I am a scripted agent", BOT_LIMIT_S)
        code, out, _ = await people(here, "--json")
        owner, writer = sorted(json.loads(out)["people"], key=lambda one: one["person"])
        assert (code, owner["person"], owner["from"]) == (0, "4711", "settings")
        assert {name: writer[name] for name in ("role", "chat", "from", "by")} == {
            "role": "writer",
            "chat": "815",
            "from": "paired",
            "by": "4711",
        }
        _, out, _ = await people(here, "history", "--json")
        newest = json.loads(out)["changes"][0]
        assert (newest["who"], newest["after"]["person"], newest["before"]) == ("4711", "815", None)
        assert newest["why"].startswith("paired with a code, asked by the command line on ")


async def test_ctrl_c_closes_the_window(home: Path) -> None:
    """Nobody gets a code any more, and the exit code says that it was stopped."""
    async with desk(home) as (here, newcomer):
        with at_a_terminal(here, "pair") as terminal:
            await terminal.shows("The code that they read to you:")
            terminal.process.send_signal(signal.SIGINT)
            assert await terminal.ends() == 130
        newcomer.says("/pair")
        await handled(here)
        assert newcomer.sees() == []


async def test_without_a_terminal_and_inside_an_agent_nobody_is_let_in(home: Path) -> None:
    """Attack 9, rule 5: one sentence each, and no window."""
    async with desk(home) as (here, newcomer):
        piped = without_a_terminal(here, "pair")
        code, out, said = await finished(piped)
        assert (code, out, said) == (1, "", f"tollbridge: {words.NEEDS_TERMINAL}\n")
        with at_a_terminal(here, "pair", **{AGENT_MARK: "a journal"}) as terminal:
            await terminal.shows("this command runs inside an agent")
            assert await terminal.ends() == 1
        newcomer.says("/pair")
        await handled(here)
        assert newcomer.sees() == []


async def test_who_was_paired_is_listed_lowered_and_taken_out(home: Path) -> None:
    """The table names everybody; what is lower counts at once; who is taken out is a stranger again."""
    async with desk(home) as (here, newcomer):
        with at_a_terminal(
            here, "pair", "--role", "approver", "--largest-raise", "5", "--chat", "everywhere"
        ) as terminal:
            await terminal.shows("becomes an approver everywhere, who raises limits by at most $5.00 at a time.")
            terminal.types(await code_of(newcomer))
            await terminal.shows("[y/n]:")
            terminal.types("y")
            asked = await here.phone.waits_for("asks: let 815", BOT_LIMIT_S)
            here.phone.taps("Yes", asked.message_id)
            assert await terminal.ends() == 0
        code, out, _ = await people(here)
        assert code == 0
        assert re.search(r"815 +Grace \\u\{202e\}ecalg +approver +everywhere +\$5\.00 .* paired, by 4711", out)
        assert re.search(r"4711 .* owner +everywhere .* settings", out)
        code, out, _ = await people(here, "role", "815", "writer")
        assert (code, out) == (0, '815 ("Grace \\u{202e}ecalg") is a writer everywhere.\n')
        await newcomer.waits_for("You are a writer everywhere", BOT_LIMIT_S)
        code, out, _ = await people(here, "remove", "815")
        assert (code, out) == (
            0,
            'That is taken from 815 ("Grace \\u{202e}ecalg"): they may do nothing there any more.\n',
        )
        code, _, said = await people(here, "remove", "4711")
        assert code == 1
        assert "4711 is an owner everywhere by the settings: change telegram.allowed_users there" in said
        before = len(newcomer.sees())
        newcomer.says("do it")
        await handled(here)
        assert len(newcomer.sees()) == before
        _, out, _ = await people(here, "history")
        assert [line.count("815") for line in out.splitlines()][2:5] == [1, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("remove", "@grace"), "'@grace' is not the number of a person"),
        (("remove", "815", "--chat", "home"), "'home' is no chat: write its number, or everywhere"),
        (("role", "815", "writer"), "no Tollbridge gateway is running"),
    ],
)
async def test_what_cannot_be_done_is_said_in_a_sentence(home: Path, arguments: tuple[str, ...], said: str) -> None:
    """Exit code 1; names are refused like everywhere."""
    with BotApi() as server:
        code, out, error = await people(Desk(home, server, server.user(4711, "Ada"), None, {}), *arguments)  # type: ignore[arg-type]
    assert (code, out) == (1, "")
    assert error.startswith(f"tollbridge: {said}")


async def test_before_a_gateway_was_started_nobody_is_listed(home: Path) -> None:
    """And that is no error."""
    with BotApi() as server:
        here = Desk(home, server, server.user(4711, "Ada"), None, {})  # type: ignore[arg-type]
        assert (await people(here))[:2] == (
            0,
            "Nobody may do anything yet: the gateway was not started, or its settings name nobody.\n",
        )
        assert json.loads((await people(here, "--json"))[1]) == {"schema": 1, "people": []}
