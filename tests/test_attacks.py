"""The list of attacks and faults: each line is held off by a test that exists, or by something that is not built yet."""

import ast
import re
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


def test_every_line_about_who_may_and_what_is_secret_is_named_by_a_test() -> None:
    """Lines 1 to 18, 20 to 29 and 41 to 52: one of their tests at least says in its docstring which attack it is."""
    for line, tests in TABLE["held"].items():
        number = int(line.split()[0])
        if number in NAMED:
            said = {
                said for test in tests for said in numbers(functions(test.partition("::")[0])[test.partition("::")[2]])
            }
            assert number in said, line


NAMED = {*range(1, 19), *range(20, 30), *range(41, 53)}


def numbers(docstring: str) -> set[int]:
    """The attacks that a docstring names: "Attacks 22, 23 and 24: ..."."""
    found = re.findall(r"(?:Attacks?|Lines?) ((?:\d+(?:, | and )?)+)", docstring)
    return {int(number) for some in found for number in re.findall(r"\d+", some)}


def functions(file: str) -> dict[str, str]:
    """The functions of a test module, with their docstrings; none if it does not exist."""
    path = ROOT / file
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: ast.get_docstring(node) or "" for node in found}
