"""People through the door: what is read, what is refused, and what comes back. The engine is the test's own."""

import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.domain.change import Asker, ChangeState, Standing
from gateway.domain.money import Usd
from gateway.domain.people import Terms, WantedRole, WindowStanding, WindowState
from gateway.domain.place import Role
from gateway.local import door, people
from gateway.local.peers import family_of
from tests.local.kit import answering, asks

pytestmark = pytest.mark.anyio

OPEN = WindowStanding(WindowState.OPEN, "For 10 min ...", "pair_1")
PAIR = {"role": "writer", "chat": None, "largest_raise": None, "minutes": 10}


class Desk:
    """What an engine would do: it notes who asks for what, and says what the test wants it to say."""

    def __init__(self, window: WindowStanding = OPEN, standing: Standing | None = None) -> None:
        self.window = window
        self.standing = standing or Standing(ChangeState.DONE, "It is.")
        self.heard: list[tuple[Any, ...]] = []

    async def opens(self, *asked: Any) -> WindowStanding:
        """A window, or a code in one."""
        await anyio.lowlevel.checkpoint()
        self.heard.append(asked)
        return self.window

    async def changes(self, *asked: Any) -> Standing:
        """An answer, or another role."""
        await anyio.lowlevel.checkpoint()
        self.heard.append(asked)
        return self.standing

    @property
    def routes(self) -> door.Routes:
        """At the door."""
        return people.routes(people.Engine(self.opens, self.opens, self.changes, self.changes))


async def test_what_is_wanted_is_handed_on_with_who_asks(tmp_path: Path) -> None:
    """Roles, chats and amounts as values, the process as the kernel knows it."""
    desk = Desk()
    async with answering(tmp_path / "home", desk.routes) as home:
        opened = await asks(home, "POST", people.PAIRINGS, PAIR)
        more = {"role": "approver", "chat": "-100", "largest_raise": "2.50", "minutes": 1}
        await asks(home, "POST", people.PAIRINGS, more)
        await asks(home, "POST", f"{people.PAIRINGS}/code", {"id": "pair_1", "code": "K7QM-22XZ"})
        done = await asks(home, "POST", f"{people.PAIRINGS}/answer", {"id": "pair_1", "yes": True})
        await asks(home, "POST", people.PEOPLE, {"person": "8", "role": None, "chat": ""})
        await asks(home, "POST", people.PEOPLE, {"person": "8", "role": "owner", "largest_raise": "0"})
    assert (opened.status, opened.fields) == (200, {"state": "open", "words": OPEN.words, "id": "pair_1"})
    assert (done.status, done.fields["words"]) == (200, "It is.")
    assert [heard[:-1] for heard in desk.heard] == [
        (Terms(Role.WRITER), 10),
        (Terms(Role.APPROVER, "-100", Usd.parse("2.50")), 1),
        ("pair_1", "K7QM-22XZ"),
        ("pair_1", True),
        (WantedRole("8", None, ""),),
        (WantedRole("8", Role.OWNER, None, Usd(0)),),
    ]
    lineage = family_of(os.getpid()).lineage
    assert all(isinstance(heard[-1], Asker) and heard[-1].lineage == lineage for heard in desk.heard)


async def test_a_refusal_has_its_status_and_a_question_too(tmp_path: Path) -> None:
    """409 with the sentence as the error; 202 while an owner is asked."""
    refused = Desk(WindowStanding(WindowState.REFUSED, "not here"), Standing(ChangeState.REFUSED, "not there"))
    asked = Desk(standing=Standing(ChangeState.ASKED, "Asked.", "ask_1"))
    async with answering(tmp_path / "home", refused.routes) as home:
        told = await asks(home, "POST", people.PAIRINGS, PAIR)
        assert (told.status, told.fields) == (409, {"error": "not here"})
        told = await asks(home, "POST", people.PEOPLE, {"person": "8", "role": "reader"})
        assert (told.status, told.fields) == (409, {"error": "not there"})
    async with answering(tmp_path / "other", asked.routes) as home:
        told = await asks(home, "POST", people.PEOPLE, {"person": "8", "role": "reader"})
        assert (told.status, told.fields["id"]) == (202, "ask_1")


@pytest.mark.parametrize(
    ("path", "sent", "words"),
    [
        ("/v1/pairings", PAIR | {"role": "owner"}, "'owner' is no role here: there are writer, approver, reader"),
        ("/v1/pairings", PAIR | {"role": "king"}, "'king' is no role here"),
        ("/v1/pairings", PAIR | {"chat": "@ada"}, "chat: String should match"),
        ("/v1/pairings", PAIR | {"chat": "-"}, "chat: String should match"),
        ("/v1/pairings", PAIR | {"largest_raise": "5"}, "only an approver or an owner raises limits"),
        ("/v1/pairings", PAIR | {"role": "approver", "largest_raise": "1e9"}, "is not an amount in dollars"),
        ("/v1/pairings", PAIR | {"minutes": 0}, "minutes: Input should be greater than or equal to 1"),
        ("/v1/pairings", PAIR | {"minutes": 61}, "minutes: Input should be less than or equal to 60"),
        ("/v1/pairings", PAIR | {"person": "8"}, "person: Extra inputs are not permitted"),
        ("/v1/pairings/code", {"id": "pair_1", "code": "x" * 41}, "code: String should have at most 40 characters"),
        ("/v1/pairings/answer", {"id": "pair_1", "yes": "true"}, "yes: Input should be a valid boolean"),
        ("/v1/pairings/answer", {"id": "pair_1"}, "yes: Field required"),
        ("/v1/people", {"person": "ada", "role": None}, "person: String should match"),
        ("/v1/people", {"person": "8", "role": "king"}, "'king' is no role here: there are owner, approver"),
        ("/v1/people", {"person": "8", "role": None, "largest_raise": "1"}, "only an approver or an owner raises"),
        ("/v1/people", [], "the request: Input should be"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_a_sentence(
    tmp_path: Path, path: str, sent: dict[str, Any], words: str
) -> None:
    """400, and nobody behind the door hears of it."""
    desk = Desk()
    async with answering(tmp_path / "home", desk.routes) as home:
        told = await asks(home, "POST", path, sent)
    assert told.status == 400
    assert words in told.error
    assert desk.heard == []
