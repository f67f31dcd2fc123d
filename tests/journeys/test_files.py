"""What a person sends from the phone, read by the real Claude Code without another question; and a file on its way back."""

from pathlib import Path

import pytest

from gateway import clock
from gateway.domain.effects import Say
from gateway.domain.turn import TurnState
from gateway.engine import parcels
from gateway.engine.decision import Draft
from gateway.files import Spool
from gateway.ports import Decision, View
from tests.fakes.messages_script import Text, Tool
from tests.journeys.rig import rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


def told(place: Path) -> str:
    """All that the client keeps of its conversations."""
    return "".join(file.read_text(encoding="utf-8") for file in (place / "claude").rglob("*.jsonl"))


async def test_the_real_client_reads_what_was_sent_without_being_asked_about_it(tmp_path: Path) -> None:
    """The place of the file is in the prompt, and the session may read there; its content reaches the API."""
    async with rig(tmp_path, files=str(tmp_path / "sent")) as gateway:
        gateway.api.script([Text("I have it.")], prompt="Keep this")
        gateway.phone.sends_document(b"the word is marzipan", "notes.txt", caption="Keep this")
        await gateway.sees("I have it.")
        turn = await gateway.ended(TurnState.FINISHED)
        saved = str(tmp_path / "sent" / turn.session_id / f"{turn.id}-1.txt")
        assert saved in told(tmp_path)
        gateway.api.script([Tool("Read", {"file_path": saved}), Text("Read it.")], prompt="Now read")
        gateway.phone.says("Now read it")
        await gateway.sees("Read it.")
        await gateway.until(lambda turns: [turn.state for turn in turns] == [TurnState.FINISHED] * 2)
        assert "marzipan" in told(tmp_path)
        assert not any("wants to" in seen.text for seen in gateway.phone.sees())


async def test_a_file_goes_back_to_the_phone_after_its_words(tmp_path: Path) -> None:
    """Over Telegram's wire, from the project to the chat, with the copy gone afterwards."""
    async with rig(tmp_path) as gateway:
        gateway.world.spool = Spool(gateway.home, clock.new_id)
        gateway.api.script([Text("Hello.")], prompt="Hi")
        gateway.phone.says("Hi")
        await gateway.sees("Hello.")
        [session] = await gateway.sessions()
        (tmp_path / "work" / "report.md").write_text("# Fine")
        files = await parcels.pack(gateway.world, session.directory, ["report.md"])
        assert not isinstance(files, str)

        def decide(_view: View) -> Decision[None]:
            draft = Draft()
            draft.say(Say(session.thread, "said:1", "Here is the report", files=files))
            return draft.done(None)

        await gateway.world.commit(decide)
        seen = await gateway.phone.waits_for(lambda seen: seen.file is not None)
        assert seen.file is not None
        assert (seen.file.name, seen.file.data) == ("report.md", b"# Fine")
        assert [one.text for one in gateway.phone.sees()][-2:] == ["Here is the report", ""]
        assert gateway.telegram.violations == []
