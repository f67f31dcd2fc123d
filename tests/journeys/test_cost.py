"""What was spent, on the phone: over real HTTP, with the real client's turns and the real pictures."""

from functools import partial
from pathlib import Path

import pytest

from gateway import app, clock
from gateway.charts import Charts
from gateway.domain.charts import Theme
from gateway.domain.turn import TurnState
from gateway.engine import World
from gateway.files import Spool
from tests.fakes.messages_script import Text
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

PNG = b"\x89PNG\r\n\x1a\n"


def painted(world: World, home: Path) -> None:
    """It draws, as the gateway does that `up` starts."""
    world.spool = Spool(home, clock.new_id)
    world.draw = partial(app.drawn, Charts(home / "charts"), Theme.LIGHT)


async def test_cost_and_a_report_come_as_pictures_with_their_words(tmp_path: Path) -> None:
    """One message each, a PNG as a photo, with the words and the buttons under it; the server has nothing to object to."""
    async with rig(tmp_path) as gateway:
        painted(gateway.world, gateway.home)
        phone = gateway.phone
        for number, prompt in enumerate(("fix the *flaky* login test", "now the docs", "and a changelog"), start=1):
            gateway.api.script([Text(f"Answer {number}.")], prompt=prompt)
            phone.says(prompt)
            await gateway.sees(f"Answer {number}.")
            await gateway.until(lambda turns, n=number: len(turns) == n and turns[-1].state is TurnState.FINISHED)
        phone.says("/cost")
        cost = await gateway.sees("Session: $", timeout=120)
        picture = await phone.waits_for(
            lambda seen: "photo" in seen.data, timeout=120
        )  # the first of all may follow its words
        assert picture.file is not None
        assert picture.file.data.startswith(PNG)
        assert [button.text for button in cost.buttons] == ["Today", "Week", "Month"]
        assert "Came of it: 3 answered" in cost.text
        phone.taps("Week", cost.message_id)
        week = await phone.waits_for(lambda seen: "photo" in seen.data and "Week, " in seen.text, timeout=120)
        assert week.file is not None
        assert week.file.data.startswith(PNG)
        assert [button.text for button in week.buttons] == ["Today", "Week", "Month"]
        assert "Everything that this gateway metered." in week.text
        assert gateway.telegram.violations == []
