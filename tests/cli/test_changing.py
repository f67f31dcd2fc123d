"""`tollbridge budget set` and `raise`: a real gateway, a stand-in for Telegram, a person with a phone and one at the desk."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import anyio
import pytest

from gateway.cli import changing
from gateway.cli.run import run
from gateway.local import client
from gateway.local.client import Answer
from gateway.local.place import SOCKET
from gateway.store import open_readonly
from tests import nursery
from tests.cli.kit import ROOT, environment
from tests.cli.test_up import LIMIT_S, end, of_the_bot, said_until, start
from tests.fakes.bot_api import BotApi
from tests.fakes.bot_api_phone import Phone

pytestmark = pytest.mark.anyio

ASKS = "asks: raise the day's limit by $5.00 to $30.00"
BOT_LIMIT_S = 120


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it, beside a directory to work in."""
    (tmp_path / "project").mkdir()
    place = tmp_path / "home"
    place.mkdir(mode=0o700)
    return place


@dataclass
class Desk:
    """A gateway at work, and the person's shell beside it."""

    home: Path
    server: BotApi
    phone: Phone
    gateway: subprocess.Popen[str]
    settings: dict[str, str]

    def types(self, *arguments: str) -> subprocess.Popen[str]:
        """`tollbridge budget ...`, at work."""
        return nursery.start(
            ["budget", *arguments],
            env=environment(self.home),
            cwd=self.home.parent / "project",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def taps(self, words: str, label: str) -> None:
        """The person presses a button on the phone."""
        self.phone.taps(label, (await self.phone.waits_for(words, BOT_LIMIT_S)).message_id)

    async def has_asked(self) -> None:
        """The gateway knows that its question stands in the chat: after a crash it does not repeat it."""

        def look() -> bool:
            with open_readonly(self.home) as reader:
                return reader.read(lambda view: all(view.message_id(one.ref) for one in view.open_approvals("")))

        await self.phone.waits_for(ASKS, BOT_LIMIT_S)
        with anyio.fail_after(BOT_LIMIT_S):
            while not await anyio.to_thread.run_sync(look):  # noqa: ASYNC110 - another process notes it
                await anyio.sleep(0.05)

    async def changes(self) -> list[tuple[str, str | None, str]]:
        """(who, limit, why) of every limit that was set or raised for a while, newest first."""
        code, out, _ = await finished(self.types("history", "--json"))
        assert code == 0
        found = [one for one in json.loads(out)["changes"] if one["kind"] in ("limit", "raised")]
        return [(one["who"], one["limit_usd"], one["why"]) for one in found]


async def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    out, said = await anyio.to_thread.run_sync(partial(process.communicate, timeout=LIMIT_S))
    return process.returncode, out, said


async def reads(stream: IO[str] | None, until: str) -> str:
    """What a process prints, up to the line that holds these words."""
    assert stream is not None
    lines: list[str] = []

    def read() -> str:
        for line in stream:
            lines.append(line)
            if until in line:
                return "".join(lines)
        raise AssertionError(f"it ended before {until!r}: {lines}")

    return await anyio.to_thread.run_sync(read)


async def at_work(home: Path, settings: dict[str, str]) -> subprocess.Popen[str]:
    """A gateway that says that it runs."""
    gateway = start(home, **settings)
    await anyio.to_thread.run_sync(said_until, gateway, "the gateway runs")
    return gateway


@asynccontextmanager
async def desk(home: Path, **more: str) -> AsyncGenerator[Desk]:
    """A gateway with one owner, ended in good order."""
    with BotApi() as server:
        phone = server.user(4711, "Ada")
        settings = of_the_bot(server) | more
        here = Desk(home, server, phone, await at_work(home, settings), settings)
        try:
            yield here
        finally:
            await anyio.to_thread.run_sync(end, here.gateway)
    assert not (home / SOCKET).exists()
    assert server.violations == []


async def test_a_raise_waits_for_a_yes_on_the_phone(home: Path) -> None:
    """Exit code 0 once it was given, with the limit that counts; the ledger knows who gave it and why it was wanted."""
    async with desk(home) as here:
        command = here.types("raise", "day", "5", "--why", "a big job", "--for", "31d")
        said = await reads(command.stdout, "Waiting for a yes there.")
        assert said.startswith("Asked in the chat of 4711: raise the day's limit by $5.00 to $30.00 until ")
        assert command.poll() is None
        asked = await here.phone.waits_for(ASKS, BOT_LIMIT_S)
        assert "(a big job).\n$0.00 of $25.00 is spent." in asked.text
        assert [button.text for button in asked.buttons] == ["Raise to $30.00", "No"]
        await here.taps(ASKS, "Raise to $30.00")
        code, out, _ = await finished(command)
        assert code == 0
        assert out.startswith("The day's limit is $30.00 until ")
        assert out.endswith(": 4711 said yes.\n")
        await here.phone.waits_for("Raised to $30.00 (by you).", BOT_LIMIT_S)
        [(who, limit, why)] = await here.changes()
        assert (who, limit) == ("4711", None)
        assert why.startswith("raised by $5.00 until ")
        assert "asked by the command line on " in why
        assert why.endswith(": a big job")


async def test_a_lower_limit_needs_no_yes(home: Path) -> None:
    """It counts at once and is said on the phone; what is wider again is asked about, and a no ends the command with 1."""
    async with desk(home) as here:
        code, out, said = await finished(here.types("set", "DAY", "10", "--why", "enough"))
        assert (code, said) == (0, "")
        assert out == "The day's limit is $10.00, it was $25.00. $0.00 of it is spent.\n"
        await here.phone.waits_for("set the day's limit to $10.00, it was $25.00 (enough).", BOT_LIMIT_S)
        command = here.types("set", "day", "12.50")
        await here.taps("asks: raise the day's limit by $2.50 to $12.50", "No")
        code, _, said = await finished(command)
        assert (code, said) == (1, "tollbridge: 4711 said no: nothing was changed.\n")
        [(who, limit, why)] = await here.changes()
        assert (who.partition(": ")[0], limit, why) == ("command line", "10.00", "enough")


async def test_without_waiting_the_command_ends_when_it_has_asked(home: Path) -> None:
    """The question is in the chat all the same; the same command again finds it there."""
    async with desk(home) as here:
        for _ in range(2):
            code, out, _ = await finished(here.types("raise", "day", "5", "--no-wait"))
            assert code == 0
            assert "raise the day's limit by $5.00 to $30.00.\n" in out
            assert "Waiting" not in out
        await here.taps(ASKS, "Raise to $30.00")
        await here.phone.waits_for("Raised to $30.00", BOT_LIMIT_S)
        assert sum(ASKS in seen.text for seen in here.phone.sees()) == 1


async def test_ctrl_c_ends_the_waiting_and_not_the_question(home: Path) -> None:
    """No traceback; the tap afterwards counts."""
    async with desk(home) as here:
        command = here.types("raise", "day", "5")
        await reads(command.stdout, "Ctrl-C stops waiting; the question stays.")
        command.send_signal(signal.SIGINT)
        code, _, said = await finished(command)
        assert code == 130
        assert "Traceback" not in said
        await here.taps(ASKS, "Raise to $30.00")
        await here.phone.waits_for("Raised to $30.00", BOT_LIMIT_S)


async def test_a_question_that_nobody_answers_ends_the_command(home: Path) -> None:
    """Exit code 1, and the message says so too."""
    async with desk(home, APPROVAL_MINUTES="0.05") as here:
        code, _, said = await finished(here.types("raise", "day", "5"))
        assert (code, said) == (1, "tollbridge: nobody answered in time: nothing was changed.\n")
        await here.phone.waits_for("Nobody answered in time.", BOT_LIMIT_S)
        assert await here.changes() == []


async def test_the_command_waits_through_a_gateway_that_is_killed(home: Path) -> None:
    """It says so, finds the next gateway behind the same door, and hears the yes that was given there."""
    async with desk(home) as here:
        command = here.types("raise", "day", "5")
        await reads(command.stdout, "Waiting")
        await here.has_asked()
        here.gateway.kill()
        await finished(here.gateway)
        await reads(command.stdout, "The gateway does not answer. The question stays in the chat")
        assert (home / SOCKET).is_socket()
        here.gateway = await at_work(home, here.settings)
        await here.taps(ASKS, "Raise to $30.00")
        code, out, _ = await finished(command)
        assert (code, out) == (0, "The day's limit is $30.00: 4711 said yes.\n")


async def test_a_command_inside_an_agent_changes_nothing(home: Path) -> None:
    """What an agent starts, however it hides its parents, is refused: up and down."""
    project, told = home.parent / "project", home.parent / "told"
    agent = home.parent / "agent"
    budget = f"{sys.executable} -m gateway budget"
    agent.write_text(
        "#!/bin/sh\n"
        f"export TOLLBRIDGE_HOME={home} PYTHONPATH={ROOT}\n"
        f"{budget} raise day 5 --no-wait >{told}.1 2>&1; echo $? >>{told}.1\n"
        f"( setsid sh -c '{budget} set day 1 >{told}.2 2>&1; echo $? >>{told}.2; mv {told}.2 {told}.3' & )\n"
        f"while ! [ -e {told}.3 ]; do sleep 0.1; done\n"
        "exit 1\n"
    )
    agent.chmod(0o700)
    async with desk(home, AGENTS__CLAUDE__COMMAND=str(agent), AGENTS__DIRECTORY=str(project)) as here:
        here.phone.says("do something")
        with anyio.fail_after(LIMIT_S):
            while not await anyio.Path(f"{told}.3").exists():  # noqa: ASYNC110 - another program makes it
                await anyio.sleep(0.05)
        for name in (f"{told}.1", f"{told}.3"):
            said = await anyio.Path(name).read_text(encoding="utf-8")
            assert "this command runs inside an agent, and agents change no limits" in said
            assert said.endswith("\n1\n")
        assert await here.changes() == []
        assert not any("limit" in seen.text for seen in here.phone.sees())


async def test_in_a_terminals_chat_the_question_is_answered_there(home: Path) -> None:
    """`up --chat console`: the question stands in it with its buttons, and a number is the yes."""
    gateway = start(home, "--chat", "console")
    here = Desk(home, BotApi(), None, gateway, {})  # type: ignore[arg-type] - no phone is needed
    try:
        await reads(gateway.stdout, "/help")
        command = here.types("raise", "day", "5")
        await reads(gateway.stdout, "[1] Raise to $30.00")
        assert gateway.stdin is not None
        gateway.stdin.write("1\n")
        gateway.stdin.flush()
        code, out, _ = await finished(command)
        assert code == 0
        assert out.endswith("The day's limit is $30.00: you said yes.\n")
    finally:
        gateway.terminate()
        assert (await finished(gateway))[0] == 0


# ------------------------------------------------------------------------------------------------- without a gateway
@pytest.fixture
def refused(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """The sentence with which the command fails where no gateway runs, after checking that it is one."""
    monkeypatch.setenv("TOLLBRIDGE_HOME", str(home))
    monkeypatch.setattr("sys.argv", ["tollbridge"])

    def fail(*arguments: str) -> str:
        assert run(["budget", *arguments]) == 1
        shown = capsys.readouterr()
        assert (shown.out, shown.err.count("\n")) == ("", 1)
        assert list(home.iterdir()) == []
        return shown.err.removeprefix("tollbridge: ").strip()

    return fail


@pytest.mark.parametrize("command", ["set", "raise"])
def test_without_a_gateway_nothing_is_changed(refused: Callable[..., str], home: Path, command: str) -> None:
    """The sentence says how to start one."""
    assert refused(command, "day", "5") == (
        f"no Tollbridge gateway is running (home: {home}): start it with `tollbridge up`; nothing was changed"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set", "day", "-1"), "'-1' is not an amount in dollars: write it like 5 or 2.50"),
        (("raise", "day", "-1"), "'-1' is not an amount in dollars"),
        (("raise", "day", "NaN"), "'NaN' is not an amount in dollars"),
        (("set", "day", "1e9"), "'1e9' is not an amount in dollars"),
        (("set", "day", "5 €"), "'5 €' is not an amount in dollars"),
        (("set", "day", "1000001"), "more than $1000000, the largest amount there is"),
        (("raise", "day", "0"), "a raise by nothing changes nothing"),
        (("set", "day", "$0.00"), "a limit of nothing lets nothing run"),
        (("set", "fun", "5"), "there is no limit on 'fun': there are session, project, person, chat, day, week, month"),
        (("raise", "day", "5", "--for", "2h", "--until", "18:00"), "--for and --until say the same: write one of them"),
    ],
)
def test_what_nobody_can_have_meant_is_one_sentence(
    refused: Callable[..., str], arguments: tuple[str, ...], words: str
) -> None:
    """Before any gateway is asked, and exit code 1."""
    assert words in refused(*arguments)


def test_a_wrong_option_is_a_usage_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That an amount may begin with a hyphen does not let through what is misspelled."""
    monkeypatch.setenv("TOLLBRIDGE_HOME", str(home))
    assert run(["budget", "raise", "day", "5", "--wy", "because"]) == 2
    assert run(["budget", "raise", "day"]) == 2


def test_nothing_heavy_is_loaded_to_knock(home: Path) -> None:
    """Neither the settings nor the store nor the event loop: a limit is raised in a moment."""
    code = (
        "import sys; from gateway.cli.run import run; run(['budget', 'raise', 'day', '5']); "
        "print(*sorted({'gateway.config', 'sqlalchemy', 'anyio', 'asyncio', 'h11', 'structlog', 'telegram'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(home), capture_output=True, text=True, timeout=150, check=True
    )
    assert done.stdout.strip() == ""
    assert "no Tollbridge gateway is running" in done.stderr


def test_a_question_that_does_not_arrive_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody who waits should know that nobody has been asked yet; and what is asked anew is told as well."""

    def told(words: str, *, shown: bool) -> Answer:
        return Answer(200, {"state": "asked", "words": words, "shown": shown})

    known = changing._news(told("Asked.", shown=False), "", 0)
    known = changing._news(told("Asked.", shown=False), known, changing.ARRIVES_S)
    assert capsys.readouterr().out == ""
    for _ in range(2):
        known = changing._news(told("Asked.", shown=False), known, changing.ARRIVES_S + 1)
    assert capsys.readouterr().out == "Asked. It has not arrived there yet: can the chat's service be reached?\n"
    known = changing._news(told("Asked again.", shown=True), known, 60)
    assert (known, capsys.readouterr().out) == ("Asked again.", "Asked again.\n")


def test_a_gateway_that_is_not_able_to_answer_is_asked_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A database that is locked for a moment does not end the waiting."""
    answers = iter(
        (
            Answer(503, {"error": "the database is locked"}),
            Answer(200, {"state": "done", "words": "It is.", "shown": True}),
        )
    )
    monkeypatch.setattr(client, "ask", lambda *_: next(answers))
    monkeypatch.setattr(changing, "RETRY_S", 0.01)
    assert changing.wait(home, "ask_1") == "It is."
    assert "The gateway does not answer." in capsys.readouterr().out


def test_a_gateway_that_does_not_come_back_ends_the_waiting(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With where to look later; nothing waits for ever."""
    monkeypatch.setattr(changing, "BACK_S", 0.0)
    monkeypatch.setattr(changing, "RETRY_S", 0.01)
    with pytest.raises(changing.TollbridgeError, match="`tollbridge budget history` tells later"):
        changing.wait(home, "ask_1")
    assert os.listdir(home) == []  # noqa: PTH208 - nothing was made
