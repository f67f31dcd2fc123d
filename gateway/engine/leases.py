"""The holder of a team's leases: renews them, asks for turns that need more, gives back what nobody uses, and reports.

What is decided is `core.lease`'s. That the bank is away, or refuses, ends nothing here: what is lent goes on being spent.
"""

from collections.abc import Callable
from dataclasses import replace

import anyio
import structlog

from gateway.core.lease import LARGEST_BACKOFF_MS, backoff_ms
from gateway.domain.budget import ScopeKind
from gateway.domain.effects import Borrow
from gateway.domain.lease import Loan, LoanState, TeamScope, lease_of, lease_scope
from gateway.domain.money import ZERO, Usd
from gateway.engine import metering, taps
from gateway.engine.lending import LOOK_MS, Lender
from gateway.engine.team import Team
from gateway.engine.world import World
from gateway.ports import Bank, BankAwayError, BankError, Decision, View
from gateway.view import change_words, team_words

log = structlog.get_logger()

AT_ONCE = 1000
GIVE_BACK_S = 5.0


class Leases:
    """All leases of this gateway, while the engine runs."""

    def __init__(self, world: World, team: Team, bank: Bank) -> None:
        self._world = world
        self._team = team
        self._bank = bank
        self._lender = Lender(world, team, bank)
        self._looked_tick: int | None = None
        self._last_figure: int | None = None
        """The number of the newest figure that the bank has; None: not known."""
        self._said = ""
        self._asking: set[tuple[str, str]] = set()
        """For which turns, and which yes to them, the bank is being asked."""

    # ------------------------------------------------------------------------------------------------------- what runs
    async def run(self) -> None:
        """Keep the leases until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._hear)
            while True:
                self._team.woken = anyio.Event()
                wait_ms = await self._round()
                if self._lender.failures:
                    await anyio.sleep(wait_ms / 1000)
                    continue
                with anyio.move_on_after(wait_ms / 1000):
                    await self._team.woken.wait()

    async def _hear(self) -> None:
        async for scope in self._bank.hints():
            if scope.team == self._team.name:
                self._lender.dry.clear()
                self._looked_tick = None
                self._team.woken.set()

    async def _round(self) -> int:
        """Everything that is due; in how many milliseconds there may be more."""
        try:
            wait_ms = await self._tend()
        except BankAwayError:
            return backoff_ms(self._lender.failures)
        except BankError as error:
            await self._tell(team_words.refused(str(error)))
            self._last_figure = None
            return LARGEST_BACKOFF_MS
        self._lender.failures = 0
        return wait_ms

    async def _tend(self) -> int:
        tick, waits = self._world.clock.boot_ms(), [LOOK_MS]
        for loan in await self._world.store.read(lambda view: view.loans()):
            if loan.state is LoanState.RETIRED:
                await self._lender.give_back(loan)
            elif (until := await self._lender.ask(loan.scope, ZERO)) is not None:
                waits.append(until - tick)
        for loan, spent in await self._world.store.read(lambda view: view.untold(AT_ONCE)):
            if loan.lease is not None:
                await self._lender.reach(self._bank.spend(loan.lease, spent))
                await self._lender.keep(replace(loan, told=spent))
        await self._report()
        if self._looked_tick is None or tick - self._looked_tick >= LOOK_MS or self._team.away:
            self._looked_tick = tick
            for shared in self._team.shared(self._world.today()):
                await self._look(shared)
            await self._lender.reach(self._bank.expire())
        return max(1, min(waits))

    async def _look(self, shared: TeamScope) -> None:
        self._team.said[shared] = (await self._lender.reach(self._bank.status(shared))).balance

    async def _report(self) -> None:
        name = (self._team.name, self._team.gateway)
        if self._last_figure is None:
            self._last_figure = await self._lender.reach(self._bank.reported(*name))
        while new := await self._world.store.read(lambda view: view.figures(AT_ONCE)):
            after = self._last_figure + 1
            if new[0].seq > after:  # another name, or a bank that was put back: what it does not know is numbered on
                await self._world.commit(lambda _view, after=after: Decision(None, renumbered=after))
                continue
            self._last_figure = await self._lender.reach(self._bank.report(*name, new))
            self._world.on_step("figures.reported")
            await self._world.commit(lambda _view, last=new[-1].seq: Decision(None, reported=last))

    # ------------------------------------------------------------------------------------------------- what turns need
    async def borrow(self, effect: Borrow, waiting: Callable[[], frozenset[str]]) -> None:
        """Ask the bank for a turn, once for each of its scopes, then have it decided. A yes that it cannot carry out stays open.

        The same yes once more, while the bank is asked for the first, asks nothing.
        """
        asks = (effect.turn_id, "" if effect.yes is None else effect.yes[1].label)
        if asks in self._asking:
            return
        self._asking.add(asks)
        try:
            await self._borrow(effect, waiting)
        finally:
            self._asking.discard(asks)

    async def _borrow(self, effect: Borrow, waiting: Callable[[], frozenset[str]]) -> None:
        wrong = await self._for_turn(effect)
        if wrong and effect.yes is not None:
            words = team_words.stays_open(wrong)
            notice = self._world.notice(effect.yes[0].thread, words)
            await self._world.commit(lambda _view: Decision(None, effects=(notice,)))
            return
        await self._world.commit(taps.decide_again(self._world, effect, waiting()))

    async def _for_turn(self, effect: Borrow) -> str:
        """Raise what a yes raises, and borrow; what is wrong, in a sentence."""
        now = self._team.shared(self._world.today())
        try:
            if effect.yes is not None:
                approval, option = effect.yes
                who = change_words.at_gateway(approval.answered_by, self._team.gateway)
                why = change_words.RAISED_IN_CHAT
                for lift in option.lifts:
                    # A question of last month raises nothing: it is asked anew, of this one.
                    if lift.scope.kind is ScopeKind.TEAM and (shared := lease_of(lift.scope)[0]) in now:
                        raised = self._bank.raise_limit(shared, Usd(lift.by), who, why, request_id=approval.id)
                        await self._lender.reach(raised)
            for shared in now:
                await self._need(shared, effect.need)
        except BankAwayError:
            return team_words.AWAY
        except BankError as error:
            return team_words.refused(str(error))
        return ""

    async def relieve(self, turn_id: str) -> None:
        """Ask the bank for more where only a lease stands in the way of a turn at work. Nothing is said of what goes wrong."""
        world = self._world
        if not await world.store.read(lambda view: metering.short_of_lease(world, view, turn_id)):
            return
        turn = await world.store.read(lambda view: view.turn(turn_id))
        try:
            for scope in turn.scopes if turn else ():
                if scope.kind is ScopeKind.TEAM:
                    await self._need(lease_of(scope)[0], world.rules.step)
        except BankError:
            return  # it was noted: the turn pauses, and its question says why

    async def _need(self, shared: TeamScope, need: Usd) -> None:
        """Ask for so much, once, and hear how the team stands then: a person may have to be told."""
        await self._lender.ask(shared, need)
        await self._look(shared)

    # ------------------------------------------------------------------------------------------------------------ the end
    async def close(self) -> None:
        """Give back what nobody uses, if the bank is there; what is held expires, and its remainder waits for the next start."""
        with anyio.move_on_after(GIVE_BACK_S, shield=True):
            for loan in await self._world.store.read(lambda view: view.loans()):
                if loan.pending is None and not self._team.away:
                    await self._leave(loan)

    async def _leave(self, loan: Loan) -> None:
        def decide(view: View) -> Decision[Loan | None]:
            held = view.balance(lease_scope(loan.scope, loan.id)).held
            retired = replace(loan, state=LoanState.RETIRED)
            return Decision(None) if held else Decision(retired, put=(retired,))

        retired = (await self._world.commit(decide)).result
        try:
            if retired is not None:
                await self._lender.give_back(retired)
        except BankError as error:
            log.warning("a lease was not given back", lease=loan.id, why=str(error))

    async def _tell(self, words: str) -> None:
        """Say it to those who can mend it, once."""
        if words != self._said:
            self._said = words
            log.error(words)
            notices = tuple(self._world.notice(thread, words, ring=True) for thread in self._lender.owners())
            await self._world.commit(lambda _view: Decision(None, effects=notices))
