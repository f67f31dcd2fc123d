"""A subscription's windows, from the headers of the API through the real Claude Code to the question in the chat."""

import time
from pathlib import Path

import pytest

from gateway.domain.turn import TurnState
from tests.fakes.messages_api import Account, Error, Text, Tool
from tests.fakes.messages_script import windows
from tests.journeys.rig import Rig, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

LS = Tool("Bash", {"command": "ls"})


def resets_at() -> int:
    """A full hour that is not over soon, in seconds."""
    return (int(time.time()) // 3600 + 2) * 3600


async def known(gateway: Rig) -> dict[str, tuple[int, int | None]]:
    """What the gateway knows of the subscription: hundredths, and the reset in seconds."""
    quotas = await gateway.store.read(lambda view: view.quotas("claude"))
    return {quota.window: (quota.percent, quota.resets_at_ms and quota.resets_at_ms // 1000) for quota in quotas}


@pytest.mark.parametrize("account", ["token", "login"])
async def test_a_window_past_its_mark_pauses_the_turn_and_asks_before_the_next(
    tmp_path: Path, account: Account
) -> None:
    """83 % told behind the second call of three: no third before the yes; the next prompt is asked about before its first call."""
    async with rig(tmp_path, account=account, ask_at_quota=80) as gateway:
        reset = resets_at()
        gateway.api.script(
            [
                [windows(0.5, five_hour_resets_at=reset), LS],
                [windows(0.834, 0.2, "allowed_warning", five_hour_resets_at=reset), LS],
                [windows(0.85, 0.2, "allowed_warning", five_hour_resets_at=reset), Text("Three calls.")],
            ],
            prompt="go",
        )
        gateway.phone.says("go")
        hour = time.strftime("%H:%M", time.gmtime(reset))
        asked = await gateway.sees("Paused: 83 % of the subscription's five-hour window is used, until")
        assert hour in asked.text
        assert len(gateway.api.charges) == 2
        gateway.phone.taps(next(button.text for button in asked.buttons if button.text.startswith("Go on")))
        await gateway.sees("Three calls.")
        await gateway.sees("list prices")
        turn = await gateway.ended(TurnState.FINISHED)
        assert turn.calls == 3
        await gateway.exact()
        gateway.phone.says("/budget")
        shown = await gateway.sees("Subscription: five-hour window 85 %, until")
        assert "seven-day window 20 %" in shown.text
        assert (await known(gateway))["five_hour"] == (85, reset)
        gateway.phone.says("again")
        await gateway.sees("85 % of the subscription's five-hour window is used")
        await gateway.until(lambda turns: turns[-1].state is TurnState.ASKING)
        assert len(gateway.api.charges) == 3


async def test_a_refusal_for_a_full_window_is_known_before_the_next_run(tmp_path: Path) -> None:
    """The API takes no call: the turn fails and says why, and the next prompt is asked about first."""
    async with rig(tmp_path, account="token", ask_at_quota=80) as gateway:
        full = windows(1.0, 0.3, "rejected", five_hour_resets_at=resets_at())
        gateway.api.script([Error(429, "rate_limit_error", "full", headers=full.values)], prompt="go")
        gateway.phone.says("go")
        await gateway.sees("5-hour limit")
        await gateway.ended(TurnState.FAILED)
        gateway.phone.says("again")
        await gateway.sees("100 % of the subscription's five-hour window is used")


async def test_an_api_key_has_no_windows(tmp_path: Path) -> None:
    """The same headers with a key: nothing is known, and nothing asked."""
    async with rig(tmp_path, ask_at_quota=80) as gateway:
        gateway.api.script([[windows(0.9, five_hour_resets_at=resets_at()), LS], Text("Done.")], prompt="go")
        gateway.phone.says("go")
        await gateway.ended(TurnState.FINISHED)
        assert await known(gateway) == {}
