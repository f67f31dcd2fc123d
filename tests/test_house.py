"""The house stands: floors, forbidden imports, and a core that is nothing but functions of values."""

import ast
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True, no_logo=True))"
PURE = {
    "base64",
    "collections.abc",
    "dataclasses",
    "datetime",
    "enum",
    "fractions",
    "hashlib",
    "hmac",
    "itertools",
    "json",
    "math",
    "re",
    "typing",
    "unicodedata",
}
CORE = sorted(path for floor in ("domain", "view", "core") for path in (ROOT / "gateway" / floor).rglob("*.py"))


def lint(root: Path) -> subprocess.CompletedProcess[str]:
    """What the import checker says about a tree."""
    return subprocess.run([sys.executable, "-c", LINT], cwd=root, capture_output=True, text=True, check=False)


def test_every_import_contract_is_kept() -> None:
    """Floors, forbidden libraries and siblings that do not meet are as pyproject.toml says."""
    found = lint(ROOT)
    assert found.returncode == 0, found.stdout + found.stderr
    assert " 0 broken" in found.stdout


@pytest.mark.parametrize(
    ("where", "line", "broken"),
    [
        ("gateway/domain/money.py", "import gateway.core.price", "Floors"),
        ("gateway/core/gate.py", "import gateway.store", "Floors"),
        ("gateway/domain/money.py", "import gateway.view.figure_words", "Floors"),
        ("gateway/view/money_words.py", "import gateway.core.price", "Floors"),
        ("gateway/view/money_words.py", "import structlog", "The core knows no clock"),
        ("gateway/store/home.py", "import gateway.reports", "Floors"),
        ("gateway/core/gate.py", "import random", "The core knows no clock"),
        ("gateway/domain/money.py", "import pydantic", "The core knows no clock"),
        ("gateway/app.py", "import telegram", "telegram is imported only"),
        ("gateway/reports/text.py", "import sqlalchemy", "SQLAlchemy is imported only"),
        ("gateway/store/home.py", "import psycopg", "psycopg is imported only"),
        ("gateway/host.py", "import mcp", "mcp is imported only"),
        ("gateway/local/door.py", "import starlette", "Starlette is imported only"),
        ("mcp_servers/budget.py", "import uvicorn", "uvicorn is imported only"),
        ("gateway/files.py", "import PIL", "Pillow is imported only"),
        ("gateway/telemetry/scrape.py", "import prometheus_client", "Prometheus' library is imported only"),
        ("gateway/outlets.py", "import opentelemetry", "OpenTelemetry and requests"),
        ("gateway/telemetry/scrape.py", "import requests", "OpenTelemetry and requests"),
        ("gateway/charts/__init__.py", "import matplotlib", "matplotlib is imported only"),
        ("gateway/bank/words.py", "import gateway.store", "Floors"),
        ("gateway/agents/scripted/script.py", "import gateway.agents.claude", "Agents do not meet"),
        ("gateway/chats/memory/__init__.py", "import gateway.chats.telegram", "Chats do not meet"),
    ],
)
def test_an_import_that_breaks_a_contract_is_found(tmp_path: Path, where: str, line: str, broken: str) -> None:
    """Each contract bites: one import too many, in a copy of the tree, and the checker names the contract."""
    for name in ("gateway", "mcp_servers"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    changed = tmp_path / where
    changed.write_text(changed.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    found = lint(tmp_path)
    assert found.returncode != 0
    assert any(said.startswith(broken) and said.endswith("BROKEN") for said in found.stdout.splitlines()), found.stdout


def test_every_part_of_the_gateway_stands_on_a_floor() -> None:
    """A new module or package beside the others is put on a floor, or its imports would be nobody's business."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (layers,) = [one for one in settings["tool"]["importlinter"]["contracts"] if one["type"] == "layers"]
    named = {name.strip() for floor in layers["layers"] for name in floor.split("|")}
    on_a_floor = {name for name in named if name.startswith("gateway.")}
    parts = {f"gateway.{path.stem}" for path in (ROOT / "gateway").glob("*.py") if not path.stem.startswith("__")}
    parts |= {f"gateway.{path.parent.name}" for path in (ROOT / "gateway").glob("*/__init__.py")}
    assert parts == on_a_floor


@pytest.mark.parametrize("path", CORE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_domain_view_and_core_import_only_what_is_below_and_pure_parts_of_the_standard_library(path: Path) -> None:
    """The verbs, words and nouns are functions of values: of the standard library they know what neither reads nor waits."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules: set[str] = set()
    for node in ast.walk(tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.Global)
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module or "")
    allowed = {module for module in modules if module.startswith("gateway.domain")}
    below = {"domain": (), "view": ("gateway.view",), "core": ("gateway.view", "gateway.core")}
    allowed |= {module for module in modules if module.startswith(below[path.parent.name])}
    assert modules - allowed <= PURE


@pytest.mark.parametrize("path", CORE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_domain_view_and_core_neither_print_nor_open_nor_ask_the_time(path: Path) -> None:
    """No built-in that reaches the world is called, and no date is asked for today's."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = {func.id for func in called if isinstance(func, ast.Name)}
    methods = {func.attr for func in called if isinstance(func, ast.Attribute)}
    assert not names & {"print", "open", "input", "exec", "eval", "__import__"}
    assert not methods & {"now", "utcnow", "today", "fromtimestamp"}
