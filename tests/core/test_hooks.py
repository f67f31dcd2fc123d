"""What a webhook tells of a turn, how it is signed, and when it is tried again."""

import json
from dataclasses import replace

import pytest

from gateway.core import hooks
from gateway.core.hooks import DELAYS_S, Event, EventType, again_after_ms, asked_ms, event, project_name, secret, signed
from gateway.core.turn import ENDED
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.outcome import Change, Commit, Left, LeftKind, SeenTests, Sight, Whose
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Claim, ClaimKind, Origin, Outcome, OutcomeKind, Turn, TurnState
from gateway.domain.usage import Flag, Parts, Tokens

AT = 1_800_000_000_250
SESSION = Session("s_1", "claude", "/srv/shop", Thread("telegram", "1"), "7", AT, title="a secret title")
RUNNING = Turn("t.1", "s_1", Origin.PERSON, TurnState.RUNNING, "7", "a secret prompt", "uuid", AT)
DONE = replace(
    RUNNING,
    state=TurnState.FINISHED,
    spent=Usd(420_000_001),
    tokens=Tokens(input=3, output=4, reasoning=1),
    calls=2,
    hold=Usd(10**9),
    estimate=Estimate(Usd(1), Usd(2), None, 9, Usd(4), "secret words"),
    outcome=Outcome(OutcomeKind.ANSWER, "a secret answer"),
    claim=Claim(ClaimKind.DONE, "a secret claim"),
    flags=frozenset({Flag.RECONCILED, Flag.LOWER_BOUND}),
    started_at_ms=AT,
    ended_at_ms=AT + 1000,
)


def told(before: Turn | None, after: Turn, version: int = 5) -> Event | None:
    """What is told of the turn."""
    return event(before, after, SESSION, project="shop", version=version, at_ms=AT)


def body(before: Turn | None, after: Turn) -> dict[str, object]:
    """The body of what is told, read."""
    found = told(before, after)
    assert found is not None
    return json.loads(found.body)


@pytest.mark.parametrize("state", sorted(set(TurnState) - ENDED))
def test_nothing_is_told_of_a_turn_that_has_not_ended(state: TurnState) -> None:
    """Also where its hold was let go in between."""
    assert told(None, replace(DONE, state=state)) is None


@pytest.mark.parametrize("state", sorted(ENDED))
def test_every_end_is_told_of_once(state: TurnState) -> None:
    """Refused and joined ones as well; the same bill again is no news."""
    after = replace(DONE, state=state)
    assert body(RUNNING, after)["type"] == EventType.ENDED
    assert body(None, after)["type"] == EventType.ENDED
    assert told(after, replace(after, message_id="9", claim=None)) is None


@pytest.mark.parametrize(
    "change",
    [{"spent": Usd(5)}, {"calls": 3}, {"unpriced_calls": 1}, {"tokens": Tokens(1)}, {"flags": frozenset[Flag]()}],
)
def test_a_bill_that_changes_after_the_end_is_told_anew(change: dict[str, object]) -> None:
    """With its own name, as an update."""
    after = replace(DONE, **change)
    assert body(DONE, after)["type"] == EventType.UPDATED


def test_an_event_holds_what_a_bill_needs_and_no_words() -> None:
    """Amounts as decimal text, times in UTC, and nothing that anybody wrote."""
    found = told(RUNNING, DONE)
    assert found is not None
    assert found.id == "t-1_5"
    assert "secret" not in found.body
    read = json.loads(found.body)
    assert (read["schema"], read["timestamp"]) == (1, "2027-01-15T08:00:00.250Z")
    data = read["data"]
    assert data["cost_usd"] == "0.420000001"
    assert data["tokens"]["output"] == 4
    assert data["estimate"] == {"floor_usd": "0.000000001", "p50_usd": "0.000000002", "p90_usd": None, "n": 9}
    assert data["flags"] == ["lower_bound", "reconciled"]
    assert (data["project"], data["agent"], data["person"], data["outcome"]) == ("shop", "claude", "7", "answer")
    assert (data["started_at"], data["ended_at"]) == ("2027-01-15T08:00:00.250Z", "2027-01-15T08:00:01.250Z")
    assert data["version"] == 5


def test_an_event_tells_what_the_cost_is_made_of() -> None:
    """Each class to the last digit, and the rest that is not told apart; null where nobody knows the cost."""
    parts = Parts(Usd(1), Usd(2), Usd(3), Usd(4), Usd(5))
    data = body(RUNNING, replace(DONE, parts=parts))["data"]
    assert isinstance(data, dict)
    assert data["parts_usd"] == {
        "input": "0.000000001",
        "cache_read": "0.000000002",
        "cache_write": "0.000000003",
        "output": "0.000000004",
        "web_search": "0.000000005",
        "other": "0.419999986",
    }
    unknown = body(RUNNING, replace(DONE, spent=ZERO, unpriced_calls=2))["data"]
    assert isinstance(unknown, dict)
    assert unknown["parts_usd"] is None


def test_an_event_tells_what_a_turn_left_in_figures_and_no_names() -> None:
    """Its own commits and those of nobody, tests; nothing by which git knows them. What nobody looked at, or could see, is null."""
    own = Commit("t.1", "secret", "/secret", Whose.TURN, Change(2, 30, 4), AT, AT)
    left = Left(
        *("t.1", LeftKind.COMMITS, Sight.SEEN, None, None),
        (own, own, replace(own, whose=Whose.SHARED)),
        SeenTests(3, "secret", passed=False),
    )
    found = event(RUNNING, DONE, SESSION, project="shop", version=5, at_ms=AT, left=left)
    assert found is not None
    assert "secret" not in found.body
    assert json.loads(found.body)["data"]["left"] == {
        "kind": "commits",
        "commits": 2,
        "shared_commits": 1,
        "files": 4,
        "added": 60,
        "removed": 8,
        "test_runs": 3,
        "tests_passed": False,
    }
    unseen = Left("t.1", LeftKind.UNKNOWN, Sight.UNKNOWN)
    found = event(RUNNING, DONE, SESSION, project="shop", version=5, at_ms=AT, left=unseen)
    assert found is not None
    assert json.loads(found.body)["data"]["left"]["commits"] is None
    plain = body(RUNNING, DONE)["data"]
    assert isinstance(plain, dict)
    assert plain["left"] is None


def test_what_nobody_knows_is_null_and_not_zero() -> None:
    """The cost of unpriced calls, the floor of an unknown model, times that never came."""
    estimate = Estimate(ZERO, None, None, 0, ZERO, "", unpriced="mystery")
    refused = replace(RUNNING, state=TurnState.REFUSED, estimate=estimate, unpriced_calls=1, calls=1)
    data = body(RUNNING, refused)["data"]
    assert isinstance(data, dict)
    assert (data["cost_usd"], data["started_at"], data["ended_at"], data["outcome"]) == (None, None, None, None)
    assert data["estimate"]["floor_usd"] is None
    free = body(RUNNING, replace(RUNNING, state=TurnState.REFUSED))["data"]
    assert isinstance(free, dict)
    assert (free["cost_usd"], free["estimate"]) == ("0.00", None)


def test_a_ping_tells_nothing() -> None:
    """But that it is one."""
    assert json.loads(hooks.ping("ping_1", AT).body)["data"] == {}


def test_a_signature_is_the_one_of_the_specifications_own_libraries() -> None:
    """The vector of the reference implementations' tests (libraries/*/test, standard-webhooks 1.0.0)."""
    key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signed(Event("msg_p5jXN8AQM9LWM0D4loKWxJek", '{"test": 2432232314}'), (key,), 1614265330)
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert (made["webhook-id"], made["webhook-timestamp"]) == ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330")


def test_two_secrets_make_two_signatures() -> None:
    """The newest first, with a space between."""
    made = signed(Event("a", "b"), (b"1" * 24, b"2" * 24), 5)["webhook-signature"].split(" ")
    assert len(made) == len(set(made)) == 2


@pytest.mark.parametrize(
    "text", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_not base64!", "whsec_" + "A" * 100]
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(text: str) -> None:
    """Too short, too long, without its prefix or not base64."""
    with pytest.raises(ValueError, match="tollbridge hooks secret") as found:
        secret(text)
    assert text[6:] == "" or text not in str(found.value)


def test_attempts_follow_the_specifications_schedule_and_end() -> None:
    """After more than three days; chance adds up to a fifth, and the receiver may ask for up to a day."""
    waits = [again_after_ms(attempt, 0, 0) for attempt in range(1, 11)]
    assert waits == [*(seconds * 1000 for seconds in DELAYS_S), None]
    assert 3 * 86400 < sum(DELAYS_S) < 4 * 86400
    assert again_after_ms(1, 0, 1) == 6000
    assert again_after_ms(1, 60_000, 0) == 60_000
    assert again_after_ms(1, 10**12, 0) == 86_400_000


@pytest.mark.parametrize(
    ("header", "asks"),
    [
        ("120", 120_000),
        (" 5 ", 5000),
        ("", 0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("-1", 0),
        ("9" * 9, 86_400_000),
        ("9" * 10, 0),
    ],
)
def test_retry_after_is_read_in_seconds(header: str, asks: int) -> None:
    """Up to a day; anything else asks for nothing."""
    assert asked_ms(header) == asks


@pytest.mark.parametrize(("how", "name"), [("last", "shop"), ("full", "/srv/shop/"), ("hash", "")])
def test_a_project_is_called_what_the_owner_wants(how: hooks.ProjectName, name: str) -> None:
    """A hash tells projects apart, and no more."""
    found = project_name("/srv/shop/", how)
    assert len(found) == 16 if how == "hash" else found == name
    assert project_name("/", "last") == "/"


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:8/x", True),
        ("http://127.0.0.9", True),
        ("http://[::1]/", True),
        ("http://10.0.0.1", False),
        ("http://localhost.example.org", False),
        ("x", False),
    ],
)
def test_only_this_machines_own_names_are_here(url: str, here: bool) -> None:
    """Plain HTTP goes nowhere else."""
    assert hooks.is_here(url) is here
