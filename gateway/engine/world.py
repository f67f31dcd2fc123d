"""What the engine works with: the ports, the rules and the clock, and the one way to commit a decision."""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TypeVar

import anyio
import structlog

from gateway.core import offers, preferences
from gateway.core.access import may
from gateway.core.files import enclosed, file_ref
from gateway.core.forecast import Prior
from gateway.core.new import Found
from gateway.core.pairing import Window
from gateway.core.policy import DAY_MINUTES
from gateway.core.price import parts
from gateway.core.turn import ENDED
from gateway.domain.effects import Edit, Effect, Leave, Say
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Session, Thread
from gateway.domain.preferences import Offered, Verbosity
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import NO_PARTS, Parts, Rates, Unpriced, Usage
from gateway.engine.clock import Clock
from gateway.engine.locks import Locks
from gateway.engine.reach import Reach
from gateway.engine.rules import Rules
from gateway.engine.steps import no_step
from gateway.engine.team import Team
from gateway.engine.watch import Watch
from gateway.files import Spool
from gateway.ports import Agent, Bank, Chat, Decision, Draw, NewPost, Prices, Store, Transcriber, View
from gateway.view import turn_words

T = TypeVar("T")

log = structlog.get_logger()

LEAVING = "leave"
"""What stands in the outbox instead of a message's body. Nobody reads it."""
LEAVE_AFTER_MS = 3_000
"""A group that is known may come under a number that nobody knows, and say so only with the next update: so long is waited."""
LISTENED_AT_ONCE = 2
LOOKED_AT_ONCE = 4
SAID_MAX = 200_000
"""Characters of what is said at once: some fifty messages on a phone."""

STATUS_ENDING = ":status"
"""How the names of messages end that show an agent at work."""


def no_agents(effects: Sequence[Effect]) -> None:
    """No engine runs yet: nothing can be done to agents."""
    if effects:
        raise AssertionError("effects on agents need a running engine")


def always(_session: Session) -> bool:
    """Agents that the gateway starts itself are there whenever they are needed."""
    return True


def nothing_kept(_session: Session) -> str:
    """Nothing of any agent lies in the home."""
    return ""


def nothing_old(_before_ms: int, _working: Collection[str]) -> int:
    """Nothing of any agent lies in the home."""
    return 0


async def nobody_works(_session_id: str) -> bool:
    """No engine runs yet: no agent has to be ended."""
    return True


@dataclass(slots=True)
class World:
    """The ports and the rules, and `commit`: decide and write in one transaction."""

    store: Store
    chat: Chat
    agents: Mapping[str, Agent]
    prices: Prices
    rules: Rules
    prior: Prior | None = None
    """What other people's turns teach about a person's first ones."""
    clock: Clock = field(default_factory=Clock)
    on_step: Callable[[str], None] = no_step
    team: Team | None = None
    """Limits that are shared with other gateways; the engine asks `bank` for parts of them."""
    bank: Bank | None = None
    present: Callable[[Session], bool] = always
    """Whether the session's agent takes prompts now: the running engine's own."""
    window: Window | None = None
    """In which somebody may be paired just now. It belongs to a command that waits in a terminal, and is gone with the gateway."""
    spool: Spool | None = None
    """Where copies of files wait to be sent; None: none are."""
    draw: Draw | None = None
    """Draws what was spent; None: nothing does, and the words say it all."""
    transcriber: Transcriber | None = None
    """Writes down what people say; None: nothing does."""
    perform: Callable[[Sequence[Effect]], None] = no_agents
    """Does to agents what a decision wants done: the running engine's own."""
    moves: dict[str, str] = field(default_factory=dict[str, str])
    """By number, the one by which a group of this chat service goes now. What was spent there stays on the first one's account."""
    erase: Callable[[Session], str] = nothing_kept
    """Deletes what the home keeps of a session's agent, and tells where its own transcript lies. It blocks; raises OSError."""
    erase_old: Callable[[int, Collection[str]], int] = nothing_old
    """The same of all that nothing was written to since a time, but for these sessions; how many files."""
    release: Callable[[str], Awaitable[bool]] = nobody_works
    """Ends a session's agent that rests; False: it works, or a person has it open."""
    checkouts: Locks = field(default_factory=Locks)
    """One worktree is made in a directory at a time."""
    watched: dict[str, Watch] = field(default_factory=dict[str, Watch])
    """Turns whose repository was looked at before them, by id: what they leave behind is told at their end."""
    looked: tuple[tuple[Thread, str, str], Found] | None = None
    """What the directories are that the message (thread, person, text) names which is handled now: decisions look at none."""
    looking: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(LOOKED_AT_ONCE))
    """So many directories may be waited for that do not answer."""
    listening: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(LISTENED_AT_ONCE))
    """So many recordings are fetched and listened to at once."""
    posted: anyio.Event = field(default_factory=anyio.Event)
    """Set when there is something to deliver; replaced by the pump."""
    on_way: dict[Thread, int] = field(default_factory=dict[Thread, int])
    """In which a message may be seen whose name there is not in the store yet, and until when, in ticks, a reply waits for that
    (0: none did yet)."""
    granted: anyio.Event = field(default_factory=anyio.Event)
    """Set when somebody may do more or less than before; replaced by whoever tells the chat service."""
    reach: Reach = field(default_factory=Reach)

    async def commit(self, decide: Callable[[View], Decision[T]]) -> Decision[T]:
        """Run `decide` in a transaction, its messages going to the outbox with it; then do to agents what it wants done."""
        ended: dict[str, Turn] = {}

        def with_posts(view: View) -> Decision[T]:
            decision = decide(view)
            ended.clear()
            ended.update(_ended_now(view, decision))
            offered = () if decision.grants is None else offers.offers(decision.grants, self.chat.service)
            return replace(
                decision,
                # Before the service is told: what it may know is never lost sight of.
                put=(*decision.put, *(Offered(self.chat.service, chat) for chat in offered)),
                posts=tuple(
                    post
                    for effect in decision.effects
                    if isinstance(effect, Say | Edit | Leave) and self._is_told(view, effect)
                    for post in self._posts(self._hushed(view, effect))
                ),
                effects=tuple(effect for effect in decision.effects if not isinstance(effect, Say | Edit | Leave)),
                figures=self.team.figures(view, decision.put, self.clock.now_ms()) if self.team else (),
            )

        decision = await self.store.transact(with_posts, self.clock.now_ms())
        if decision.posts:
            self.posted.set()
        if decision.grants is not None:
            self.granted.set()
        if self.team is not None and (decision.entries or decision.figures):
            self.team.woken.set()
        self.on_step("committed")
        for turn in ended.values():
            if turn.id in self.watched:
                self.watched[turn.id].over = True
            why = turn.outcome.text if turn.outcome is not None and turn.state is TurnState.FAILED else ""
            log.info("turn ended", turn=turn.id, state=turn.state, spent=str(turn.spent), why=why)
        self.perform(decision.effects)
        return decision

    def _posts(self, effect: Say | Edit | Leave) -> Iterator[NewPost]:
        """The message, and after it its files: each is sent, and receipted, by itself."""
        if isinstance(effect, Leave):
            yield NewPost(effect.thread, effect.ref, (LEAVING,), wait_ms=LEAVE_AFTER_MS)
            return
        if isinstance(effect, Edit):
            body = self.chat.compose(effect.text, effect.buttons)[0]
            body = body if effect.picture is None else enclosed(effect.picture, body)
            yield NewPost(effect.thread, effect.ref, (body,), edit=True, at_once=effect.at_once)
            return
        worded = bool(effect.text.strip() or effect.buttons or not effect.files)
        if worded:
            bodies = self.chat.compose(_sayable(effect.text), effect.buttons)
            yield NewPost(effect.thread, effect.ref, bodies, ring=effect.ring, wait_ms=effect.wait_ms)
        for number, parcel in enumerate(effect.files, start=1):
            ring = effect.ring and number == 1 and not worded
            yield NewPost(effect.thread, file_ref(effect.ref, number), (enclosed(parcel),), ring=ring)

    def _is_told(self, view: View, effect: Say | Edit | Leave) -> bool:
        """Whether a message is shown: who wants questions and results only is shown no agent at work, and who may not read nothing."""
        if self._is_kept_from(view, effect):
            return False
        if not effect.ref.endswith(STATUS_ENDING):
            return True
        if view.preferences(effect.thread).verbosity is not Verbosity.QUIET:
            return True
        return isinstance(effect, Edit) and view.message_id(effect.ref) is not None

    @staticmethod
    def _is_kept_from(view: View, effect: Say | Edit | Leave) -> bool:
        """What came of a turn is not told where nobody reads but its own person, and they may not any more."""
        kind, _, rest = effect.ref.partition(":")
        turn = view.turn(rest.partition(":")[0]) if kind == "turn" else None
        alone = turn is not None and turn.origin is not Origin.DESK and turn.person == effect.thread.chat
        return alone and not may(view.grants(effect.thread.chat), Deed.READ, effect.thread)

    def _hushed(self, view: View, effect: Say | Edit | Leave) -> Say | Edit | Leave:
        """In quiet hours nothing rings: the message comes, and waits to be seen."""
        if not isinstance(effect, Say) or not effect.ring:
            return effect
        quiet = preferences.is_quiet(view.preferences(effect.thread), self.minute_of_week())
        return replace(effect, ring=False) if quiet else effect

    def minute_of_week(self, at_ms: int | None = None) -> int:
        """In the owner's time zone, since Monday 00:00; now, or then."""
        at_ms = self.clock.now_ms() if at_ms is None else at_ms
        local = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self.rules.timezone)
        return local.weekday() * DAY_MINUTES + local.hour * 60 + local.minute

    def today(self) -> date:
        """The date where the owner is."""
        return datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).astimezone(self.rules.timezone).date()

    def rates(self, model: str) -> Rates | Unpriced:
        """Today's list prices of a model, on the usual terms."""
        return self.prices.rates(model, self._utc_date(), "standard", "standard")

    def cost(self, usage: Usage) -> tuple[Usd | Unpriced, Parts]:
        """What a usage costs at today's list price, and what that is made of."""
        rates = self.prices.rates(usage.model, self._utc_date(), usage.service_tier, usage.speed, usage.geo)
        if isinstance(rates, Unpriced):
            return rates, NO_PARTS
        made_of = parts(usage, rates)
        return made_of.total, made_of

    def _utc_date(self) -> date:
        return datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC).date()

    def list_price(self, view: View, agent: str) -> bool:
        """Whether an amount is a list price and may be none that anybody pays: the agent can run, or does, on a subscription."""
        return self.agents[agent].traits.list_price or bool(view.quotas(agent))

    def new_turn(self, session: Session, origin: Origin, person: str, prompt: str) -> Turn:
        """A queued turn on this person's account: it was put before no gate yet."""
        return Turn(
            id=self.clock.new_id("t"),
            session_id=session.id,
            origin=origin,
            state=TurnState.QUEUED,
            person=person,
            prompt=prompt,
            prompt_uuid=self.clock.new_uuid(),
            created_at_ms=self.clock.now_ms(),
            model=session.model,
        )

    def notice(self, thread: Thread, text: str, *, ring: bool = False) -> Say:
        """A message that nothing refers to later."""
        return Say(thread, self.clock.new_id("note"), text, ring=ring)


def _sayable(text: str) -> str:
    """What is said of a text: nobody reads more of it in a chat, and whatever else is to be said waits behind it."""
    return text if len(text) <= SAID_MAX else turn_words.left_out(text[:SAID_MAX], len(text) - SAID_MAX)


def _ended_now(view: View, decision: Decision[T]) -> Iterator[tuple[str, Turn]]:
    """The turns that this decision ends: one may be written again later, with what it turned out to have spent."""
    for turn in decision.put:
        if isinstance(turn, Turn) and turn.state in ENDED:
            known = view.turn(turn.id)
            if known is None or known.state not in ENDED:
                yield turn.id, turn
