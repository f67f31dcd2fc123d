"""The meter: calls become ledger entries and the turn's figures; the agent's own totals are reconciled with them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields, replace
from datetime import date

from gateway.core.price import applied, parts
from gateway.domain.budget import Counts, Entry, EntryKind
from gateway.domain.money import ZERO, Usd
from gateway.domain.place import Session
from gateway.domain.turn import Turn
from gateway.domain.usage import MAIN_LOOP, NO_PARTS, NO_TOKENS, Call, Flag, Parts, Rates, Tokens, Unpriced, Usage
from gateway.view import change_words

LONG_CACHE_S = 3600
SHORT_CACHE_S = 300


def book(turn: Turn, call: Call, *, ended: bool = True, work_ms: int = 0) -> tuple[Turn, Entry]:
    """The turn after the call, and the call's entry: what it cost is spent, and leaves the hold as far as that goes.

    `work_ms`: for how long the agent has worked since the last booking. An unpriced call is booked with its tokens and no amount, and counted as unpriced. A call that did not end flags the turn.
    """
    cost = ZERO if isinstance(call.price, Unpriced) else call.price
    freed = min(cost, turn.held_left)
    after = replace(
        turn,
        spent=turn.spent + cost,
        parts=turn.parts + call.parts,
        held_left=turn.held_left - freed,
        tokens=turn.tokens + call.usage.tokens,
        calls=turn.calls + 1,
        work_ms=turn.work_ms + work_ms,
        unpriced_calls=turn.unpriced_calls + isinstance(call.price, Unpriced),
        model=call.usage.model if call.loop == MAIN_LOOP else turn.model or call.usage.model,
        flags=turn.flags if ended else turn.flags | {Flag.LOWER_BOUND},
    )
    detail = _detail(call.usage, loop=call.loop, cost=call.price, ended=ended)
    counts = Counts(call.usage.tokens.total, calls=1, work_ms=work_ms)
    return after, replace(_entry(turn, EntryKind.CALL, cost, freed, detail, counts), call_id=call.id)


def reconcile(totals: Iterable[Usage], metered: Iterable[Usage]) -> tuple[Usage, ...]:
    """What the agent's totals hold beyond the metered calls, by model. Where the meter saw more, the meter is right."""
    seen = _by_model(metered)
    missing: list[Usage] = []
    for total in _by_model(totals).values():
        known = seen.get(total.model, Usage(total.model, NO_TOKENS))
        # An unsplit write and the split one are the same tokens told in more or less detail: compare them as one.
        tokens = _beyond(total.tokens, known.tokens)
        searches = max(0, total.web_searches - known.web_searches)
        if tokens.total or searches:
            missing.append(replace(total, tokens=tokens, web_searches=searches))
    return tuple(missing)


def book_difference(turn: Turn, usage: Usage, cost: Usd | Unpriced, made_of: Parts = NO_PARTS) -> tuple[Turn, Entry]:
    """The turn and the entry for usage that only the agent's totals show; it is not a call.

    Where its price is unknown it counts as one of unknown price, so that the turn is not taken for fully priced.
    """
    amount = ZERO if isinstance(cost, Unpriced) else cost
    freed = min(amount, turn.held_left)
    after = replace(
        turn,
        spent=turn.spent + amount,
        parts=turn.parts + made_of,
        held_left=turn.held_left - freed,
        tokens=turn.tokens + usage.tokens,
        unpriced_calls=turn.unpriced_calls + isinstance(cost, Unpriced),
        flags=turn.flags | {Flag.RECONCILED},
    )
    return after, _entry(
        turn, EntryKind.RECONCILED, amount, freed, _detail(usage, cost=cost), Counts(usage.tokens.total)
    )


def reprice(
    turn: Turn, seq: int, unpriced: Entry, usage: Usage, rates: Rates, *, on: date, source: str
) -> tuple[Turn, Entry]:
    """The turn and the entry that prices what entry `seq` booked without a price; that entry stays as it is.

    It counts on that entry's own scopes, and no hold is touched: the turn is over. `rates` are those of the day `on`, which
    is the call's; `source` says where they are published. The entry's call id makes it unique.
    """
    made_of = parts(usage, rates)
    amount = made_of.total
    after = replace(
        turn,
        spent=turn.spent + amount,
        parts=turn.parts + made_of,
        unpriced_calls=max(0, turn.unpriced_calls - 1),
    )
    used = {field.name: getattr(applied(usage, rates), field.name) for field in fields(Rates) if field.name != "above"}
    facts = _facts(usage) | {"entry": seq, "rates": used, "priced_on": on.isoformat(), "source": source}
    return after, Entry(
        EntryKind.REPRICED,
        unpriced.scopes,
        turn_id=unpriced.turn_id,
        session_id=unpriced.session_id,
        who="reprice",
        why=change_words.price_known(seq),
        spent=amount,
        call_id=f"reprice:{seq}",
        detail=_json(facts),
    )


def settle(turn: Turn, work_ms: int = 0) -> tuple[Turn, Entry]:
    """The turn without a hold, and the entry that frees what was left of it; `work_ms`: worked since the last booking."""
    kind = EntryKind.SETTLED if turn.calls or turn.spent or turn.unpriced_calls else EntryKind.VOIDED
    detail = _json({"spent": turn.spent.nano, "overdraft": turn.overdraft.nano})
    entry = _entry(turn, kind, ZERO, turn.held_left, detail, Counts(work_ms=work_ms))
    return replace(turn, held_left=ZERO, work_ms=turn.work_ms + work_ms), entry


def remember(session: Session, usage: Usage, at_ms: int) -> Session:
    """The session after a call of its main loop: what its prompt cache holds now, and for how long."""
    tokens = usage.tokens
    ttl = LONG_CACHE_S if tokens.cache_write_1h else SHORT_CACHE_S if tokens.cache_write_5m else session.cache_ttl_s
    return replace(
        session,
        model=usage.model,
        context_tokens=tokens.context + tokens.output,
        last_call_at_ms=at_ms,
        cache_ttl_s=ttl,
    )


def _entry(turn: Turn, kind: EntryKind, spent: Usd, freed: Usd, detail: str, counts: Counts) -> Entry:
    return Entry(
        kind,
        turn.scopes,
        turn_id=turn.id,
        session_id=turn.session_id,
        who=turn.person,
        spent=spent,
        held=-freed,
        detail=detail,
        counts=counts,
    )


def _detail(usage: Usage, *, cost: Usd | Unpriced, loop: str = MAIN_LOOP, ended: bool = True) -> str:
    facts = _facts(usage) | {"loop": loop}
    if isinstance(cost, Unpriced):
        facts["unpriced"] = cost.reason
    if not ended:
        facts["ended"] = False
    return _json(facts)


def _facts(usage: Usage) -> dict[str, object]:
    facts: dict[str, object] = {
        "model": usage.model,
        "service_tier": usage.service_tier,
        "speed": usage.speed,
        "tokens": {name: count for name, count in asdict(usage.tokens).items() if count},
    }
    if usage.geo:
        facts["geo"] = usage.geo
    if usage.web_searches:
        facts["web_searches"] = usage.web_searches
    return facts


def _json(facts: Mapping[str, object]) -> str:
    return json.dumps(facts, sort_keys=True)


def _by_model(usages: Iterable[Usage]) -> dict[str, Usage]:
    sums: dict[str, Usage] = {}
    for usage in usages:
        before = sums.get(usage.model, replace(usage, tokens=NO_TOKENS, web_searches=0))
        searches = before.web_searches + usage.web_searches
        sums[usage.model] = replace(before, tokens=before.tokens + usage.tokens, web_searches=searches)
    return sums


def _beyond(total: Tokens, known: Tokens) -> Tokens:
    more = {f.name: max(0, getattr(total, f.name) - getattr(known, f.name)) for f in fields(Tokens)}
    written = sum(more[name] for name in _WRITES)
    allowed = max(0, _written(total) - _written(known))
    if written > allowed:
        for name in _WRITES:
            cut = min(more[name], written - allowed)
            more[name] -= cut
            written -= cut
    return Tokens(**more)


_WRITES = ("cache_write_unsplit", "cache_write_5m", "cache_write_1h")


def _written(tokens: Tokens) -> int:
    return tokens.cache_write_5m + tokens.cache_write_1h + tokens.cache_write_unsplit
