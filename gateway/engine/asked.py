"""What agents and other programs ask through MCP of their budget: looked up, or put to the people in the chat. Nothing here grants.

Who speaks for a session sees that session and asks for it, and for no other. A raise that people agree to is carried out as one that
the command line asked for: `changes`.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import anyio

from gateway.core import change, scopes
from gateway.core.access import may
from gateway.core.summary import VERBATIM_CHARACTERS_MAX, revealed
from gateway.domain.approval import Approval, ApprovalKind
from gateway.domain.asked import CHOICE_CHARACTERS_MAX, CHOICES_MAX, CLAIM_CHARACTERS_MAX, Cost, Status
from gateway.domain.budget import PERIODS, Scope, ScopeKind
from gateway.domain.change import ChangeState, Standing, Wanted
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Role, Session, Thread
from gateway.domain.turn import Claim, ClaimKind, Turn, TurnState
from gateway.engine import bounds, changes, judging, limits, questions, requests
from gateway.engine.decision import Draft
from gateway.engine.requests import RefusedError
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import change_words, figure_words

T = TypeVar("T")

OPEN_MAX: Final = 3
"""So many questions of one asker may wait for an answer."""
ALL_OPEN_MAX: Final = 20
"""So many of all askers."""
HOURLY_MAX: Final = 12
"""So many questions an asker may put in an hour: who was told no asks again otherwise, and again."""
HOUR_MS: Final = 3_600_000
ASKERS_MAX: Final = 1000
TURNS_SHOWN: Final = 10
WAITING_MAX: Final = 32
"""So many calls may wait for an answer at once; others are told at once how it stands."""
LOOK_EVERY_S: Final = 0.25
A_PERSON: Final = "a person"
"""What agents hear of who answered."""

NO_SESSION = (
    "this is about a session, and the gateway knows none that this program belongs to: budget_status, estimate, request_budget "
    "(day, week, month) and ask_human work without one"
)
NO_HANDLE = (
    "this is about a session: name one by its handle, which a person gets by `tollbridge mcp token --session ID`; budget_status, "
    "estimate, request_budget (day, week, month) and ask_human work without one"
)
NOT_YOURS = "this session is not yours, or there is none of that name: leave `session` out"
NOT_KNOWN = "there is no session of this handle: a person gets one by `tollbridge mcp token --session ID`"


def no_handles(_handle: str) -> str | None:
    """Where sessions are not named: whoever speaks, speaks for their own."""
    return None


def no_session(_view: View) -> Session | None:
    """Whoever speaks, speaks for no session of their own."""
    return None


def session_of_agent(agent_session: str) -> Callable[[View], Session | None]:
    """The session in which the agent works that calls its own session so."""
    return lambda view: view.session_of_agent(agent_session) if agent_session else None


@dataclass(frozen=True, slots=True)
class Caller:
    """Who speaks: `name` for the people who are asked where no session is known.

    `own` finds the caller's own session. `named` tells which session's a handle is, None if it is nobody's; what it tells it
    vouches for.
    """

    name: str
    own: Callable[[View], Session | None] = no_session
    named: Callable[[str], str | None] = no_handles

    def session(self, view: View, handle: str) -> Session | None:
        """The session that is meant, None: none is. Raises RefusedError for one that is not the caller's."""
        own = self.own(view)
        if not handle or (own is not None and handle == own.id):
            return own
        session_id = self.named(handle)
        found = None if session_id is None else view.session(session_id)
        if found is None or (own is not None and found.id != own.id):
            raise RefusedError(NOT_YOURS if self.named is no_handles else NOT_KNOWN)
        return found

    def needed(self, view: View, handle: str) -> Session:
        """The same where it cannot be none."""
        session = self.session(view, handle)
        if session is None:
            raise RefusedError(NO_SESSION if self.named is no_handles else NO_HANDLE)
        return session


@dataclass(slots=True)
class Pace:
    """How often somebody has asked lately, and how many wait for answers. One for all desks of a gateway, or an agent that connects
    anew would begin at none; only in memory.
    """

    waiting: int = 0
    _asked: OrderedDict[str, deque[int]] = field(default_factory=OrderedDict[str, deque[int]])

    def allows(self, asker: str, now_ms: int) -> bool:
        """Whether one more question is within an hour's limit."""
        times = self._asked.get(asker, deque())
        while times and times[0] <= now_ms - HOUR_MS:
            times.popleft()
        return len(times) < HOURLY_MAX

    def note(self, asker: str, now_ms: int) -> None:
        """One more was put."""
        self._asked.setdefault(asker, deque()).append(now_ms)
        self._asked.move_to_end(asker)
        while len(self._asked) > ASKERS_MAX:
            self._asked.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """Answers one caller. Every answer is a value; a refusal is a sentence. `handle`: a session's, empty for the caller's own."""

    world: World
    caller: Caller
    pace: Pace

    async def status(self, handle: str) -> Status | str:
        """The limits that count here, and what stands against them."""
        return await self._look(lambda view: _status(self.world, view, self.caller.session(view, handle)))

    async def cost(self, handle: str) -> Cost | str:
        """What the session cost so far."""
        return await self._look(lambda view: _cost(self.world, view, self.caller.needed(view, handle)))

    async def estimate(self, handle: str, prompt: str) -> Estimate | str:
        """What a prompt will probably cost."""
        return await self._look(lambda view: _estimate(self.world, view, self.caller.session(view, handle), prompt))

    async def request(self, handle: str, wanted: Wanted) -> Standing | str:
        """Ask people for a higher limit. Only raises are asked for: what is set, or done without a question, is not for agents."""
        return await self._decide(lambda view, draft: self._request(view, draft, handle, wanted))

    async def ask(self, handle: str, question: str, choices: tuple[str, ...]) -> Standing | str:
        """Put a question to a person."""
        return await self._decide(lambda view, draft: self._ask(view, draft, handle, question, choices))

    async def standing(self, handle: str, approval_id: str, wait_ms: int) -> Standing | str:
        """How it stands with a question of the caller's; waits so long at most while nobody has answered."""
        until_ticks = self.world.clock.ticks_ms() + (wait_ms if self.pace.waiting < WAITING_MAX else 0)
        self.pace.waiting += 1
        try:
            while True:
                found = await self._look(lambda view: self._standing(view, handle, approval_id))
                if isinstance(found, str):
                    return found
                if found.state is not ChangeState.ASKED:
                    break
                if self.world.clock.ticks_ms() >= until_ticks:
                    return found
                await anyio.sleep(LOOK_EVERY_S)
        finally:
            self.pace.waiting -= 1
        await self._decide(lambda view, draft: _heard(view, draft, approval_id))
        return found

    async def report(self, handle: str, kind: ClaimKind, words: str) -> Turn | str:
        """Keep what the agent says came of the session's latest turn, with that turn."""
        return await self._decide(
            lambda view, draft: _claim(view, draft, self.caller.needed(view, handle), kind, words)
        )

    # ------------------------------------------------------------------------------------------------------------
    async def _look(self, look: Callable[[View], T]) -> T | str:
        try:
            return await self.world.store.read(look)
        except RefusedError as refused:
            return str(refused)

    async def _decide(self, decide: Callable[[View, Draft], T]) -> T | str:
        def decided(view: View) -> Decision[T | str]:
            draft = Draft()
            try:
                return draft.done(decide(view, draft))
            except RefusedError as refused:
                return Decision(str(refused))

        return (await self.world.commit(decided)).result

    def _asker(self, session: Session | None) -> str:
        return self.caller.name if session is None else session.id

    def _place(self, session: Session | None) -> str:
        if session is None:
            return ""
        label = self.world.agents[session.agent].traits.label
        return change_words.agent_in(label, change.reason(session.directory))

    def _request(self, view: View, draft: Draft, handle: str, wanted: Wanted) -> Standing:
        world, session = self.world, self.caller.session(view, handle)
        scope = _scope(world, session, wanted.kind)
        limit = limits.before(world, view, draft, scope, wanted.unit, raises=True)
        if limit is None:
            raise RefusedError(f"there is no limit on this {scope.kind}: there is nothing to raise")
        wanted = replace(wanted, raises=True)
        asker = self._asker(session)
        wish = requests.change_of(world, wanted, scope, limit, user=self._place(session), host="", agent=asker)
        if found := requests.asked_already(view, wish):
            return changes.standing(view, found.id) or _gone()
        self._admit(view, asker)
        threads = _threads(world, view, session, wish.dollars)
        if not threads:
            raise RefusedError(
                f"nobody may raise a limit by {figure_words.amount(wish.unit, wish.by)}: tell the person, and go on without it"
            )
        asked = changes.ask(world, view, draft, wish, threads)
        self.pace.note(asker, world.clock.now_ms())
        return Standing(ChangeState.ASKED, change_words.asked_in_chat(wish.wish), asked.id, asked.expires_at_ms)

    def _ask(self, view: View, draft: Draft, handle: str, question: str, choices: tuple[str, ...]) -> Standing:
        session = self.caller.session(view, handle)
        asker = self._asker(session)
        words, labels = _whole(question), _labels(choices)
        thread = _thread(self.world, view, session)
        who = change_words.asker(change.reason(asker), self._place(session))
        approval = questions.posed(self.world, asker, thread, who, words, labels)
        same = (one for one in questions.open_questions(view) if one.digest == approval.digest)
        if (found := next(same, None)) is not None:
            return questions.standing(found)
        self._admit(view, asker)
        questions.put(draft, approval)
        self.pace.note(asker, self.world.clock.now_ms())
        return questions.standing(approval)

    def _admit(self, view: View, asker: str) -> None:
        """Raises RefusedError if there are too many questions already."""
        askers = [_asker_of(one) for one in view.open_approvals("")]
        if askers.count(asker) >= OPEN_MAX or sum(map(bool, askers)) >= ALL_OPEN_MAX:
            raise RefusedError(
                "too many questions wait for an answer already: ask for the standing of those by their id"
            )
        if not self.pace.allows(asker, self.world.clock.now_ms()):
            raise RefusedError(
                f"{HOURLY_MAX} questions were put in the last hour: go on without an answer, or end your turn"
            )

    def _standing(self, view: View, handle: str, approval_id: str) -> Standing:
        asker = self._asker(self.caller.session(view, handle))
        approval = view.approval(approval_id)
        if approval is None or _asker_of(approval) != asker:
            raise RefusedError(f"you asked nothing that has the id {change.reason(approval_id[:40])!r}")
        if approval.kind is ApprovalKind.CHANGE:
            return changes.standing(view, approval.id, A_PERSON) or _gone()
        return questions.standing(approval)


# --------------------------------------------------------------------------------------------------------------- looks
def _status(world: World, view: View, session: Session | None) -> Status:
    draft = Draft()
    if session is None:
        shared = world.team.scopes(view, world.today()) if world.team else ()
        counted, agent, turn = (*_periods(world), *shared), world.rules.agent, None
    else:
        counted, agent = bounds.counted(world, view, session, session.owner), session.agent
        at_work = (TurnState.HELD, TurnState.RUNNING, TurnState.PAUSED)
        turn = next((one for one in view.open_turns(session.id) if one.state in at_work), None)
    balances = bounds.shown(world, view, draft, counted)
    return Status(session, turn, balances, world.rules.confirm_above, view.frozen, world.list_price(view, agent))


def _cost(world: World, view: View, session: Session) -> Cost:
    balance = bounds.balance(world, view, Draft(), Scope(ScopeKind.SESSION, session.id))
    turns = view.latest_turns(session.id, TURNS_SHOWN)
    return Cost(session, balance, turns, world.list_price(view, session.agent))


def _estimate(world: World, view: View, session: Session | None, prompt: str) -> Estimate:
    if session is None:
        owner = next((grant.person for grant in view.all_grants() if grant.role is Role.OWNER), "")
        here, rules = Thread(world.chat.service, owner), world.rules
        session = Session("", rules.agent, rules.directory, here, owner, world.clock.now_ms(), model=rules.model)
    return judging.foresee(world, view, session, session.owner, prompt)


def _periods(world: World) -> tuple[Scope, ...]:
    """What counts whoever asks: neither a person nor a chat."""
    return scopes.of_person("", Thread("", ""), world.today())[: len(PERIODS)]


def _scope(world: World, session: Session | None, kind: ScopeKind) -> Scope:
    known = _periods(world) if session is None else bounds.booked(world, session, session.owner)
    found = next((scope for scope in known if scope.kind is kind), None)
    if found is None:
        there = ", ".join(scope.kind for scope in known)
        raise RefusedError(f"no limit of a {kind} counts for you: there are {there}")
    return found


# ----------------------------------------------------------------------------------------------------------- questions
def _asker_of(approval: Approval) -> str:
    """Who asked through MCP; empty: nobody did."""
    if approval.kind is ApprovalKind.CHANGE:
        return changes.change_of(approval).agent
    return approval.session_id if questions.is_one(approval) else ""


def _threads(world: World, view: View, session: Session | None, by: Usd | None) -> tuple[Thread, ...]:
    """Where a raise by so much is asked for: the session's own thread if somebody may say yes there, else in private."""
    grants = view.all_grants()
    if session is not None and any(may((grant,), Deed.RAISE, session.thread, by) for grant in grants):
        return (session.thread,)
    return requests.threads_of(world, grants, Deed.RAISE, by)


def _thread(world: World, view: View, session: Session | None) -> Thread:
    """Where a question is put: the session's own thread, or to the first owner."""
    grants = view.all_grants()
    if session is not None and any(may((grant,), Deed.APPROVE, session.thread) for grant in grants):
        return session.thread
    found = requests.threads_of(world, grants, Deed.APPROVE, None)
    if not found:
        raise RefusedError("nobody is there who could answer: go on without an answer")
    return found[0]


def _whole(question: str) -> str:
    """The question, which is shown whole or not at all."""
    words = question.strip()
    if not words:
        raise RefusedError("there is no question: write what you want to know")
    if revealed(words, VERBATIM_CHARACTERS_MAX)[1]:
        raise RefusedError(
            f"the question is longer than the {VERBATIM_CHARACTERS_MAX} characters that a chat shows: shorten it"
        )
    return words


def _labels(choices: tuple[str, ...]) -> tuple[str, ...]:
    labels = tuple(change.reason(choice) for choice in choices)
    if len(labels) > CHOICES_MAX:
        raise RefusedError(f"at most {CHOICES_MAX} choices: the person can also answer in their own words")
    if not all(labels) or len(set(labels)) < len(labels) or max(map(len, labels), default=0) > CHOICE_CHARACTERS_MAX:
        raise RefusedError(f"each choice needs words of its own, {CHOICE_CHARACTERS_MAX} characters at most")
    return labels


def _heard(view: View, draft: Draft, approval_id: str) -> None:
    approval = view.approval(approval_id)
    if approval is not None and questions.is_one(approval) and approval.request_id == questions.UNHEARD:
        questions.heard(draft, approval)


def _gone() -> Standing:
    raise AssertionError("an open question has a standing")


# -------------------------------------------------------------------------------------------------------------- claims
def _claim(view: View, draft: Draft, session: Session, kind: ClaimKind, words: str) -> Turn:
    turns = view.latest_turns(session.id, 1)
    if not turns:
        raise RefusedError("the session has no turn yet: there is nothing to report on")
    shown, rest = revealed(" ".join(words.split()), CLAIM_CHARACTERS_MAX)
    claimed = replace(turns[0], claim=Claim(kind, f"{shown}…" if rest else shown))
    draft.put.append(claimed)
    return claimed
