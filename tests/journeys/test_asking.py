"""What the real client asks of a person: permissions with reasons and rules, plans, questions."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from gateway import clock
from gateway.domain.turn import TurnState
from gateway.files import Spool
from tests.fakes.messages_api import MessagesApi, Request
from tests.fakes.messages_script import Reply, Text, Tool
from tests.journeys.rig import Rig, rig

pytestmark = [pytest.mark.anyio, pytest.mark.claude]


def results(gateway: Rig) -> str:
    """All that the model was told."""
    return json.dumps([call.request.body["messages"][-1:] for call in gateway.api.calls("main")])


async def replies(gateway: Rig, words: str, text: str) -> None:
    """Write it as a reply to the message that holds the words."""
    gateway.phone.says(text, reply_to=(await gateway.sees(words)).message_id)


async def test_a_reply_to_a_permission_denies_it_and_the_agent_is_told_why(tmp_path: Path) -> None:
    """The words reach the model, nothing is run, and the message says so."""
    async with rig(tmp_path) as gateway:
        gateway.api.script([[Tool("Bash", {"command": "touch made"})], Text("As you say.")], prompt="go")
        gateway.phone.says("go")
        await replies(gateway, "wants to run", "use the other directory")
        await gateway.sees("Denied: use the other directory")
        await gateway.sees("As you say.")
        assert "The person said no: use the other directory" in results(gateway)
        assert not (tmp_path / "work" / "made").exists()
        await gateway.ended(TurnState.FINISHED)
        await gateway.exact()


async def test_a_rule_is_shown_kept_for_the_project_and_asks_no_more(tmp_path: Path) -> None:
    """The button names it, the message in full; the client writes it into the project's local settings."""
    async with rig(tmp_path) as gateway:
        command = Tool("Bash", {"command": "npm test -- x"})
        gateway.api.script([[command], [Tool("Bash", {"command": "npm test -- y"})], Text("Tested.")], prompt="go")
        gateway.phone.says("go")
        asked = await gateway.sees("wants to run")
        assert "does not ask again in this project for what Bash(npm test *) names" in asked.text
        gateway.phone.taps("Always: npm test *", asked.message_id)
        await gateway.sees("Allowed, and always what Bash(npm test *) names.")
        await gateway.sees("Tested.")
        settings = tmp_path / "work" / ".claude" / "settings.local.json"
        kept = json.loads(await anyio.Path(settings).read_text())
        assert kept["permissions"]["allow"] == ["Bash(npm test *)"]
        assert sum("wants to run" in seen.text for seen in gateway.phone.sees()) == 1
        await gateway.ended(TurnState.FINISHED)
        await gateway.exact()


async def test_a_file_that_is_overwritten_is_asked_about_with_what_was_there(tmp_path: Path) -> None:
    """A new one comes line by line; the next time what goes and what comes is marked, as the client has told of the file."""
    async with rig(tmp_path) as gateway:
        path = str(tmp_path / "work" / "a.txt")
        first = Tool("Write", {"file_path": path, "content": "one\ntwo\n"})
        second = Tool("Write", {"file_path": path, "content": "one\ndrei\n"})
        gateway.api.script([[first], [second], Text("Written.")], prompt="go")
        gateway.phone.says("go")
        await gateway.taps("+one\n+two", "Allow")
        asked = await gateway.sees("one\n-two\n+drei")
        gateway.phone.taps("Allow", asked.message_id)
        await gateway.sees("Written.")
        assert (tmp_path / "work" / "a.txt").read_text(encoding="utf-8") == "one\ndrei\n"
        await gateway.ended(TurnState.FINISHED)


async def until_labelled(gateway: Rig, message_id: int, label: str) -> None:
    """Wait until a button of the message says that."""

    def labelled() -> bool:
        shown = next(seen for seen in gateway.phone.sees() if seen.message_id == message_id)
        return label in [button.text for button in shown.buttons]

    await gateway.telegram.until(labelled, 30, label)


async def mode(gateway: Rig) -> str:
    """In which mode the session is, for whoever asks with /mode, and for its next process."""
    [session] = await gateway.sessions()
    return session.mode


def planning(*then: Reply) -> Callable[[Request], Reply | None]:
    """An agent that writes a plan into the file that the client names, asks whether it is good, and goes on."""
    steps = 0

    def play(request: Request) -> Reply | None:
        nonlocal steps
        if request.kind != "main":
            return None
        steps += 1
        if steps == 1:
            return [Tool("EnterPlanMode", {})]
        if steps == 2:
            place = re.search(r"create your plan at (\S+?\.md)", json.dumps(request.body))
            assert place is not None
            return [Tool("Write", {"file_path": place[1], "content": "# The plan\n\n- **first** step\u202e"})]
        return then[steps - 3] if steps - 3 < len(then) else None

    return play


async def test_a_plan_is_shown_changed_by_a_reply_and_approved_with_its_edits(tmp_path: Path) -> None:
    """Attack 20: readable, with what does not show as its code. Approved with edits, the next file is not asked about."""
    with MessagesApi() as api:
        leave = [Tool("ExitPlanMode", {})]
        write = [Tool("Write", {"file_path": "a.txt", "content": "x\n"})]
        api.script(planning(leave, leave, write, Text("Built.")))
        async with rig(tmp_path, api) as gateway:
            gateway.phone.says("plan it")
            shown = await gateway.sees("The plan")
            assert "• first step\\u{202e}" in shown.text
            await gateway.sees("Go on with this plan?")
            await replies(gateway, "The plan", "add tests")
            await gateway.sees("Keep planning: add tests")
            await gateway.until_said("Go on with this plan?", 2)
            asked = [seen for seen in gateway.phone.sees() if "Go on with this plan?" in seen.text]
            assert "wants: add tests" in results(gateway)
            gateway.phone.taps("Approve and allow edits", asked[-1].message_id)
            await gateway.sees("Built.")
            await gateway.sees("Approve and allow edits.")
            assert not any("wants to run" in seen.text for seen in gateway.phone.sees())
            assert (tmp_path / "work" / "a.txt").exists()
            await gateway.ended(TurnState.FINISHED)
            assert await mode(gateway) == "edits"
            await gateway.exact()


async def test_a_plan_is_kept_or_approved_without_its_edits(tmp_path: Path) -> None:
    """Told to plan on, the agent does; approved with edits asked about, the next file is."""
    with MessagesApi() as api:
        leave = [Tool("ExitPlanMode", {})]
        write = [Tool("Write", {"file_path": "a.txt", "content": "x\n"})]
        api.script(planning(leave, leave, write, Text("Built.")))
        async with rig(tmp_path, api) as gateway:
            gateway.phone.says("plan it")
            await gateway.taps("Go on with this plan?", "Keep planning")
            assert await mode(gateway) == "plan"
            await gateway.until_said("Go on with this plan?", 2)
            asked = [seen for seen in gateway.phone.sees() if "Go on with this plan?" in seen.text]
            assert "wants you to keep planning" in results(gateway)
            gateway.phone.taps("Approve, ask before edits", asked[-1].message_id)
            await gateway.taps("Write wants to run", "Deny")
            await gateway.sees("Built.")
            assert not (tmp_path / "work" / "a.txt").exists()
            await gateway.ended(TurnState.FINISHED)
            assert await mode(gateway) == ""


def _question(text: str, *labels: str, several: bool = False) -> dict[str, object]:
    options = [{"label": label, "description": f"{label} it is"} for label in labels]
    return {"question": text, "header": "Choose", "multiSelect": several, "options": options}


async def test_several_questions_have_their_buttons_their_picks_and_their_words(tmp_path: Path) -> None:
    """One is tapped, of one several are picked, one is answered in words: the model reads each with its answer."""
    asked = [
        _question("Which colour?", "Blue", "Red"),
        _question("Which rooms?", "Kitchen", "Hall", "Bath", several=True),
        _question("Which floor?", "First", "Second"),
    ]
    async with rig(tmp_path) as gateway:
        gateway.api.script([[Tool("AskUserQuestion", {"questions": asked})], Text("Painted.")], prompt="go")
        gateway.phone.says("go")
        first = await gateway.sees("Which colour?")
        assert "Question 1 of 3" in first.text
        assert "Blue: Blue it is" in first.text
        gateway.phone.taps("Red", first.message_id)
        await gateway.sees("Answered: Red")
        rooms = (await gateway.sees("Which rooms?")).message_id
        gateway.phone.taps("Done", rooms)
        gateway.phone.taps("Hall", rooms)
        gateway.phone.taps("Kitchen", rooms)
        await until_labelled(gateway, rooms, "✓ Hall")
        gateway.phone.taps("✓ Hall", rooms)
        await until_labelled(gateway, rooms, "Hall")
        gateway.phone.taps("Bath", rooms)
        gateway.phone.taps("Done", rooms)
        await gateway.sees("Answered: Kitchen, Bath")
        gateway.phone.says("the attic")
        await gateway.sees("Painted.")
        told = results(gateway).replace('\\"', '"')
        assert '"Which colour?"="Red", "Which rooms?"="Kitchen, Bath", "Which floor?"="the attic"' in told
        for words in ("Answered: Red", "Answered: Kitchen, Bath", "Answered: the attic"):
            await gateway.sees(words)
        await gateway.ended(TurnState.FINISHED)
        await gateway.exact()


async def test_what_is_asked_is_folded_away_where_it_is_long_and_goes_whole_as_a_file(tmp_path: Path) -> None:
    """Attacks 20 and 28: a tap opens what fits; all of it, with what does not show as its code, is in the file."""
    async with rig(tmp_path) as gateway:
        gateway.world.spool = Spool(gateway.home, clock.new_id)
        command = "echo \u202e" + "x\n" * 3000 + "touch made"
        gateway.api.script([[Tool("Bash", {"command": command})], Text("Done.")], prompt="go")
        gateway.phone.says("go")
        asked = await gateway.sees("All of it is in asked.txt below")
        assert "expandable_blockquote" in [entity["type"] for entity in asked.entities]
        assert asked.dropped_entities == 0
        found = await gateway.phone.waits_for(lambda seen: seen.file is not None, timeout=30)
        assert found.file is not None
        whole = found.file.data.decode().split("\nClaude Code")[0]  # behind it stand the client's own notes
        assert whole.startswith("Bash\ncommand:\n  echo \\u{202e}x\n")
        assert (whole.count("\n  x"), whole.endswith("\n  touch made"), "characters more" in whole) == (
            2999,
            True,
            False,
        )
        gateway.phone.taps("Deny", asked.message_id)
        await gateway.sees("Denied.")
        await gateway.ended(TurnState.FINISHED)
        await gateway.exact()


async def test_an_edit_is_asked_about_as_a_diff(tmp_path: Path) -> None:
    """What comes and what goes is marked as such, and drawn as a diff."""
    async with rig(tmp_path) as gateway:
        place = tmp_path / "work" / "a.py"
        place.write_text("x = 1\ny = 2\n")
        edit = {"file_path": str(place), "old_string": "y = 2", "new_string": "y = 3"}
        read = Tool("Read", {"file_path": str(place)})
        gateway.api.script([[read], [Tool("Edit", edit)], Text("Done.")], prompt="go")
        gateway.phone.says("go")
        asked = await gateway.sees("Edit wants to run")
        assert "-y = 2\n+y = 3" in asked.text
        assert "diff" in [entity.get("language") for entity in asked.entities]
        gateway.phone.taps("Allow", asked.message_id)
        await gateway.sees("Done.")
        assert place.read_text() == "x = 1\ny = 3\n"
        await gateway.ended(TurnState.FINISHED)
        await gateway.exact()
