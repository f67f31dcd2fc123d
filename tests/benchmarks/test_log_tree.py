"""The made-up home of logs: the same each time, and what is said to be true of it is what its lines tell."""

import json
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from benchmarks import log_tree
from benchmarks.log_tree import Growing
from benchmarks.log_tree_codex import Codex
from benchmarks.log_writing import Tree

SIZE = 12_000_000
CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "cache_write_unsplit", "output")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Growing:
    """A small tree that was added to."""
    tree = log_tree.build(tmp_path_factory.mktemp("logs"), SIZE, seed=3)
    tree.go_on(SIZE // 20)
    return tree


def records(root: Path) -> list[dict[str, Any]]:
    """Every line that is JSON, file by file."""
    found: list[dict[str, Any]] = []
    for path in sorted(root.rglob("*.jsonl")):
        for each in path.read_bytes().splitlines():
            try:
                found.append(json.loads(each))
            except ValueError:
                continue
    return found


def claude_calls(root: Path) -> dict[str, tuple[str, Counter[str]]]:
    """By message id: the model, and the counts of the copy that tells most."""
    calls: dict[str, tuple[str, Counter[str]]] = {}
    for record in records(root / ".claude"):
        told = record["data"]["message"] if record["type"] == "progress" else record
        if told["type"] != "assistant":
            continue
        message, usage = told["message"], told["message"]["usage"]
        wrote, split = usage["cache_creation_input_tokens"], usage.get("cache_creation")
        counts = Counter(
            input=usage["input_tokens"],
            cache_read=usage["cache_read_input_tokens"],
            cache_write_5m=split["ephemeral_5m_input_tokens"] if split else 0,
            cache_write_1h=split["ephemeral_1h_input_tokens"] if split else 0,
            cache_write_unsplit=0 if split else wrote,
            output=usage["output_tokens"],
            web_searches=usage.get("server_tool_use", {}).get("web_search_requests", 0),
        )
        before = calls.get(message["id"])
        if counts.total() and (before is None or counts.total() > before[1].total()):
            calls[message["id"]] = message["model"], counts
    return calls


def codex_sums(root: Path) -> dict[str, Counter[str]]:
    """By model, of the differences of sums that no other line told."""
    sums: dict[str, Counter[str]] = {}
    seen: set[tuple[int, ...]] = set()
    model = ""
    for record in records(root / ".codex"):
        payload = record["payload"]
        model = payload["model"] if record["type"] == "turn_context" else model
        if payload.get("type") != "token_count" or not payload["info"]:
            continue
        total, last = payload["info"]["total_token_usage"], payload["info"]["last_token_usage"]
        if tuple(total.values()) not in seen:
            seen.add(tuple(total.values()))
            cached = last["cached_input_tokens"]
            counts = {"input": last["input_tokens"] - cached, "cache_read": cached, "output": last["output_tokens"]}
            sums.setdefault(model, Counter()).update(counts, calls=1, reasoning=last["reasoning_output_tokens"])
    return sums


def test_the_truth_about_claude_is_what_the_lines_tell(made: Growing) -> None:
    """Each message once, with the copy that tells most; what stands for a failed request is no call."""
    sums: dict[str, Counter[str]] = {}
    for model, counts in claude_calls(made.tree.root).values():
        sums.setdefault(model, Counter()).update(counts, calls=1)
    truth = made.tree.truth()["claude"]
    assert {model: +Counter(told) for model, told in truth.items()} == {model: +told for model, told in sums.items()}


def test_the_truth_about_codex_is_what_the_lines_tell(made: Growing) -> None:
    """Each sum once, whichever file tells it."""
    truth = made.tree.truth()["codex"]
    assert {model: +Counter(told) for model, told in truth.items()} == codex_sums(made.tree.root)


def test_every_form_is_made(tmp_path: Path) -> None:
    """Also the rare ones, in trees that together are far smaller than what is measured with."""
    forms = Counter[str]()
    for seed in range(16):
        forms.update(log_tree.build(tmp_path / str(seed), 5_000_000, seed).tree.forms)
    agents = {f"sub-agents ({way})" for way in ("file", "progress", "both")} | {
        "side questions",
        "forks",
        "codex sessions",
    }
    lines = {
        "lines cut off",
        "codex sums told again",
        "sessions with spaces after colons",
        "calls of tools with a null in their input",
    }
    assert +forms >= Counter(agents | lines)


def test_forks_of_codex_tell_nothing_new(tmp_path: Path) -> None:
    """Whether by their own clock or by that of whom they were forked from: sums that are told again are counted once."""
    tree = Tree(tmp_path, Random(1), 10**9)  # noqa: S311 - a tree is repeatable
    codex = Codex(tree)
    for _ in range(80):
        codex.session(tree.written + 50_000)
    assert tree.forms["codex forks (old timestamps)"] > 0
    assert tree.forms["codex forks (new timestamps)"] > 0
    assert {model: +Counter(told) for model, told in tree.truth()["codex"].items()} == codex_sums(tmp_path)


def test_a_tree_is_as_large_as_was_asked_and_grows_by_as_much(made: Growing) -> None:
    """In bytes on disk, which are counted as they are written."""
    sizes = [path.stat().st_size for path in made.tree.root.rglob("*.jsonl")]
    assert sum(sizes) == made.tree.written
    assert made.tree.written >= SIZE * 21 // 20


def test_the_same_seed_makes_the_same_tree(tmp_path: Path) -> None:
    """Byte by byte."""
    first, second = (log_tree.build(tmp_path / name, 400_000) for name in ("one", "two"))
    files = [
        sorted(path.relative_to(each.tree.root) for path in each.tree.root.rglob("*.jsonl")) for each in (first, second)
    ]
    assert files[0] == files[1]
    assert all((first.tree.root / path).read_bytes() == (second.tree.root / path).read_bytes() for path in files[0])
    assert first.tree.truth() == second.tree.truth()


def test_the_command_makes_a_tree_and_tells_what_is_true_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It does not write into a folder that holds something."""
    assert log_tree.main([str(tmp_path / "tree"), "--mb", "0.3"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["bytes"] >= 300_000
    with pytest.raises(SystemExit):
        log_tree.main([str(tmp_path / "tree")])
    assert "is not empty" in capsys.readouterr().err
