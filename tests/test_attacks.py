"""The list of attacks and faults: each line is held off by a test that exists, or by something that is not built yet."""

import ast
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TABLE = tomllib.loads((ROOT / "tests" / "attacks.toml").read_text(encoding="utf-8"))
LINES = range(1, 70)


def test_every_line_of_the_list_is_answered_once() -> None:
    """Held by tests, or not built: no line is forgotten, and none is claimed twice."""
    held = [int(line.split()[0]) for line in TABLE["held"]]
    later = [line for lines in TABLE["not_built"].values() for line in lines]
    assert sorted(held + later) == list(LINES)


def test_every_test_that_is_named_exists() -> None:
    """A renamed or deleted test is noticed here."""
    named = {test for tests in TABLE["held"].values() for test in tests}
    there = {f"{file}::{name}" for file in {test.partition("::")[0] for test in named} for name in functions(file)}
    assert named - there == set()
    assert all(TABLE["held"].values())


def functions(file: str) -> set[str]:
    """The functions of a test module; none if it does not exist."""
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
