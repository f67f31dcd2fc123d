"""The benchmark of the report: its ledgers are read by the command itself, and hold as many turns as they say."""

import json
from pathlib import Path

import pytest

from benchmarks import report
from gateway.store import open_readonly


def test_a_small_ledger_is_filled_measured_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Three ledgers, the second with as many turns a month as the third; each command takes its time."""
    assert report.main(["--turns", "3000", "--rounds", "1", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert [(one["turns"], one["years"]) for one in measured] == [(300, 3), (1000, 1), (3000, 3)]
    assert measured[1]["turns_of_the_month"] == pytest.approx(measured[2]["turns_of_the_month"], abs=2)
    assert all(second > 0 for one in measured for second in one["seconds"].values())
    assert report.table(measured).count("\n") == 4


def test_what_is_filled_in_is_what_the_store_would_have_written(tmp_path: Path) -> None:
    """The gateway's own reader reads every turn of it."""
    home, now_ms = report.fill(tmp_path, report.Age(1200, 2))
    with open_readonly(home) as reader:
        turns = [turn for _, turn in reader.report_rows()]
    assert len(turns) == 1200
    assert now_ms - 2 * report.YEAR_MS <= turns[0].created_at_ms < turns[-1].created_at_ms <= now_ms
    assert all(turn.parts.total == turn.spent for turn in turns)


def test_too_few_turns_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """With what to ask for."""
    with pytest.raises(SystemExit):
        report.main(["--turns", "10"])
    assert "--turns" in capsys.readouterr().err
