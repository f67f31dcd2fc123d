"""The figures in the words of OpenTelemetry's conventions for generative AI."""

import pytest

from gateway.core import genai, metrics
from gateway.core.genai import provider, span_of, usage
from gateway.core.telemetry import UNKNOWN_MODEL, Named, Point
from gateway.domain.estimate import Estimate
from gateway.domain.money import ZERO, Usd
from gateway.domain.turn import Outcome, OutcomeKind, TurnState
from gateway.domain.usage import Tokens
from tests.core.make import session, turn

OPUS = Named("anthropic", "opus")


def test_what_was_read_from_and_written_to_a_cache_is_a_part_of_the_input() -> None:
    """As the conventions have it: the counters of caches and of reasoning are subsets."""
    own = [
        ("input", 1),
        ("cache_read", 2),
        ("cache_write_5m", 4),
        ("cache_write_1h", 8),
        ("cache_write_unsplit", 16),
        ("output", 32),
    ]
    points = [Point(metrics.TOKENS, ("claude", "opus", name), count) for name, count in own]
    points += [Point(metrics.REASONING, ("claude", "opus"), 5), Point(metrics.ENTRIES, ("call",), 7)]
    found = usage(points, {"opus": OPUS})
    sums = {name.removeprefix(genai.USAGE): sum(by.values()) for name, by in found.items()}
    assert sums == {
        "input_tokens": 31,
        "cache_read.input_tokens": 2,
        "cache_write.input_tokens": 28,
        "output_tokens": 32,
        "reasoning.output_tokens": 5,
    }
    [key] = found[f"{genai.USAGE}input_tokens"]
    assert dict(key) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.token.modality": "unknown",
        "gen_ai.request.model": "opus",
        "gen_ai.response.model": "opus",
        "gen_ai.agent.name": "claude",
    }


@pytest.mark.parametrize(
    ("known", "name"),
    [
        (OPUS, "anthropic"),
        (Named("aws", "m"), "aws.bedrock"),
        (Named("x-ai", "m"), "x_ai"),
        (None, "other"),
        (UNKNOWN_MODEL, "other"),
    ],
)
def test_providers_go_by_the_names_of_the_conventions(known: Named | None, name: str) -> None:
    """Where those have one."""
    assert provider(known) == name


def test_a_turn_is_a_span_with_its_conversation_cost_and_tokens_and_no_words() -> None:
    """Of its own trace; sent again it is the same one."""
    ended = turn(
        state=TurnState.FAILED,
        person="person-7",
        prompt="a secret prompt",
        started_at_ms=1_000,
        ended_at_ms=3_000,
        spent=Usd(420_000_000),
        tokens=Tokens(1, 2, 3, 4, 5, 6, 7),
        work_ms=1_500,
        estimate=Estimate(ZERO, Usd(10**9), Usd(2 * 10**9), 20, ZERO, "words"),
        outcome=Outcome(OutcomeKind.ERROR, "a secret error"),
    )
    span = span_of(ended, session(agent_session="conversation-1"), OPUS)
    assert span is not None
    assert (span.name, span.start_ms, span.end_ms, span.error) == ("invoke_agent claude", 1_000, 3_000, True)
    assert span == span_of(ended, session(agent_session="conversation-1"), OPUS)
    told = span.attributes
    assert told["gen_ai.conversation.id"] == "conversation-1"
    assert told["gen_ai.usage.input_tokens"] == 15
    assert told["gen_ai.usage.cache_creation.input_tokens"] == 12
    assert (told["tollbridge.turn.cost.usd"], told["tollbridge.turn.work"]) == (0.42, 1.5)
    assert (told["tollbridge.turn.estimate.p50.usd"], told["tollbridge.turn.estimate.p90.usd"]) == (1.0, 2.0)
    assert (told["tollbridge.turn.outcome"], told["error.type"]) == ("error", "agent_error")
    assert "secret" not in str(told)
    assert not {ended.person, "/src"} & {str(value) for value in told.values()}


def test_a_turn_that_never_ran_has_no_span_and_one_of_no_known_session_still_has_one() -> None:
    """What was refused took no time; a span without an estimate tells none."""
    assert span_of(turn(state=TurnState.REFUSED, ended_at_ms=5), session(), OPUS) is None
    span = span_of(
        turn(started_at_ms=9, ended_at_ms=5, estimate=Estimate(ZERO, None, None, 2, ZERO, "")), None, UNKNOWN_MODEL
    )
    assert span is not None
    assert (span.start_ms, span.end_ms, span.error) == (9, 9, False)
    assert span.attributes["gen_ai.conversation.id"] == "s_1"
    assert span.attributes["tollbridge.turn.outcome"] == "none"
    assert not [name for name in span.attributes if "estimate" in name]
