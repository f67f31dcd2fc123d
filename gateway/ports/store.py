"""The gateway's own state: what a decision sees, and what it wants written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.core.forgetting import Cut
from gateway.core.imported import Imported
from gateway.domain.approval import Approval
from gateway.domain.budget import Entry, Quota
from gateway.domain.effects import Effect
from gateway.domain.events import Moved
from gateway.domain.lease import (
    Figure,
    Loan,
)
from gateway.domain.outcome import Left, Looked
from gateway.domain.place import Grant, Session, Thread, Unmetered
from gateway.domain.preferences import Offered, Preferences
from gateway.domain.turn import Turn
from gateway.ports.agent import Process
from gateway.ports.base import TollbridgeError
from gateway.ports.chat import Post, Receipt
from gateway.ports.view import View

T = TypeVar("T")


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
    at_once: bool = False
    """An edit of what waits because of that lets it go."""


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
class Decision(Generic[T]):
    """What a decision wants written, all or nothing, and what is to be done afterwards.

    `put` replaces the records of the same id; a Session also becomes the current one of its thread when it is new (and not
    unattended) or named in `current`. `grants`: all there are from now on. `handled` takes an update (service, key) out of the inbox. An Entry whose `call_id` is known raises StoreError.
    """

    result: T
    put: tuple[
        Session | Turn | Approval | Process | Quota | Loan | Unmetered | Preferences | Offered | Left | Looked, ...
    ] = ()
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

    async def import_turns(self, turns: Sequence[Imported]) -> None:
        """Keep these turns, of each agent the newest `core.imported.KEPT_MAX`, instead of all that were kept. Raises StoreError."""
        ...

    async def scrub(self) -> bool:
        """Take what was forgotten out of the files as well; False: somebody is reading, try again."""
        ...

    async def processes(self) -> tuple[Process, ...]:
        """The processes of agents that were started and not yet said to be gone."""
        ...

    async def forget_process(self, session_id: str) -> None: ...
