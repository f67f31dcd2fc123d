"""What the engine remembers of a running client. All of it can be lost: the store knows what matters."""

from dataclasses import dataclass, field

import anyio

from gateway.core.progress import Doing, Drafted, Phase
from gateway.domain.events import Finished
from gateway.domain.place import Session
from gateway.domain.usage import Usage
from gateway.ports import Client, Launch

ACTIONS_KEPT_MAX = 20
STATUS_GAP_MS = 1_500


def launch(session: Session) -> Launch:
    """How the session's agent is started, or asked what became of its conversation."""
    known = (session.id, session.directory, session.agent_session, session.model, session.mode)
    return Launch(*known, forked_from=session.forked_from)


@dataclass(slots=True)
class Live:
    """A client at work for a session, or idle. Times are ticks: milliseconds of a clock that nobody sets."""

    session_id: str
    client: Client
    touched_ms: int
    agent_session: str
    """The agent's own name for the conversation."""
    model: str | None = None
    """What it works with, as far as is known: as it was started, told, or seen in its main loop's last call."""
    mode: str = ""
    """As it was started, told, or says."""
    attached: bool = False
    """A person has started it, and ends it."""
    blocked: str | None = None
    """Why what was typed just now does not run: its first boundary is told so."""
    turn_id: str | None = None
    """The turn that its calls are booked on; stays after the turn ended, for what comes late."""
    prompt_uuid: str | None = None
    """Of the run at work; None where no prompt started it."""
    pending: dict[str, str] = field(default_factory=dict[str, str])
    """Prompts that were handed over and did not begin yet: uuid -> turn. A run that nobody asked for may come first."""
    steering: dict[str, str] = field(default_factory=dict[str, str])
    """Words that it is to read while it works, and has not yet: uuid -> turn."""
    busy: bool = False
    """A run was started and Finished did not come yet."""
    agents: int = 0
    others: int = 0
    """Background tasks of the agent: those that spend, and those that do not."""
    limit: str | None = None
    """Why the next boundary is a pause."""
    held: list[str] = field(default_factory=list)
    """Boundaries that the agent stands at."""
    paused_ms: int | None = None
    works_since_ms: int | None = None
    """None while it rests, or waits for a person."""
    unbooked_ms: int = 0
    """Work before that, since the last booking."""
    look: bool = False
    """A window of a subscription that is past its mark was told while no turn was at work: the next one is looked at."""
    work_left_ms: int | None = None
    """How much work since the last booking meets a limit on that; None: there is none."""
    closing: bool = False
    ends: bool = False
    """The run is over for the ledger, or nobody answered: at its next boundary it ends."""
    stopping_ms: int | None = None
    metered: list[Usage] = field(default_factory=list)
    """Calls since the agent last told its totals."""
    result: tuple[Finished, list[Usage]] | None = None
    """The run's end and the calls that its totals cover, while agents of its turn still work in the background."""
    settled_ms: int | None = None
    """When the last background agent of a settled turn ended: a run that nobody asked for may follow."""
    actions: list[str] = field(default_factory=list)
    said: str = ""
    stale: bool = False
    shown_ms: int = 0
    begun: tuple[str, str] = ("", "")
    """The turn, and what its status message said as it began, until that is changed: a change to the same words is none."""
    gap_ms: int = STATUS_GAP_MS
    """Between two changes of the status message."""
    phase: Phase = Phase.STARTS
    phase_ms: int = 0
    writing: str | None = None
    """The text block that is being written, so far; None: none is."""
    draftless: bool = False
    """Where it is read there are no drafts: what is written is shown in the status message."""
    drafted: Drafted | None = None
    drafting: anyio.Event | None = None
    """Set once the draft that is on its way has arrived, or was given up."""
    draft_scope: anyio.CancelScope | None = None

    def acted(self, line: str, ticks_ms: int) -> None:
        """Remember an action for the status message; only the newest are kept."""
        self.actions = [*self.actions[-(ACTIONS_KEPT_MAX - 1) :], line]
        self.phase, self.phase_ms, self.stale = Phase.ACTS, ticks_ms, True

    def writes(self, text: str, ticks_ms: int) -> None:
        """So much of a block is written; nothing yet: it thinks about it."""
        phase = Phase.WRITES if text.strip() else Phase.THINKS
        self.stale = self.stale or phase is not self.phase or (self.draftless and text != self.writing)
        if phase is not self.phase:
            self.phase, self.phase_ms = phase, ticks_ms
        self.writing = text

    @property
    def waits(self) -> bool:
        """For a person."""
        return self.busy and self.works_since_ms is None

    def doing(self, ticks_ms: int) -> Doing:
        """What it does, for the status message."""
        return Doing(
            Phase.WAITS if self.waits else self.phase,
            ticks_ms - self.phase_ms,
            tuple(self.actions),
            self.said,
            (self.writing or "").strip() if self.draftless else "",
            self.agents,
            self.others,
        )

    def begin(self, turn_id: str, ticks_ms: int, prompt_uuid: str | None = None) -> None:
        """A run for this turn begins."""
        self.turn_id = turn_id
        self.prompt_uuid = prompt_uuid
        self.busy = True
        self.limit = self.paused_ms = self.stopping_ms = self.result = self.settled_ms = None
        self.ends = False
        self.works_since_ms, self.unbooked_ms, self.work_left_ms = ticks_ms, 0, None
        self.actions, self.said, self.stale = [], "", True
        self.phase, self.phase_ms, self.writing, self.drafted = Phase.STARTS, ticks_ms, None, None
        self.touched_ms = ticks_ms

    def worked_ms(self, ticks_ms: int) -> int:
        """For how long it has worked since the last booking."""
        return self.unbooked_ms + (0 if self.works_since_ms is None else ticks_ms - self.works_since_ms)

    def rest(self, ticks_ms: int) -> None:
        """It waits for a person from now on."""
        self.unbooked_ms, self.works_since_ms = self.worked_ms(ticks_ms), None
        self.stale = True

    def work(self, ticks_ms: int) -> None:
        """It goes on with its work."""
        if self.works_since_ms is None and not self.over:
            self.works_since_ms = self.phase_ms = ticks_ms
            self.stale = True

    def book_work(self, ticks_ms: int) -> int:
        """For how long it has worked since the last booking, to be booked now."""
        booked = self.worked_ms(ticks_ms)
        self.unbooked_ms = 0
        self.works_since_ms = None if self.works_since_ms is None else ticks_ms
        return booked

    @property
    def over(self) -> bool:
        """No turn is at work: a loop that still lives is left over from one that ended."""
        return not (self.busy or self.result)

    @property
    def idle(self) -> bool:
        """Nothing of the agent would be lost if its process ended now."""
        return not (self.busy or self.pending or self.agents or self.others or self.held or self.result)
