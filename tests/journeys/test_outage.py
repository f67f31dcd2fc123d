"""Telegram away, slow, strict or doubtful, over real HTTP with a scripted agent: all is accounted for, in order, and nothing twice."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from structlog.testing import capture_logs

from gateway.agents.scripted import CallApi, Say, Script
from gateway.domain.approval import APPROVAL_REF
from gateway.domain.money import Usd
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Tokens
from tests.fakes.bot_api import BotApi, Phone, Request
from tests.fakes.bot_api_markdown import utf16
from tests.journeys.scripted import Scripted, rules, scripted

pytestmark = pytest.mark.anyio

HOUR_S = 3_600
MANY = 500
HANDLED_WITHIN_S = 60
RUN_WITHIN_S = 300
WAITS = (TurnState.QUEUED, TurnState.HELD, TurnState.RUNNING)


@pytest.fixture
def telegram() -> Iterator[BotApi]:
    """The stand-in; at the end nothing was sent that Telegram would have refused."""
    with BotApi() as server:
        yield server
        assert server.violations == []


@pytest.fixture
def ada(telegram: BotApi) -> Phone:
    """The owner."""
    return telegram.user(4711, "Ada")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where the agent works."""
    made = tmp_path / "work"
    made.mkdir()
    return made


def says(words: str) -> Script:
    """An agent that makes a call of two cents and says this."""
    return Script((CallApi(Tokens(output=800)), Say(words)))


def shown(phone: Phone, words: str) -> int:
    """In how many messages the words stand."""
    return sum(words in seen.text for seen in phone.sees())


def writes_while_away(phone: Phone, count: int, ago_s: int) -> list[str]:
    """Messages that nobody fetched, the last of them so many seconds ago and each a second after the one before."""
    texts = [f"task {number}" for number in range(count)]
    for number, text in enumerate(texts):
        phone.says(text, ago_s=ago_s + count - number)
    return texts


def ran(gateway: Scripted) -> list[str]:
    """What the agent was really told, in order."""
    return [text for _, text in gateway.agent.prompts]


def states(turns: list[Turn]) -> list[TurnState]:
    """What became of each."""
    return [turn.state for turn in turns]


# ------------------------------------------------------------------------------------------------------- an hour offline
async def test_five_hundred_messages_after_an_hour_offline_all_run_in_order_once(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """One question counts them all, and none runs before it is answered; then each of them runs and is answered, as they were written."""
    texts = writes_while_away(ada, MANY, HOUR_S)
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        await ada.waits_for(f"{MANY} messages wait, the oldest sent 1 h ago", timeout=HANDLED_WITHIN_S)
        assert [turn.prompt for turn in await gateway.turns()] == texts
        assert gateway.agent.charges == []
        assert len(ada.sees()) == 1

        async def charges() -> int:  # to look at every turn after every step would take longer than the work
            return len(gateway.agent.charges)

        ada.taps("Run all")
        await gateway.steps.until(charges, lambda count: count == MANY, RUN_WITHIN_S)
        turns = await gateway.ended(MANY)
        assert [turn.prompt for turn in turns] == ran(gateway) == texts
        await telegram.until(lambda: shown(ada, "Done so far.") == MANY, RUN_WITHIN_S)
        assert await charges() == MANY
        assert not telegram.pending


async def test_what_was_told_to_run_after_an_outage_goes_on_after_a_restart(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """The gateway stops while they run: the next one goes on behind the last that ended, and none runs twice."""
    texts = writes_while_away(ada, 30, HOUR_S)
    first: list[str] = []
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        await ada.waits_for("30 messages wait", timeout=30)
        ada.taps("Run all")
        await gateway.until(lambda turns: states(turns).count(TurnState.FINISHED) >= 5)
        first = ran(gateway)
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        turns = await gateway.until(lambda turns: not set(states(turns)) & set(WAITS))
        began = first + ran(gateway)
        assert sorted(began, key=texts.index) == began  # in order
        assert len(set(began)) == len(began)
        told = (TurnState.FINISHED, TurnState.INTERRUPTED)
        assert [turn.prompt for turn in turns if turn.state in told] == texts
        assert states(turns).count(TurnState.INTERRUPTED) <= 1


async def test_all_of_an_outage_is_dropped_by_one_press(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """Forty messages, one question, one press: none of them runs, now or after a restart, and what comes next does."""
    writes_while_away(ada, 40, HOUR_S)
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        await ada.waits_for("40 messages wait", timeout=30)
        ada.taps("Drop all")
        await ada.waits_for("Dropped: none of the 40 runs.", timeout=30)
        assert states(await gateway.turns()) == [TurnState.REFUSED] * 40
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        ada.says("and now?")
        await ada.waits_for("Done so far.", timeout=30)
        assert ran(gateway) == ["and now?"]


async def test_some_of_an_outage_are_chosen_one_by_one(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """Three are shown; the second runs, the first is dropped, and the third still waits for its word."""
    writes_while_away(ada, 3, HOUR_S)
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        await ada.waits_for("3 messages wait", timeout=30)
        ada.taps("Choose")
        one, two = [await ada.waits_for(f": task {number}", timeout=30) for number in (0, 1)]
        ada.taps("Run", two.message_id)
        await gateway.ended(1)
        ada.taps("Drop", one.message_id)
        await ada.waits_for("A message waits that was sent 1 h ago", timeout=30)
        assert ran(gateway) == ["task 1"]
        assert states(await gateway.turns()) == [TurnState.REFUSED, TurnState.FINISHED, TurnState.QUEUED]


async def test_a_short_outage_runs_as_if_nothing_had_been_and_says_what_it_cannot_take(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """Messages of five minutes ago run unasked, in order, as many as may wait; of each further one the person is told."""
    texts = writes_while_away(ada, 12, 300)
    lasts = anyio.Event()
    play = Script((CallApi(Tokens(output=800), lasts), Say("Done so far.")))
    async with scripted(tmp_path / "home", telegram, rules(work, ada, open_turns_max=8), play) as gateway:
        await telegram.until(lambda: shown(ada, "8 messages wait already") == 4, 30)
        lasts.set()
        turns = await gateway.ended(8)
        assert [turn.prompt for turn in turns] == ran(gateway) == texts[:8]
        await telegram.until(lambda: shown(ada, "Done so far.") == 8, 30)


# --------------------------------------------------------------------------------------------------- 429, 409, lost answers
async def test_a_flood_limit_of_one_chat_holds_up_no_other(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """Ada's chat is to be left alone for two seconds: Bob has his answer before, and hers comes once, when the time is over."""
    bob = telegram.user(4712, "Bob")
    async with scripted(tmp_path / "home", telegram, rules(work, ada, bob), says("Done so far.")) as gateway:
        telegram.flood(ada.chat_id, 2)
        ada.says("hello")
        await gateway.ended(1)
        bob.says("hello")
        await bob.waits_for("Done so far.", timeout=30)
        assert not shown(ada, "Done so far.")
        await ada.waits_for("Done so far.", timeout=30)
        assert shown(ada, "Done so far.") == 1
        to_ada = [r for r in telegram.requests("sendMessage") if r.params["chat_id"] == ada.chat_id]
        refused = [request for request in to_ada if request.status == 429]
        assert refused
        again = next(request for request in to_ada if request.status == 200)
        assert again.at - refused[-1].at >= 1


async def test_an_answer_that_met_a_flood_limit_outlives_the_gateway(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """It was refused with 429 when the gateway stopped: the next one sends it, once, and not before the time is over."""
    limit = 4
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        telegram.flood(ada.chat_id, limit)
        ada.says("hello")
        await gateway.ended(1)
        await telegram.until(lambda: [r for r in telegram.requests("sendMessage") if r.status == 429], 30)
        assert not ada.sees()
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")):
        await ada.waits_for("Done so far.", timeout=30)
        await ada.waits_for("Done · 1 call", timeout=30)
        assert shown(ada, "Done so far.") == 1


async def test_a_second_poller_raises_an_alarm_and_its_end_is_told(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """409: the log says what is wrong and what to do, once, and that it is over; what was written meanwhile is handled."""
    telegram.world.updates.conflict_pause = 0.1
    with capture_logs() as log:
        async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")):
            for _ in range(2):
                await telegram.until(telegram.rival_polls, 30)
            ada.says("hello")
            await ada.waits_for("Done so far.", timeout=30)
    told = [entry for entry in log if "updates from Telegram" in entry["event"]]
    assert {entry["log_level"] for entry in told} == {"error", "info"}
    assert "another program reads this bot's messages: stop it" in told[0]["problem"]
    assert told[-1]["event"] == "updates from Telegram come in again"


async def test_a_question_that_may_have_arrived_is_put_again_at_the_next_start_and_answered_once(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """The response to the question is lost: it is marked and not repeated blindly; the next gateway puts it again and says so."""
    asks = rules(work, ada, confirm_above=Usd.parse("0.01"))

    def question(request: Request) -> bool:
        return "reply_markup" in request.params

    telegram.lose_next("sendMessage", when=question)
    async with scripted(tmp_path / "home", telegram, asks, says("Done so far.")) as gateway:
        ada.says("hello")
        [(_, ref, _)] = await gateway.steps.until(gateway.store.unsure, bool)
        assert ref.startswith(APPROVAL_REF)
        assert len([seen for seen in ada.sees() if seen.buttons]) == 1
    async with scripted(tmp_path / "home", telegram, asks, says("Done so far.")) as gateway:
        await ada.waits_for("may be a repeat", timeout=30)
        latest = [seen for seen in ada.sees() if seen.buttons][-1]
        ada.taps(latest.buttons[0].text, latest.message_id)
        await gateway.ended(1)
        assert ran(gateway) == ["hello"]
        assert await gateway.store.unsure() == ()


async def test_changes_of_a_message_whose_answers_are_lost_are_made_again(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """An edit says the same however often it is made: the status ends as it should, in one message, with nothing in doubt."""
    telegram.lose_next("editMessageText", times=2)
    async with scripted(tmp_path / "home", telegram, rules(work, ada), says("Done so far.")) as gateway:
        ada.says("hello")
        await ada.waits_for("Done · 1 call", timeout=30)
        await ada.waits_for("Done so far.", timeout=30)
        assert await gateway.store.unsure() == ()
        assert (shown(ada, "Done · 1 call"), shown(ada, "Done so far.")) == (1, 1)


# ------------------------------------------------------------------------------------------------------------- its limits
async def test_an_answer_beyond_every_limit_of_a_message_arrives_whole(
    telegram: BotApi, ada: Phone, work: Path, tmp_path: Path
) -> None:
    """Ten thousand units with pairs of surrogates, and three hundred bold words: several messages, no word or mark is lost."""
    long = " ".join(f"word{number}\N{GRINNING FACE}" for number in range(900))
    bold = " ".join(f"**b{number}**" for number in range(300))
    async with scripted(
        tmp_path / "home", telegram, rules(work, ada), lambda text, _: says(long if text == "long" else bold)
    ):
        ada.says("long")
        await ada.waits_for("word899", timeout=30)
        ada.says("bold")
        await ada.waits_for("b299", timeout=30)
        seen = ada.sees()
        words = " ".join(message.text for message in seen).split()
        assert [word for word in words if word.startswith("word")] == long.split()
        marked = [entity for message in seen for entity in message.entities if entity["type"] == "bold"]
        assert len(marked) >= 300
        assert all(utf16(message.text) <= 4096 and len(message.entities) <= 100 for message in seen)
        assert sum(message.dropped_entities for message in seen) == 0
