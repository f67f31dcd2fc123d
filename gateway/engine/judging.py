"""What the gate says of a turn: what it will probably cost, and what stands in its way, here and at the team's bank."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.core import gate
from gateway.core.estimate import at_rates, estimate, on_model
from gateway.core.forecast import HISTORY_MAX
from gateway.domain.approval import Allow, Ask, Choice, Option, Question, Verdict
from gateway.domain.budget import Balance, Scope, ScopeKind
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.turn import Origin, Turn
from gateway.domain.usage import Rates
from gateway.engine import bounds
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View
from gateway.view import money_words, question_words


@dataclass(frozen=True, slots=True)
class Short:
    """Only the lease stands in the way, and the team's bank was not asked yet: it is to lend so much."""

    need: Usd


def judge(
    world: World,
    view: View,
    draft: Draft,
    session: Session,
    turn: Turn,
    consent: gate.Consent | None = None,
) -> tuple[Turn, Verdict | Short]:
    """The gate's verdict on a turn that has not started, and the turn with what it was judged by."""
    turn = replace(turn, model=session.model or turn.model)
    counted = bounds.counted(world, view, session, turn.person)
    forecast = foresee(world, view, session, turn.person, turn.prompt)
    policy = bounds.policy(world, view, session, turn, forecast)

    def decide(balances: Sequence[Balance]) -> Verdict:
        gauges = bounds.gauges_of(world, view, session, turn, balances)
        verdict = gate.decide(balances, forecast, policy, consent, gauges, spent=turn.spent)
        if not isinstance(verdict, Ask):
            return verdict
        # What only a question tells is looked for only then: to foresee another model costs as much again.
        other, held_for = _cheaper(world, view, session, turn), holders(view, draft, session, turn)
        return gate.decide(balances, forecast, policy, consent, gauges, other, turn.spent, held_for)

    verdict = of_lease(world, view, draft, counted, turn, decide)
    return replace(turn, estimate=forecast), verdict


def of_lease(
    world: World,
    view: View,
    draft: Draft,
    counted: tuple[Scope, ...],
    turn: Turn,
    decide: Callable[[Sequence[Balance]], Verdict],
) -> Verdict | Short:
    """The gate's verdict where a lease is one of the limits: a person is asked only about what the bank cannot lend."""
    verdict = decide(bounds.balances(world, view, draft, counted, turn.lifts))
    if isinstance(verdict, Allow) or world.team is None:
        return verdict
    if draft.asked != turn.id:
        without = [scope for scope in counted if scope.kind is not ScopeKind.TEAM]
        others = decide(bounds.balances(world, view, draft, without, turn.lifts))
        return Short(others.hold) if isinstance(others, Allow) else others
    told = decide(bounds.shown(world, view, draft, counted, turn.lifts))
    if not isinstance(told, Allow):
        return told
    words = question_words.waits_for_bank(world.team.why(counted))
    again = Option(Choice.RUN, money_words.try_again(told.ceiling), allows=told.ceiling)
    return Ask(Question(words, (again, gate.NO)))


def holders(view: View, draft: Draft, session: Session, turn: Turn) -> tuple[Turn, ...]:
    """The other turns of the session's thread for which something is held: what is written elsewhere is not for its readers."""
    holding = [one for one in draft.open_turns(view) if one.id != turn.id and one.held_left > ZERO]
    found = {one.session_id: view.session(one.session_id) for one in holding}
    here = {name for name, its in found.items() if its is not None and its.thread == session.thread}
    return tuple(one for one in holding if one.session_id in here)


def foresee(world: World, view: View, session: Session, person: str, prompt: str) -> Estimate:
    """What a prompt of this person in this session will probably cost."""
    rates = world.rates(session.model) if session.model else None
    past = view.past_turns(person, session.agent, HISTORY_MAX)
    if isinstance(rates, Rates):
        models = {one.model for one in past if one.model is not None} - {session.model}
        found = {model: world.rates(model) for model in models}
        past = at_rates(past, rates, {model: of for model, of in found.items() if isinstance(of, Rates)})
    return estimate(session, prompt, rates, past, world.prior, world.rules.step, world.clock.now_ms())


def _cheaper(world: World, view: View, session: Session, turn: Turn) -> gate.Cheaper | None:
    """What the same run would cost on the owner's cheaper model, where the agent can go on with that one."""
    model, agent = world.rules.cheaper_model, world.agents.get(session.agent)
    if model is None or model == session.model or turn.origin is Origin.BACKGROUND:
        return None
    if agent is None or not agent.traits.switches_model:
        return None
    other = on_model(session, model)
    forecast = foresee(world, view, other, turn.person, turn.prompt)
    return gate.cheaper(model, forecast, bounds.policy(world, view, other, replace(turn, model=model), forecast))
