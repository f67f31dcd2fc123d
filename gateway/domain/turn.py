"""A turn: one prompt and all that it causes."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.budget import Lift, Scope
from gateway.domain.estimate import Estimate
from gateway.domain.files import Attachment
from gateway.domain.money import ZERO, Usd
from gateway.domain.usage import NO_PARTS, NO_TOKENS, Flag, Parts, Tokens


class Origin(StrEnum):
    """Who started the turn."""

    PERSON = "person"
    DESK = "desk"
    BACKGROUND = "background"


class TurnState(StrEnum):
    """Where a turn stands; `core.turn.TRANSITIONS` says what leads where."""

    QUEUED = "queued"
    """Accepted; an earlier turn of its session is still at work, or the gate has not spoken yet."""
    ASKING = "asking"
    """A person was asked whether it may run. Nothing was spent."""
    HELD = "held"
    """Money is set aside; the prompt is being handed to the agent."""
    RUNNING = "running"
    """The agent has the prompt."""
    PAUSED = "paused"
    """At a limit; a person was asked. The agent waits at a boundary, or has ended cleanly and can be continued."""
    FINISHED = "finished"
    FAILED = "failed"
    """The agent or its API reported an error."""
    REFUSED = "refused"
    """The gate, or the person asked, said no. Nothing was spent."""
    STOPPED = "stopped"
    """A person ended it after it had started."""
    INTERRUPTED = "interrupted"
    """A crash cut it short, or its agent ended; what it spent is booked."""
    JOINED = "joined"
    """Its words went into another turn of its session while that was at work: what they cost is that turn's."""


class OutcomeKind(StrEnum):
    """What a turn left behind."""

    ANSWER = "answer"
    NOTHING = "nothing"
    ERROR = "error"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a turn left behind, with the agent's last words or the error, shortened to 500 characters."""

    kind: OutcomeKind
    text: str = ""


class ClaimKind(StrEnum):
    """What an agent says came of its work."""

    DONE = "done"
    PARTLY = "partly"
    FAILED = "failed"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the agent itself says came of a turn: told as its words, and never counted as an outcome."""

    kind: ClaimKind
    text: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt and all that it causes. `prompt_uuid` names the prompt to the agent: the same uuid is never run twice.

    `hold` is all that was set aside for it so far, `ceiling` how far it may grow unasked. `held_left` is the part of the
    hold that is not yet spent. `spent` counts priced calls and reconciled differences.
    """

    id: str
    session_id: str
    origin: Origin
    state: TurnState
    person: str
    prompt: str
    prompt_uuid: str
    created_at_ms: int
    continues: bool = False
    """The agent has the prompt; what `prompt_uuid` names is the word to go on after a pause."""
    model: str | None = None
    scopes: tuple[Scope, ...] = ()
    estimate: Estimate | None = None
    hold: Usd = ZERO
    held_left: Usd = ZERO
    ceiling: Usd = ZERO
    spent: Usd = ZERO
    parts: Parts = NO_PARTS
    """What `spent` is made of, as far as that is known: it was not told apart from the beginning."""
    tokens: Tokens = NO_TOKENS
    calls: int = 0
    work_ms: int = 0
    """For how long its agent has worked, as far as that is booked; waiting for a person does not count."""
    lifts: tuple[Lift, ...] = ()
    """Limits that a person raised for this turn alone."""
    unpriced_calls: int = 0
    unpriced_allowed: bool = False
    """A person was told that the price is unknown, and said yes."""
    flags: frozenset[Flag] = frozenset()
    outcome: Outcome | None = None
    """While it still runs: a person said stop, and this is how it will end."""
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    waits_until_ms: int | None = None
    """Allowed, and to be sent again where it was typed, until then: its agent takes no prompt from a chat for it."""
    claim: Claim | None = None
    attachments: tuple[Attachment, ...] = ()
    """Files that came with the prompt: they are fetched before it is handed over."""
    message_id: str = ""
    """The chat's own name for the message that it was, if it was one."""
    forgotten_at_ms: int | None = None
    """When its words were forgotten: the prompt, what came of it, its files."""

    @property
    def overdraft(self) -> Usd:
        """What was spent beyond everything that was ever held for it."""
        return max(ZERO, self.spent - self.hold)
