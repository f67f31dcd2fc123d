"""Changes of limits through the door: what is read, what is refused, and what comes back. The engine is the test's own."""

import os
import socket
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.domain.budget import ScopeKind
from gateway.domain.change import Asker, ChangeState, Standing, Wanted
from gateway.domain.money import Usd
from gateway.local import changes, door
from gateway.local.peers import family_of
from tests.local.kit import answering, asks

pytestmark = pytest.mark.anyio

DAY = {"kind": "day", "amount": "5", "raises": True}
ASKED = Standing(ChangeState.ASKED, "Asked in the chat of 7: ...", "ask_1", 1_795_000_000_000)


class Desk:
    """What an engine would do: it notes who asks for what, and says what the test wants it to say."""

    def __init__(self, *told: Standing | None) -> None:
        self.told = list(told)
        self.heard: list[tuple[Any, ...]] = []

    async def ask(self, wanted: Wanted, asker: Asker) -> Standing:
        """A change is wanted."""
        await anyio.lowlevel.checkpoint()
        self.heard.append((wanted, asker))
        told = self.told.pop(0)
        assert told is not None
        return told

    async def look(self, change_id: str, wait_ms: int) -> Standing | None:
        """Somebody wants to know how it stands."""
        await anyio.lowlevel.checkpoint()
        self.heard.append((change_id, wait_ms))
        return self.told.pop(0)

    @property
    def routes(self) -> door.Routes:
        """At the door."""
        return changes.routes(self.ask, self.look)


async def test_a_change_is_handed_on_with_who_asks(tmp_path: Path) -> None:
    """The amount as money, the process as the kernel knows it, the user and machine by name."""
    desk = Desk(ASKED)
    async with answering(tmp_path / "home", desk.routes) as home:
        more = {"why": "a job", "until": "2h", "session": "s_1", "directory": "/srv", "person": "7", "chat": "-100"}
        told = await asks(home, "POST", changes.PATH, {**DAY, **more})
    assert told.status == 202
    assert told.fields == {
        "state": "asked",
        "words": ASKED.words,
        "id": "ask_1",
        "expires_at_ms": 1_795_000_000_000,
        "shown": False,
    }
    [(wanted, asker)] = desk.heard
    assert wanted == Wanted(ScopeKind.DAY, Usd.parse("5").nano, True, "a job", "2h", "s_1", "/srv", "7", "-100")
    assert asker.lineage == family_of(os.getpid()).lineage
    assert (asker.host, bool(asker.user)) == (socket.gethostname(), True)


async def test_done_and_refused_have_their_status(tmp_path: Path) -> None:
    """200, and 409 with the sentence as the error."""
    desk = Desk(Standing(ChangeState.DONE, "It is."), Standing(ChangeState.REFUSED, "no limit here"))
    async with answering(tmp_path / "home", desk.routes) as home:
        done = await asks(home, "POST", changes.PATH, DAY)
        assert (done.status, done.fields["state"], done.fields["words"]) == (200, "done", "It is.")
        refused = await asks(home, "POST", changes.PATH, DAY)
        assert (refused.status, refused.fields) == (409, {"error": "no limit here"})


@pytest.mark.parametrize(
    ("more", "words"),
    [
        *(
            ({"amount": amount}, "is not an amount in dollars")
            for amount in ("-1", "NaN", "inf", "1e9", "5 €", "", "٣")
        ),
        ({"amount": "1000001"}, "the largest amount there is"),
        ({"amount": "0"}, "a raise by nothing changes nothing"),
        ({"amount": "0.000", "raises": False}, "a limit of nothing lets nothing run"),
        ({"amount": 5}, "amount: Input should be a valid string"),
        ({"raises": "yes"}, "raises: Input should be a valid boolean"),
        ({"kind": "fun"}, "there are session, project, person, chat, day, week, month"),
        ({"raises": False, "until": "2h"}, "only a raise can have an end"),
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"why": "\ud800"}, "why: "),
        ({"why": "x" * 501}, "why: String should have at most 500 characters"),
    ],
)
async def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path: Path, more: dict[str, Any], words: str) -> None:
    """400, and nobody behind the door hears of it."""
    desk = Desk()
    async with answering(tmp_path / "home", desk.routes) as home:
        told = await asks(home, "POST", changes.PATH, DAY | more)
    assert told.status == 400
    assert words in told.error
    assert desk.heard == []


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b"\xff", b"[" * 50_000])
def test_what_is_no_object_is_refused(body: bytes) -> None:
    """Whatever JSON can be got wrong."""
    assert isinstance(changes.read(body), str)


async def test_how_it_stands_is_told_and_waited_for(tmp_path: Path) -> None:
    """By its id, after so many seconds at most; what does not exist is said."""
    desk = Desk(ASKED, Standing(ChangeState.NO, "7 said no."), None)
    async with answering(tmp_path / "home", desk.routes) as home:
        assert (await asks(home, "GET", f"{changes.PATH}/ask_1")).fields["state"] == "asked"
        told = await asks(home, "GET", f"{changes.PATH}/ask_1?wait=2.5")
        assert (told.status, told.fields["state"], told.fields["words"]) == (200, "no", "7 said no.")
        gone = await asks(home, "GET", f"{changes.PATH}/ask_2?wait=0")
        assert (gone.status, gone.error) == (404, "there is no change ask_2")
    assert desk.heard == [("ask_1", 0), ("ask_1", 2500), ("ask_2", 0)]


@pytest.mark.parametrize("query", ["wait=-1", "wait=31", "wait=nan", "wait=soon", "wait=1&wait=2", "weight=1", "wait"])
async def test_a_wait_that_is_none_is_refused(tmp_path: Path, query: str) -> None:
    """At most half a minute at a time."""
    async with answering(tmp_path / "home", Desk().routes) as home:
        told = await asks(home, "GET", f"{changes.PATH}/ask_1?{query}")
    assert (told.status, told.error) == (400, "wait is a number of seconds, at most 30")
