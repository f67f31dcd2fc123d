"""What a decision sees of the store, inside its transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from gateway.core.forecast import Past
from gateway.core.forgetting import Held
from gateway.domain.approval import Approval
from gateway.domain.budget import Balance, Entry, Lift, Quota, Scope
from gateway.domain.lease import (
    Figure,
    Loan,
)
from gateway.domain.money import Usd
from gateway.domain.outcome import Commit, Left
from gateway.domain.place import Grant, Session, Thread, Unmetered
from gateway.domain.preferences import Preferences, Traffic
from gateway.domain.spending import Portion
from gateway.domain.turn import Turn
from gateway.domain.usage import Usage
from gateway.ports.hooks import Hooked


@dataclass(frozen=True, slots=True)
class Record:
    """A ledger entry as written: numbered without gaps, and chained by hash to the one before."""

    seq: int
    at_ms: int
    entry: Entry
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Heads:
    """How far the store is written: the numbers of the newest ledger entry and of the newest turn; 0: there is none."""

    entry: int
    turn: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How many updates wait to be handled, bookings wait for a price, and agents have a process."""

    updates: int
    unpriced: int
    processes: int


class View(Protocol):
    """What one transaction sees. Valid only inside `decide`."""

    @property
    def frozen(self) -> bool:
        """`/stop all` was said and `/go` was not."""
        ...

    @property
    def policy(self) -> str:
        """The owner's settings as the newest POLICY entry noted them, empty if none did."""
        ...

    def balance(self, scope: Scope) -> Balance:
        """What stands against a scope now: check and hold are in one transaction, so nothing comes between."""
        ...

    def balances(self, scopes: Sequence[Scope]) -> tuple[Balance, ...]:
        """The same for each of the scopes, read in one go."""
        ...

    def lifts(self, now_ms: int) -> tuple[Lift, ...]:
        """By how much limits are higher now, by raises that are over at a time."""
        ...

    def quotas(self, agent: str) -> tuple[Quota, ...]:
        """The windows of a subscription as this agent told them last."""
        ...

    def session(self, session_id: str) -> Session | None: ...

    def current_session(self, thread: Thread) -> Session | None:
        """The session that plain text in this thread goes to."""
        ...

    def session_of_agent(self, agent_session: str) -> Session | None:
        """The newest session with the conversation that an agent knows under this name."""
        ...

    def is_forgotten(self, agent_session: str) -> bool:
        """Whether a session with this conversation was forgotten, of which no more is known than that."""
        ...

    def sessions_named(self, beginning: str, limit: int) -> tuple[Session, ...]:
        """Sessions whose id begins so, newest first."""
        ...

    def unsettled_sessions(self, limit: int) -> tuple[Session, ...]:
        """Sessions whose own thread the chat was not told of yet (`Room`, `UNSETTLED`), oldest first."""
        ...

    def thread_sessions(self, thread: Thread, limit: int = 10) -> tuple[Session, ...]:
        """The latest sessions of a thread that are not forgotten, newest first; of those that nobody comes back to only the ones at
        work.
        """
        ...

    def turn(self, turn_id: str) -> Turn | None: ...

    def turn_of_prompt(self, session_id: str, prompt_uuid: str) -> Turn | None:
        """The session's turn whose prompt its agent knows under this name."""
        ...

    def portions(self, first: date, begins: Sequence[int]) -> tuple[Portion, ...]:
        """What the turns come to that began in these slots of time: `begins` says when each of them begins, and when the last one is
        over. A portion's `day` is `first` for the first slot, the day after it for the second, whatever their length.
        """
        ...

    def sessions_in(self, service: str, chat: str) -> frozenset[str]:
        """The ids of all sessions in a chat, with all its topics."""
        ...

    def digests(self, service: str) -> tuple[Preferences, ...]:
        """What people chose for the chats that have a digest."""
        ...

    def latest_turns(self, session_id: str, limit: int) -> tuple[Turn, ...]:
        """The session's latest turns in any state, newest first."""
        ...

    def all_open_turns(self) -> tuple[Turn, ...]:
        """Turns of any session that have not ended, oldest first."""
        ...

    def expected_turns(self, until_ms: int, limit: int) -> tuple[Turn, ...]:
        """Turns that were to be sent again where they were typed, until a time that is over by then."""
        ...

    def open_turns(self, session_id: str) -> tuple[Turn, ...]:
        """The session's turns that have not ended, oldest first."""
        ...

    def approval(self, approval_id: str) -> Approval | None: ...

    def approval_by_token(self, token: str) -> Approval | None: ...

    def open_approvals(self, turn_id: str) -> tuple[Approval, ...]: ...

    def unheard_approvals(self, turn_id: str) -> tuple[Approval, ...]:
        """Answered or expired ones whose agent still waits, as far as is known (`request_id` is set), oldest first."""
        ...

    def overdue_approvals(self, now_ms: int, limit: int) -> tuple[Approval, ...]:
        """Open approvals whose time is over, oldest first."""
        ...

    def unreminded_approvals(self, by_ms: int, limit: int) -> tuple[Approval, ...]:
        """Open questions about runs, limits, tools and of agents that end by then and that nobody was reminded of, oldest first."""
        ...

    def grants(self, person: str) -> tuple[Grant, ...]: ...

    def all_grants(self) -> tuple[Grant, ...]:
        """What everybody may do."""
        ...

    def ref_of(self, thread: Thread, message_id: str) -> str | None:
        """The reverse: which message of ours the chat knows under this name; None if it is none, or long gone."""
        ...

    def message_id(self, ref: str) -> str | None:
        """The chat's own name for the message `ref`, once it was delivered."""
        ...

    def is_waiting(self, ref: str) -> bool:
        """The message `ref` was said, and nothing of it is on its way yet."""
        ...

    def unsent_files(self) -> frozenset[str]:
        """The copies (their paths) that messages carry which wait, are on their way, or may not have arrived."""
        ...

    def past_turns(self, person: str, agent: str, limit: int) -> tuple[Past, ...]:
        """The person's latest ended and fully priced turns that ran with this agent, newest first. Where these are fewer than the limit
        and the person owns the gateway, the latest that were imported from the agent's logs are among them.
        """
        ...

    def call_known(self, call_id: str) -> bool:
        """A call with this id is in the ledger already."""
        ...

    def metered(self, turn_id: str) -> tuple[Usage, ...]:
        """What was booked for a turn since its hold was last settled: its calls, and differences found."""
        ...

    def unpriced(self, after: tuple[str, int], limit: int) -> tuple[tuple[Record, Usage], ...]:
        """Entries that have no price, and that none was found for since, by turn and number, beyond `after` (turn id, number)."""
        ...

    def loan(self, loan_id: str) -> Loan | None:
        """A lease that this gateway asked its bank for, or has."""
        ...

    def loans(self) -> tuple[Loan, ...]:
        """The leases that are not closed, oldest first."""
        ...

    def untold(self, limit: int) -> tuple[tuple[Loan, Usd], ...]:
        """Leases that are no longer open, of which more was spent than the bank was told, and how much in all; oldest first."""
        ...

    def figures(self, limit: int) -> tuple[Figure, ...]:
        """Figures that the bank may not have yet, in the order of their numbers."""
        ...

    def held(self, session_id: str) -> Held:
        """How much of the session's words is kept."""
        ...

    def unmetered(self, agent_session: str) -> Unmetered | None:
        """What is known of a session that went without Tollbridge."""
        ...

    def unmetered_told(self, since_ms: int) -> int:
        """Of how many such sessions a chat was told since then."""
        ...

    def moves(self, service: str) -> tuple[tuple[str, str], ...]:
        """(before, after) of each group that goes by another number now."""
        ...

    def shown_approvals(self, service: str, chat: str) -> tuple[Approval, ...]:
        """Open questions (no menus) whose message stands in this chat, oldest first."""
        ...

    def preferences(self, thread: Thread) -> Preferences:
        """What people chose for the chat that the thread is in."""
        ...

    def offered(self, service: str) -> tuple[str, ...]:
        """The chats where the service was told which commands to offer."""
        ...

    def left(self, turn_id: str) -> Left | None:
        """What the turn left behind; None: nobody has looked."""
        ...

    def commits_due(self, now_ms: int, limit: int) -> tuple[Commit, ...]:
        """Commits that are counted to turns and are to be looked at again by now, the longest due first."""
        ...

    def hooked(self) -> Hooked:
        """How it stands with events for the owner's webhook."""
        ...

    def traffic(self) -> Traffic:
        """How many messages to people wait, and how many may not have arrived."""
        ...

    def heads(self) -> Heads:
        """How far the store is written now: what comes later has higher numbers."""
        ...

    def records(self, after: int, limit: int) -> tuple[Record, ...]:
        """Ledger entries numbered above `after`, in order."""
        ...

    def turns_after(self, after: int, limit: int) -> tuple[tuple[int, Turn], ...]:
        """(number, turn) of the turns that came after the one with this number, in order. A turn keeps its number while it changes, as
        long as the store is open.
        """
        ...

    def standing(self) -> Standing:
        """What waits, by the number."""
        ...
