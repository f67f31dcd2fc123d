"""Everything the engine needs of the world, on one page: Chat, Agent, Store, Prices, Bank.

Each port has a real adapter and a fake beside it; both pass the same contract tests. Times are milliseconds since 1970,
UTC. (The clock and the maker of ids are plain functions: `gateway.clock`.)
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Generic, Protocol, TypeVar

from gateway.core.forecast import Past
from gateway.core.forgetting import Cut, Held
from gateway.core.route import Command
from gateway.domain.approval import Approval
from gateway.domain.budget import Balance, Entry, Lift, Quota, Scope
from gateway.domain.effects import Answer, Button, Effect
from gateway.domain.events import AgentEvent, Incoming, Moved, Tap
from gateway.domain.lease import (
    Figure,
    FigureSum,
    Lease,
    Lending,
    Loan,
    Refused,
    Renewal,
    TeamBalance,
    TeamScope,
    TeamStatus,
)
from gateway.domain.money import Usd
from gateway.domain.place import Grant, Session, Thread, Unmetered
from gateway.domain.preferences import Offered, Preferences, Traffic
from gateway.domain.turn import Turn
from gateway.domain.usage import Rates, Unpriced, Usage

T = TypeVar("T")

AGENT_MARK: Final = "TOLLBRIDGE_AGENT"
"""In the environment of everything that an agent starts: the path of its session's journal."""


class TollbridgeError(Exception):
    """Something a person has to mend; the message says what is wrong and what to do. Every adapter raises only these."""


# ------------------------------------------------------------------------------------------------------------ the chat
class UnreadableError(TollbridgeError):
    """An update that cannot be understood: it is put aside, with the reason, and the next one is read."""


@dataclass(frozen=True, slots=True)
class Post:
    """One message on its way out. `edits` names the message to change instead.

    `body` is what `Chat.compose` made, or `core.files.enclosed` (`core.files.parcel_of` tells).
    """

    id: int
    thread: Thread
    ref: str
    body: str
    edits: str | None = None
    ring: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """It is there, under this name."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Delayed:
    """It is not there; try again after so long. `whole_service`: the delay holds for every thread, not just this one."""

    wait_ms: int
    whole_service: bool = False


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may be there: the request went out and no answer came back. It is never repeated blindly."""

    why: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never be there: the person blocked the bot, the message to edit is gone, ..."""

    why: str


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """It is not there, and will be once it is sent to where the chat has moved: its number from now on."""

    chat: str


@dataclass(frozen=True, slots=True)
class Gone:
    """Nothing can be said in its thread any more, and the chat is still there: it waits for `Decision.rerouted`."""

    why: str


Receipt = Delivered | Delayed | Uncertain | Rejected | Elsewhere | Gone


@dataclass(frozen=True, slots=True)
class Saved:
    """A file that a person sent is on the disk, with so many bytes."""

    size: int


Accept = Callable[[Sequence[tuple[str, str]]], Awaitable[None]]
"""Takes (key, payload) of updates, in the order in which they came, all or none. Raises StoreError."""


class Chat(Protocol):
    """A chat service. Updates come in as opaque text with a unique key, so that they can be stored before they are read."""

    service: str
    where: str
    """Where people read it, in words for somebody who sits elsewhere: "on your phone"."""

    async def receive(self, accept: Accept) -> None:
        """Run until cancelled: `await accept(updates)`, as many as came together; they are confirmed to the service only after that."""
        ...

    def read(self, payload: str) -> Incoming:
        """What an update means. Raises UnreadableError."""
        ...

    def compose(self, text: str, buttons: Sequence[Button]) -> tuple[str, ...]:
        """Markdown and buttons as bodies that each fit one message; the buttons stand under the last."""
        ...

    def enclosable(self, text: str) -> str | None:
        """The text as it may go in a picture or a file; None: neither helps here, all of it is said."""
        ...

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:
        """How long the service wants between two deliveries to this thread."""
        ...

    @property
    def service_gap_ms(self) -> int:
        """How long it wants between two deliveries to whichever threads."""
        ...

    async def deliver(self, post: Post) -> Receipt:
        """Send or edit one message. Never raises for what the service or the network does: that is the receipt."""
        ...

    async def acknowledge(self, tap: Tap, words: str) -> None:
        """Stop the spinner on a pressed button, with a word if there is one. Losing it is harmless."""
        ...

    async def typing(self, thread: Thread) -> None:
        """Show for a few seconds that work goes on. Losing it is harmless."""
        ...

    async def draft(self, thread: Thread, draft_id: int, text: str) -> bool:
        """Show the end of an answer that is still being written, in place of what was shown of it under this number; it is gone when
        a message comes, or after a while. False: there is no such thing here. Losing one is harmless.
        """
        ...

    async def fetch(self, attachment_id: str, into: str, bytes_max: int) -> Saved | str:
        """Save a file that a person sent under this path, whole and for this user alone; or why not, and nothing is there.

        `bytes_max` is counted as they come, whatever the service says of its size. It is never unpacked.
        """
        ...

    async def react(self, thread: Thread, message_id: str, emoji: str) -> str:
        """Put an emoji on a message of the thread, in place of one that we put there before; empty: done, else why not."""
        ...

    def has_threads(self, thread: Thread) -> bool:
        """The chat of this thread can have further ones, as far as is known now."""
        ...

    async def open_thread(self, thread: Thread, name: str) -> Thread | Delayed | Uncertain | str:
        """A new thread in the chat of this one, called so (cut to what the service takes); or when to ask again, or why not."""
        ...

    async def rename_thread(self, thread: Thread, name: str) -> Delayed | Gone | str:
        """Call a thread so; empty: done, or it is called so already; else when to ask again, or why not."""
        ...

    async def shut_thread(self, thread: Thread, *, shut: bool) -> Delayed | Gone | str:
        """Close a thread, or open it again; empty: done, or it is so already; else when to ask again, or why not."""
        ...

    def thread_link(self, thread: Thread) -> str:
        """What opens the thread, where there is such an address; else empty."""
        ...

    async def offer(self, commands: Sequence[Command], chat: str = "", *, groups: bool = False) -> str:
        """Have the service show these commands in a chat, or without one wherever none were offered: in groups, or else.

        None at all: it forgets what was offered there. Empty: done, else why not.
        """
        ...


# ----------------------------------------------------------------------------------------------------------- the agent
@dataclass(frozen=True, slots=True)
class AgentTraits:
    """What an agent can do, so that nothing is promised that it cannot keep."""

    name: str
    label: str
    """As people read it: "Claude Code"."""
    pauses: bool
    """It offers boundaries in mid-turn at which it can be held."""
    overshoot: str
    """What may still be spent after a limit is met, in words."""
    list_price: bool = False
    """Its user may be on a subscription: dollars are list prices."""
    switches_model: bool = False
    """It can go on with a conversation on another model."""
    steers: bool = False
    """It can be told something while it works, as part of the run at work."""
    forks: bool = False
    """A conversation of it can go on as a copy, while the one that was copied stays as it is."""
    modes: tuple[str, ...] = ()
    """Ways of working that people may choose for a session; the first is the usual one."""
    unasking: frozenset[str] = frozenset()
    """Those of them in which it does some of what it asks about in the others: whoever answers its questions chooses these."""
    attached: str = ""
    """Not empty: people start and end it themselves, where they sit; it is there or not, and a turn may begin there. The name of
    the agent with which the gateway can go on with its conversations."""


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start an agent for a session. `agent_session` set: go on with that conversation of the agent's."""

    session_id: str
    directory: str
    agent_session: str | None = None
    model: str | None = None
    mode: str = ""
    """One of the traits' modes; empty: the usual one."""
    folder: str = ""
    """Where what people send for it is saved: it may read there too."""
    forked_from: str = ""
    """Not empty: the conversation `agent_session`, while there is none of that name yet, begins as a copy of this one."""


@dataclass(frozen=True, slots=True)
class Process:
    """Enough to find a started agent again and to know it from a stranger with the same pid.

    `started` is the process's start time as the system tells it; `journal` a file that holds what the agent said.
    """

    session_id: str
    pid: int
    started: str
    journal: str


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is known of a prompt after a crash: whether the agent had it, and what it did with it, in order."""

    prompt_known: bool
    events: tuple[AgentEvent, ...]


@dataclass(frozen=True, slots=True)
class Conversation:
    """One that an agent can go on with, by its own name for it: the first words of it, and when it was last added to."""

    agent_session: str
    title: str
    last_at_ms: int


class AgentUnavailableError(TollbridgeError):
    """The agent cannot be started: not installed, not signed in, or the directory is gone."""


class AgentAwayError(AgentUnavailableError):
    """An agent that people start themselves takes no prompt now: what was written to it waits until it does."""


class Client(Protocol):
    """One started agent. At most one prompt is at work at a time."""

    process: Process
    agent_session: str

    @property
    def listens(self) -> bool:
        """It takes prompts now. One that the gateway has started always does."""
        ...

    def events(self) -> AsyncIterator[AgentEvent]:
        """What it does, in order; the last event is Exited. One consumer.

        Calls are metered before the boundary after them. Every run begins with Started and then a Paused boundary before
        its first call, also a run that no prompt started: EndTurn there ends it without any call.
        """
        ...

    async def prompt(self, uuid: str, text: str, attributes: Mapping[str, str] | None = None) -> None:
        """Hand over a prompt. The same uuid is never run twice. Raises AgentUnavailableError, AgentAwayError.

        `attributes`: what `core.quoting.attributes` says of its message, for an agent that can be told beside the text.
        """
        ...

    async def respond(self, request_id: str, answer: Answer) -> bool:
        """Answer what it waits for; False: it no longer waits. True only once the agent's side has taken the answer."""
        ...

    async def steer(self, uuid: str, text: str, into: str) -> bool:
        """Have the agent read these words before its next call of the main loop, in the run of the prompt `into`; False: that is not
        at work, or the agent cannot (see the traits).

        True: Steered follows once it has them, before Finished of that run. If it does not, the agent never had them, and never will:
        they begin no run of their own. Only where Exited comes instead, `recover` tells whether it had them, by the uuid.
        """
        ...

    async def interrupt(self) -> None:
        """Stop the present run; Finished(INTERRUPTED) follows."""
        ...

    async def use_model(self, model: str) -> bool:
        """Use this model from the next prompt on at the latest, and make no call for that; False: it stays with the one it has.

        Raises AgentUnavailableError if it has ended.
        """
        ...

    async def use_mode(self, mode: str) -> bool:
        """Work in this mode (empty: the usual one) from the next prompt on, and make no call for that; False: it stays as it is.

        Raises AgentUnavailableError if it has ended.
        """
        ...

    async def close(self) -> None:
        """End the process and everything it started; idempotent. One that a person has started is only let go of, and goes on."""
        ...


class Agent(Protocol):
    """A kind of coding agent on this machine."""

    traits: AgentTraits

    async def start(self, launch: Launch) -> Client:
        """Start a client, ready for a prompt; it makes no API call by itself. Raises AgentUnavailableError."""
        ...

    async def recover(self, launch: Launch, process: Process | None, prompt_uuid: str) -> Recovered:
        """After a crash: end what is left of the process, then tell what became of the prompt."""
        ...

    async def conversations(self, directory: str, limit: int) -> tuple[Conversation, ...]:
        """The latest conversations that were had in a directory, also without the gateway, newest first."""
        ...


# ----------------------------------------------------------------------------------------------------------- the store
class StoreError(TollbridgeError):
    """The database refused: locked, corrupt, full, newer than this program. Nothing of the transaction was kept."""


class FullError(StoreError):
    """Too much waits to be said: nothing of this decision was kept, and once some of it was said it can be made again."""


LONGEST_WAIT_MS = 24 * 3_600_000
"""No message is delayed for longer, whatever the service says."""


@dataclass(frozen=True, slots=True)
class NewPost:
    """Messages for the outbox. `edit`: replace what `ref` says (one body); else send the bodies, once per `ref`."""

    thread: Thread
    ref: str
    bodies: tuple[str, ...]
    edit: bool = False
    ring: bool = False
    """The first body notifies aloud; what follows it comes silently."""
    wait_ms: int = 0
    """It is not sent before so long has passed."""


@dataclass(frozen=True, slots=True)
class Update:
    """One update in the inbox, committed before the service was told that we have it."""

    service: str
    key: str
    payload: str
    attempts: int
    left: bool = False
    """It waited already when the store was opened: an earlier gateway may have tried to handle it."""


@dataclass(frozen=True, slots=True)
class Record:
    """A ledger entry as written: numbered without gaps, and chained by hash to the one before."""

    seq: int
    at_ms: int
    entry: Entry
    previous_hash: str
    hash: str


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

    def unsent_files(self) -> frozenset[str]:
        """The copies (their paths) that messages carry which wait, are on their way, or may not have arrived."""
        ...

    def past_turns(self, person: str, agent: str, limit: int) -> tuple[Past, ...]:
        """The person's latest ended and fully priced turns that ran with this agent, newest first."""
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

    def traffic(self) -> Traffic:
        """How many messages to people wait, and how many may not have arrived."""
        ...


@dataclass(frozen=True, slots=True)
class Decision(Generic[T]):
    """What a decision wants written, all or nothing, and what is to be done afterwards.

    `put` replaces the records of the same id; a Session also becomes the current one of its thread when it is new (and not
    unattended) or named in `current`. `grants`: all there are from now on. `handled` takes an update (service, key) out of the inbox. An Entry whose `call_id` is known raises StoreError.
    """

    result: T
    put: tuple[Session | Turn | Approval | Process | Quota | Loan | Unmetered | Preferences | Offered, ...] = ()
    grants: tuple[Grant, ...] | None = None
    current: Session | None = None
    entries: tuple[Entry, ...] = ()
    posts: tuple[NewPost, ...] = ()
    handled: tuple[str, str] | None = None
    also: tuple[tuple[str, str], ...] = ()
    """Further updates that are handled by this: the parts of an album."""
    effects: tuple[Effect, ...] = ()
    figures: tuple[Figure, ...] = ()
    """Kept for the bank, numbered on as they are written (their own `seq` is not looked at)."""
    reported: int = 0
    """The bank has the figures up to this number: they are forgotten here."""
    renumbered: int = 0
    """The figures that wait are numbered on from here: the bank does not know the ones before them (any more)."""
    moved: Moved | None = None
    """Before anything else: sessions, questions and what waits to be sent are in the group's new number; what was sent before is
    known there under no name. `put` and `posts` already name the new one."""
    gone: Thread | None = None
    """The bot is in this chat no more: what waits to be sent there never is."""
    forgotten: str = ""
    """All words of the session with this id are forgotten: before its messages, after what else is written."""
    also_current: Session | None = None
    """As `current`, in another thread."""
    rerouted: tuple[Thread, Thread] | None = None
    """What waits to be said in the first thread is said in the second, after `posts`."""


class Store(Protocol):
    """The gateway's own state: one writer, and a decision's reads, writes, messages and update commit together."""

    async def transact(self, decide: Callable[[View], Decision[T]], now_ms: int) -> Decision[T]:
        """Run the pure `decide` on what it sees and write what it wants, in one transaction. Raises StoreError."""
        ...

    async def accept(self, service: str, updates: Sequence[tuple[str, str]], now_ms: int) -> tuple[str, ...]:
        """Commit updates, (key, payload) of each, to the inbox; the keys of those that were not there before. Raises StoreError, and
        takes none.
        """
        ...

    async def inbox(self, limit: int) -> tuple[Update, ...]:
        """Updates that wait to be handled, oldest first. To look at them counts for nothing."""
        ...

    async def take_up(self, updates: Sequence[Update]) -> None:
        """Note that these are about to be handled, together: `attempts` of each counts it."""
        ...

    async def quarantine(self, update: Update, why: str) -> None:
        """Put an update aside for good, with the reason."""
        ...

    async def outbox(self, service: str, limit: int, now_ms: int) -> tuple[Post, ...]:
        """The next message of each thread, oldest first. Sends go before edits; of several edits of one message only the newest.

        A thread with a message on its way, or with one that is delayed until later than `now_ms`, has none.
        """
        ...

    async def delayed_ms(self, service: str, now_ms: int) -> int | None:
        """In how many milliseconds the first of the delayed messages is due; None: none is delayed."""
        ...

    async def sending(self, post: Post) -> bool:
        """Note that the request is about to go out: after a crash it is uncertain instead of waiting. False: it was forgotten, or
        something else took its place, since it was looked at; it must not go out.
        """
        ...

    async def receipted(self, post: Post, receipt: Receipt) -> Receipt:
        """Note what became of a message, and tell: Delayed puts it back, but is Rejected if that happened too often. Gone lets it wait.

        An edit is never Uncertain but Delayed: it may be repeated.
        """
        ...

    async def unsure(self) -> tuple[tuple[Thread, str, str], ...]:
        """(thread, ref, why) of messages that may or may not have arrived, oldest first."""
        ...

    async def requeue(self, ref: str) -> bool:
        """Send again what may not have arrived; the caller marks it for the reader. False: nothing is left to try."""
        ...

    async def let_go(self, ref: str) -> None:
        """Let the uncertain parts of a message count as rejected: nobody will repeat it."""
        ...

    async def read(self, look: Callable[[View], T]) -> T:
        """Look without writing: all that was committed before the call is seen."""
        ...

    async def cut(self, before_ms: int, now_ms: int) -> Cut:
        """Forget the words of a few turns and questions that were over before then; nothing taken: none is left."""
        ...

    async def scrub(self) -> bool:
        """Take what was forgotten out of the files as well; False: somebody is reading, try again."""
        ...

    async def processes(self) -> tuple[Process, ...]:
        """The processes of agents that were started and not yet said to be gone."""
        ...

    async def forget_process(self, session_id: str) -> None: ...


# ---------------------------------------------------------------------------------------------------------- the prices
class Prices(Protocol):
    """List prices, resolved once per (model, date, tier)."""

    @property
    def source(self) -> str:
        """Where they are published, and of which version or day they are, in words."""
        ...

    def rates(self, model: str, on: date, service_tier: str, speed: str, geo: str = "") -> Rates | Unpriced: ...


# ---------------------------------------------------------------------------------------------------- what is said aloud
@dataclass(frozen=True, slots=True)
class Heard:
    """What is said in a recording, as somebody else's program wrote it down: as little to be trusted as any text."""

    text: str


class Transcriber(Protocol):
    """Writes down what is said in a recording. It has a time limit of its own, and what it costs is in no ledger here."""

    async def transcribe(self, path: str) -> Heard | str:
        """What is said in the file, in at most `HEARD_CHARACTERS_MAX` characters; or why that is not known, in words for people."""
        ...


# ------------------------------------------------------------------------------------------------------------ the bank
class BankError(TollbridgeError):
    """The bank's database refused: read-only, newer than this program, contradicted. Nothing of the request was kept."""


class BankAwayError(BankError):
    """The bank gave no answer, so that nothing is known of the request: repeat it as it was. What is lent stays usable."""


class Bank(Protocol):
    """Limits that several gateways share. It lends parts of them, and what is lent and spent never exceeds a limit.

    Spending is a fact and always booked; beyond what was lent it is an overdraft. Every request may be repeated: it is carried
    out once. Amounts are at most $1,000,000. Every method raises BankError.
    """

    async def lend(self, request: Lending) -> Lease | Refused:
        """Lend what is wanted, or less of what is left, but never less than the least. The same id with other terms raises."""
        ...

    async def renew(self, renewal: Renewal) -> Lease | Refused:
        """Book what was spent, and give more time and another epoch; the spending is booked also when the rest is refused."""
        ...

    async def spend(self, lease: Lease, spent: Usd) -> Lease:
        """Book what was spent of a lease in all, in whatever state it is, also one that the bank does not know (any more)."""
        ...

    async def repay(self, lease: Lease, spent: Usd) -> Lease | Refused:
        """Book what was spent in all and close the lease: its remainder is free at once. Refused only to an older epoch."""
        ...

    async def expire(self) -> tuple[Lease, ...]:
        """Note which leases' time is over; all that have expired and are still open, oldest first."""
        ...

    async def write_off(self, lease_id: str, who: str, why: str) -> Lease | Refused:
        """Free the remainder of an expired lease whose holder will not come back. What it reports later is an overdraft."""
        ...

    async def set_limit(self, scope: TeamScope, limit: Usd, who: str, why: str) -> TeamBalance:
        """Set a limit; one that is so already is left alone. Nothing that was lent is taken back."""
        ...

    async def raise_limit(self, scope: TeamScope, by: Usd, who: str, why: str, request_id: str) -> TeamBalance:
        """Raise a limit, once per `request_id`."""
        ...

    async def report(self, team: str, gateway: str, figures: Sequence[Figure]) -> int:
        """Keep a gateway's settled figures, numbered on from the last; the number of the last. What is known is not kept again.

        Raises BankError for a gap, and for a known number with another figure.
        """
        ...

    async def reported(self, team: str, gateway: str) -> int:
        """The number of the last figure that a gateway reported; 0: none."""
        ...

    async def leases(self, gateway: str) -> tuple[Lease, ...]:
        """The gateway's open leases, oldest first."""
        ...

    async def status(self, scope: TeamScope) -> TeamStatus: ...

    async def figures(self, team: str, since_ms: int) -> tuple[FigureSum, ...]:
        """The sums of a team's figures of turns that ended since then."""
        ...

    async def verify(self) -> tuple[str, ...]:
        """What is not as it was written in the entries, balances and leases, in sentences; empty: nothing."""
        ...

    def hints(self) -> AsyncIterator[TeamScope]:
        """Scopes whose limit or free amount has just grown. Only a hint: some are lost, and nothing may depend on them."""
        ...
