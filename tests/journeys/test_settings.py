"""What a person chooses with buttons, over real HTTP and with the real client."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.domain.turn import TurnState
from tests.fakes.messages_script import Text
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

HAIKU = "claude-haiku-4-5"
DONE = TurnState.FINISHED


async def test_settings_by_buttons_a_silent_question_and_another_model(tmp_path: Path) -> None:
    """The menu of the chat has every command; a lower amount makes the next run ask, quiet hours make that question silent; and
    the model that was picked is the one that the same client calls next.
    """
    async with rig(tmp_path, cheaper_model=HAIKU) as gateway:
        telegram, phone = gateway.telegram, gateway.phone
        gateway.api.script([Text("First.")], prompt="one")
        phone.says("one")
        await gateway.sees("First.")
        await gateway.ended(DONE)
        [usual] = {call.request.model for call in gateway.api.charges}

        phone.says("/settings")
        await gateway.taps("Settings of this chat", "Ask above $20.00")
        await gateway.taps("From which amount on", "$0.25")
        await gateway.taps("You are asked above $0.25 a run", "Quiet: none")
        await gateway.taps("Others: /settings quiet", "22:00-07:00")
        await gateway.sees("Quiet hours: 22:00-07:00 (UTC)")

        # Whenever this runs, it is within the hours.
        now = datetime.fromtimestamp(gateway.world.clock.now_ms() / 1000, UTC)
        hours = f"{now - timedelta(hours=2):%H:%M}-{now + timedelta(hours=2):%H:%M}"
        phone.says(f"/settings quiet {hours}")
        await gateway.sees(f"Quiet hours: {hours} (UTC)")
        phone.says("two")
        asked = await gateway.sees("enough history")
        [sent] = [one for one in telegram.requests("sendMessage") if "enough history" in one.params["text"]]
        assert sent.params["disable_notification"] is True
        phone.taps(asked.buttons[0].text, asked.message_id)
        await gateway.until(lambda turns: [turn.state for turn in turns] == [DONE] * 2)

        phone.says("/settings ask default")
        await gateway.sees("You are asked above $20.00 a run, as the gateway's settings say")
        phone.says("/model")
        await gateway.taps(f"{HAIKU}: $1.00 in, $5.00 out", HAIKU)
        await gateway.sees(f"From the next prompt on this session works with {HAIKU}")
        phone.says("three")
        turns = await gateway.until(lambda turns: [turn.state for turn in turns] == [DONE] * 3)
        assert turns[-1].model == HAIKU
        assert [call.request.model for call in gateway.api.charges] == [usual, usual, HAIKU]
        phone.says("/status")
        shown = await gateway.sees("The gateway has been up for")
        assert HAIKU in shown.text
        assert "Nothing runs." in shown.text
        assert {"default", "all_group_chats"} <= set(telegram.commands)
        await gateway.exact()
