"""What bounds a turn: the scopes it counts against, their balances, what is counted beside money, and the owner's policy."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from gateway.core import gauges, preferences, scopes
from gateway.core.access import may
from gateway.core.gate import Policy
from gateway.core.gauges import Gauge
from gateway.core.policy import Facts, judge
from gateway.domain.budget import NO_CAPS, Balance, Lift, Scope, ScopeKind
from gateway.domain.estimate import Estimate
from gateway.domain.money import Usd
from gateway.domain.place import Deed, Session, Thread
from gateway.domain.preferences import Preferences
from gateway.domain.turn import Turn
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View


def policy(world: World, view: View, session: Session, turn: Turn, forecast: Estimate | None = None) -> Policy:
    """The gate's policy for this turn by the owner's rules: as of now, or of when it started.

    A run is not cut short by hours that begin while it is at work, or by what its own first call did to the cache.
    """
    rules, forecast = world.rules, forecast or turn.estimate
    at_ms = world.clock.now_ms() if turn.started_at_ms is None else turn.started_at_ms
    chosen = view.preferences(session.thread)
    general = asked_above(world, view, chosen)
    facts = Facts(
        model=turn.model or session.model,
        # The rules name real directories; the settings' own, where a first session works, may go through a link.
        directory=os.path.realpath(session.directory),
        person=turn.person,
        chat=session.thread.chat,
        origin=turn.origin,
        cold_tokens=forecast.cold_tokens if forecast else 0,
        minute_of_week=world.minute_of_week(at_ms),
        want=forecast.hold if forecast and forecast.hold else rules.step,
    )
    ruling = preferences.stricter(judge(rules.policy, facts, general), chosen, general)
    return Policy(
        ruling.confirm_above,
        rules.step,
        frozen=view.frozen,
        refuse=ruling.refuse,
        refuse_above=ruling.refuse_above,
        unpriced_refused=rules.unpriced_refused,
        why="" if ruling.rule is None else ruling.words,
    )


def asked_above(world: World, view: View, chosen: Preferences) -> Usd:
    """Above which amount people are asked in a chat where no rule says otherwise."""
    above = world.rules.confirm_above
    # Only owners choose more than the settings say, and for as long as they are.
    beyond = chosen.confirm_above is not None and chosen.confirm_above > above
    by_owner = beyond and may(view.grants(chosen.confirm_by), Deed.GRANT, Thread(chosen.service, chosen.chat))
    return preferences.threshold(above, chosen, by_owner=by_owner)


def balance(world: World, view: View, draft: Draft, scope: Scope, lifts: Iterable[Lift] = ()) -> Balance:
    """What stands against a scope, with what this decision writes; where no entry set a limit, with the owner's own.

    Raises that are not over yet count, and those of a turn (`lifts`).
    """
    return balances(world, view, draft, (scope,), lifts)[0]


def balances(
    world: World, view: View, draft: Draft, scopes: Sequence[Scope], lifts: Iterable[Lift] = ()
) -> tuple[Balance, ...]:
    """The same for each of the scopes."""
    raised = (*draft.lifts(view, world.clock.now_ms()), *lifts)
    return tuple(found.lifted(raised) for found in _unlifted(world, view, draft, scopes))


def unlifted(world: World, view: View, draft: Draft, scope: Scope) -> Balance:
    """What stands against a scope without raises that end at a time."""
    return next(_unlifted(world, view, draft, (scope,)))


def _unlifted(world: World, view: View, draft: Draft, scopes: Sequence[Scope]) -> Iterator[Balance]:
    for found in draft.balances(view, scopes):
        kind = found.scope.kind
        if kind is ScopeKind.TEAM:
            yield found if world.team is None else world.team.balance(view, found, world.clock.boot_ms())
            continue
        limit = world.rules.limits.get(kind) if found.limit is None else found.limit
        caps = found.caps.over(world.rules.caps.get(kind, NO_CAPS))
        yield gauges.freed(replace(found, limit=limit, caps=caps))


def shown(
    world: World, view: View, draft: Draft, counted: Sequence[Scope], lifts: Iterable[Lift] = ()
) -> tuple[Balance, ...]:
    """The balances as people are told of them: of the team's limit, as far as it is known, and not of a lease."""
    found = balances(world, view, draft, counted, lifts)
    if world.team is None:
        return found
    told = (world.team.shown(one) if one.scope.kind is ScopeKind.TEAM else one for one in found)
    return tuple(one for one in told if one is not None)


def gauges_of(
    world: World, view: View, session: Session, turn: Turn, balances: Iterable[Balance], unbooked_ms: int = 0
) -> tuple[Gauge, ...]:
    """What is counted beside money, and the limits on it, as they are for this turn; `unbooked_ms`: work not booked yet."""
    rules, limit = world.rules, None
    if rules.pace_times and gauges.pace(turn.spent, turn.work_ms + unbooked_ms) >= rules.step.nano:
        past = [one for one in view.latest_turns(session.id, gauges.PACES_MAX) if one.id != turn.id]
        limit = gauges.pace_limit(past, rules.pace_times, rules.step)
    own = gauges.of_turn(turn, rules.caps.get(ScopeKind.TURN, NO_CAPS), limit, unbooked_ms)
    if rules.ask_at_quota is not None:
        own = (*own, *windows(world, view, session.agent, rules.ask_at_quota))
    return (*gauges.of_balances(balances, unbooked_ms), *gauges.lifted(own, turn.lifts))


def windows(world: World, view: View, agent: str, ask_at: int) -> tuple[Gauge, ...]:
    """What the agent told of its subscription's windows, against a mark in hundredths."""
    return gauges.of_quotas(view.quotas(agent), ask_at, world.clock.now_ms(), world.rules.timezone)


def counted(world: World, view: View, session: Session, person: str) -> tuple[Scope, ...]:
    """What a turn of this person in this session counts against, if it is allowed now."""
    shared = world.team.scopes(view, world.today()) if world.team else ()
    return (*booked(world, session, person), *shared)


def booked(world: World, session: Session, person: str) -> tuple[Scope, ...]:
    """The same without what is shared with other gateways."""
    return scopes.of_turn(replace(session, thread=account(world, session.thread)), person, world.today())


def account(world: World, thread: Thread) -> Thread:
    """Where it is booked what is spent in a thread: a group that goes by another number now has no new limits for that."""
    before = next((before for before, after in world.moves.items() if after == thread.chat), thread.chat)
    return replace(thread, chat=before)


def lent(world: World, view: View, counted: Sequence[Scope]) -> bool:
    """Whether the team's leases among the scopes can be spent from now."""
    return world.team is None or world.team.lent(view, counted, world.clock.boot_ms())
