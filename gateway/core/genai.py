"""The figures and the turns in the words of OpenTelemetry's conventions for generative AI, which are in development and change.

Pinned: github.com/open-telemetry/semantic-conventions-genai as of September 2026 (counters `gen_ai.client.inference.usage.*`, where
what was read from and written to a cache is a part of the input, and reasoning one of the output), over version 1.44.0 of the general
ones.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gateway.core import metrics
from gateway.core.telemetry import Named, Point
from gateway.domain.money import NANO_PER_USD, Usd
from gateway.domain.place import Session
from gateway.domain.turn import OutcomeKind, Turn

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
SCOPE: Final = "tollbridge"
USAGE: Final = "gen_ai.client.inference.usage."
UNKNOWN_MODALITY: Final = "unknown"
"""No agent tells its tokens by text, picture and sound."""
CHAT: Final = "chat"
INVOKE_AGENT: Final = "invoke_agent"
PROVIDERS: Final[Mapping[str, str]] = {
    "aws": "aws.bedrock",
    "azure": "azure.ai.openai",
    "google": "gcp.gen_ai",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "x-ai": "x_ai",
}
"""Those whose name in the price list is another one than in the conventions."""
_INPUT: Final = f"{USAGE}input_tokens"
_WRITTEN: Final = f"{USAGE}cache_write.input_tokens"
_READ: Final = f"{USAGE}cache_read.input_tokens"
_OUTPUT: Final = f"{USAGE}output_tokens"
_REASONING: Final = f"{USAGE}reasoning.output_tokens"
HELPS: Final[Mapping[str, str]] = {
    _INPUT: "The number of input tokens used, including cached tokens.",
    _OUTPUT: "The number of output tokens used, including reasoning tokens.",
    _READ: "The number of input tokens that were read from a cache.",
    _WRITTEN: "The number of input tokens that were written to a cache.",
    _REASONING: "The number of output tokens that were used for reasoning.",
}
"""The counters, by their names."""
_COUNTERS: Final[Mapping[str, tuple[str, ...]]] = {
    "input": (_INPUT,),
    "cache_read": (_INPUT, _READ),
    **dict.fromkeys(("cache_write_5m", "cache_write_1h", "cache_write_unsplit"), (_INPUT, _WRITTEN)),
    "output": (_OUTPUT,),
}
"""What a token of each class counts in."""

Attributes = dict[str, str | int | float | bool]


def usage(points: Iterable[Point], models: Mapping[str, Named]) -> dict[str, dict[tuple[tuple[str, str], ...], int]]:
    """The counters of tokens, by name and by their attributes, out of the own ones. `models`: those that were seen, by name."""
    found: dict[str, dict[tuple[tuple[str, str], ...], int]] = {name: {} for name in HELPS}
    for point in points:
        if point.metric is metrics.TOKENS:
            agent, model, token_class = point.labels
            names = _COUNTERS[token_class]
        elif point.metric is metrics.REASONING:
            agent, model = point.labels
            names = (_REASONING,)
        else:
            continue
        key = (*_model(models.get(model), model).items(), ("gen_ai.agent.name", agent))
        for name in names:
            found[name][key] = found[name].get(key, 0) + point.amount
    return {name: sums for name, sums in found.items() if sums}


def _model(known: Named | None, model: str) -> dict[str, str]:
    return {
        "gen_ai.operation.name": CHAT,
        "gen_ai.provider.name": provider(known),
        "gen_ai.token.modality": UNKNOWN_MODALITY,
        "gen_ai.request.model": model,
        "gen_ai.response.model": model,
    }


def provider(known: Named | None) -> str:
    """Whose a model is, in the conventions' words."""
    return metrics.OTHER if known is None else PROVIDERS.get(known.provider, known.provider)


# ------------------------------------------------------------------------------------------------------------- the turns
@dataclass(frozen=True, slots=True)
class Span:
    """A turn as a trace of its own: times in milliseconds since 1970. The ids are made of the turn's: sent again, it is the same."""

    name: str
    trace_id: int
    span_id: int
    start_ms: int
    end_ms: int
    error: bool
    attributes: Attributes = field(default_factory=Attributes)


def span_of(turn: Turn, session: Session | None, model: Named) -> Span | None:
    """The span of a turn that has ended; None: its agent never had it. No words of anybody are in it, and no person or place."""
    if turn.started_at_ms is None or turn.ended_at_ms is None:
        return None
    agent = session.agent if session is not None else metrics.OTHER
    tokens = turn.tokens
    outcome = "none" if turn.outcome is None else turn.outcome.kind.value
    failed = turn.outcome is not None and turn.outcome.kind is OutcomeKind.ERROR
    attributes: Attributes = {
        "gen_ai.operation.name": INVOKE_AGENT,
        "gen_ai.provider.name": provider(model),
        "gen_ai.agent.name": agent,
        "gen_ai.conversation.id": (session.agent_session if session is not None else None) or turn.session_id,
        "gen_ai.request.model": model.model,
        "gen_ai.response.model": model.model,
        "gen_ai.usage.input_tokens": tokens.context,
        "gen_ai.usage.output_tokens": tokens.output,
        "gen_ai.usage.cache_read.input_tokens": tokens.cache_read,
        "gen_ai.usage.cache_creation.input_tokens": tokens.cache_write_5m
        + tokens.cache_write_1h
        + tokens.cache_write_unsplit,
        "gen_ai.usage.reasoning.output_tokens": tokens.reasoning,
        "tollbridge.turn.id": turn.id,
        "tollbridge.session.id": turn.session_id,
        "tollbridge.turn.state": turn.state.value,
        "tollbridge.turn.outcome": outcome,
        "tollbridge.turn.origin": turn.origin.value,
        "tollbridge.turn.cost.usd": _dollars(turn.spent),
        "tollbridge.turn.calls": turn.calls,
        "tollbridge.turn.unpriced_calls": turn.unpriced_calls,
        "tollbridge.turn.work": turn.work_ms / 1000,
    }
    estimate = turn.estimate
    for name, amount in (("p50", estimate.p50), ("p90", estimate.p90)) if estimate is not None else ():
        if amount is not None:
            attributes[f"tollbridge.turn.estimate.{name}.usd"] = _dollars(amount)
    if failed:
        attributes["error.type"] = "agent_error"
    digest = hashlib.sha256(turn.id.encode("utf-8", "surrogatepass")).digest()
    return Span(
        f"{INVOKE_AGENT} {agent}",
        int.from_bytes(digest[:16], "big") or 1,
        int.from_bytes(digest[16:24], "big") or 1,
        turn.started_at_ms,
        max(turn.started_at_ms, turn.ended_at_ms),
        failed,
        attributes,
    )


def _dollars(amount: Usd) -> float:
    return amount.nano / NANO_PER_USD
