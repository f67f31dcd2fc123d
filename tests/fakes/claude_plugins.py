"""A Claude Code that knows its plugins and its sign-in and nothing else: what `claude plugin` and `claude auth` of 2.1.328 say and keep.

`made(folder)` puts a program `claude` there. Beside it lie `state.json`, which is what it keeps, and `calls`, which is what it was told.
Where `settings` in its state names a settings file, it writes there which plugins are on, as the real one does.
"""

import sys
from pathlib import Path
from typing import Final

VERSION: Final = "2.1.328"

_PROGRAM: Final = """
import json, pathlib, sys
here = pathlib.Path(__file__).parent
kept = here / "state.json"
state = json.loads(kept.read_text()) if kept.exists() else {}
words = sys.argv[1:]
with (here / "calls").open("a") as calls:
    calls.write(" ".join(words) + "\\n")

def end(said, code=0):
    kept.write_text(json.dumps(state))
    if "settings" in state and words[:1] == ["plugin"] and "list" not in words:
        path = pathlib.Path(state["settings"])
        holds = json.loads(path.read_text()) if path.exists() else {}
        holds["enabledPlugins"] = {"tollbridge@tollbridge": True} if state.get("enabled") else {}
        path.write_text(json.dumps(holds, indent=2))
    (sys.stderr if code else sys.stdout).write(said + "\\n")
    sys.exit(code)

def manifest():
    return pathlib.Path(state["market"]) / ".claude-plugin" / "plugin.json"

if state.get("broken"):
    end(state["broken"], 1)
if words == ["--version"]:
    end(state.get("says", "VERSION (Claude Code)"))
if words == ["auth", "status", "--json"]:
    end(json.dumps(state.get("auth", {"authMethod": "claude.ai", "apiProvider": "firstParty"})))
if words[:3] == ["plugin", "marketplace", "add"]:
    if not (pathlib.Path(words[3]) / ".claude-plugin" / "marketplace.json").is_file():
        end("Marketplace file not found", 1)
    state["market"] = words[3]
    end("Successfully added marketplace: tollbridge")
if words[:3] == ["plugin", "marketplace", "list"]:
    end(json.dumps([{"name": "tollbridge"}] if "market" in state else []))
if words[:3] == ["plugin", "marketplace", "remove"]:
    if state.pop("market", None) is None:
        end("Marketplace 'tollbridge' not found", 1)
    end("Successfully removed marketplace: tollbridge")
if words[:2] == ["plugin", "install"]:
    if "market" not in state or not manifest().is_file():
        end("Plugin not found in any configured marketplace", 1)
    state["enabled"] = not state.get("refuses", False)
    end("Successfully installed plugin")
if words[:2] == ["plugin", "uninstall"]:
    if state.pop("enabled", None) is None:
        end("Plugin not found in installed plugins", 1)
    end("Successfully uninstalled plugin")
if words == ["plugin", "list", "--json"]:
    if "enabled" not in state:
        end("[]")
    one = {"id": "tollbridge@tollbridge", "version": "0.0.1", "scope": "user", "enabled": state["enabled"]}
    if manifest().is_file():
        one |= {"readFromFolder": state["market"], "folderVersion": json.loads(manifest().read_text())["version"]}
    else:
        one["errors"] = ["Marketplace tollbridge failed to load: cache-miss"]
    end(json.dumps([{"id": "another@one", "scope": "user", "enabled": True}, one]))
end("error: unknown command", 1)
"""


def made(folder: Path) -> Path:
    """The program, in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "claude"
    path.write_text(f"#!{sys.executable} -IS\n{_PROGRAM.replace('VERSION', VERSION)}", encoding="utf-8")
    path.chmod(0o755)
    return path
