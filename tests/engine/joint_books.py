"""The plain model of one gateway's money: what people agreed to, what calls cost, and what the ledger's entries come to.

It reads every entry once, in order, and folds it by itself. Limits change only by a deed that a person did and may do; holds
are looked at when they are taken.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.domain.budget import Entry, EntryKind, Scope, ScopeKind, Unit
from gateway.domain.lease import lease_of
from gateway.domain.money import Usd
from gateway.domain.turn import Turn
from gateway.ports import Record

FREES = (EntryKind.SETTLED, EntryKind.VOIDED)
SPENDS = (EntryKind.CALL, EntryKind.RECONCILED, EntryKind.REPRICED)


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person did to a limit in dollars: set it (`sets`), or raised it."""

    kind: ScopeKind
    amount: int
    who: str
    sets: bool = False


@dataclass
class Agreed:
    """What people agreed to for a turn: the most it may cost, and how many of them said that it may go on after a pause."""

    most: int = 0
    yeses: int = 0
    unpriced: bool = False


@dataclass
class Books:
    """All of one gateway's entries."""

    settings: Mapping[ScopeKind, Usd]
    confirm_above: int
    lent: Mapping[str, int]
    """By lease, as the bank has it."""
    seq: int = 0
    spent: Counter[Scope] = field(default_factory=Counter[Scope])
    held: Counter[Scope] = field(default_factory=Counter[Scope])
    own: dict[Scope, int] = field(default_factory=dict[Scope, int])
    timed: list[tuple[Scope, int, int]] = field(default_factory=list[tuple[Scope, int, int]])
    lifts: dict[str, Counter[Scope]] = field(default_factory=lambda: defaultdict(Counter))
    beyond: Counter[Scope] = field(default_factory=Counter[Scope])
    """What calls cost beyond what their turn had set aside: the published overshoot, by scope."""
    bound: Counter[Scope] = field(default_factory=Counter[Scope])
    """The highest limit under which a hold was taken."""
    of_turn: Counter[str] = field(default_factory=Counter[str])
    """What a turn holds."""
    frees: Counter[str] = field(default_factory=Counter[str])
    """How often what a turn held was freed since it took its last hold."""
    paid: Counter[str] = field(default_factory=Counter[str])
    calls: dict[str, int] = field(default_factory=dict[str, int])
    deeds: list[Deed] = field(default_factory=list[Deed])
    done: bool = False
    """A deed changed a limit since the last look."""
    _done: bool = False
    agreed: dict[str, Agreed] = field(default_factory=lambda: defaultdict(Agreed))
    frozen: bool = False

    def forgets(self, *, deeds: bool) -> None:
        """What people did so far had its effect, or none; with `deeds`, it has none later."""
        if deeds:
            self.deeds.clear()
        self.done, self._done = self._done, False

    # -------------------------------------------------------------------------------------------------------- reading
    def read(self, records: Iterable[Record]) -> None:
        """Fold new entries, each looked at."""
        for record in records:
            assert record.seq == self.seq + 1
            self.seq = record.seq
            self._limits(record)
            self._money(record.entry)
            if record.entry.kind is EntryKind.HOLD and record.entry.held:
                self._hold(record)

    def _money(self, entry: Entry) -> None:
        before = self.of_turn[entry.turn_id or ""]
        for scope in entry.scopes:
            self.spent[scope] += entry.spent.nano
            self.held[scope] += entry.held.nano
            assert self.held[scope] >= 0, f"{entry} frees more than is held"
        if entry.turn_id is not None:
            self.of_turn[entry.turn_id] += entry.held.nano
            self.paid[entry.turn_id] += entry.spent.nano
            assert self.of_turn[entry.turn_id] >= 0, f"{entry} frees more than its turn holds"
        if entry.kind in SPENDS:
            # Money leaves the hold for what it pays, and never more of it.
            assert -entry.held.nano == min(entry.spent.nano, before)
            for scope in entry.scopes:
                self.beyond[scope] += entry.spent.nano + entry.held.nano
            if entry.call_id is not None:
                assert entry.call_id not in self.calls, "a call was booked twice"
                self.calls[entry.call_id] = entry.spent.nano
        if entry.kind in FREES:
            assert self.of_turn[entry.turn_id or ""] == 0, "a turn ended and still holds money"
            self.frees[entry.turn_id or ""] += bool(entry.held)
            assert self.frees[entry.turn_id or ""] <= 1, "a hold was freed twice"

    def _hold(self, record: Record) -> None:
        entry = record.entry
        turn_id = entry.turn_id or ""
        assert entry.held.nano > 0
        assert not self.frozen, "a hold was taken while everything was stopped"
        self.frees[turn_id] = 0
        most = max(self.confirm_above, self.agreed[turn_id].most)
        assert self.paid[turn_id] + self.of_turn[turn_id] <= most, "more was set aside than anybody agreed to"
        for scope in entry.scopes:
            limit = self.limit(scope, record.at_ms, turn_id)
            if limit is not None:
                used = self.spent[scope] + self.held[scope]
                assert used <= limit, f"{scope}: {Usd(used)} of {Usd(limit)} after a hold of {entry.held}"
                self.bound[scope] = max(self.bound[scope], limit)

    # --------------------------------------------------------------------------------------------------------- limits
    def limit(self, scope: Scope, at_ms: int, turn_id: str = "") -> int | None:
        """The limit in force, in nano-dollars; None for none. A lease's is the bank's."""
        if scope.kind is ScopeKind.TEAM:
            return self.lent.get(lease_of(scope)[1], 0)
        usual = self.settings.get(scope.kind)
        base = self.own.get(scope, None if usual is None else usual.nano)
        if base is None:
            return None
        for_now = sum(by for one, by, until_ms in self.timed if one == scope and until_ms > at_ms)
        return base + for_now + self.lifts[turn_id][scope]

    def _limits(self, record: Record) -> None:
        entry = record.entry
        match entry.kind:
            case EntryKind.FREEZE | EntryKind.THAW:
                self.frozen = entry.kind is EntryKind.FREEZE
            case EntryKind.POLICY:
                self._supersede(json.loads(entry.detail)["changed"])
            case EntryKind.LIMIT if entry.limit is not None:
                (scope,) = entry.scopes
                usual = self.settings.get(scope.kind)
                before = self.own.get(scope, 0 if usual is None else usual.nano)
                self._explained(scope.kind, entry, entry.limit.nano - before, entry.limit.nano)
                self.own[scope] = entry.limit.nano
            case EntryKind.RAISED:
                for kind, key, unit, by in json.loads(entry.detail)["lifts"]:
                    if unit == Unit.USD:
                        self._raised(Scope(ScopeKind(kind), key), by, entry)
            case _:
                pass

    def _raised(self, scope: Scope, by: int, entry: Entry) -> None:
        if by < 0:
            # Another limit takes back what was raised for a while: a person's, or the settings'.
            assert entry.who == "settings" or any(deed.sets and deed.who == entry.who for deed in self.deeds)
        else:
            self._explained(scope.kind, entry, by, None)
        if entry.until_ms is not None:
            self.timed.append((scope, by, entry.until_ms))
        else:
            self.lifts[entry.turn_id or ""][scope] += by

    def _explained(self, kind: ScopeKind, entry: Entry, by: int, to: int | None) -> None:
        """A limit changes once for what a person did."""
        for deed in self.deeds:
            if (deed.kind, deed.who) == (kind, entry.who) and deed.amount == (to if deed.sets else by):
                self.deeds.remove(deed)
                self._done = True
                return
        raise AssertionError(f"nobody who may has changed this limit: {entry}")

    def _supersede(self, changed: Mapping[str, int]) -> None:
        """Limits that people set above what the owner's settings changed to are the settings' again."""
        for scope, limit in list(self.own.items()):
            if scope.kind.value in changed and limit > changed[scope.kind.value]:
                del self.own[scope]

    # ------------------------------------------------------------------------------------------------------ invariants
    def within_the_bound(self) -> None:
        """Spent and held of every limited scope: the limit in force when the last holds were taken, and the overshoot."""
        for scope in self.spent.keys() | self.held.keys():
            if self.bound[scope]:
                assert self.spent[scope] + self.held[scope] <= self.bound[scope] + self.beyond[scope]

    def agrees(self, turn: Turn, *, ended: bool) -> None:
        """The turn's own figures are what its entries come to, and it may cost no more than somebody saw."""
        assert turn.held_left.nano == self.of_turn[turn.id]
        assert turn.spent.nano == turn.parts.total.nano == self.paid[turn.id]
        assert not ended or not turn.held_left, "an ended turn holds money"
        assert turn.ceiling.nano <= max(self.confirm_above, self.agreed[turn.id].most)
