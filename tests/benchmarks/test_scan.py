"""The benchmark of reading logs: both programs read the same made-up home, and what each says is judged by what is true."""

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import scan
from benchmarks.log_tree_claude import NULLS, SPACED
from benchmarks.log_writing import Used
from benchmarks.scan_programs import ALONE, MISSING, OURS, THEIRS, Programs, below, find_ccusage, high_water, program_of
from benchmarks.scan_totals import REST, compare, of_ccusage, of_truth, totals_table

DAY = {
    "modelName": "claude-opus-4-8",
    "inputTokens": 3,
    "cacheCreationTokens": 10,
    "cacheReadTokens": 0,
    "outputTokens": 7,
    "cost": 0.1,
}


def program(path: Path, said: str) -> Path:
    """A program that says so, whatever it is asked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nprint({said!r})\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_every_figure_is_measured_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A quick look, beside a program that finds nothing: our totals are the true ones, theirs lack everything."""
    nothing = program(tmp_path / "ccusage", json.dumps({"daily": []}))
    assert scan.main(["--quick", "--json", "--ccusage", str(nothing)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tree"]["bytes"] >= scan.QUICK.megabytes * 1e6
    for kind in ("cold", "added"):
        assert set(found[kind]) == {OURS, THEIRS, ALONE}
        assert all(one["seconds"] > 0 and one["bytes"] > 2**20 for one in found[kind].values())
    assert found["always_true"] == {OURS: True, THEIRS: False}
    assert found["totals"]["totals"][THEIRS] == {}
    assert found["totals"]["ccusage_lacks"][REST]["output"] > 0
    told = scan.table(found)
    assert "every total is the true one, in every round: met" in told
    assert "NOT the pinned" in told


def test_totals_are_those_of_all_days() -> None:
    """By model, in the classes that both tell."""
    said = json.dumps({"daily": [{"modelBreakdowns": [DAY]}, {"modelBreakdowns": [DAY]}]})
    assert of_ccusage(said) == {"claude-opus-4-8": {"input": 6, "cache_write": 20, "cache_read": 0, "output": 14}}


def test_what_ccusage_lacks_is_explained_to_the_token() -> None:
    """What stands only in forms that it drops; the rest is told as not explained."""
    used = {
        ("claude", "a"): Used(
            calls=3, input=10, cache_write_5m=2, cache_write_1h=3, cache_write_unsplit=4, cache_read=5, output=90
        )
    }
    apart = {(SPACED, "a"): Used(calls=1, input=4, output=20), (NULLS, "a"): Used(output=30)}
    theirs = {"a": {"input": 6, "cache_write": 9, "cache_read": 5, "output": 39}}
    compared = compare({"true": of_truth(used), OURS: of_truth(used), THEIRS: theirs}, apart)
    assert compared["ccusage_lacks"][SPACED] == {"input": 4, "cache_write": 0, "cache_read": 0, "output": 20}
    assert compared["ccusage_lacks"][NULLS]["output"] == 30
    assert compared["ccusage_lacks"][REST] == {"input": 0, "cache_write": 0, "cache_read": 0, "output": 1}
    told = "\n".join(totals_table(compared))
    assert "39!" in told
    assert "output 1: not explained" in told


def test_an_aim_that_is_missed_is_told() -> None:
    """In capitals."""
    one: dict[str, Any] = {"seconds": 2.0, "cpu_s": 2.0, "bytes": 2**21}
    one |= {f"{figure} of {name}": 2.0 for figure in ("seconds", "cpu_s", "bytes") for name in (THEIRS, ALONE)}
    figures = dict.fromkeys((OURS, THEIRS, ALONE), one)
    totals = compare({"true": {}, OURS: {}, THEIRS: {}}, {})
    measured = {
        "tree": {"bytes": 1, "files": 1},
        "versions": {OURS: "ours", THEIRS: "theirs"},
        "rounds": 1,
        "cores": 2,
        "share_added": 0.01,
    }
    told = scan.table(
        {**measured, "cold": figures, "added": figures, "totals": totals, "always_true": {OURS: False, THEIRS: True}}
    )
    assert told.count("NOT MET") == 4


def test_ccusage_is_looked_for_where_clients_are_installed(tmp_path: Path) -> None:
    """In the clients' folder, then on the PATH; where it is nowhere, it is told how it is installed."""
    clients = {"TBTEST_CLIENTS": str(tmp_path), "PATH": str(tmp_path / "bin")}
    with pytest.raises(SystemExit, match="npm install") as missing:
        find_ccusage(None, clients)
    assert str(missing.value) == MISSING
    on_path = program(tmp_path / "bin" / "ccusage", "")
    assert find_ccusage(None, clients) == on_path
    installed = program(tmp_path / "ccusage" / "node_modules" / ".bin" / "ccusage", "")
    assert find_ccusage(None, clients) == installed
    assert program_of(installed) == installed
    with pytest.raises(SystemExit, match="is not a program"):
        find_ccusage(str(tmp_path / "nowhere"), clients)


def test_the_program_is_found_behind_the_script(tmp_path: Path) -> None:
    """Where npm puts it."""
    modules = tmp_path / "node_modules"
    script = program(modules / "ccusage" / "src" / "cli.js", "")
    inner = program(modules / "@ccusage" / "ccusage-linux-x64" / "bin" / "ccusage", "")
    link = modules / ".bin" / "ccusage"
    link.parent.mkdir()
    link.symlink_to(script)
    assert program_of(link) == inner


def test_a_program_that_fails_is_not_measured(tmp_path: Path) -> None:
    """What it said is told."""
    broken = tmp_path / "ccusage"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 3\n")
    broken.chmod(0o755)
    with pytest.raises(SystemExit, match="ended with 3: no such option"):
        Programs(tmp_path, tmp_path, str(broken)).run(THEIRS, "cold")


def test_memory_is_that_of_a_process_and_of_what_came_from_it() -> None:
    """There is some in the process that runs, and none in one that has ended."""
    assert os.getpid() in list(below(os.getpid()))
    assert high_water(os.getpid()) > 2**20
    assert high_water(2**22 + 1) == 0
