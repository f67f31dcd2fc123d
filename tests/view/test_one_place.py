"""Every sentence that a person reads in a chat stands in `gateway.view`, so that a translation has one place to look."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

GATEWAY = Path(__file__).resolve().parent.parent.parent / "gateway"
DECIDES = sorted(path for floor in ("core", "engine") for path in (GATEWAY / floor).rglob("*.py"))
ELSEWHERE = {
    "core/contradictions.py": "what is wrong with the settings' rules, which only a terminal shows",
    "core/genai.py": "what OpenTelemetry's figures and spans are, in its own words",
    "core/metrics.py": "what the figures are that leave the house, which dashboards show",
    "core/periods.py": "what is wrong with a period, which only the command line shows",
    "core/policy.py": "what the command line tells of rules, and what is wrong with hours in the settings",
    "core/quoting.py": "agents read it: what a message's sender did not write",
    "core/speech.py": "agents read it: what is said in a recording, and that it is",
    "core/turn.py": "the documentation's diagram, and an error of ours",
    "engine/__init__.py:Engine": "why an update was put aside, for the log",
    "engine/asked.py": "agents and other programs read it, through MCP",
    "engine/askers.py:who": "how the ledger names a command line, whatever the language",
    "engine/attachments.py:_line": "agents read it: the line of a file in the prompt",
    "engine/outbound.py:_deliver": "why a message may not have arrived, for the log",
    "engine/requests.py": "the command line's answers: only a terminal shows them",
}
"""Files, or definitions in them, whose sentences no chat shows, with what they are for."""
LOGGERS = {"log"}
OURS = {"AssertionError", "ValueError"}
"""Raised where something is wrong with the gateway itself, or its settings."""


def _unread(tree: ast.AST) -> Iterator[ast.AST]:
    """Docstrings, log messages, assertions, and the words of errors of ours."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(ast.Constant()):
                yield node.value
            case ast.Call(ast.Attribute(ast.Name(name)), args, keywords) if name in LOGGERS:
                yield from args
                yield from keywords
            case ast.Call(ast.Name(name), args) if name in OURS:
                yield from args
            case ast.Assert(msg=ast.expr() as words):
                yield words
            case _:
                pass


def _written(node: ast.AST) -> str | None:
    """A literal's text, with `{}` for what an f-string puts in; None for anything else."""
    match node:
        case ast.Constant(str(text)):
            return text
        case ast.JoinedStr(parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in parts)
        case _:
            return None


def _is_sentence(text: str) -> bool:
    """Three words or more; what an f-string puts in may be one of them."""
    pieces = text.split()
    words = [piece for piece in pieces if re.fullmatch(r"[\"'`(*]*[A-Za-z][A-Za-z'-]*[\"'`).,:;!?*]*", piece)]
    return len(words) + sum("{}" in piece for piece in pieces) >= 3 and bool(words)


def sentences(tree: ast.Module) -> Iterator[tuple[str, int, str]]:
    """The definition, the line and the text of every literal that reads like a sentence."""
    skipped = {id(inner) for node in _unread(tree) for inner in ast.walk(node)}
    for statement in tree.body:
        name = getattr(statement, "name", "")
        for node in ast.walk(statement):
            if id(node) in skipped:
                continue
            if isinstance(node, ast.JoinedStr):
                skipped |= {id(part) for part in node.values if isinstance(part, ast.Constant)}
            text = _written(node)
            if isinstance(node, ast.expr) and text is not None and _is_sentence(text):
                yield name, node.lineno, text


@pytest.mark.parametrize("path", DECIDES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_decides_holds_no_sentence_that_a_person_reads(path: Path) -> None:
    """Core and engine take their sentences from the view: a literal of three words stands in neither."""
    file = f"{path.parent.name}/{path.name}"
    found = sentences(ast.parse(path.read_text(encoding="utf-8")))
    assert [
        (line, text) for name, line, text in found if file not in ELSEWHERE and f"{file}:{name}" not in ELSEWHERE
    ] == []


@pytest.mark.parametrize("path", DECIDES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_button_gets_its_label_where_it_is_decided(path: Path) -> None:
    """A label of one word is a sentence too: an option's comes from the view, or from who asks."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    labels = [call.args[1] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Option"]
    assert [label.lineno for label in labels if _written(label) is not None] == []


def test_every_sentence_of_the_view_is_said_somewhere() -> None:
    """A sentence that nothing says any more is not left for a translator to wonder about."""
    files = [
        path.read_text(encoding="utf-8")
        for floor in ("gateway", "mcp_servers")
        for path in (GATEWAY.parent / floor).rglob("*.py")
    ]
    named = Counter(word for text in files for word in re.findall(r"\w+", text))
    for path in sorted((GATEWAY / "view").glob("*_words.py")):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            match statement:
                case ast.FunctionDef(name) | ast.ClassDef(name) | ast.AnnAssign(ast.Name(name)):
                    assert named[name] > 1, f"{path.name}: {name}"
                case _:
                    pass


def test_every_exception_still_names_something_with_sentences() -> None:
    """What is listed as not for a chat is still there: an exception that nothing needs is taken out."""
    found: set[str] = set()
    for path in DECIDES:
        for name, _, _ in sentences(ast.parse(path.read_text(encoding="utf-8"))):
            file = f"{path.parent.name}/{path.name}"
            found |= {file, f"{file}:{name}"}
    assert set(ELSEWHERE) - found == set()


@pytest.mark.parametrize(
    ("code", "caught"),
    [
        ('draft.say("You may not")', ["You may not"]),
        ('draft.say(f"{name} is {state}.")', ["{} is {}."]),
        ('draft.say(f"turn:{turn.id}:end")', []),
        ('draft.say(f"{head} {tail} {rest}")', []),
        ('log.info("a person said no", why="it was too dear")', []),
        ('raise AssertionError("this is never so")', []),
        ('def f():\n    """What it does."""', []),
        ('assert x, "this is never so"', []),
    ],
)
def test_a_sentence_is_told_from_other_text(code: str, caught: list[str]) -> None:
    """The check bites on words, also around values, and leaves names, docstrings, logs and assertions alone."""
    assert [text for _, _, text in sentences(ast.parse(code))] == caught
