"""What goes wrong between Telegram and the gateway, over real HTTP: nothing is lost, and nothing happens twice."""

from collections import Counter
from pathlib import Path

import anyio
import pytest

from gateway.domain.money import Usd
from gateway.domain.turn import TurnState
from gateway.store import open_readonly
from tests.engine.bench import put_forward
from tests.fakes.bot_api import BotApi, Request
from tests.fakes.bot_api_phone import Phone
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Text, Tool
from tests.journeys.rig import OWNER, Rig, owners, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

DONE = TurnState.FINISHED
AT = "@tollbridge_test_bot"


def holds(words: str):
    """Whether a request's text holds the words."""

    def fits(request: Request) -> bool:
        return words in str(request.params.get("text", ""))

    return fits


def shown(phone: Phone, words: str) -> int:
    """In how many messages the words stand."""
    return sum(words in seen.text for seen in phone.sees())


async def finished(gateway: Rig, count: int = 1) -> None:
    """Wait until so many turns have ended well."""
    await gateway.until(lambda turns: [turn.state for turn in turns] == [DONE] * count)


async def test_an_update_that_comes_three_times_is_one_run(tmp_path: Path) -> None:
    """Twice in one batch, and once more to the next gateway because no confirmation ever arrived: one run, one answer."""
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        deaf = True
        telegram.drop_next("getUpdates", times=1000, when=lambda request: deaf and "offset" in request.params)
        async with rig(tmp_path, api, telegram, phone) as gateway:
            phone.says("hello")
            telegram.push_raw(telegram.pending[-1])
            await gateway.sees("echo: hello")
            await finished(gateway)
        assert len(telegram.pending) == 2
        deaf = False
        async with rig(tmp_path, api, telegram, phone) as gateway:
            phone.says("again")
            await gateway.sees("echo: again")
            await finished(gateway, 2)
            assert [charge.request.prompt for charge in api.charges] == ["hello", "again"]
            assert shown(phone, "echo: hello") == 1


async def test_a_poison_update_is_put_aside_and_the_next_one_is_handled(tmp_path: Path) -> None:
    """Updates that nobody can read are quarantined with the reason and confirmed; what follows runs."""
    async with rig(tmp_path) as gateway:
        for poison in ({"message": {"chat": "nonsense"}}, {"message": 7}, {"callback_query": {"id": []}}):
            gateway.telegram.push_raw(poison)
        gateway.phone.says("hello")
        await gateway.sees("echo: hello")
        await finished(gateway)
        await gateway.telegram.until(lambda: not gateway.telegram.pending, 30)
    with open_readonly(tmp_path / "home") as reader:
        aside = reader.quarantined()
        assert len(aside) == 3
        assert all(why for _, _, why in aside)


async def test_a_flood_limit_is_waited_out_and_the_answer_comes_once(tmp_path: Path) -> None:
    """429 with retry_after: nothing goes to that chat before the time is over, then the answer, once."""
    async with rig(tmp_path) as gateway:
        gateway.telegram.fail_next("sendMessage", retry_after=2, when=holds("echo"))
        gateway.phone.says("hello")
        await finished(gateway)

        def sent() -> list[Request]:
            # The words may stand in the status message before: the answer is what is sent.
            return [r for r in gateway.telegram.requests("sendMessage") if holds("echo")(r)]

        def both() -> bool:
            return [request.status is not None for request in sent()] == [True, True]

        await gateway.telegram.until(both, 30, "two deliveries of the answer")
        refused, taken = sent()
        assert (refused.status, taken.status) == (429, 200)
        assert taken.at - refused.at >= 2
        await gateway.telegram.until(
            lambda: shown(gateway.phone, "echo: hello") == 1, 10, "one message with the answer"
        )


async def test_a_second_poller_is_survived(tmp_path: Path) -> None:
    """409 while another program polls: the gateway goes on, and what was written meanwhile is handled once."""
    async with rig(tmp_path) as gateway:
        gateway.telegram.world.updates.conflict_pause = 0.1
        for _ in range(2):
            await gateway.telegram.until(gateway.telegram.rival_polls, 30)
        gateway.phone.says("hello")
        await gateway.sees("echo: hello")
        await finished(gateway)
        assert 409 in {request.status for request in gateway.telegram.requests("getUpdates")}
        assert len(gateway.api.charges) == 1


async def test_an_answer_that_may_have_arrived_is_not_repeated_until_it_is_marked(tmp_path: Path) -> None:
    """The response to the final message is lost: it is noted as uncertain and not sent again blindly; the next start sends it
    once more and says that it may be a repeat.
    """
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        telegram.lose_next("sendMessage", when=holds("echo"))
        async with rig(tmp_path, api, telegram, phone) as gateway:
            phone.says("hello")
            await finished(gateway)
            await telegram.until(lambda: shown(phone, "echo: hello"), 30)
            [(_, ref, _)] = await gateway.steps.until(gateway.store.unsure, bool)
            assert ref.endswith(":end")
            await anyio.sleep(1.5)  # longer than the pace of the chat: a blind repeat would be there by now
            assert shown(phone, "echo: hello") == 1
        async with rig(tmp_path, api, telegram, phone) as gateway:
            await gateway.sees("may be a repeat")
            assert shown(phone, "echo: hello") == 2
            assert await gateway.store.unsure() == ()
            assert len(api.charges) == 1


async def test_a_server_that_fails_is_asked_again(tmp_path: Path) -> None:
    """500, 502 and connections cut before the request on every way: the prompt runs once and is answered once."""
    async with rig(tmp_path) as gateway:
        gateway.telegram.fail_next("getUpdates", status=502, html=True)
        gateway.telegram.drop_next("getUpdates")
        gateway.telegram.cut_next("editMessageText")
        gateway.telegram.fail_next("sendMessage", status=500, when=holds("echo"))
        gateway.phone.says("hello")
        await gateway.sees("echo: hello")
        await finished(gateway)
        await gateway.phone.waits_for("Done · 1 call", timeout=40)
        assert shown(gateway.phone, "echo: hello") == 1
        assert len(gateway.api.charges) == 1


async def test_an_outage_of_telegram_costs_nothing_but_time(tmp_path: Path) -> None:
    """Telegram is away while the agent works: the turn ends and settles, and the answer comes when it is back."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text("Here it is.")], prompt="hello")
        gateway.phone.says("hello")
        await gateway.charged(1)
        gateway.telegram.goes_down()
        await finished(gateway)
        gateway.telegram.comes_back()
        await gateway.sees("Here it is.")
        gateway.phone.says("and now?")
        await gateway.sees("echo: and now?")
        await finished(gateway, 2)
        assert Counter(charge.request.prompt for charge in gateway.api.charges) == {"hello": 1, "and now?": 1}


async def refused(gateway: Rig, phone: Phone, data: str, message_id: int, words: str) -> None:
    """A press that means nothing: it is answered with the reason, and nothing is called."""
    answer = await phone.waits_for_answer(phone.taps(data, message_id, stale=True), timeout=30)
    assert answer.text == words
    assert gateway.api.charges == []


async def test_buttons_count_only_for_their_people_their_chat_and_their_message(tmp_path: Path) -> None:
    """Attacks 12, 22, 23 and 24: another member, forged data, another chat, another message and other letters: each is told so, and no call is made.
    What an unlisted member writes is not answered at all.
    """
    with MessagesApi() as api, BotApi(reads_all=True) as telegram:
        ada, eve, bob = telegram.user(OWNER, "Ada"), telegram.user(666, "Eve"), telegram.user(4712, "Bob")
        team = telegram.group(-1001, "Team")
        here, watching = team.joined_by(ada), team.joined_by(eve)
        async with rig(tmp_path, api, telegram, here, confirm="0.10", people=owners(ada, bob)) as gateway:
            bob.says("/help")
            elsewhere = await bob.waits_for("Write to your agent", timeout=40)
            watching.says(f"/budget{AT} 1000")
            watching.says(f"{AT} hello")
            here.says(f"{AT} hello")
            asked = await gateway.sees("enough history")
            assert len(await gateway.turns()) == 1
            run, no = asked.buttons
            assert run.data is not None
            await refused(gateway, watching, run.data, asked.message_id, "You may not answer this.")
            await refused(gateway, here, run.data[:-1] + "~", asked.message_id, "This button is not valid here.")
            await refused(gateway, here, "run:all", asked.message_id, "This button is not valid here.")
            await refused(gateway, bob, run.data, elsewhere.message_id, "This button is not valid here.")
            here.says(f"/help{AT}")
            other = await gateway.sees("Write to your agent")
            await refused(gateway, here, run.data, other.message_id, "This button is not valid here.")
            assert no.data is not None
            await here.waits_for_answer(here.taps("No", asked.message_id))
            await gateway.ended(TurnState.REFUSED)
            await refused(gateway, here, run.data, asked.message_id, "This was answered already.")


async def test_two_owners_and_a_double_tap_are_one_yes(tmp_path: Path) -> None:
    """Attack 25: both owners press, one of them twice: the run starts once, the others hear that it was answered."""
    with MessagesApi() as api, BotApi(reads_all=True) as telegram:
        ada, bob = telegram.user(OWNER, "Ada"), telegram.user(4712, "Bob")
        team = telegram.group(-1001, "Team")
        here, there = team.joined_by(ada), team.joined_by(bob)
        async with rig(tmp_path, api, telegram, here, confirm="0.10", people=owners(ada, bob)) as gateway:
            here.says(f"{AT} hello")
            asked = await gateway.sees("enough history")
            taps = [phone.taps("Run, up to $0.50", asked.message_id) for phone in (here, there, here)]
            texts = [(await here.waits_for_answer(tap, timeout=30)).text for tap in taps]
            assert texts == ["", "This was answered already.", "This was answered already."]
            await gateway.sees("echo: hello")
            await finished(gateway)
            assert len(api.charges) == 1


async def test_a_press_after_the_time_is_over_has_no_effect(tmp_path: Path) -> None:
    """Attack 26: the question expires closed; its buttons say so, also where Telegram itself no longer takes an answer to the press."""
    async with rig(tmp_path, confirm="0.10", approval_ms=60_000) as gateway:
        gateway.phone.says("hello")
        asked = await gateway.sees("enough history")
        put_forward(gateway.world, 60_000)
        data = asked.buttons[0].data
        assert data is not None
        await gateway.ended(TurnState.REFUSED)
        await refused(gateway, gateway.phone, data, asked.message_id, "This has expired.")
        gateway.phone.taps(data, asked.message_id, stale=True)
        gateway.telegram.expire_callbacks()
        await gateway.telegram.until(lambda: not gateway.telegram.pending, 30)
        await gateway.phone.waits_for("Nobody answered in time.")
        assert gateway.api.charges == []


async def test_a_press_after_a_restart_starts_the_run_but_revives_no_tool(tmp_path: Path) -> None:
    """Attack 26: a run that was asked about is still open to the next gateway; a tool that a dead agent asked for is not."""
    with MessagesApi() as api, BotApi() as telegram:
        phone = telegram.user(OWNER, "Ada")
        target = tmp_path / "work" / "a.txt"
        api.script([Tool("Write", {"file_path": str(target), "content": "a"}), Text("Written.")], prompt="write")
        async with rig(tmp_path, api, telegram, phone, confirm="0.10") as gateway:
            phone.says("write")
            await gateway.sees("enough history")
        async with rig(tmp_path, api, telegram, phone, confirm="0.10") as gateway:
            await gateway.taps("enough history", "Run, up to $0.50")
            asked = await gateway.sees("wants to run")
            allow = asked.buttons[0].data
            assert allow is not None
        async with rig(tmp_path, api, telegram, phone, confirm="0.10") as gateway:
            await gateway.ended(TurnState.INTERRUPTED)
            tap = phone.taps(allow, asked.message_id, stale=True)
            assert (await phone.waits_for_answer(tap, timeout=30)).text == "This has expired."
            assert not target.exists()
            assert len(api.charges) == 1
            await gateway.exact()


async def test_a_button_of_a_person_who_was_removed_means_nothing(tmp_path: Path) -> None:
    """Bob was an owner when he got the question; the settings no longer name him when he presses."""
    with MessagesApi() as api, BotApi() as telegram:
        ada, bob = telegram.user(OWNER, "Ada"), telegram.user(4712, "Bob")
        async with rig(tmp_path, api, telegram, bob, confirm="0.10", people=owners(ada, bob)) as gateway:
            bob.says("hello")
            asked = await gateway.sees("enough history")
        async with rig(tmp_path, api, telegram, bob, confirm="0.10", people=owners(ada)) as gateway:
            tap = bob.taps("Run, up to $0.50", asked.message_id)
            assert (await bob.waits_for_answer(tap, timeout=30)).text == "You may not answer this."
            assert api.charges == []


async def test_an_amount_sent_as_a_reply_answers_the_question(tmp_path: Path) -> None:
    """Over real HTTP: the reply names the question's message, and the run is allowed what it says."""
    async with rig(tmp_path, confirm="0.10") as gateway:
        gateway.phone.says("hello")
        asked = await gateway.sees("enough history")
        gateway.phone.says("0.75", reply_to=asked.message_id)
        await gateway.sees("Run, up to $0.75.")
        await gateway.sees("echo: hello")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.ceiling == Usd.parse("0.75")
