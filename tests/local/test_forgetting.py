"""Forgetting through the door: what is read, what is refused, and what comes back. The engine is the test's own."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.domain.change import Asker, ChangeState, Standing
from gateway.local import forgetting
from tests.local.kit import answering, asks

pytestmark = pytest.mark.anyio


async def test_a_session_is_named_and_what_became_of_it_comes_back(tmp_path: Path) -> None:
    """200 with the words once it is done, 409 with the sentence where it is refused; with who asks, as the kernel knows them."""
    heard: list[tuple[str, Asker]] = []
    answers = [Standing(ChangeState.DONE, "Forgotten: 1 prompt."), Standing(ChangeState.REFUSED, "/stop first")]

    async def forget(session: str, asker: Asker) -> Standing:
        await anyio.lowlevel.checkpoint()
        heard.append((session, asker))
        return answers[len(heard) - 1]

    async with answering(tmp_path / "home", forgetting.routes(forget)) as home:
        done = await asks(home, "POST", forgetting.PATH, {"session": "s_12"})
        refused = await asks(home, "POST", forgetting.PATH, {"session": "s_13"})
    assert (done.status, done.fields["words"]) == (200, "Forgotten: 1 prompt.")
    assert (refused.status, refused.error) == (409, "/stop first")
    assert [session for session, _ in heard] == ["s_12", "s_13"]
    assert all(asker.lineage for _, asker in heard)


@pytest.mark.parametrize(
    "sent", [{}, {"session": ""}, {"session": "s_%"}, {"session": 1}, {"session": "s_1", "yes": True}, []]
)
async def test_what_names_no_session_is_refused(tmp_path: Path, sent: Any) -> None:
    """400 in a sentence; nobody behind the door hears of it."""

    async def forget(session: str, _asker: Asker) -> Standing:
        raise AssertionError(session)

    async with answering(tmp_path / "home", forgetting.routes(forget)) as home:
        told = await asks(home, "POST", forgetting.PATH, sent)
    assert (told.status, "how it begins: s_12" in told.error) == (400, True)
