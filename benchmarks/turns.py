"""What a gateway commits for a turn, with the engine's own decisions: hold, hand over, each call, settle. Only the agent is left out."""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, date
from typing import Any

import structlog

from gateway.agents.scripted import ScriptedAgent
from gateway.chats.memory import MemoryChat
from gateway.core.forecast import Prior
from gateway.core.progress import Doing
from gateway.core.turn import Step, advance
from gateway.domain.budget import ScopeKind
from gateway.domain.effects import Effect, Say
from gateway.domain.events import CallMetered, End, Finished
from gateway.domain.money import NANO_PER_USD, Usd
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.domain.usage import Tokens, Usage
from gateway.engine import Clock, Rules, World, ending, gating, metering
from gateway.engine.decision import Draft
from gateway.ports import Decision, Store, View
from gateway.pricing import ListPrices

NOW_MS = 1_800_000_000_000
TODAY = date(2027, 1, 15)
"""The day of `NOW_MS`."""
MODEL = "claude-opus-4-8"
CALL = Usage(MODEL, Tokens(input=10, cache_read=20_000, cache_write_5m=500, output=400))
"""About two cents."""
PROMPT = "Fix the flaky login test, and say in two sentences what was wrong with it."
ANSWER = (
    "Done: the test raced with the session's timer. It waits for the timer's event now, and fails in 0 of 500 runs."
)
LARGE = Usd(1_000_000 * NANO_PER_USD)
RULES = Rules(
    agent="scripted",
    directory="/srv/project",
    roots=("/srv",),
    limits={ScopeKind.SESSION: LARGE, ScopeKind.DAY: LARGE},
    confirm_above=LARGE,
    step=Usd(NANO_PER_USD // 2),
    timezone=UTC,
)


def world_over(store: Store, rules: Rules = RULES, prior: Prior | None = None) -> World:
    """The engine's world over this store: real prices and words, a clock that stands still, and nothing done to agents."""

    def nothing(_effects: Sequence[Effect]) -> None:
        return

    clock = Clock(now_ms=lambda: NOW_MS)
    agents = {"scripted": ScriptedAgent()}
    return World(store, MemoryChat(), agents, ListPrices(), rules, prior, clock, perform=nothing)


def session(name: str, person: str) -> Session:
    """A session with a context that the prompt cache still holds."""
    return Session(
        id=f"s_{name}",
        agent="scripted",
        directory="/srv/project",
        thread=Thread("telegram", person),
        owner=person,
        created_at_ms=NOW_MS - 3_600_000,
        agent_session=f"agent-{name}",
        model=MODEL,
        context_tokens=20_000,
        last_call_at_ms=NOW_MS - 60_000,
        title="Fix the login test",
    )


def turn(place: Session, number: int) -> Turn:
    """The next turn of a session."""
    name = f"{place.id}.{number}"
    return Turn(
        id=f"t_{name}",
        session_id=place.id,
        origin=Origin.PERSON,
        state=TurnState.QUEUED,
        person=place.owner,
        prompt=PROMPT,
        prompt_uuid=f"uuid-{name}",
        created_at_ms=NOW_MS,
        model=place.model,
    )


def hold(world: World, new: Turn) -> Callable[[View], Decision[Turn]]:
    """The turn before the gate."""

    def decide(view: View) -> Decision[Turn]:
        draft = Draft()
        place = view.session(new.session_id)
        if place is None:
            raise LookupError(new.session_id)
        return draft.done(gating.start(world, view, draft, place, new))

    return decide


def hand_over(world: World, turn_id: str) -> Callable[[View], Decision[None]]:
    """The turn runs, and its status message is shown: what the engine's clients commit before the agent has the prompt."""

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        held = view.turn(turn_id)
        place = view.session(held.session_id) if held else None
        if held is None or place is None:
            raise LookupError(turn_id)
        running = advance(held, Step.RELEASE, started_at_ms=world.clock.now_ms())
        draft.put.append(running)
        words = metering.status(world, view, place, running, Doing())
        # Without its button, whose token would be another one at each level.
        draft.say(Say(place.thread, metering.status_ref(running), words))
        return draft.done(None)

    return decide


def call(world: World, turn_id: str, usage: Usage = CALL, number: int = 0) -> Callable[[View], Decision[Any]]:
    """One call of the turn, booked."""
    return metering.book_call(world, turn_id, CallMetered(f"{turn_id}.{number}", usage))


def settle(world: World, begun: Turn, booked: Sequence[Usage] = (CALL,)) -> Callable[[View], Decision[None]]:
    """The turn's end, with totals that agree with what was metered."""
    return ending.finish(world, begun.id, Finished(End.DONE, ANSWER, begun.prompt_uuid, tuple(booked)), booked)


@contextmanager
def quiet() -> Generator[None]:
    """No log meanwhile: it goes to a file in a gateway, and here it would go over the figures."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(**before)
