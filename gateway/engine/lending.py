"""What is asked of the team's bank: one request at a time for a shared scope, and none that was not written down before.

A request is committed before it is sent and sent again unchanged until it is answered, whatever ends in between.
"""

from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

import structlog

from gateway.core.lease import Borrow, Holding, Renew, Repay, Rest, next_step
from gateway.domain.budget import Entry, EntryKind, Scope
from gateway.domain.lease import (
    Lease,
    Lending,
    Loan,
    LoanState,
    Reason,
    Refused,
    Renewal,
    TeamScope,
    lease_scope,
)
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Role, Thread
from gateway.domain.turn import TurnState
from gateway.engine.decision import Draft
from gateway.engine.locks import Locks
from gateway.engine.team import Team
from gateway.engine.world import World
from gateway.ports import Bank, BankError, Decision, View
from gateway.view import change_words, team_words

T = TypeVar("T")

log = structlog.get_logger()

LOOK_MS = 60_000
"""How often the bank is asked how the team stands, and how long a renewal that brought no more is not repeated for more."""
REQUESTS_MAX = 4
"""For one need: a repeated request, a renewal that is refused, the lease given back, a new one."""


class Lender:
    """The bank, as this gateway borrows from it."""

    def __init__(self, world: World, team: Team, bank: Bank) -> None:
        self.bank = bank
        self.failures = 0
        """How often in a row the bank gave no answer."""
        self.dry: dict[TeamScope, int] = {}
        """Until when no more is asked for by itself: the bank had no more just now."""
        self._world = world
        self._team = team
        self._locks = Locks()

    async def reach(self, ask: Awaitable[T]) -> T:
        """The bank's answer. Raises BankError, and remembers that it gave none."""
        try:
            answer = await ask
        except BankError as error:
            self.failures += 1
            self._team.away = str(error)
            log.warning("the team's bank gave no answer", why=str(error))
            raise
        self._team.away = ""
        return answer

    async def ask(self, shared: TeamScope, need: Usd) -> int | None:
        """Do what is due for a shared scope, or what a turn that needs so much waits for; when something is due again.

        That is a tick, or None if only news can bring it. Raises BankError.
        """
        async with self._locks.of(str(shared)):
            for _ in range(REQUESTS_MAX):
                next_ = (await self._world.commit(lambda view: self._note(view, shared, need))).result
                if isinstance(next_, Rest):
                    return next_.until_tick
                loan, repeated = next_
                if loan.state is LoanState.RETIRED:
                    if not await self._give_back(loan):
                        return None
                elif await self._send(loan) and not repeated:
                    break
            return self._world.clock.boot_ms() + LOOK_MS

    async def give_back(self, loan: Loan) -> bool:
        """Repay a retired lease that no hold is left on; False: there is one. Raises BankError."""
        async with self._locks.of(str(loan.scope)):
            return await self._give_back(loan)

    async def keep(self, loan: Loan) -> None:
        """Write a loan as it is now."""
        await self._world.commit(lambda _view: Decision(None, put=(loan,)))

    def owners(self) -> tuple[Thread, ...]:
        """Where those are told who can mend something."""
        people = [one for one in self._world.rules.people if one.role in (Role.OWNER, Role.APPROVER)]
        return tuple({Thread(self._world.chat.service, one.chat or one.person): None for one in people})

    def _note(self, view: View, shared: TeamScope, need: Usd) -> Decision[Rest | tuple[Loan, bool]]:
        """Decide what is asked of the bank, and write it down before it is sent. True: it was sent before, maybe in vain."""
        loan = next((one for one in view.loans() if one.scope == shared and one.state is LoanState.OPEN), None)
        if loan is not None and loan.pending is not None:
            return Decision((loan, True))
        terms, new_id, tick = self._team.terms, self._world.clock.new_id, self._world.clock.boot_ms()
        holding, current = self._holding(view, loan), shared in self._team.shared(self._world.today())
        if need > ZERO:
            terms = replace(terms, least=Usd(1))  # what a person was told is left can be had to the last cent
        elif holding is not None and not holding.held and _at_work(view, lease_scope(shared, holding.lease.id)):
            holding = replace(holding, held=Usd(1))  # a turn that has used its hold up still counts on the lease
        elif holding is not None and holding.held and tick >= self.dry.get(shared, tick):
            need = self._world.rules.step  # before the turns at work run short of it
        step = next_step(holding, terms, tick, need)
        if holding is not None and not current and not holding.held:
            step = Repay()
        match step:
            case Borrow(want, least) if current and not view.frozen:
                asked = Lending(new_id("lease"), shared, self._team.gateway, want, least, terms.lasts_ms)
                noted = Loan(asked.id, shared, pending=asked)
            case Renew(want, least) if loan is not None and holding is not None:
                renewal = Renewal(new_id("renew"), holding.lease, holding.spent, want, least, terms.lasts_ms)
                noted = replace(loan, pending=renewal)
            case Repay() if loan is not None:
                noted = replace(loan, state=LoanState.RETIRED)
            case Rest():
                return Decision(step)
            case _:
                return Decision(Rest(None))
        return Decision((noted, False), put=(noted,))

    def _holding(self, view: View, loan: Loan | None) -> Holding | None:
        if loan is None or loan.lease is None:
            return None
        balance = view.balance(lease_scope(loan.scope, loan.id))
        return Holding(loan.lease, self._team.asked.get(loan.id), balance.spent, balance.held)

    async def _send(self, loan: Loan) -> bool:
        """Send what was noted, and keep the answer; False: the lease is at its end, and another may be asked for."""
        asked = self._world.clock.boot_ms()
        self._world.on_step("lease.asking")
        match loan.pending:
            case Lending() as lending:
                answer, told = await self.reach(self.bank.lend(lending)), ZERO
            case Renewal() as renewal:
                answer, told = await self.reach(self.bank.renew(renewal)), max(loan.told, renewal.spent)
            case None:
                return True
        self._world.on_step("lease.answered")
        if isinstance(answer, Lease):
            await self.keep(replace(loan, lease=answer, pending=None, told=told))
            self._team.asked[loan.id] = asked
            if isinstance(loan.pending, Renewal) and answer.lent <= loan.pending.lease.lent:
                self.dry[loan.scope] = asked + LOOK_MS
            return True
        log.info("the team's bank refused", scope=str(loan.scope), why=answer.reason, left=str(answer.left))
        if isinstance(loan.pending, Lending):
            await self.keep(replace(loan, pending=None, state=LoanState.CLOSED))
            return True
        told = loan.told if answer.reason is Reason.UNKNOWN else told
        await self._retire(replace(loan, pending=None, told=told, state=LoanState.RETIRED), answer)
        return False

    async def _retire(self, loan: Loan, refused: Refused) -> None:
        """The bank does not renew a lease: what it paid for is told and it is given back."""
        await self._world.commit(lambda view: self._end(view, loan, refused))
        await self._give_back(loan)

    async def _give_back(self, loan: Loan) -> bool:
        balance = await self._world.store.read(lambda view: view.balance(lease_scope(loan.scope, loan.id)))
        if balance.held:
            return False
        answer = None if loan.lease is None else await self.reach(self.bank.repay(loan.lease, balance.spent))
        closed = replace(loan, pending=None, told=balance.spent, state=LoanState.CLOSED)
        await self._world.commit(lambda view: self._end(view, closed, answer))
        self._team.asked.pop(loan.id, None)
        return True

    def _end(self, view: View, loan: Loan, answer: Lease | Refused | None) -> Decision[None]:
        """Write a loan at its end. Nothing starts where it was fenced, whether that shows at a renewal or when it is given back."""
        draft = Draft()
        if isinstance(answer, Refused) and answer.reason is Reason.FENCED and not view.frozen:
            draft.entries.append(Entry(EntryKind.FREEZE, (), who="bank", why=change_words.fenced(loan.id)))
            for thread in self.owners():
                draft.say(self._world.notice(thread, team_words.FENCED, ring=True))
        return replace(draft.done(None), put=(loan,))


def _at_work(view: View, scope: Scope) -> bool:
    states = (TurnState.HELD, TurnState.RUNNING)
    return any(turn.state in states and scope in turn.scopes for turn in view.all_open_turns())
