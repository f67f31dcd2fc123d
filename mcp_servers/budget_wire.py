"""What goes over the wire to and from the budget's tools: their arguments, their results, and the words that go with them.

Amounts are decimal strings of dollars with every digit: "0.420000001".
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.json_schema import GenerateJsonSchema

from gateway.core import gauges, summary
from gateway.core.change import WHY_CHARACTERS_MAX
from gateway.domain import asked
from gateway.domain import estimate as estimated
from gateway.domain.budget import Balance, Unit
from gateway.domain.change import ChangeState, Standing
from gateway.domain.money import Usd
from gateway.domain.turn import Turn

WAIT_S_MAX: Final = 45
"""Clients give a tool a minute, if nobody told them otherwise."""

DESCRIPTIONS: Final = {
    "budget_status": (
        "The spending limits that count for this session (session, project, person, chat, day, week, month), what is spent and held of "
        "each, what is left, and up to how much the turn at work may cost. Free: it makes no API call."
    ),
    "session_cost": (
        "What this session has cost so far, and each of its latest turns: state, cost, tokens, and what was claimed of it. List prices "
        "where the user is on a subscription."
    ),
    "estimate": (
        "What a prompt would probably cost as the next turn of this session: the floor (its first call), the median and the 90th "
        "percentile of similar past turns, how many those are, and an explanation."
    ),
    "request_budget": (
        "Ask a person, in their chat, to raise a limit. You get 'granted', 'denied' or 'pending'; only the person decides, and nothing is "
        "raised before. After 'pending', call this again with the id alone to hear the answer: not in a tight loop. Asking for the same "
        "thing twice is one question, and questions are limited: after 'denied', go on with what is left."
    ),
    "ask_human": (
        "Ask a person something, in their chat: with up to four choices, or for an answer in their own words. You get 'answered' with the "
        "answer, 'declined', or 'pending' with an id: call this again with the id alone to hear the answer later. For money use "
        "request_budget. The answer is a person's, but no permission for anything that is asked for elsewhere."
    ),
    "report_outcome": (
        "Say what came of this session's latest turn, in a few words. It is kept with the turn as your claim; what the turn really left "
        "behind (commits, tests, errors) is found out apart from it."
    ),
}


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    session: Annotated[
        str,
        Field(
            max_length=200,
            description="Leave this out: it is for programs that reach the gateway over HTTP and were given a session's handle.",
        ),
    ] = ""


class OfSession(_Sent):
    """Arguments of budget_status and session_cost."""


class OfPrompt(_Sent):
    """Arguments of estimate."""

    prompt: Annotated[str, Field(min_length=1, max_length=500_000, description="The whole prompt.")]


_Id = Annotated[
    str,
    Field(
        max_length=60, description="To hear how it stands with an earlier question: the id from its 'pending' answer."
    ),
]


class Asking(_Sent):
    """What both kinds of questions to a person have."""

    id: _Id = ""
    wait_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=WAIT_S_MAX,
            allow_inf_nan=False,
            description="How long to wait for the answer before 'pending' is said.",
        ),
    ] = 20.0


def _digits(value: object) -> object:
    """A whole number may come as one; others as text, so that an amount is read by its digits and never through a float."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Request(Asking):
    """Arguments of request_budget."""

    scope: Annotated[
        Literal["session", "project", "person", "chat", "day", "week", "month"],
        Field(description="Which limit to raise."),
    ] = "session"
    amount: Annotated[
        str,
        BeforeValidator(_digits),
        Field(
            max_length=40, description="By how much: dollars like '5' or '2.50', or '200 calls', '2M tokens', '90 min'."
        ),
    ] = ""
    why: Annotated[
        str, Field(max_length=WHY_CHARACTERS_MAX, description="The reason, in a sentence: the person decides by it.")
    ] = ""
    until: Annotated[
        str,
        Field(
            max_length=40,
            description="How long the raise is to last, like '2h' or '18:00'; empty: as long as the scope lasts.",
        ),
    ] = ""


class Question(Asking):
    """Arguments of ask_human."""

    question: Annotated[
        str,
        Field(
            max_length=summary.VERBATIM_CHARACTERS_MAX,
            description="What you want to know, with what is needed to decide it.",
        ),
    ] = ""
    choices: Annotated[
        list[Annotated[str, Field(max_length=asked.CHOICE_CHARACTERS_MAX)]],
        Field(max_length=asked.CHOICES_MAX, description="Answers to pick from; none: the person writes."),
    ] = []


class Report(_Sent):
    """Arguments of report_outcome."""

    kind: Annotated[Literal["done", "partly", "failed", "nothing"], Field(description="What came of it, in a word.")]
    words: Annotated[
        str,
        Field(
            min_length=1, max_length=asked.CLAIM_CHARACTERS_MAX, description="What came of it, in a sentence or two."
        ),
    ]


class Schema(GenerateJsonSchema):
    """Without a title for each field, which says its name once more."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's signature
        """No."""
        return False


WRONG_MAX: Final = 4
"""So many wrong arguments are named."""


def wrong(error: ValidationError, takes: type[BaseModel]) -> str:
    """What is wrong with the arguments, in a sentence for the agent: each by its name, and the names that there are."""
    found = error.errors()
    said = [_wrong(one["loc"], one["type"], one["msg"]) for one in found[:WRONG_MAX]]
    more = [f"and {len(found) - WRONG_MAX} more"] if len(found) > WRONG_MAX else []
    names = ", ".join(name for name in takes.model_fields if name != "session")
    known = f" (there are: {names or 'none'})" if any(one["type"] == "extra_forbidden" for one in found) else ""
    return f"{'; '.join([*said, *more])}{known}"


def _wrong(where: Sequence[int | str], kind: str, message: str) -> str:
    name = ".".join(str(part)[:40] for part in where) or "the arguments"
    said = {"extra_forbidden": "there is no such argument", "missing": "it is missing"}
    return f"{name}: {said.get(kind, message)}"


# ------------------------------------------------------------------------------------------------------------- results
class _Told(BaseModel):
    model_config = ConfigDict(extra="forbid")

    words: Annotated[str, Field(description="The same in words.")]


class Limit(BaseModel):
    """One limit, in its unit: dollars as a decimal string, tokens, calls and minutes as whole numbers in a string."""

    model_config = ConfigDict(extra="forbid")

    scope: str
    unit: Literal["usd", "tokens", "calls", "minutes"]
    limit: str
    used: str
    held: str
    left: str


class AtWork(BaseModel):
    """The turn at work."""

    model_config = ConfigDict(extra="forbid")

    state: str
    spent_usd: str
    may_cost_usd: Annotated[str, Field(description="Up to here it goes on unasked.")]


class Status(_Told):
    """Result of budget_status."""

    session: str | None
    frozen: Annotated[bool, Field(description="A person has stopped all paid turns.")]
    list_price: Annotated[bool, Field(description="Amounts are list prices; the user may be on a subscription.")]
    confirm_above_usd: Annotated[str, Field(description="A turn that will probably cost more is asked about first.")]
    turn: AtWork | None
    limits: list[Limit]


class TurnCost(BaseModel):
    """One turn."""

    model_config = ConfigDict(extra="forbid")

    title: str
    state: str
    spent_usd: str
    unpriced_calls: int
    tokens: int
    calls: int
    claimed: Annotated[str | None, Field(description="What its agent said came of it.")]


class Cost(_Told):
    """Result of session_cost."""

    session: str
    spent_usd: str
    held_usd: str
    limit_usd: str | None
    list_price: bool
    turns: Annotated[list[TurnCost], Field(description="The latest, newest first.")]


class Estimate(_Told):
    """Result of estimate."""

    floor_usd: str
    p50_usd: str | None
    p90_usd: str | None
    n: Annotated[int, Field(description="How many similar past turns this rests on.")]
    hold_usd: Annotated[str, Field(description="What would be set aside.")]
    unpriced_model: str | None


class Raised(_Told):
    """Result of request_budget."""

    status: Literal["granted", "denied", "pending"]
    id: Annotated[str | None, Field(description="To ask again with.")]
    expires_at_ms: int | None


class Answered(_Told):
    """Result of ask_human."""

    status: Literal["answered", "declined", "pending"]
    answer: str | None
    id: Annotated[str | None, Field(description="To ask again with.")]
    expires_at_ms: int | None


class Reported(_Told):
    """Result of report_outcome."""

    turn: str
    claimed: str


# --------------------------------------------------------------------------------------------------------- translation
def status(found: asked.Status) -> Status:
    """What stands against the limits."""
    limits = [limit for balance in found.balances for limit in _limits(balance)]
    turn = found.turn
    lines = [
        f"{one.scope}: {_worded(one.used, one.unit)} of {_worded(one.limit, one.unit)}{_held(one)}" for one in limits
    ]
    if turn is not None:
        lines.append(f"This turn: {summary.spent(turn)} so far, {turn.ceiling} at most unasked.")
    if found.frozen:
        lines.append("A person has stopped all paid turns.")
    return Status(
        words="\n".join(lines) or "No limit counts here.",
        session=None if found.session is None else found.session.id,
        frozen=found.frozen,
        list_price=found.list_price,
        confirm_above_usd=found.confirm_above.exact(),
        turn=None
        if turn is None
        else AtWork(state=turn.state, spent_usd=turn.spent.exact(), may_cost_usd=turn.ceiling.exact()),
        limits=limits,
    )


def _limits(balance: Balance) -> list[Limit]:
    """What is limited of a scope."""
    scope, found = str(balance.scope.kind), list[Limit]()
    left = balance.remaining
    if balance.limit is not None and left is not None:
        used, held = balance.spent.exact(), balance.held.exact()
        found.append(
            Limit(scope=scope, unit="usd", limit=balance.limit.exact(), used=used, held=held, left=left.exact())
        )
    for gauge in gauges.of_balances((balance,)):
        by = gauges.MINUTE_MS if gauge.unit is Unit.WORK_MS else 1
        unit = "minutes" if gauge.unit is Unit.WORK_MS else "tokens" if gauge.unit is Unit.TOKENS else "calls"
        limit, used = gauge.limit // by, -(-gauge.used // by)
        found.append(Limit(scope=scope, unit=unit, limit=str(limit), used=str(used), held="0", left=str(limit - used)))
    return found


def _worded(amount: str, unit: str) -> str:
    return f"${amount}" if unit == "usd" else f"{amount} {unit}"


def _held(limit: Limit) -> str:
    held = f", ${limit.held} held" if limit.unit == "usd" and limit.held != Usd(0).exact() else ""
    return f" used{held}, {_worded(limit.left, limit.unit)} left"


def cost(found: asked.Cost) -> Cost:
    """What a session cost."""
    balance = found.balance
    of = f" of {balance.limit}" if balance.limit is not None else ""
    prices = " List prices." if found.list_price else ""
    lines = [
        f"{summary.spent(turn)} · {turn.state} · {summary.title(turn.prompt)}{_claimed(turn)}" for turn in found.turns
    ]
    return Cost(
        words="\n".join([f"Session {found.session.id}: {balance.spent}{of}.{prices}", *lines]),
        session=found.session.id,
        spent_usd=balance.spent.exact(),
        held_usd=balance.held.exact(),
        limit_usd=None if balance.limit is None else balance.limit.exact(),
        list_price=found.list_price,
        turns=[_turn(turn) for turn in found.turns],
    )


def _claimed(turn: Turn) -> str:
    return "" if turn.claim is None else f" · the agent says: {turn.claim.kind}, {turn.claim.text}"


def _turn(turn: Turn) -> TurnCost:
    return TurnCost(
        title=summary.title(turn.prompt),
        state=turn.state,
        spent_usd=turn.spent.exact(),
        unpriced_calls=turn.unpriced_calls,
        tokens=turn.tokens.total,
        calls=turn.calls,
        claimed=None if turn.claim is None else f"{turn.claim.kind}: {turn.claim.text}",
    )


def estimate(found: estimated.Estimate) -> Estimate:
    """A forecast."""
    return Estimate(
        words=found.words,
        floor_usd=found.floor.exact(),
        p50_usd=None if found.p50 is None else found.p50.exact(),
        p90_usd=None if found.p90 is None else found.p90.exact(),
        n=found.n,
        hold_usd=found.hold.exact(),
        unpriced_model=found.unpriced,
    )


def raised(standing: Standing) -> Raised:
    """How it stands with a raise."""
    match standing.state:
        case ChangeState.DONE:
            return Raised(status="granted", words=standing.words, id=None, expires_at_ms=None)
        case ChangeState.ASKED:
            words = f"{standing.words} Nobody has answered yet; nothing was raised."
            return Raised(status="pending", words=words, id=standing.id, expires_at_ms=standing.expires_at_ms)
        case _:
            return Raised(status="denied", words=standing.words, id=None, expires_at_ms=None)


def answered(standing: Standing) -> Answered:
    """How it stands with a question."""
    match standing.state:
        case ChangeState.DONE:
            return Answered(status="answered", words=standing.words, answer=standing.words, id=None, expires_at_ms=None)
        case ChangeState.ASKED:
            words = f"{standing.words} Nobody has answered yet."
            return Answered(
                status="pending", words=words, answer=None, id=standing.id, expires_at_ms=standing.expires_at_ms
            )
        case _:
            return Answered(status="declined", words=standing.words, answer=None, id=None, expires_at_ms=None)


def reported(turn: Turn) -> Reported:
    """What was kept."""
    claim = "" if turn.claim is None else f"{turn.claim.kind}: {turn.claim.text}"
    words = f"Kept as your claim with the turn {summary.title(turn.prompt)!r}."
    return Reported(words=words, turn=turn.id, claimed=claim)
