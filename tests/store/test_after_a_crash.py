"""What recovery asks of the store: what a turn's present run has on the books, and answers that an agent may not have had."""

from dataclasses import replace

import pytest

from gateway.core import meter
from gateway.domain.approval import ApprovalKind, ApprovalState
from gateway.domain.money import Usd
from gateway.domain.usage import Call, Tokens, Unpriced, Usage
from gateway.store import SqliteStore
from tests.store.kit import APPROVAL, SESSION, TURN, put

pytestmark = pytest.mark.anyio

FIRST = Usage("a-model", Tokens(1, 2, 3, 4, 0, 6), web_searches=2, geo="us")
SECOND = Usage("b-model", Tokens(input=7), "priority", "fast")


async def test_what_was_metered_since_the_hold_was_settled_is_told_as_it_was_booked(store: SqliteStore) -> None:
    """Calls and differences of the present run come back class by class, on their terms; those of an earlier run do not."""
    turn = replace(TURN, calls=0, spent=Usd(0))
    turn, earlier = meter.book(turn, Call("c1", SECOND, Usd(1)))
    turn, settled = meter.settle(turn)
    turn, call = meter.book(turn, Call("c2", FIRST, Usd(2)), ended=False)
    turn, difference = meter.book_difference(turn, SECOND, Unpriced("nobody knows"))
    await put(store, put=(SESSION, turn), entries=(earlier, settled, call, difference))
    assert await store.read(lambda view: view.metered(turn.id)) == (FIRST, SECOND)
    assert await store.read(lambda view: view.metered("t_none")) == ()


async def test_answers_that_the_agent_may_not_have_had_are_found(store: SqliteStore) -> None:
    """Answered or expired, and its request still named: it is told; open, withdrawn or delivered ones are not."""
    asked = replace(APPROVAL, kind=ApprovalKind.PERMISSION)
    states = {
        "open": (ApprovalState.OPEN, "r_1"),
        "answered": (ApprovalState.ANSWERED, "r_2"),
        "expired": (ApprovalState.EXPIRED, "r_3"),
        "delivered": (ApprovalState.ANSWERED, ""),
        "withdrawn": (ApprovalState.WITHDRAWN, "r_5"),
    }
    approvals = [
        replace(asked, id=name, state=state, request_id=request_id, tokens=(f"{name}-1", f"{name}-2"))
        for name, (state, request_id) in states.items()
    ]
    await put(store, put=(SESSION, TURN, *approvals))
    found = await store.read(lambda view: view.unheard_approvals(TURN.id))
    assert [approval.id for approval in found] == ["answered", "expired"]
    assert found[0].tokens == ("answered-1", "answered-2")
