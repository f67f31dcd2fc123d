"""What must be true of a home and its stand-ins once the last gateway has ended in good order, whatever happened before."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.turn import ENDED
from gateway.domain.budget import EntryKind
from gateway.domain.money import ZERO
from gateway.domain.turn import Turn
from gateway.domain.usage import Flag, Tokens
from gateway.ports import Record
from gateway.store import open_readonly
from tests.crash.model import JOB, LATEST, notes
from tests.crash.rig import Machine
from tests.fakes.messages_charges import Charge
from tests.fakes.messages_script import Counts

READ_S = 0.25
"""What was sent so shortly before a death may never have been read."""


@dataclass(frozen=True)
class Books:
    """The gateway's own account at the end."""

    turns: tuple[Turn, ...]
    records: tuple[Record, ...]

    @property
    def states(self) -> Counter[str]:
        return Counter(str(turn.state) for turn in self.turns)


def read(machine: Machine) -> Books:
    """The turns and the ledger; the ledger holds, and nothing waits."""
    with open_readonly(machine.home) as reader:
        assert reader.verify() == ()
        assert [balance for balance in reader.balances() if balance.held] == []
        assert reader.quarantined() == ()
        assert reader.queues().inbox == 0
        turns = tuple(turn for _, turn in reader.report_rows())
        return Books(turns, tuple(reader.records()))


def check(machine: Machine, jobs: Iterable[str]) -> Books:
    """Every promise about crashes; the result is for printing."""
    books = read(machine)
    _nothing_is_open(books)
    _ran_once(machine, jobs)
    _answered(machine, jobs)
    _turns_are_the_sum_of_their_entries(books)
    _every_call_is_booked(machine, books)
    assert machine.left() == set()
    broken = [violation for violation in machine.telegram.violations if violation.kind != "server"]
    assert broken == [], broken
    return books


def _nothing_is_open(books: Books) -> None:
    assert [turn for turn in books.turns if turn.state not in ENDED or turn.held_left != ZERO] == []


def _ran_once(machine: Machine, jobs: Iterable[str]) -> None:
    """Each prompt stands once in its conversation, and no tool of it ran twice."""
    seen = machine.api.prompts_seen()
    for job in jobs:
        assert seen[job].in_conversation == 1, (job, seen[job])
        noted = notes(machine.place / "work", job)
        # A kill may meet the tool's shell between opening the file and writing to it.
        assert not noted.exists() or noted.read_text() in ("", f"{job}\n"), noted.read_text()


def _answered(machine: Machine, jobs: Iterable[str]) -> None:
    said = [seen.text for phone in machine.phones for seen in phone.sees()]
    for job in jobs:
        assert any(f"{LATEST}{job}." in text for text in said), (job, said)


def tokens_of(record: Record) -> Counts:
    """The tokens that an entry books, in the stand-in's words."""
    tokens = Tokens(**json.loads(record.entry.detail)["tokens"])
    assert tokens.cache_write_unsplit == 0
    return Counts(tokens.input, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h, tokens.output)


def _turns_are_the_sum_of_their_entries(books: Books) -> None:
    spent, tokens = defaultdict(lambda: ZERO), defaultdict(Counts)
    for record in books.records:
        spent[record.entry.turn_id] += record.entry.spent
        if record.entry.kind in (EntryKind.CALL, EntryKind.RECONCILED):
            tokens[record.entry.turn_id] += tokens_of(record)
    for turn in books.turns:
        t = turn.tokens
        counted = Counts(t.input, t.cache_read, t.cache_write_5m, t.cache_write_1h, t.output)
        assert (turn.spent, counted) == (spent[turn.id], tokens[turn.id]), turn


def _every_call_is_booked(machine: Machine, books: Books) -> None:
    """Calls that ended before a kill are booked exactly; a call in flight is flagged, and never booked as more than it was."""
    booked = {r.entry.call_id: r for r in books.records if r.entry.kind is EntryKind.CALL}
    extra = [r for r in books.records if r.entry.kind is EntryKind.RECONCILED]
    gaps = outages(machine)
    cut = [charge for charge in machine.api.charges if not ended(charge, gaps)]
    for charge in machine.api.charges:
        record = booked.pop(charge.message_id, None)
        exact = record is not None and tokens_of(record) == charge.would_be
        if charge in cut and not exact:
            _is_flagged(books, charge, record)
        else:
            assert record is not None, ("not booked", told(charge, gaps))
            assert tokens_of(record) == charge.would_be, (tokens_of(record), told(charge, gaps))
    for record in booked.values():
        assert str(record.entry.call_id).startswith("unanswered-"), record
        assert tokens_of(record) == Counts()
    assert len(extra) <= len(cut), extra


def ended(charge: Charge, outages: Iterable[tuple[float, float]]) -> bool:
    """It was not under way while there was no gateway: all of it was sent, and there was time to read it."""
    if not charge.completed or charge.ended_at is None:
        return False
    return all(charge.ended_at + READ_S < begin or end < charge.began_at for begin, end in outages)


def outages(machine: Machine) -> list[tuple[float, float]]:
    """From each death until the next client was started: until then the old one may wind up what it was doing."""
    starts = sorted(at for gateway in machine.started for step, at in gateway.steps if step == "client.started")
    return [(death, min((at for at in starts if at > death), default=math.inf)) for death in machine.deaths]


def told(charge: Charge, gaps: Iterable[tuple[float, float]]) -> str:
    """A call in a few words, for a test that fails; times are relative to its beginning."""
    began = charge.began_at
    near = [f"{begin - began:.3f} to {end - began:.3f}" for begin, end in gaps if -5 < begin - began < 5]
    over = f"{charge.ended_at - began:.3f}" if charge.ended_at is not None else "never"
    states = f"started {charge.started}, completed {charge.completed}, ended {over}; no gateway {near}"
    return f"call {charge.n} of {charge.prompts[-1]!r} ({charge.message_id}, {charge.would_be}): {states}"


def _is_flagged(books: Books, charge: Charge, record: Record | None) -> None:
    job = next((prompt for prompt in reversed(charge.prompts) if JOB.fullmatch(prompt)), None)
    turns = {turn.id: turn for turn in books.turns}
    if record is not None:
        least, most = tokens_of(record), charge.would_be
        assert (least.input, least.cache_read) == (most.input, most.cache_read)
        assert (least.cache_write_5m, least.cache_write_1h) == (most.cache_write_5m, most.cache_write_1h)
        assert Flag.LOWER_BOUND in turns[record.entry.turn_id or ""].flags
        return
    first = next((n for n, turn in enumerate(books.turns) if turn.prompt == job), 0)
    later = [turn for turn in books.turns[first:] if turn.session_id == books.turns[first].session_id]
    assert any(Flag.LOWER_BOUND in turn.flags for turn in later), (charge.n, later)
