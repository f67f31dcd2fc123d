"""A real agent's answer while it is written: drafts on the phone over the wire, edits in a group, and the Stop button of a draft."""

from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from gateway.chats.telegram import GROUP_GAP_MS, TelegramChat
from gateway.domain.turn import TurnState
from gateway.domain.usage import Flag
from tests.chats.corpus import STREAM
from tests.fakes.messages_script import Hold, Text
from tests.journeys.rig import Rig, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

PIECE = 1_500
"""Characters between two stops of the stream."""


def streamed(text: str) -> tuple[list[Text], list[Hold]]:
    """One text block that stops where it is told to, again and again."""
    places = range(PIECE, len(text), PIECE)
    holds = [Hold() for _ in places]
    return [Text(text, tuple(zip(places, holds, strict=True)))], holds


async def drawn(gateway: Rig, words: str) -> None:
    """Wait until a draft holds the words."""
    await gateway.telegram.until(
        lambda: any(words in draft.text for draft in gateway.phone.drafts), 20, f"a draft with {words!r}"
    )


async def test_a_long_answer_grows_in_drafts_and_comes_whole(tmp_path: Path) -> None:
    """Each is taken, the last one shows the newest words, and the message that follows is the whole answer; booked as ever."""
    reply, holds = streamed(STREAM)
    async with rig(tmp_path) as gateway:
        gateway.api.script([reply], prompt="Show")
        gateway.phone.says("Show me")
        sizes: list[int] = []
        for hold in holds:
            await anyio.to_thread.run_sync(hold.wait_reached)
            before = len(gateway.phone.drafts)
            await gateway.telegram.until(lambda n=before: len(gateway.phone.drafts) > n, 20, "another draft")
            sizes.append(len(gateway.phone.drafts[-1].text))
            hold.release()
        await gateway.sees("I have not touched pyproject.toml")
        await gateway.ended(TurnState.FINISHED)
        sent = gateway.telegram.requests("sendMessageDraft")
        assert {request.status for request in sent} == {200}
        assert len({request.params["draft_id"] for request in sent}) == 1
        assert sizes[0] < sizes[1] < sizes[2] or sizes[2] > 3_500
        first_answer = next(
            one.at for one in gateway.telegram.requests("sendMessage") if "pyproject.toml" in one.params["text"]
        )
        assert max(request.at for request in sent) < first_answer
        assert gateway.phone.drafts == []
        await gateway.exact()


async def test_the_drafts_own_stop_button_stops_the_turn(tmp_path: Path) -> None:
    """The real client is interrupted; what was written so far stays in the chat, and what it cost is booked as a lower bound."""
    hold = Hold()
    async with rig(tmp_path) as gateway:
        gateway.api.script([[Text("It is the cache of the", ((22, hold),))]], prompt="Why")
        gateway.phone.says("Why is it slow?")
        await drawn(gateway, "It is the cache")
        gateway.phone.stops_draft(gateway.phone.drafts[-1].draft_id)
        turn = await gateway.ended(TurnState.STOPPED)
        cut = await gateway.sees("(Cut off here.)")
        assert "It is the cache" in cut.text
        assert Flag.LOWER_BOUND in turn.flags
        assert gateway.telegram.violations == []


async def test_in_a_group_the_answer_is_streamed_by_edits_within_the_groups_pace(tmp_path: Path) -> None:
    """No draft is tried; the status message shows what is written, no two changes of it closer than the group allows."""
    reply, holds = streamed(STREAM)
    async with rig(tmp_path, kind=TelegramChat, groups_listen=True) as gateway:
        member = gateway.telegram.group(-1001).joined_by(gateway.phone)
        gateway.api.script([reply], prompt="Show")
        member.says("Show me")
        await anyio.to_thread.run_sync(holds[0].wait_reached)
        await gateway.telegram.until(
            lambda: any("Now: writing" in seen.text and len(seen.text) > 300 for seen in member.sees()), 30, "an edit"
        )
        for hold in holds:
            hold.release()
        await gateway.telegram.until(
            lambda: any("I have not touched pyproject.toml" in seen.text for seen in member.sees()), 60, "the answer"
        )
        await gateway.ended(TurnState.FINISHED)
        assert gateway.telegram.requests("sendMessageDraft") == []
        wrote = ("sendMessage", "editMessageText")
        times = sorted(one.at for name in wrote for one in gateway.telegram.requests(name))
        assert min(later - earlier for earlier, later in pairwise(times)) >= GROUP_GAP_MS / 1000 - 0.1
        await gateway.exact()
