"""Somebody is let in: the real chat over HTTP, the real client, a terminal that types and an owner who taps."""

import re
from pathlib import Path

import pytest

from gateway.domain.change import Asker, ChangeState
from gateway.domain.people import Terms, WindowState
from gateway.domain.place import Role
from gateway.domain.turn import TurnState
from gateway.engine import pairing
from tests.fakes.bot_api import BotApi
from tests.fakes.messages_api import MessagesApi
from tests.fakes.messages_script import Text
from tests.journeys.rig import OWNER, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

DESK = Asker("ada", "desk", (4_194_400, 1), terminal=True)
"""Pids that no system gives."""
NEWCOMER = 815


async def test_a_newcomer_is_a_stranger_until_a_code_and_a_tap_and_then_their_prompt_runs(tmp_path: Path) -> None:
    """Lines 3, 5 and 9: no answer and no call for a stranger; with the code typed and an owner's yes the agent works for them."""
    with MessagesApi() as api, BotApi() as telegram:
        phone, newcomer = telegram.user(OWNER, "Ada"), telegram.user(NEWCOMER, "Grace")
        async with rig(tmp_path, api, telegram, phone) as gateway:
            api.script([Text("Hello, Grace.")], prompt="say hello")
            for text in ("/pair", "say hello", "/start"):
                newcomer.says(text)
            phone.says("/help")
            await gateway.sees("Write to your agent")
            assert newcomer.sees() == []

            window = await pairing.opened(gateway.world, Terms(Role.WRITER), 10, DESK)
            newcomer.says("say hello")
            newcomer.says("/pair")
            told = await newcomer.waits_for("Your code is")
            [code] = re.findall(r"\b\w{4}-\w{4}\b", told.text)
            found = await pairing.typed(gateway.world, window.id, code, DESK)
            assert found.state is WindowState.FOUND
            assert 'given to 815, their number in Telegram. They call themselves "Grace"' in found.words
            asked = await pairing.answered(gateway.world, window.id, DESK, yes=True)
            assert asked.state is ChangeState.ASKED
            newcomer.says("say hello")
            await gateway.sees("asks: let 815")
            assert api.charges == []

            await gateway.taps("asks: let 815", "Yes")
            await newcomer.waits_for("You are a writer in your own chat with the bot from now on.")
            newcomer.says("say hello")
            await newcomer.waits_for("Hello, Grace.", timeout=60)
            turn = await gateway.ended(TurnState.FINISHED)
            assert turn.person == str(NEWCOMER)
            assert len(await gateway.turns()) == 1
            await gateway.exact()
