"""A real agent's answer on the phone: tables, links and code over the wire, and what is too large as pictures and files."""

from pathlib import Path

import pytest

from gateway import clock
from gateway.domain.turn import TurnState
from gateway.files import Spool
from tests.chats.corpus import STREAM
from tests.fakes.bot_api_phone import Seen
from tests.fakes.messages_script import Text
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

DIFF = "\n".join(["--- a/x.py", "+++ b/x.py", "@@ -1,60 +1,60 @@", *["-old", "+new"] * 50, *[" same"] * 10])


def kinds(seen: Seen) -> set[str]:
    """Of the formatting of a message."""
    return {entity["type"] for entity in seen.entities}


async def test_a_long_answer_of_everything_is_streamed_and_shown_without_one_refusal(tmp_path: Path) -> None:
    """Neither while it comes in nor at its end; nothing of its formatting is dropped by the server."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([Text(STREAM)], prompt="Show")
        gateway.phone.says("Show me")
        last = await gateway.sees("I have not touched pyproject.toml")
        await gateway.ended(TurnState.FINISHED)
        seen = gateway.phone.sees()
        assert gateway.telegram.violations == []
        assert sum(one.dropped_entities for one in seen) == 0
        assert {"bold", "code", "pre", "blockquote", "italic"} <= kinds(last)
        assert any("private          120   0.4 s   0" in one.text for one in seen)
        assert any("Call: getUpdates\nWhy it was slow: not slow: fine" in one.text for one in seen)


async def test_a_large_diff_arrives_as_a_picture_and_a_file(tmp_path: Path) -> None:
    """The words first, then what they speak of; the turn is settled as any other."""
    async with rig(tmp_path) as gateway:
        gateway.world.spool = Spool(gateway.home, clock.new_id)
        gateway.api.script([Text(f"Changed.\n\n```diff\n{DIFF}\n```\n\nTests pass.")], prompt="Change")
        gateway.phone.says("Change it")
        said = await gateway.sees("The diff is below, drawn and in changes.diff: 1 file, 50 lines added, 50 removed.")
        file = await gateway.phone.waits_for(lambda seen: seen.file is not None and seen.file.name == "changes.diff")
        await gateway.ended(TurnState.FINISHED)
        assert "Tests pass." in said.text
        assert file.file is not None
        assert file.file.data == f"{DIFF}\n".encode()
        photos = [seen for seen in gateway.phone.sees() if "photo" in seen.data]
        assert len(photos) == 2
        assert gateway.telegram.violations == []
