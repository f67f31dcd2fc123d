"""The benchmark of what a client waits for: real processes, and what they said is looked at before it is measured."""

import json
from pathlib import Path

import pytest

from benchmarks import mcp_start


def test_every_figure_is_measured_and_told() -> None:
    """One round of everything: the relay and the smallest server list the same tool, and hooks say what they should."""
    found = mcp_start.measure(1, 1)
    assert set(found["servers"]["medians"]) == {"relay", "relay, imported", "mcp"}
    assert set(found["hooks"]["ratios"]) == {"python", "hook", "hook, imported", "hook that blocks, imported"}
    assert all(one["bytes"] > 2**20 for one in found["servers"]["medians"].values())
    assert found["servers"]["medians"]["mcp"]["seconds_ratio"] == found["hooks"]["ratios"]["python"] == 1
    assert json.loads(json.dumps(found)) == found
    told = mcp_start.table(found)
    assert all(name in told for name in ("relay", "mcp", "hook", "python", "aims"))


def test_a_hook_that_says_something_else_is_not_measured(tmp_path: Path) -> None:
    """Without a gateway it blocks, which is no verdict."""
    command = [*mcp_start.BARE, str(mcp_start.RELAY), "hook", "UserPromptSubmit"]
    with pytest.raises(SystemExit, match="no Tollbridge gateway is running"):
        mcp_start.finished(command, tmp_path, b"{}")


def test_a_server_without_the_tool_is_not_measured(tmp_path: Path) -> None:
    """A relay without a gateway lists none."""
    with pytest.raises(SystemExit, match="and not the tool that is there"):
        mcp_start.listed([*mcp_start.BARE, str(mcp_start.RELAY), "channel"], tmp_path)


def test_an_aim_that_is_missed_is_told() -> None:
    """In capitals."""
    one = {"seconds": 1.0, "bytes": 2**20, "seconds_ratio": 0.3, "bytes_ratio": 0.1}
    ratios = {"hook, imported": 2.1, "hook that blocks, imported": 2.2}
    hooks = {"seconds": dict.fromkeys(ratios, 1.0), "ratios": ratios, "rounds": 1}
    told = mcp_start.table({"servers": {"medians": {"relay, imported": one}, "rounds": 1}, "hooks": hooks})
    assert told.count("NOT MET") == 3
