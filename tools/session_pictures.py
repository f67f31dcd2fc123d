"""Make the README's picture of a session in the chat: play it over real HTTP against the stand-in for Telegram, and draw its record.

Usage: python -m tools.session_pictures   writes docs/session.svg. The gateway, its gate, meter and ledger are the real ones; the agent
is the scripted one, and time passes only where its script says so, so that the picture is the same each time it is made.
"""

import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.lowlevel

from gateway import lock
from gateway.agents.scripted import CallApi, Say, Script, ScriptedAgent, UseTool
from gateway.chats.telegram import TelegramChat
from gateway.domain.budget import ScopeKind
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Role, Thread
from gateway.domain.usage import Tokens
from gateway.engine import Clock, Engine, Rules, World
from gateway.pricing import ListPrices
from gateway.store import open_store
from tests.fakes.bot_api import BotApi, Phone, Seen
from tools.phone_screen import Bubble, Screen, draw

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "session.svg"
BEGINS = datetime(2026, 3, 2, 14, 2, tzinfo=UTC)
LIMIT_S = 20
LOOKS = 4
"""So often nothing is on its way before the screen is taken for what it will stay."""
PROMPT = "Speed up the nightly report"
ANSWER = """The nightly report takes **41 s instead of 6 min**: it asked the database once per customer.

```python
rows = await db.all(TOTALS, names)
```

| step | before | now |
|---|---|---|
| queries | 5,214 | 3 |
| report | 352 s | 38 s |
| mail | 4 s | 3 s |

`pytest -q`: 214 passed."""
BEFORE = tuple(f"Look at module {number}" for number in range(12))
"""What the forecast rests on."""
REPORT = Script(
    (
        CallApi(Tokens(input=4, cache_write_5m=21_400, output=900), 4),
        UseTool("Read", "src/report.py", lasts=1),
        CallApi(Tokens(input=4, cache_read=21_400, cache_write_5m=9_800, output=1_400), 6),
        UseTool("Grep", "SELECT", lasts=1),
        CallApi(Tokens(input=4, cache_read=31_200, cache_write_5m=12_400, output=7_600), 9),
        UseTool("Edit", "src/report.py", lasts=1),
        CallApi(Tokens(input=4, cache_read=43_600, cache_write_5m=6_200, output=9_800), 12),
        UseTool("Bash", "pytest -q", lasts=38),
        CallApi(Tokens(input=4, cache_read=49_800, cache_write_5m=2_100, output=3_100), 8),
        Say(ANSWER),
    )
)


def agent_plays(prompt: str, context: int) -> Script:
    """What the agent does with a prompt. Those before are smaller, and of several sizes."""
    del context
    if prompt not in BEFORE:
        return REPORT
    size = 2_000 + 700 * (5 * BEFORE.index(prompt) % 12)
    return Script((CallApi(Tokens(input=4, cache_write_5m=3 * size, output=size)), Say("Looked at.")))


class QuickChat(TelegramChat):
    """The real chat, without its patience between two messages."""

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        """None: the stand-in bans nobody."""
        return 0


@dataclass
class Time:
    """The session's own clock."""

    passed_ms: int = 0

    def now_ms(self) -> int:
        """When it is."""
        return int(BEGINS.timestamp() * 1000) + self.passed_ms

    async def sleep(self, seconds: float) -> None:
        """It is so much later."""
        self.passed_ms += round(seconds * 1000)
        await anyio.lowlevel.checkpoint()


@dataclass
class Stage:
    """The phone, the gateway's world, and when each message was first seen."""

    telegram: BotApi
    phone: Phone
    world: World
    time: Time
    dated: dict[int, datetime | None]

    async def settled(self, words: str) -> None:
        """Wait until the words are on the screen and nothing more is on its way there."""
        await self.phone.waits_for(words, timeout=LIMIT_S)
        quiet = 0
        with anyio.fail_after(LIMIT_S):
            while quiet < LOOKS:
                await anyio.sleep(0.2)
                waits = await self.world.store.outbox(self.world.chat.service, 1, self.time.now_ms())
                done = all(r.done for r in self.telegram.requests("sendMessage", "editMessageText"))
                quiet = quiet + 1 if done and not waits else 0

    def presses(self, begins: str) -> None:
        """Press the button whose label begins so."""
        labels = [key.text for seen in self.phone.sees() for key in seen.buttons if key.text.startswith(begins)]
        if not labels:
            raise SystemExit(
                f"no key begins with {begins!r}: {[[k.text for k in one.buttons] for one in self.phone.sees()]}"
            )
        self.phone.taps(labels[-1])

    def screen(self, title: str) -> Screen:
        """What stands there now."""
        now = BEGINS + timedelta(milliseconds=self.time.passed_ms)
        bubbles: list[Bubble] = []
        for seen in self.phone.screen():
            at = self.dated.setdefault(seen.message_id, now)
            if at is not None:
                bubbles.append(bubble(seen, f"{at:%H:%M}"))
        return Screen(title, tuple(bubbles))


def bubble(seen: Seen, at: str) -> Bubble:
    """A message as it is drawn."""
    rows = (seen.reply_markup or {}).get("inline_keyboard", [])
    marks = tuple((one["type"], one["offset"], one["length"]) for one in seen.entities)
    keys = tuple(tuple(str(key["text"]) for key in row) for row in rows)
    return Bubble(seen.text, marks, keys, at, own=not seen.by_bot)


async def play(stage: Stage) -> tuple[Screen, ...]:
    """A prompt, a question, a pause at the limit, and the answer."""
    for number, words in enumerate(BEFORE, start=1):
        stage.phone.says(words)
        await stage.telegram.until(
            lambda n=number: sum("tokens" in one.text for one in stage.phone.sees()) == n, LIMIT_S
        )
    limits = {ScopeKind.SESSION: Usd.parse("5")}
    stage.world.rules = replace(stage.world.rules, limits=limits, confirm_above=Usd.parse("0.25"))
    stage.phone.says("/new")
    await stage.settled("New session")
    stage.dated = dict.fromkeys((one.message_id for one in stage.phone.screen()), None)
    stage.phone.says(PROMPT)
    await stage.settled("9 in 10")
    asked = stage.screen("It asks before it spends")
    await stage.time.sleep(40)
    stage.presses("Run, up to")
    await stage.settled("what was agreed for this turn")
    paused = stage.screen("At the limit it pauses")
    await stage.time.sleep(80)
    stage.presses("Go on")
    await stage.settled("214 passed")
    return asked, paused, stage.screen("And says what it cost")


async def session(home: Path) -> tuple[Screen, ...]:
    """Play it in a gateway of its own; the screens that it left."""
    time, screens = Time(), ()
    with BotApi() as telegram:
        phone = telegram.user(4711, "Ada")
        rules = Rules(
            agent="scripted",
            directory=str(home),
            roots=(str(home),),
            limits={ScopeKind.SESSION: Usd.parse("20")},
            confirm_above=Usd.parse("5"),
            step=Usd.parse("0.50"),
            timezone=UTC,
            people=(Grant(str(phone.user_id), Role.OWNER),),
        )
        chat = QuickChat(telegram.token, telegram.base_url, poll_s=1, now_ms=time.now_ms)
        agent = ScriptedAgent(agent_plays, pace=1.0, sleep=time.sleep)
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(open_store(lock.make_home(home / "home"), time.now_ms))
            await stack.enter_async_context(chat)
            await stack.enter_async_context(agent)
            world = World(store, chat, {"scripted": agent}, ListPrices(), rules, clock=Clock(now_ms=time.now_ms))
            engine = Engine(world)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(engine.run)
                await engine.ready.wait()
                screens = await play(Stage(telegram, phone, world, time, {}))
                tasks.cancel_scope.cancel()
            if telegram.violations:
                raise SystemExit(f"Telegram would not have taken it: {telegram.violations}")
    return screens


def picture() -> str:
    """The session as SVG."""
    with tempfile.TemporaryDirectory() as directory:
        return draw(anyio.run(session, Path(directory)))


def main() -> None:
    """Write it into docs/."""
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
