"""What the client says it used against what was metered call by call: the difference is told once, and never guessed.

The client's figures come per result (what it used since the last one) and, in between, as a sum since it started. While
sub-agents are at work the two sides look at different moments, so nothing is concluded until they have ended.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace

from gateway.agents.claude.counts import MODELS_MAX, Usages
from gateway.core.meter import reconcile
from gateway.domain.usage import Tokens, Usage

OTHER = "other models"
_VARIANT = re.compile(r"\[[^\]]*\]|-20\d{6}|@20\d{6}")


def canonical(model: str) -> str:
    """One name for a model: `opus-x-20260401` as the API answers and `opus-x[1m]` as the client asks are `opus-x`."""
    return _VARIANT.sub("", model)


@dataclass(slots=True)
class Sums:
    """Usage summed up by model and terms: however many calls, a few entries. Beyond MODELS_MAX models the rest is one."""

    _by_terms: dict[tuple[str, str, str, str], Usage] = field(default_factory=dict)

    def add(self, usage: Usage) -> None:
        key = (usage.model, usage.service_tier, usage.speed, usage.geo)
        if key not in self._by_terms and len(self._by_terms) >= MODELS_MAX:
            usage = replace(usage, model=OTHER, service_tier="standard", speed="standard", geo="")
            key = (OTHER, "standard", "standard", "")
        before = self._by_terms.get(key)
        self._by_terms[key] = usage if before is None else _plus(before, usage)

    def all(self) -> tuple[Usage, ...]:
        return tuple(self._by_terms.values())


def merged(usages: Iterable[Usage]) -> tuple[Usage, ...]:
    """One Usage per model and terms."""
    sums = Sums()
    for usage in usages:
        sums.add(usage)
    return sums.all()


@dataclass(slots=True)
class Tally:
    """Both sides of one client's books. They hold sums, so that they do not grow with the calls."""

    requested: str = ""
    """The model that the client asks for, under which it keeps the main loop's figures."""
    _since: Sums = field(default_factory=Sums)
    _metered: Sums = field(default_factory=Sums)
    _told: Sums = field(default_factory=Sums)
    _results: dict[str, Usage] = field(default_factory=dict)
    _base: dict[str, Usage] | None = None
    _names: dict[str, str] = field(default_factory=dict)

    def metered(self, usage: Usage) -> None:
        """A call was metered."""
        if len(self._names) < MODELS_MAX:
            self._names.setdefault(canonical(usage.model), usage.model)
        self._since.add(usage)
        self._metered.add(usage)

    def finished(self, usages: Usages | None, *, settled: bool) -> tuple[Usage, ...] | None:
        """The totals of a run: what was metered since the last one, and once it is settled also what was not.

        None: the client did not say.
        """
        since, self._since = self._since.all(), Sums()
        if usages is None:
            return None
        for model, usage in usages.items():
            self._add_told(usage.usage(canonical(model)))
        if not settled:
            return since
        beyond = self._beyond(self._told.all())
        self._told, self._metered = Sums(), Sums()
        return merged((*since, *beyond))

    def unlisted(self, cumulative: Usages) -> tuple[Usage, ...]:
        """What the client used beyond everything metered or told, by its sum since the start; now counted as metered.

        Ask only while no call is open anywhere.
        """
        seen = {usage.model: usage for usage in merged(u.usage(canonical(model)) for model, u in cumulative.items())}
        if self._base is None:
            self._base = seen
            return ()
        since = [_minus(usage, self._base.get(model), self._results.get(model)) for model, usage in seen.items()]
        beyond = self._beyond([*self._told.all(), *since])
        for usage in beyond:
            self.metered(usage)
        return beyond

    def restarted(self) -> None:
        """The client's sums begin at zero again."""
        self._base, self._results = {}, {}

    def _add_told(self, usage: Usage) -> None:
        self._told.add(usage)
        before = self._results.get(usage.model)
        if before is not None or len(self._results) < MODELS_MAX:
            self._results[usage.model] = usage if before is None else _plus(before, usage)

    def _beyond(self, told: Iterable[Usage]) -> tuple[Usage, ...]:
        told = tuple(told)
        known = {usage.model for usage in told}
        home = canonical(self.requested)
        sides: list[Usage] = []
        for usage in self._metered.all():
            name = canonical(usage.model)
            # A gateway in between may answer under a name of its own: the client books that under what it asked for.
            sides.append(replace(usage, model=name if name in known or home not in known else home))
        return tuple(
            replace(usage, model=self._names.get(usage.model, usage.model)) for usage in reconcile(told, sides)
        )


def _plus(one: Usage, other: Usage) -> Usage:
    return replace(one, tokens=one.tokens + other.tokens, web_searches=one.web_searches + other.web_searches)


def _minus(usage: Usage, *less: Usage | None) -> Usage:
    tokens, searches = usage.tokens, usage.web_searches
    for part in less:
        if part is not None:
            tokens, searches = tokens - part.tokens, searches - part.web_searches
    floored = Tokens(**{f.name: max(0, getattr(tokens, f.name)) for f in fields(Tokens)})
    return replace(usage, tokens=floored, web_searches=max(0, searches))


def total_tokens(cumulative: Usages) -> Mapping[str, int]:
    """All tokens by model: a fingerprint of one moment of the client's books."""
    return {model: usage.usage(model).tokens.total for model, usage in sorted(cumulative.items())}
