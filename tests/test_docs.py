"""What the documents say is true: paths exist, commands exist, settings exist, and nothing is left out."""

import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from gateway.chats.console.tour import FIRST, SECOND
from gateway.cli import mcp
from gateway.config import Settings
from gateway.core.route import COMMANDS
from gateway.host import MCP_PATH

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
AGENTS = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
_PATH = re.compile(r"(?<![\w/.])((?:gateway|mcp_servers|tests|tools|docs|benchmarks)/[\w./-]*\w)")


def tracked() -> list[Path]:
    """The files that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("name", ["README.md", "AGENTS.md", "CHANGELOG.md"])
def test_every_path_that_a_document_names_exists(name: str) -> None:
    """A path in README, AGENTS or CHANGELOG leads to a file or a folder."""
    text = (ROOT / name).read_text(encoding="utf-8")
    missing = {path for path in _PATH.findall(text) if "NAME" not in path and not (ROOT / path).exists()}
    assert not missing


def test_the_readme_begins_with_the_two_commands_one_line_each() -> None:
    """First the demo, then the tests, each a block of one line that makes its own environment."""
    first, second = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)[:2]
    assert first.count("\n") == second.count("\n") == 1
    assert first.startswith("python3 -m venv .venv &&")
    assert first.rstrip().endswith("tollbridge demo")
    assert second.startswith("python3 -m venv .venv &&")
    assert second.rstrip().endswith("tools/check.py")


def test_every_chat_command_stands_in_the_readme_and_no_other() -> None:
    """The table of chat commands is the program's own list."""
    table = README.partition("| in the chat | |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`/(\w+)", table)) == {command.name for command in COMMANDS}


def test_every_command_of_the_machine_that_is_named_exists() -> None:
    """`tollbridge NAME` in the documents is a command of the program."""
    named = set(re.findall(r"tollbridge (up|[a-z]+)(?=[ `\n])", README)) | set(
        re.findall(r"`tollbridge ([a-z]+)", AGENTS)
    )
    files = {path.stem for path in (ROOT / "gateway" / "cli").glob("*.py")}
    assert {"up", "setup", "doctor", "report", "demo"} <= named
    assert named <= files


def settings(model: type[BaseModel], prefix: str = "") -> set[str]:
    """The dotted names of all settings."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        inner = field.annotation
        if name == "home":
            continue
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            names |= settings(inner, f"{prefix}{name}.")
        else:
            names.add(prefix + name)
    return names


def test_every_setting_stands_in_the_readme_with_its_variable() -> None:
    """The table of settings is the program's own, and each variable follows from the name."""
    rows = dict(re.findall(r"^\| `([a-z_.]+)` \| `(TOLLBRIDGE_\w+)` \|", README, re.MULTILINE))
    assert set(rows) == settings(Settings)
    assert all(variable == f"TOLLBRIDGE_{name.upper().replace('.', '__')}" for name, variable in rows.items())


def test_what_other_clients_are_to_be_told_is_what_there_is() -> None:
    """The snippets for Codex are TOML, of a command of the program, and of the path and port that the listener has elsewhere too."""
    desk = (ROOT / "docs" / "desk.md").read_text(encoding="utf-8")
    stdio, http = (
        tomllib.loads(text)["mcp_servers"]["tollbridge"] for text in re.findall(r"```toml\n(.*?)```", desk, re.DOTALL)
    )
    group, *words = stdio["args"]
    assert Path(stdio["command"]).is_absolute()
    commands = [command.callback.__name__ for command in mcp.group.registered_commands if command.callback is not None]
    assert (group, len(words), words[0] in commands) == ("mcp", 1, True)
    assert http["url"] == f"http://127.0.0.1:8731{MCP_PATH}"
    assert not http["bearer_token_env_var"].startswith("TOLLBRIDGE_")  # the gateway would take it for a setting
    assert f"export {http['bearer_token_env_var']}=" in desk


def test_the_readme_says_what_to_type_in_the_demo() -> None:
    """The prompts that lead to its questions, and the option that needs no keys."""
    begins = README.partition("![")[0]
    assert all(f"`{words}`" in " ".join(begins.split()) for words in (FIRST, SECOND, "tollbridge demo --unattended"))


def test_agents_md_is_short() -> None:
    """Forty lines at most."""
    assert len(AGENTS.splitlines()) <= 40


def test_the_page_of_states_is_made_from_the_table() -> None:
    """docs/states.md is what tools/states.py writes now."""
    spec = importlib.util.spec_from_file_location("states", ROOT / "tools" / "states.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == module.page()


def test_no_tracked_file_names_a_place_of_the_machine_it_was_made_on() -> None:
    """No home directory or work directory of anybody stands in the tree."""
    places = re.compile(rb"(?<![\w.])/(?:root|work|home/(?!me\b|user\b|you\b)\w+)/[\w.]")
    found = [path for path in tracked() if path.name != "test_docs.py" and places.search(path.read_bytes())]
    assert not found
