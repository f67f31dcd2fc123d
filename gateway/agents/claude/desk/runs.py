"""The runs of a session, one at a time: how each begins, stands at its boundaries until the gateway has answered, and ends."""

from dataclasses import dataclass, field
from typing import Final

import anyio

from gateway.agents.claude.desk.asks import Asks
from gateway.agents.claude.desk.hooks import Told
from gateway.agents.claude.desk.log import Log
from gateway.agents.claude.desk.meter import Meter
from gateway.agents.claude.desk.waits import Waits
from gateway.agents.claude.telling import Telling
from gateway.domain.effects import Answer, EndTurn
from gateway.domain.events import AgentEvent, BackgroundChanged, End, Finished, Paused, Started
from gateway.domain.usage import MAIN_LOOP

TOO_LATE: Final = "nobody answered in time; after a yes on the phone, write: continue"
LET_GO: Final = "this session goes on from the phone, or the gateway stops: close it here, and open it again after that"


@dataclass(slots=True, eq=False)
class Run:
    """What the session does now. `uuid`: of the message that began it, if one did."""

    uuid: str | None = None
    prompt_id: str = ""
    compacts: bool = False
    """It is a compaction that a person asked for."""
    replied: bool = False
    """The agent has sent something into the chat itself."""
    stopping: str = ""
    """Why it is to end at its next boundary."""
    tools: set[str] = field(default_factory=set[str])
    """Tools of the main loop that were let go on, and may be at work."""


class Runs:
    """Those of one session. `now`: the one at work; None: the session is at rest."""

    def __init__(
        self, agent_session: str, log: Log, telling: Telling, meter: Meter, asks: Asks, patience_s: float
    ) -> None:
        self.now: Run | None = None
        self.waits = Waits()
        """The boundaries that are stood at, and whatever else of the session waits for the gateway."""
        self.agents: frozenset[str] = frozenset()
        self.others = 0
        """What works in the background: sub-agents by name, and how many other things."""
        self.leaving = False
        """The session is gone, or let go of: nothing more begins, and how it ended nobody saw."""
        self._agent_session = agent_session
        self._log = log
        self._telling = telling
        self._meter = meter
        self._asks = asks
        self._patience_s = patience_s
        self._halted = ""
        self._over = anyio.Event()

    async def begin(self, run: Run, before: str, typed: str | None) -> Answer:
        """A run begins, and stands before its first call."""
        self._log.begin()
        self.now = run
        started = Started(self._agent_session, self._meter.model, run.uuid, typed)
        try:
            return await self.stand(before, MAIN_LOOP, started)
        except anyio.get_cancelled_exc_class():  # its hook was killed: nothing runs
            self.drop(run, End.INTERRUPTED)
            raise

    def drop(self, run: Run, end: End | None) -> None:
        """A run did not come past its first boundary, unless it is over already. `end`: how that is told, if it is."""
        if self.now is run:
            self._telling.tell([] if end is None else [Finished(end, "", run.uuid, None)])
            self.rest()

    def seen(self, told: Told, *events: AgentEvent) -> None:
        """Something of the main loop happens: where no run is known, one began unseen."""
        if told.loop == MAIN_LOOP:
            if self.now is None:
                self._log.begin()
                self.now = Run()
                events = (Started(self._agent_session, self._meter.model, None), *events)
            self.now.prompt_id = told.prompt_id or self.now.prompt_id
        self._telling.tell(events)

    async def stand(self, before: str, loop: str, *first: AgentEvent) -> Answer:
        """Wait at a boundary until it is answered, or until it has to be."""
        if self.leaving:
            return EndTurn(LET_GO)
        if self.now is not None and self.now.stopping and loop == MAIN_LOOP:
            return EndTurn(self.now.stopping)
        with self.waits.one() as (name, wait):
            self._telling.tell([*first, Paused(name, before, loop)])
            with anyio.move_on_after(self._patience_s):
                await wait.answered.wait()
        return wait.answer or EndTurn(TOO_LATE)

    async def halt(self, told: Told) -> None:
        """The run is over without another hook of it; that of a sub-agent ends alone."""
        if told.loop == MAIN_LOOP:
            self._halted = told.prompt_id
            await self.end(End.HALTED, "")

    async def forsake(self, run: Run) -> None:
        """Nothing of it is at work any more, as far as can be seen. Should something be after all, it ends at its next hook."""
        self._halted = run.prompt_id
        await self.end(End.INTERRUPTED, "")

    def is_halted(self, told: Told) -> bool:
        """Whether a hook is of a run that was stopped: nothing further of it runs."""
        return bool(told.prompt_id) and told.prompt_id == self._halted and told.loop == MAIN_LOOP

    async def end(self, end: End, text: str, shows: str = "") -> None:
        """The run is over: tell what it has cost, and how it ended. `shows`: what waits to show that."""
        run = self.now
        if run is None or self.leaving:
            return
        async with self._meter.reading:
            if self.now is not run or self.leaving:
                return  # Somebody else has ended it meanwhile.
            self._telling.tell(self._log.cut(every_loop=False) if end is End.INTERRUPTED else ())
            self._log.rest()
        self._telling.tell(self._asks.over(ran=False))
        self._log.owed = end is not End.INTERRUPTED and not self._log.ended
        if run.prompt_id:
            self._log.past.add(run.prompt_id)
        told = run.replied and end is End.DONE
        self._telling.tell([Finished(end, text, run.uuid, None, len(self.agents), told, shows)])
        self.rest()

    def rest(self) -> None:
        """No run is at work."""
        self.now = None
        over, self._over = self._over, anyio.Event()
        over.set()

    async def come_to_rest(self, prompt_id: str) -> None:
        """Wait until nothing runs before this prompt, and all that ran is told of. A run of another name has had its end."""
        await self._meter.flush()
        run = self.now
        if run is not None and run.prompt_id and prompt_id not in ("", run.prompt_id):
            await self.end(End.INTERRUPTED, "")
        while self.now is not None:
            await self._over.wait()
            await self._meter.flush()  # Another run may begin meanwhile.

    def background(self) -> BackgroundChanged:
        """How many things work behind the runs."""
        return BackgroundChanged(len(self.agents), self.others)
