"""kill -9 at random with three live sessions at the desk: their clients, their relays and the gateway. TBTEST_KILLS says how often."""

import os
import sys
from pathlib import Path
from random import Random, SystemRandom

import anyio
import pytest

from gateway.domain.budget import EntryKind
from tests.crash import books
from tests.crash.desk_rig import Desk, counts, desks
from tests.crash.rig import Gateway, Machine
from tests.fakes.messages_script import Counts

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(900)]

KILLS = int(os.environ.get("TBTEST_KILLS", "6"))
SEED = "TBTEST_KILLS_SEED"
"""Set it to repeat the moments of an earlier run."""
VICTIMS = ("relay", "gateway", "client")
PATIENCE_S = 5.0
SETTLED_S = 120.0


class Life:
    """What goes on: people write, one of them taps at once, and something is killed."""

    def __init__(self, here: Machine, sessions: list[Desk], gateway: Gateway, random: Random) -> None:
        self.here = here
        self.sessions = sessions
        self.gateway = gateway
        self.random = random
        self.enough = False

    async def writes(self, desk: Desk) -> None:
        """Write again and again: mostly when the last message is there."""
        while not self.enough:
            desk.says()
            with anyio.move_on_after(self.random.uniform(0.5, 3)):
                while desk.said[-1] not in {text for _, text in desk.received()}:  # noqa: ASYNC110 - a file tells
                    await anyio.sleep(0.1)
            await anyio.sleep(self.random.uniform(0, 0.5))

    async def taps(self, desk: Desk) -> None:
        """Send again what is not confirmed, as soon as the phone says so."""
        while not self.enough:
            for text in desk.said:
                desk.send_again(text)
            await anyio.sleep(0.3)

    async def kill(self, victim: str) -> None:
        """Kill it at some moment, and start it again a little later."""
        if self.random.random() < 0.7:
            handed = self.gateway.passed.count("prompt.handed") + 1
            with anyio.move_on_after(PATIENCE_S):
                await self.gateway.until("prompt.handed", handed)
        await anyio.sleep(self.random.uniform(0, 0.6))
        desk = self.random.choice(self.sessions)
        match victim:
            case "gateway":
                await self.here.kill(self.gateway)
                await anyio.sleep(self.random.uniform(0, 0.3))
                self.gateway = await self.here.start()
            case "client":
                desk.kill()
                await anyio.sleep(self.random.uniform(0, 1))
                desk.open("resume")
            case _:
                desk.kill_relay()


async def all_are_there(sessions: list[Desk]) -> None:
    """Every message has arrived, those that were not confirmed after a tap; nobody else does anything for it."""
    missing: list[tuple[Desk, str]] = []
    with anyio.move_on_after(SETTLED_S):
        while missing := [(desk, text) for desk in sessions for text in desk.missing()]:
            for desk, text in missing:
                desk.send_again(text)
            await anyio.sleep(0.3)
    told = [
        (seen.text, [button.text for button in seen.buttons])
        for desk, text in missing
        for seen in desk.phone.sees()
        if seen.text.startswith(text)
    ]
    assert [text for _, text in missing] == [], told


def check_messages(sessions: list[Desk]) -> None:
    """Each message where it belongs, once, or once more for each tap; none was pushed twice; each answer on its phone."""
    for desk in sessions:
        received = desk.received()
        assert len({name for name, _ in received}) == len(received), "a pushed message was taken twice"
        pushed = [
            entry["frame"]["params"]["meta"]["message_id"]
            for entry in desk.record()
            if entry.get("frame", {}).get("method") == "notifications/claude/channel"
        ]
        assert len(set(pushed)) == len(pushed), "a message was pushed twice"
        assert {name for name, _ in received} <= set(pushed)
        texts = [text for _, text in received]
        continued = [text for text in texts if text.startswith("Continue where you left off")]
        assert continued == []
        assert set(texts) == set(desk.said)
        for text in desk.said:
            assert 1 <= texts.count(text) <= 1 + desk.taps[text], text
        for other in sessions:
            seen = {one.text for one in other.phone.sees()}
            for answer in desk.answers():
                there = any(answer in text.splitlines() for text in seen)
                assert there == (other is desk), (answer, other.phone.user_id)


def check_books(here: Machine, sessions: list[Desk]) -> books.Books:
    """The ledger holds, nothing is held or waits, and every token of the transcripts is booked, once."""
    account = books.read(here)
    books._nothing_is_open(account)
    booked = Counts()
    for record in account.records:
        if record.entry.kind in (EntryKind.CALL, EntryKind.RECONCILED):
            booked += books.tokens_of(record)
    used = Counts()
    for desk in sessions:
        used += counts(desk.used())
    assert booked == used
    assert [v for v in here.telegram.violations if v.kind != "server"] == []
    return account


async def test_kills_at_random_lose_no_message_and_deliver_none_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever dies whenever: each message reaches the session of its thread once, or the phone says that it is not confirmed
    and a tap sends it again; the books equal the transcripts.
    """
    seed = int(os.environ.get(SEED) or SystemRandom().randrange(1 << 32))
    sys.stdout.write(f"{SEED}={seed}\n")
    random = Random(seed)  # noqa: S311 - moments, not secrets
    victims = [random.choice(VICTIMS) for _ in range(KILLS)]
    async with desks(tmp_path) as (here, sessions):
        gateway = await here.start()
        await gateway.until("recovered")
        for desk in sessions:
            desk.open("startup")
            await desk.phone.waits_for("Open at the desk", timeout=120)
        life = Life(here, sessions, gateway, random)
        async with anyio.create_task_group() as people:
            for desk in sessions:
                people.start_soon(life.writes, desk)
            people.start_soon(life.taps, sessions[0])
            for victim in victims:
                await life.kill(victim)
            life.enough = True
        await all_are_there(sessions)
        await here.rests()
        for desk in sessions:
            for answer in desk.answers():
                await desk.phone.waits_for(answer, timeout=120)
        for desk in sessions:
            assert await desk.leaves() == 0
        assert await life.gateway.stop() == 0
        check_messages(sessions)
        account = check_books(here, sessions)
        with capsys.disabled():
            sys.stdout.write(
                f"\n{SEED}={seed}: {KILLS} kills ({', '.join(f'{victims.count(one)} {one}' for one in VICTIMS)}); "
                f"{sum(len(desk.said) for desk in sessions)} messages, "
                f"{sum(len(desk.received()) for desk in sessions)} receipts, "
                f"{sum(desk.taps.total() for desk in sessions)} sent again; turns {dict(account.states)}\n"
            )
