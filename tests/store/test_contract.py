"""What the engine may rely on, whichever kind of database is underneath."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.core.first_call import FirstCall
from gateway.core.forecast import Past
from gateway.core.turn import ENDED
from gateway.domain.approval import ApprovalState, Choice, Option
from gateway.domain.budget import Balance, Caps, Counts, Entry, EntryKind, Lift, Quota, Unit
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Grant, GrantFrom, Role, Thread
from gateway.domain.turn import Turn, TurnState
from gateway.domain.usage import Flag
from gateway.ports import Decision, Process, StoreError, View
from gateway.store import SqliteStore
from gateway.store.rows import LARGEST_NANO, dump
from tests.store.kit import (
    APPROVAL,
    DAY,
    NOW,
    SESSION,
    THREAD,
    TURN,
    always,
    call,
    hold,
    limit,
    put,
    say,
    sessions,
    turn,
    verify,
)

pytestmark = pytest.mark.anyio


class NotNowError(Exception):
    """What a decision may raise."""


async def test_a_decision_is_written_as_a_whole(store: SqliteStore) -> None:
    """Records, entries, messages and the update that caused them are there after one transaction."""
    await store.accept("telegram", [("1", "payload")], NOW)
    decision = Decision(
        "result", put=(TURN, SESSION), entries=(hold(5),), posts=(say("m"),), handled=("telegram", "1"), effects=()
    )
    assert await store.transact(always(decision), NOW) == decision
    assert await store.read(lambda view: (view.turn("t_1"), view.balance(DAY).held)) == (TURN, Usd(5))
    assert [post.ref for post in await store.outbox("telegram", 10, NOW)] == ["m"]
    assert await store.inbox(10) == ()


async def test_a_decision_that_raises_leaves_nothing(store: SqliteStore) -> None:
    """What the decision raises reaches its caller, and none of it is kept."""

    def decide(_view: View) -> Decision[None]:
        raise NotNowError

    with pytest.raises(NotNowError):
        await store.transact(decide, NOW)
    assert await sessions(store) == ()


async def test_a_decision_that_cannot_be_written_whole_is_not_written_at_all(store: SqliteStore) -> None:
    """A part that is refused (an update that does not wait) takes all other parts with it."""
    with pytest.raises(StoreError, match="does not wait"):
        await put(store, put=(SESSION,), entries=(hold(5),), posts=(say("m"),), handled=("telegram", "none"))
    assert await sessions(store) == ()
    assert await store.outbox("telegram", 10, NOW) == ()
    assert await store.read(lambda view: view.balance(DAY)) == Balance(DAY, None)


async def test_a_turn_of_a_session_that_nobody_knows_is_refused(store: SqliteStore) -> None:
    """What contradicts the rest of the database is a StoreError, and only for its own caller."""
    with pytest.raises(StoreError, match="contradicts"):
        await put(store, put=(TURN,))
    await put(store, put=(SESSION, TURN))


async def test_a_view_is_useless_after_its_transaction(store: SqliteStore) -> None:
    """Whoever keeps a view finds out."""
    kept = await store.read(lambda view: view)
    with pytest.raises(StoreError, match="after its transaction"):
        kept.session("s_1")


async def test_every_field_of_every_record_comes_back(store: SqliteStore) -> None:
    """Sessions, turns, approvals, grants and processes are read as they were written, and replaced by the next put."""
    paired = Grant("7", Role.OWNER, "9", None, GrantFrom.PAIRED, NOW, "8", 'Grace "\u202e"')
    grants = (Grant("7", Role.OWNER), Grant("7", Role.OWNER, "4711", Usd(5)), paired)
    process = Process("s_1", 4242, "boot+17", "/srv/journal")
    await put(store, put=(SESSION, TURN, APPROVAL, process), grants=grants)
    assert await store.read(
        lambda view: (view.session("s_1"), view.turn("t_1"), view.approval("a_1"), view.grants("7"))
    ) == (SESSION, TURN, APPROVAL, grants)
    assert await store.processes() == (process,)
    assert await sessions(store) == (SESSION,)
    later = replace(TURN, state=TurnState.FINISHED, estimate=None, outcome=None, ended_at_ms=NOW + 9, scopes=())
    await put(store, put=(replace(SESSION, title="new", agent_session=None), later, replace(process, pid=1)))
    assert await store.read(lambda view: view.turn("t_1")) == later
    assert [session.title for session in await sessions(store)] == ["new"]
    assert [process.pid for process in await store.processes()] == [1]


async def test_grants_are_replaced_as_a_whole(store: SqliteStore) -> None:
    """Who is not among the new ones may do nothing any more; a decision without a word on grants leaves them alone."""
    await put(store, grants=(Grant("7", Role.OWNER), Grant("8", Role.WRITER)))
    await put(store, grants=(Grant("8", Role.READER, "4711"),))
    await put(store, put=(SESSION,))
    found = await store.read(lambda view: (view.grants("7"), view.grants("8")))
    assert found == ((), (Grant("8", Role.READER, "4711"),))


async def test_what_nobody_wrote_is_none(store: SqliteStore) -> None:
    """Unknown names are answered with nothing, not with an error."""
    look = await store.read(
        lambda view: (
            view.session("x"),
            view.turn("x"),
            view.approval("x"),
            view.approval_by_token("x"),
            view.message_id("x"),
            view.current_session(THREAD),
        )
    )
    assert look == (None,) * 6
    assert not await store.read(lambda view: view.frozen or view.call_known("x") or bool(view.grants("x")))


async def test_text_that_utf8_cannot_hold_is_stored_with_a_replacement(store: SqliteStore) -> None:
    """Half a surrogate pair from a chat costs that character, not the message."""
    await put(store, put=(replace(SESSION, title="a\ud83db"),), entries=(replace(hold(1), why="\ud83d"),))
    assert [session.title for session in await sessions(store)] == ["a\ufffdb"]
    assert await verify(store) == ()


async def test_a_new_session_becomes_the_current_one_of_its_thread(store: SqliteStore) -> None:
    """New or named: then plain text goes to it; merely changed: then nothing moves."""
    other = replace(SESSION, id="s_2", created_at_ms=NOW + 1)
    await put(store, put=(SESSION,))
    await put(store, put=(other,))
    assert await store.read(lambda view: view.current_session(THREAD)) == other
    await put(store, put=(SESSION,))
    assert await store.read(lambda view: view.current_session(THREAD)) == other
    await put(store, current=SESSION)
    assert await store.read(lambda view: view.current_session(THREAD)) == SESSION
    assert await store.read(lambda view: view.current_session(Thread("telegram", "4711", "9"))) is None
    assert await store.read(lambda view: view.thread_sessions(THREAD)) == (other, SESSION)
    assert await store.read(lambda view: view.thread_sessions(THREAD, 1)) == (other,)


async def test_a_session_that_nobody_comes_back_to_is_listed_while_it_works(store: SqliteStore) -> None:
    """It is not the current one by itself, and does not crowd others out of the list once its turn has ended, or waits for a yes."""
    one = replace(SESSION, id="s_2", created_at_ms=NOW + 1, unattended=True)
    await put(store, put=(SESSION,))
    await put(store, put=(one, turn(1, session_id="s_2", state=TurnState.ASKING)))
    assert await store.read(lambda view: (view.session("s_2"), view.current_session(THREAD))) == (one, SESSION)
    assert await store.read(lambda view: view.thread_sessions(THREAD, 1)) == (SESSION,)
    for state in (TurnState.RUNNING, TurnState.PAUSED):
        await put(store, put=(turn(1, session_id="s_2", state=state),))
        assert await store.read(lambda view: view.thread_sessions(THREAD)) == (one, SESSION)
    await put(store, put=(turn(1, session_id="s_2", state=TurnState.FINISHED),))
    assert await store.read(lambda view: view.thread_sessions(THREAD)) == (SESSION,)


async def test_turns_are_listed_by_age_and_state(store: SqliteStore) -> None:
    """Open turns come oldest first, the latest turns newest first."""
    other = replace(SESSION, id="s_2")
    ended = turn(2, state=TurnState.FINISHED)
    await put(store, put=(SESSION, other, turn(3), ended, turn(1), turn(4, session_id="s_2", state=TurnState.QUEUED)))

    def ids(view: View) -> tuple[list[str], list[str], list[str]]:
        found = (view.open_turns("s_1"), view.all_open_turns(), view.latest_turns("s_1", 2))
        open_, everywhere, latest = ([turn.id for turn in turns] for turns in found)
        return open_, everywhere, latest

    assert await store.read(ids) == (["t_1", "t_3"], ["t_1", "t_3", "t_4"], ["t_3", "t_2"])


async def test_a_turn_is_found_by_its_prompt_in_its_own_session_alone(store: SqliteStore) -> None:
    """However many followed it; the same prompt in another session is another turn."""
    other = turn(40, session_id="s_2")
    await put(store, put=(SESSION, replace(SESSION, id="s_2"), *(turn(number) for number in range(1, 40)), other))

    def found(session_id: str, prompt_uuid: str) -> Callable[[View], Turn | None]:
        return lambda view: view.turn_of_prompt(session_id, prompt_uuid)

    assert await store.read(found("s_1", "uuid-1")) == turn(1)
    assert await store.read(found("s_2", "uuid-40")) == other
    assert await store.read(found("s_2", "uuid-1")) is None


async def test_a_turn_is_open_exactly_in_the_states_that_lead_somewhere(store: SqliteStore) -> None:
    """The store's idea of an ended turn is the core's."""
    turns = tuple(turn(number, state=state) for number, state in enumerate(TurnState))
    await put(store, put=(SESSION, *turns))
    found = await store.read(lambda view: {turn.state for turn in view.all_open_turns()})
    assert found == set(TurnState) - ENDED


async def test_an_approval_is_found_by_any_of_its_tokens(store: SqliteStore) -> None:
    """Also when it was answered, so that a late tap can be told so."""
    await put(store, put=(SESSION, TURN, APPROVAL))
    answered = replace(APPROVAL, state=ApprovalState.ANSWERED)
    await put(store, put=(answered,))
    assert await store.read(lambda view: [view.approval_by_token(token) for token in APPROVAL.tokens]) == [answered] * 2
    assert await store.read(lambda view: view.open_approvals("t_1")) == ()


async def test_two_approvals_cannot_share_a_token(store: SqliteStore) -> None:
    """A token means one thing."""
    await put(store, put=(SESSION, APPROVAL))
    with pytest.raises(StoreError):
        await put(store, put=(replace(APPROVAL, id="a_2"),))


async def test_overdue_approvals_are_the_open_ones_whose_time_is_over(store: SqliteStore) -> None:
    """Oldest first, and no more than asked for."""
    await put(
        store,
        put=tuple(
            replace(APPROVAL, id=f"a_{at}", tokens=(f"token-{at}",), expires_at_ms=NOW + at, state=state)
            for at, state in ((3, ApprovalState.OPEN), (1, ApprovalState.OPEN), (2, ApprovalState.EXPIRED))
        ),
    )
    ids = await store.read(lambda view: [approval.id for approval in view.overdue_approvals(NOW + 3, 5)])
    assert ids == ["a_1", "a_3"]
    assert len(await store.read(lambda view: view.overdue_approvals(NOW + 3, 1))) == 1
    assert await store.read(lambda view: view.overdue_approvals(NOW, 5)) == ()
    assert [a.id for a in await store.read(lambda view: view.open_approvals("t_1"))] == ["a_3", "a_1"]


async def test_an_option_keeps_the_model_that_it_offers(store: SqliteStore) -> None:
    """A button for another model means that model after a restart too."""
    options = (Option(Choice.RUN, "Use it", allows=Usd(3), model="a-model"), APPROVAL.options[0])
    await put(store, put=(SESSION, TURN, replace(APPROVAL, options=options)))
    found = await store.read(lambda view: view.approval("a_1"))
    assert found is not None
    assert found.options == options


async def test_past_turns_are_the_ended_and_fully_priced_ones(store: SqliteStore) -> None:
    """Newest first; unpriced, unfinished, call-less, other people's and other agents' turns do not count."""
    other_agent = replace(SESSION, id="s_2", agent="codex")
    done = {"state": TurnState.FINISHED, "unpriced_calls": 0, "flags": frozenset()}
    said = Estimate(Usd(1), Usd(2), Usd(3), 4, Usd(5), "About.", warm=Usd(6), expected=Usd(7))
    turns = (
        turn(1, **done, ended_at_ms=NOW + 10, spent=Usd(1), estimate=said),
        turn(2, **{**done, "state": TurnState.STOPPED}, ended_at_ms=NOW + 20, spent=Usd(2), estimate=None),
        turn(3, unpriced_calls=0),
        turn(4, state=TurnState.FINISHED, unpriced_calls=1, ended_at_ms=NOW),
        turn(5, **done, calls=0, ended_at_ms=NOW),
        turn(6, **done, ended_at_ms=NOW, person="8"),
        turn(
            7, **{**done, "flags": {Flag.LOWER_BOUND}}, ended_at_ms=NOW, session_id="s_2", spent=Usd(7), estimate=None
        ),
    )
    await put(store, put=(SESSION, other_agent, *turns))
    first = Past("s_1", FirstCall(Usd(6), Usd(7)), Usd(1), Usd(3), model="a-model")
    stopped = Past("s_1", None, Usd(2), at_least=True, model="a-model")
    assert await store.read(lambda view: view.past_turns("7", "claude", 10)) == (stopped, first)
    assert await store.read(lambda view: view.past_turns("7", "claude", 1)) == (stopped,)
    lost = Past("s_2", None, Usd(7), at_least=True, model="a-model")
    assert await store.read(lambda view: view.past_turns("7", "codex", 9)) == (lost,)


async def test_an_update_is_accepted_once_and_handled_once(store: SqliteStore) -> None:
    """Oldest first; the same key again is not news, handled or not, and cannot be handled again."""
    assert await store.accept("telegram", [("1", "one")], NOW)
    assert await store.accept("telegram", [("2", "two")], NOW)
    assert not await store.accept("telegram", [("1", "one again")], NOW)
    assert await store.accept("console", [("1", "elsewhere")], NOW)
    assert [update.payload for update in await store.inbox(2)] == ["one", "two"]
    await put(store, handled=("telegram", "1"))
    assert not await store.accept("telegram", [("1", "one")], NOW)
    with pytest.raises(StoreError, match="does not wait"):
        await put(store, handled=("telegram", "1"))


async def test_an_update_tells_how_often_it_was_taken_up(store: SqliteStore) -> None:
    """So that one that always stops the gateway can be put aside; to look at it counts for nothing."""
    for key in ("1", "2", "3"):
        await store.accept("telegram", [(key, "one")], NOW)
    for _ in range(2):
        await store.take_up((await store.inbox(3))[:2])
    assert [update.attempts for update in await store.inbox(9)] == [2, 2, 0]


async def test_the_parts_of_an_album_are_handled_together_or_not_at_all(store: SqliteStore) -> None:
    """One decision takes all of them out of the inbox; where one is not there any more nothing of it is written."""
    for key in ("1", "2", "3"):
        await store.accept("telegram", [(key, "part")], NOW)
    await put(store, handled=("telegram", "1"), also=(("telegram", "3"),))
    assert [update.key for update in await store.inbox(9)] == ["2"]
    with pytest.raises(StoreError, match="does not wait"):
        await put(store, handled=("telegram", "2"), also=(("telegram", "3"),))
    assert [update.key for update in await store.inbox(9)] == ["2"]


async def test_a_quarantined_update_is_not_offered_again(store: SqliteStore) -> None:
    """Put aside is for good, also when the service sends it again."""
    await store.accept("telegram", [("1", "one")], NOW)
    (update,) = await store.inbox(1)
    await store.quarantine(update, "unreadable")
    assert await store.inbox(1) == ()
    assert not await store.accept("telegram", [("1", "one")], NOW)


async def test_a_full_inbox_takes_no_more(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The service keeps what we do not take; what waits is not touched."""
    monkeypatch.setattr("gateway.store.inbox.MOST_WAITING", 2)
    await store.accept("telegram", [("1", "one")], NOW)
    await store.accept("telegram", [("2", "two")], NOW)
    with pytest.raises(StoreError, match="2 updates wait"):
        await store.accept("telegram", [("3", "three")], NOW)
    await put(store, handled=("telegram", "1"))
    assert await store.accept("telegram", [("3", "three")], NOW)


async def test_updates_that_come_together_are_taken_together_or_not_at_all(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were there before are told apart, also from each other; if there is no room for all, none is taken."""
    assert await store.accept("telegram", [("1", "one"), ("2", "two")], NOW) == ("1", "2")
    assert await store.accept("telegram", [("2", "two"), ("3", "three"), ("3", "again")], NOW) == ("3",)
    assert [(one.key, one.payload) for one in await store.inbox(9)] == [("1", "one"), ("2", "two"), ("3", "three")]
    monkeypatch.setattr("gateway.store.inbox.MOST_WAITING", 4)
    with pytest.raises(StoreError, match="4 updates wait"):
        await store.accept("telegram", [("4", "four"), ("5", "five")], NOW)
    assert [one.key for one in await store.inbox(9)] == ["1", "2", "3"]


async def test_an_update_that_is_too_large_is_put_aside_at_once(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is confirmed to the service, or it would be offered for ever, and it is not lost without a trace."""
    monkeypatch.setattr("gateway.store.inbox.LARGEST_PAYLOAD", 10)
    assert await store.accept("telegram", [("1", "x" * 11)], NOW)
    assert await store.inbox(1) == ()
    assert not await store.accept("telegram", [("1", "x" * 11)], NOW)


async def test_a_process_is_forgotten_when_it_is_said_to_be_gone(store: SqliteStore) -> None:
    """Forgetting twice is harmless."""
    await put(store, put=(SESSION, Process("s_1", 1, "then", "/journal")))
    await store.forget_process("s_1")
    await store.forget_process("s_1")
    assert await store.processes() == ()


async def test_balances_are_what_the_entries_add_up_to(store: SqliteStore) -> None:
    """A limit replaces, spent and held add up, and a scope that nobody named has no limit."""
    await put(store, entries=(limit(100), hold(30), call("c1", 10, 10), limit(200)))
    expected = Balance(DAY, Usd(200), spent=Usd(10), held=Usd(20))
    seen: list[Balance] = []

    def decide(view: View) -> Decision[None]:
        seen.append(view.balance(DAY))
        return Decision(None)

    await store.transact(decide, NOW)
    assert seen == [expected]
    other = replace(DAY, key="2027-01-16")
    assert await store.read(lambda view: view.balance(other)) == Balance(other, None)


async def test_the_balances_of_several_scopes_come_in_the_order_asked_for(store: SqliteStore) -> None:
    """Each as it is asked for by itself: those that nobody named, those named twice, and those read before among them."""
    odd, other = replace(DAY, key="half \ud800"), replace(DAY, key="2027-01-16")
    await put(store, entries=(hold(30), replace(hold(7), scopes=(odd,))))

    def look(view: View) -> list[Usd]:
        view.balance(DAY)
        assert view.balances(()) == ()
        return [one.held for one in view.balances((other, odd, DAY, other))]

    assert await store.read(look) == [ZERO, Usd(7), Usd(30), ZERO]


async def test_a_call_is_charged_once(store: SqliteStore) -> None:
    """The second report of a call is an error for its caller, and changes nothing."""
    await put(store, entries=(call("c1", 10, 0),))
    with pytest.raises(StoreError, match="in the ledger already"):
        await put(store, put=(SESSION,), entries=(call("c2", 1, 0), call("c1", 10, 0)))
    assert await store.read(lambda view: (view.balance(DAY).spent, view.call_known("c1"), view.call_known("c2"))) == (
        Usd(10),
        True,
        False,
    )
    assert await sessions(store) == ()


async def test_stop_all_holds_until_go(store: SqliteStore) -> None:
    """The last word counts."""
    states = []
    for kind in (EntryKind.FREEZE, EntryKind.FREEZE, EntryKind.THAW, EntryKind.FREEZE):
        await put(store, entries=(Entry(kind, ()), limit(1)))
        states.append(await store.read(lambda view: view.frozen))
    assert states == [True, True, False, True]


async def test_an_amount_that_cannot_be_true_is_refused(store: SqliteStore) -> None:
    """No figure leaves the range in which the database adds up exactly."""
    with pytest.raises(StoreError, match="too large"):
        await put(store, entries=(limit(2**63),))
    await put(store, entries=(call("c1", LARGEST_NANO, 0),))
    with pytest.raises(StoreError, match="too large"):
        await put(store, entries=(call("c2", LARGEST_NANO, 0),))
    assert await store.read(lambda view: view.balance(DAY).held) == ZERO


async def test_counts_and_caps_are_folded_like_money(store: SqliteStore) -> None:
    """Tokens, calls and work add up, a cap replaces the one before of its unit, and the ledger still verifies."""
    first = Entry(EntryKind.LIMIT, (DAY,), caps=Caps(tokens=9, calls=9))
    counted = Entry(EntryKind.CALL, (DAY,), call_id="c1", counts=Counts(10, 1, 500))
    await put(store, entries=(first, counted, replace(counted, call_id="c2")))
    await put(store, entries=(Entry(EntryKind.LIMIT, (DAY,), caps=Caps(calls=5, work_ms=7)),))
    balance = await store.read(lambda view: view.balance(DAY))
    assert (balance.counts, balance.caps) == (Counts(20, 2, 1000), Caps(9, 5, 7))
    assert await verify(store) == ()


async def test_a_cap_that_the_owner_lowers_counts_also_where_a_person_set_a_higher_one(store: SqliteStore) -> None:
    """As limits in dollars do; one that is lower stays."""
    other = replace(DAY, key="2027-01-16")
    high, low = (Entry(EntryKind.LIMIT, (scope,), caps=Caps(calls=cap)) for scope, cap in ((DAY, 9), (other, 3)))
    lowered = Entry(EntryKind.POLICY, (), detail=dump({"changed": {"day.calls": 5, "day.pears": 1, "week.calls": 2}}))
    await put(store, entries=(high, low, lowered))
    caps = [await store.read(lambda view, one=scope: view.balance(one).caps.calls) for scope in (DAY, other)]
    assert caps == [None, 3]
    assert await verify(store) == ()


async def test_raises_count_until_their_time_and_then_no_more(store: SqliteStore) -> None:
    """Those that end first come first; one for a turn is on the turn, and is none of these."""

    def raised(by: int, until_ms: int | None) -> Entry:
        detail = dump({"lifts": [["day", DAY.key, "usd", by]]})
        return Entry(EntryKind.RAISED, (DAY,), detail=detail, until_ms=until_ms)

    await put(store, entries=(raised(5, NOW + 20), raised(7, NOW + 10), raised(9, None)))
    found = [await store.read(lambda view, ms=ms: view.lifts(ms)) for ms in (NOW, NOW + 10, NOW + 20)]
    first, second = Lift(DAY, Unit.USD, 7, NOW + 10), Lift(DAY, Unit.USD, 5, NOW + 20)
    assert found == [(first, second), (second,), ()]
    assert (await store.read(lambda view: view.balance(DAY))).limit is None


async def test_a_raise_that_cannot_be_read_is_damage(store: SqliteStore) -> None:
    """It is never taken for none."""
    await put(store, entries=(Entry(EntryKind.RAISED, (DAY,), detail="{}", until_ms=NOW + 1),))
    with pytest.raises(StoreError, match="ledger entry 1 in the database cannot be read"):
        await store.read(lambda view: view.lifts(NOW))


async def test_a_quota_window_is_as_it_was_told_last(store: SqliteStore) -> None:
    """By agent and window."""
    five, seven = Quota("claude", "five_hour", 40, NOW, NOW + 9), Quota("claude", "seven_day", 3, NOW)
    await put(store, put=(five, seven, Quota("codex", "five_hour", 99, NOW)))
    await put(store, put=(replace(five, percent=41),))
    assert await store.read(lambda view: view.quotas("claude")) == (replace(five, percent=41), seven)
