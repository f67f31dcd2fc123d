"""A session with the real client is forgotten from the phone: no word of it is left below the home, and every figure is."""

from functools import partial
from pathlib import Path

import pytest

from gateway.agents.forgetting import erase
from gateway.domain.turn import TurnState
from gateway.reports.cost import by_session, cost
from gateway.store import open_readonly
from gateway.view import forget_words
from tests.fakes.messages_script import Text, Tool
from tests.journeys.rig import rig
from tests.store.test_forgetting import files_with

pytestmark = [pytest.mark.anyio, pytest.mark.claude]

PROMPT, ANSWER, ASIDE = "quokka-prompt", "quokka-answer", "quokka-command"


def kept(home: Path) -> tuple[object, ...]:
    """What the report would say of every session, and whether the ledger holds."""
    with open_readonly(home) as reader:
        rows = reader.report_rows()
        figures = [(turn.id, turn.state, turn.spent, turn.tokens, turn.calls, turn.model) for _, turn in rows]
        costs = {name: cost(turns) for name, turns in by_session([turn for _, turn in rows]).items()}
        return figures, costs, reader.balances(), [record.hash for record in reader.records()], reader.verify()


async def test_after_forget_no_word_of_the_session_is_in_any_file_of_the_home(tmp_path: Path) -> None:
    """Journal, database and log of the database are looked through; the account is the same, and the client's transcript is its own."""
    async with rig(tmp_path) as gateway:
        gateway.world.erase = partial(erase, gateway.home, gateway.environ)
        gateway.api.script([Tool("Bash", {"command": f"echo {ASIDE}"}), Text(f"It is {ANSWER}.")])
        gateway.phone.says(f"look for {PROMPT}")
        await gateway.sees(ANSWER)
        turn = await gateway.ended(TurnState.FINISHED)
        before = kept(gateway.home)
        assert all(files_with(gateway.home, word) for word in (PROMPT, ANSWER))
        gateway.phone.says("/forget")
        await gateway.taps("Forget this session for good?", forget_words.BUTTON)
        told = await gateway.sees("Forgotten: 1 prompt, 1 answer")
        assert forget_words.TRANSCRIPT_STAYS in told.text
        assert [files_with(gateway.home, word) for word in (PROMPT, ANSWER, ASIDE)] == [[]] * 3
        assert kept(gateway.home) == before
        assert before[-1] == ()
        assert await gateway.store.processes() == ()
        assert files_with(tmp_path / "claude", PROMPT)
        gateway.api.script([Text("Something new.")])
        gateway.phone.says("what was that?")
        await gateway.sees("Something new.")
        assert (await gateway.ended(TurnState.FINISHED)).session_id != turn.session_id
