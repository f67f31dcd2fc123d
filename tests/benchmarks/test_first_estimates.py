"""What logs are worth to a new gateway: measured without looking ahead, and as the document says."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.first_estimates import FIRST, larger, main, measure
from benchmarks.trace import read
from gateway.domain.money import Usd
from tests.benchmarks.test_estimator import DOCUMENT, TRACE, real, rows, write


def test_each_twenty_turns_after_the_ninth_are_a_new_gateways_first(tmp_path: Path) -> None:
    """Forty turns of three people: two gateways each, the second with the eleven that are left."""
    found = measure(read(write(tmp_path / "calls.csv.gz", rows())))
    assert (found["people"], found["gateways"]) == (3, 6)
    assert found["all"]["turns"] == 3 * 31
    assert [found[name]["turns"] for name in ("1", "2-5", "6-10", f"11-{FIRST}")] == [6, 24, 30, 33]


def test_for_people_of_another_size_logs_say_more_than_the_prior(tmp_path: Path) -> None:
    """Twenty times the amounts: the prior alone is far off for the first turn, and one with logs is not."""
    trace = read(write(tmp_path / "calls.csv.gz", rows()))
    costs = [turn.cost for turn in trace.turns]
    large = larger(trace, 20)
    assert [turn.cost for turn in large.turns] == [Usd(20 * cost.nano) for cost in costs if cost]
    found = measure(large)
    assert found["1"]["with_logs"]["pinball90"] < found["1"]["prior_alone"]["pinball90"]
    assert found["all"]["with_logs"]["coverage90"] > found["all"]["prior_alone"]["coverage90"]


def test_the_command_prints_figures_or_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, as a table, and for a file that is no trace."""
    path = write(tmp_path / "calls.csv.gz", rows(1, 12))
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gateways"] == 1
    assert main([str(path)]) == 0
    shown = capsys.readouterr().out
    assert "1 people, 1 new gateways" in shown
    assert "6-10" not in shown
    assert main([str(tmp_path / "none.csv")]) == 1
    assert "cannot read none.csv" in capsys.readouterr().err


@real
@pytest.mark.parametrize(("times", "title"), [(1, "the gateway's turn"), (4, "four times as large")])
def test_the_document_says_what_is_measured(times: int, title: str) -> None:
    """Row by row."""
    found = measure(larger(read(TRACE), times))
    table = DOCUMENT.read_text(encoding="utf-8").partition(f"| {title} |")[2].partition("\n\n")[0]
    told = [[float(cell) for cell in row.split("|")[2:-1]] for row in table.splitlines()[2:]]
    names = ("all", "1", "2-5", "6-10", "11-20")
    for name, row in zip(names, told, strict=True):
        one = found[name]
        pairs = [(one[which][figure], digits) for figure, digits in FIGURES for which in ("prior_alone", "with_logs")]
        assert row == [one["turns"], *(round(value, digits) for value, digits in pairs)]
    if times == 1:
        said = re.search(r"(\d+) people, (\d+) such gateways", DOCUMENT.read_text(encoding="utf-8"))
        assert said is not None
        assert [int(number) for number in said.groups()] == [found["people"], found["gateways"]]


FIGURES = (("coverage90", 3), ("pinball90", 4), ("pinball50", 4))
