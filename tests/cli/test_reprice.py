"""`tollbridge reprice`, as people meet it: real processes on a real home."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import lock
from gateway.cli.reprice import as_text, as_values
from gateway.core import meter
from gateway.domain.budget import Scope, ScopeKind
from gateway.domain.money import ZERO
from gateway.domain.turn import TurnState
from gateway.domain.usage import Call, Tokens, Unpriced, Usage
from gateway.engine.repricing import Repriced, Unknown
from gateway.ports import Decision
from gateway.store import open_readonly, open_store
from tests import nursery
from tests.cli.kit import environment, session, turn

NOON = 1_795_000_000_000
KNOWN = Usage("claude-opus-4-8", Tokens(output=40_000))
UNKNOWN = Usage("mystery-1", Tokens(output=7))


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return nursery.run(arguments, env=environment(home), cwd=home.parent)


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one sentence with which it failed."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    return done.stderr.removeprefix("tollbridge: ").strip()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with nothing in it."""
    return lock.make_home(tmp_path / "home")


async def book(home: Path, *usages: Usage, state: TurnState = TurnState.FINISHED, number: int = 1) -> str:
    """A turn whose calls had no price when they were made; its id."""
    of = session(number)
    made = replace(turn(of, "0"), calls=0, tokens=Tokens(), state=state, scopes=(Scope(ScopeKind.SESSION, of.id),))
    entries = []
    for place, usage in enumerate(usages):
        made, entry = meter.book(made, Call(f"c_{number}_{place}", usage, Unpriced("nobody knows")))
        entries.append(entry)
    async with open_store(home, lambda: NOON) as store:
        await store.transact(lambda _: Decision(None, put=(of, made), entries=tuple(entries)), NOON)
    return made.id


@pytest.mark.anyio
async def test_what_has_a_price_by_now_is_priced_once_and_the_report_shows_it(home: Path) -> None:
    """The dry run says the same and writes nothing; afterwards the account has the figures, and the ledger holds."""
    made = await book(home, KNOWN, UNKNOWN, KNOWN)
    assert "unknown" in run(home, "report", "all").stdout
    said = run(home, "reprice", "--dry-run")
    assert (said.returncode, said.stderr) == (0, "")
    why = "no list price is known for the model 'mystery-1'."
    assert said.stdout == (
        "Would price 2 calls of 1 turn: $2.00, at the list prices of their days.\n"
        f"Still without a price: 1 call: {why}\n"
    )
    with open_readonly(home) as reader:
        assert len(list(reader.records())) == 3
    assert run(home, "reprice").stdout == said.stdout.replace("Would price", "Priced")
    assert run(home, "reprice").stdout == f"Still without a price: 1 call: {why}\n"
    (told,) = json.loads(run(home, "report", "--session", "s_", "--json").stdout)["sessions"]
    assert (told["cost_usd"], told["unpriced_calls"], told["calls"]) == ("2.00", 1, 3)
    assert [one["id"] for one in told["turns"]] == [made]
    assert "$2.00?" in run(home, "report", "all").stdout
    with open_readonly(home) as reader:
        assert reader.verify() == ()
        found = list(reader.records())
        assert [record.entry.spent for record in found[:3]] == [ZERO] * 3
        source = json.loads(found[3].entry.detail)["source"]
    assert source.startswith("genai-prices ")


@pytest.mark.anyio
async def test_json_has_the_promised_shape(home: Path) -> None:
    """Schema 1 as published; calls of turns that are not over are told apart."""
    await book(home, KNOWN, UNKNOWN)
    await book(home, KNOWN, state=TurnState.PAUSED, number=2)
    expected = {
        "schema": 1,
        "dry_run": True,
        "priced": {"calls": 1, "turns": 1, "amount_usd": "1.00"},
        "unpriced": [
            {"model": "mystery-1", "calls": 1, "why": "no list price is known for the model 'mystery-1'"},
        ],
        "open": {"calls": 1},
    }
    assert json.loads(run(home, "reprice", "--dry-run", "--json").stdout) == expected
    assert json.loads(run(home, "reprice", "--json").stdout) == expected | {"dry_run": False}
    assert "Left alone: 1 call of turns that are not over" in run(home, "reprice").stdout


@pytest.mark.anyio
async def test_beside_a_gateway_it_says_what_to_do_and_still_tells_what_it_would_do(home: Path) -> None:
    """One writer at a time: the sentence names the process; looking is always allowed."""
    await book(home, KNOWN)
    with lock.hold(home):
        said = refusal(run(home, "reprice"))
        assert "a gateway (process " in said
        assert "start it again, or stop it" in said
        assert run(home, "reprice", "--dry-run").stdout.startswith("Would price 1 call of 1 turn: $1.00")


def test_many_models_without_a_price_do_not_fill_the_terminal() -> None:
    """The ten with the most calls are named, the others counted."""
    unknown = tuple(Unknown(f"odd-{n}", f"nobody knows odd-{n}", 20 - n) for n in range(12))
    lines = as_text(Repriced(unknown=unknown), dry_run=False).splitlines()
    assert lines[0] == "Still without a price: 20 calls: nobody knows odd-0."
    assert lines[-1] == "And 19 calls on 2 other models: see --json."
    assert len(lines) == 11
    assert len(as_values(Repriced(unknown=unknown), dry_run=False)["unpriced"]) == 12


def test_without_a_ledger_there_is_nothing_to_do_and_nothing_is_made(home: Path) -> None:
    """Neither a database, nor a lock, nor a home."""
    for arguments in ((), ("--dry-run",)):
        assert run(home, "reprice", *arguments).stdout == "Every call has its price: there is nothing to do.\n"
        assert list(home.iterdir()) == []
        gone = home.parent / "gone"
        assert "gone" in refusal(run(gone, "reprice", *arguments))
        assert not gone.exists()
