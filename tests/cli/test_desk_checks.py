"""The doctor on sessions at the desk: each thing that is right, and each that switches gate, meter or channel off."""

import json
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gateway import lock
from gateway.cli import claude_code, desk_checks, exact, plugin_files
from gateway.cli.checks import Check, Status
from gateway.cli.claude_code import PLUGIN
from gateway.config import Settings, settings_from
from gateway.config.local import Place
from gateway.local.token import renew, token_of
from tests import nursery
from tests.cli.kit import environment
from tests.fakes.claude_binary import find_claude
from tests.fakes.claude_plugins import made
from tests.fakes.messages_api import MessagesApi

SWITCHES: dict[str, dict[str, Any]] = {
    "all hooks off": {"disableAllHooks": True},
    "the plugin off": {"enabledPlugins": {PLUGIN: False}},
    "off by the escape": {"env": {"TOLLBRIDGE_OFF": "1"}},
    "made to look like the gateway's own": {"env": {"TOLLBRIDGE_AGENT": "/x"}},
    "led to another gateway": {"env": {"TOLLBRIDGE_HOME": "/x"}},
    "another python3": {"env": {"PATH": "/x"}},
}

QUIET = {"respondToBashCommands": False}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody with a client and nothing set."""
    put(tmp_path / "person" / ".claude" / "settings.json", QUIET)
    folder = made(tmp_path / "bin").parent
    return {"HOME": str(tmp_path / "person"), "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.fixture
def told(tmp_path: Path) -> Settings:
    """Settings whose agents work in a directory of this test."""
    (tmp_path / "project").mkdir()
    return settings_from("", {"TOLLBRIDGE_AGENTS__DIRECTORY": str(tmp_path / "project")}, tmp_path / "home")


def installed(home: Path, environ: dict[str, str]) -> None:
    """Put the plugin into the client."""
    place = plugin_files.copied(home)
    for words in (("plugin", "marketplace", "add", str(place)), ("plugin", "install", PLUGIN)):
        assert claude_code.run("claude", words, environ)[0] == 0


def keep(environ: dict[str, str], **more: object) -> None:
    """Change what the client keeps."""
    path = Path(environ["PATH"].split(":")[0]) / "state.json"
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(held | more), encoding="utf-8")


def put(path: Path, holds: object) -> Path:
    """A settings file and its directories."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(holds if isinstance(holds, str) else json.dumps(holds), encoding="utf-8")
    return path


def test_the_doctor_says_whether_a_session_would_start_the_gateway(tmp_path: Path) -> None:
    """Nothing where it is not wanted; what is missing where it is."""
    assert list(desk_checks.autostart(tmp_path, allowed=False)) == []
    [found] = desk_checks.autostart(tmp_path, allowed=True)
    assert (found.status, "tollbridge up" in found.mend) == ("warn", True)
    (tmp_path / "autostart.json").write_text("{}")
    assert warned(desk_checks.autostart(tmp_path, allowed=True)) == []
    [one] = desk_checks.autostart(tmp_path, allowed=True)
    assert one.status == "ok"


def warned(found: Iterable[Check]) -> list[str]:
    """What is worth a look, each with a way to mend it."""
    listed = [check for check in found if check.status is not Status.OK]
    assert all(check.mend and check.status is Status.WARN for check in listed)
    return [f"{check.name}: {check.found}" for check in listed]


def test_a_desk_in_order_is_told_with_the_words_that_start_a_session(
    told: Settings, environ: dict[str, str], tmp_path: Path
) -> None:
    """Plugin, python3, channels, repositories: all are named, and the last word is how to begin."""
    installed(tmp_path / "home", environ)
    found = list(desk_checks.desk(told, environ, running=True))
    assert warned(found) == []
    assert [check.name for check in found] == ["plugin", "python3", "channels", "repositories", "session"]
    assert "--dangerously-load-development-channels plugin:tollbridge@tollbridge" in found[-1].found


def test_who_has_no_client_or_no_plugin_hears_little(told: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    """The plugin is a choice: without it there is one line, without a client none."""
    assert list(desk_checks.desk(told, {"PATH": str(tmp_path)}, running=False)) == []
    [one] = desk_checks.desk(told, environ, running=False)
    assert one.status is Status.OK
    assert "tollbridge plugin install" in one.found


def test_a_desk_without_a_gateway_is_told(told: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    """Every prompt there is blocked: worth a look, unless a session would start the gateway, or the plugin does not run."""
    installed(tmp_path / "home", environ)
    [found] = warned(desk_checks.desk(told, environ, running=False))
    assert "every prompt in a session that you open yourself is blocked" in found
    assert warned(desk_checks.desk(told, environ, running=True)) == []
    itself = told.model_copy(update={"local": told.local.model_copy(update={"autostart": True})})
    assert warned(desk_checks.desk(itself, environ, running=False)) == []
    keep(environ, enabled=False)
    [found] = warned(desk_checks.desk(told, environ, running=False))
    assert "blocked" not in found


def test_what_exact_has_written_is_looked_at(told: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    """Token, port and whether anything listens: each has to be what the gateway takes, or its calls are refused unseen."""
    home, own = lock.make_home(tmp_path / "home"), claude_code.own_settings(environ)
    here = Place("127.0.0.1", 8731)

    def look(listen: Place | None) -> list[str]:
        local = told.local.model_copy(update={"listen": listen})
        return warned(desk_checks.calls(told.model_copy(update={"local": local}), environ))

    assert look(here) == look(None) == []
    exact.written(exact.addition(own, exact.wanted(*here, token_of(home)), {}), home)
    assert look(here) == []
    for listen, words in (
        (None, "nobody listens there"),
        (Place("127.0.0.1", 9000), "listens on http://127.0.0.1:9000"),
    ):
        [found] = look(listen)
        assert words in found
    secret = renew(home)
    [found] = look(here)
    assert "a token that counts no more" in found
    assert secret not in found
    exact.written(exact.addition(own, exact.wanted(*here, secret), exact.noted(home, own)), home)
    assert look(here) == []
    holds = json.loads(own.read_text(encoding="utf-8"))
    del holds["env"]["OTEL_LOGS_EXPORTER"]
    put(own, holds)
    assert "lacks OTEL_LOGS_EXPORTER" in look(here)[0]
    put(own, QUIET | {"env": {exact.ENDPOINT: "https://example.org/v1/logs"}})
    assert look(here) == look(None) == []
    put(own, "{")
    assert "not JSON" in look(here)[0]


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        ({"says": "2.1.127 (Claude Code)"}, "older than 2.1.128"),
        ({"enabled": False}, "switched off: nothing is gated or metered"),
        ({"market": "/nowhere"}, "its folder is gone"),
        ({"broken": "no"}, "gave no JSON"),
    ],
)
def test_a_plugin_that_does_not_run_is_told(
    told: Settings, environ: dict[str, str], tmp_path: Path, kept: dict[str, object], words: str
) -> None:
    """An old client, a plugin switched off, a folder that is gone, a client that answers nothing."""
    installed(tmp_path / "home", environ)
    keep(environ, **kept)
    assert words in warned(desk_checks.desk(told, environ, running=True))[0]


@pytest.mark.parametrize(
    ("says", "status"),
    [("echo Python 3.8.20", "ok"), ("echo Python 3.7.17", "warn"), ("echo Python 2.7.18", "warn"), ("exit 1", "warn")],
)
def test_hooks_need_a_python3_of_3_8(tmp_path: Path, says: str, status: str) -> None:
    """The one on the PATH counts, not the gateway's own; one that starts nothing is as bad as none."""
    program = tmp_path / "python3"
    program.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    program.chmod(0o755)
    assert desk_checks.python({"PATH": str(tmp_path)}).status == status
    assert desk_checks.python({"PATH": "/nowhere"}).status == "warn"


@pytest.mark.parametrize(
    ("method", "provider", "words"),
    [
        ("claude.ai", "firstParty", ""),
        ("api_key", "firstParty", ""),
        ("none", "firstParty", "not signed in"),
        ("third_party", "bedrock", "bedrock, where Claude Code has no channels"),
        ("magic", "firstParty", "signed in with magic"),
    ],
)
def test_channels_need_claude_ai_or_a_console_key(
    environ: dict[str, str], method: str, provider: str, words: str
) -> None:
    """The kind of sign-in decides, and the client says it."""
    keep(environ, auth={"authMethod": method, "apiProvider": provider})
    found = warned(desk_checks.sign_in("claude", environ))
    assert [words in one for one in found] == [True] * bool(words)


@pytest.mark.parametrize(
    ("name", "value", "off"),
    [
        ("DISABLE_TELEMETRY", "1", True),
        ("DISABLE_TELEMETRY", "0", True),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1", True),
        ("DO_NOT_TRACK", "1", True),
        ("DO_NOT_TRACK", "0", False),
        ("DISABLE_GROWTHBOOK", "true", True),
        ("DISABLE_TELEMETRY", "", False),
    ],
)
def test_what_keeps_the_client_from_learning_of_channels_is_told(
    environ: dict[str, str], name: str, value: str, *, off: bool
) -> None:
    """In the environment as in one's own settings, read as the client reads it: some count with any value."""
    assert bool(warned(desk_checks.switches(environ | {name: value}, {}))) is off
    put(Path(environ["HOME"]) / ".claude" / "settings.json", QUIET | {"env": {name: value}})
    assert bool(warned(desk_checks.switches(environ, {}))) is off


def test_ones_own_settings_that_switch_the_gate_off_are_told(environ: dict[str, str]) -> None:
    """Hooks off, the plugin off, a call that no hook can gate, a file that is no JSON: each is named."""
    path = Path(environ["HOME"]) / ".claude" / "settings.json"
    for holds, words in (
        ({"disableAllHooks": True} | QUIET, "switches all hooks off"),
        ({"enabledPlugins": {PLUGIN: False}} | QUIET, "switches the plugin off"),
        ({}, "no hook can gate"),
        ("{", "not JSON"),
    ):
        put(path, holds)
        assert words in warned(desk_checks.switches(environ, {}))[0]


@pytest.mark.parametrize(
    ("organization", "name"),
    [
        ({"channelsEnabled": False}, "channels"),
        ({"model": "opus"}, "channels"),
        ({"channelsEnabled": True, "disableAllHooks": True}, "hooks"),
        ({"channelsEnabled": True, "allowManagedHooksOnly": True}, "hooks"),
        ({"channelsEnabled": True}, ""),
        ({}, ""),
    ],
)
def test_what_the_organization_switches_off_is_told(
    environ: dict[str, str], organization: dict[str, Any], name: str
) -> None:
    """Where there are managed settings channels have to be allowed in them, and hooks not forbidden."""
    assert [one.partition(":")[0] for one in warned(desk_checks.switches(environ, organization))] == [name] * bool(name)


def test_the_organizations_settings_are_read_with_their_parts(tmp_path: Path) -> None:
    """The file and what stands beside it in managed-settings.d, the later one winning."""
    put(tmp_path / "managed-settings.json", {"channelsEnabled": True, "model": "opus"})
    put(tmp_path / "managed-settings.d" / "10.json", {"channelsEnabled": False})
    assert claude_code.managed(str(tmp_path)) == {"channelsEnabled": False, "model": "opus"}
    assert claude_code.managed(str(tmp_path / "none")) == {}


@pytest.mark.parametrize("holds", SWITCHES.values(), ids=SWITCHES.keys())
@pytest.mark.parametrize("name", ["settings.json", "settings.local.json"])
@pytest.mark.parametrize("where", ["here", "above", "in a root"])
def test_a_repository_does_not_switch_metering_off_unseen(
    environ: dict[str, str], tmp_path: Path, holds: dict[str, Any], name: str, where: str
) -> None:
    """Attack 58: whatever in a repository's settings silences the hooks, or leads them astray, the doctor names with its file."""
    repository = tmp_path / "code" / "repository"
    here = repository / "src" / "deep"
    (repository / ".git").mkdir(parents=True)
    here.mkdir(parents=True)
    path = put((here if where == "here" else repository) / ".claude" / name, holds)
    places, roots = ([], [tmp_path / "code"]) if where == "in a root" else ([here], [])
    [found] = warned(desk_checks.repositories(places, roots, environ))
    assert f"repository: {path} " in found


def test_harmless_settings_of_repositories_are_no_matter(environ: dict[str, str], tmp_path: Path) -> None:
    """Permissions, hooks of its own, another plugin: nothing to say, and nothing is said twice."""
    put(
        tmp_path / ".claude" / "settings.json",
        {
            "permissions": {},
            "hooks": {},
            "enabledPlugins": {"other@one": False, PLUGIN: True},
            "env": {"NODE_ENV": "x"},
        },
    )
    [one] = desk_checks.repositories([tmp_path, tmp_path], [tmp_path], environ)
    assert one.status is Status.OK


def test_less_to_go_by_is_told_and_ones_own_settings_are_no_repositorys(
    environ: dict[str, str], tmp_path: Path
) -> None:
    """A repository that changes what is heard of calls is named; the person's own file, met on the way up, is not."""
    own = put(Path(environ["HOME"]) / ".claude" / "settings.json", {"env": {"OTEL_LOGS_EXPORTER": "otlp"}})
    assert warned(desk_checks.repositories([own.parent.parent], [], environ)) == []
    path = put(tmp_path / "project" / ".claude" / "settings.json", {"env": {"OTEL_LOGS_EXPORTER": "none"}})
    [found] = warned(desk_checks.repositories([path.parent.parent], [], environ))
    assert "OTEL_LOGS_EXPORTER" in found


@pytest.mark.parametrize("holds", ["{", "[1]", '{"a": 1, "a": 2}', "\ufffe"])
def test_settings_that_cannot_be_read_are_told_and_do_not_stop_the_doctor(
    environ: dict[str, str], tmp_path: Path, holds: str
) -> None:
    """Nobody knows what the client makes of them. Their content is not shown."""
    put(tmp_path / ".claude" / "settings.json", holds)
    os.mkfifo(tmp_path / ".claude" / "settings.local.json")
    found = warned(desk_checks.repositories([tmp_path], [], environ))
    assert len(found) == 2
    assert all(str(tmp_path) in one for one in found)


def test_odd_names_from_a_repository_do_not_reach_the_terminal(environ: dict[str, str], tmp_path: Path) -> None:
    """A name that would steer the terminal, or is endless, is only said to be odd."""
    put(tmp_path / ".claude" / "settings.json", {"env": {"TOLLBRIDGE_\x1b[2J": "1", "TOLLBRIDGE_" + "A" * 500: "1"}})
    found = warned(desk_checks.repositories([tmp_path], [], environ))
    assert len(found) == 2
    assert all("an odd name" in one and one.isprintable() for one in found)


def test_the_escape_is_told_where_it_is_set(environ: dict[str, str]) -> None:
    """Read as the relay reads it: 0 and nothing are no escape."""
    assert len(warned(desk_checks.start(environ | {"TOLLBRIDGE_OFF": "1"}, {}))) == 1
    assert warned(desk_checks.start(environ | {"TOLLBRIDGE_OFF": "0"}, {})) == []


def test_the_doctor_tells_of_the_desk(tmp_path: Path, environ: dict[str, str]) -> None:
    """The command itself: with the escape set it still reads the settings, and the plugin's findings stand in its JSON."""
    installed(tmp_path / "home", environ)
    (tmp_path / "project").mkdir()
    put(tmp_path / "project" / ".claude" / "settings.json", {"disableAllHooks": True})
    more = environ | {"TOLLBRIDGE_OFF": "1", "TOLLBRIDGE_AGENTS__DIRECTORY": str(tmp_path / "project")}
    known = environment(tmp_path / "home", **more)
    done = nursery.run(["doctor", "--json"], env=known, cwd=tmp_path / "project")
    found = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert found["settings"]["status"] == "ok"
    assert found["plugin"]["status"] == "ok"
    assert found["off"]["status"] == "warn"
    assert "disableAllHooks" in found["repository"]["found"]


@pytest.mark.claude
def test_what_silences_the_hooks_of_the_real_client_is_what_the_doctor_names(tmp_path: Path) -> None:
    """Attack 58: a run in a repository with each setting; where the gate did not stop it, the doctor has named the file."""
    with MessagesApi(seed=1) as api:
        environ = api.claude_env(tmp_path / "person") | {"TOLLBRIDGE_HOME": str(tmp_path / "none")}
        claude = str(find_claude())
        place = plugin_files.copied(tmp_path / "home")
        for words in (("plugin", "marketplace", "add", str(place)), ("plugin", "install", PLUGIN)):
            assert claude_code.run(claude, words, environ)[0] == 0
        ungated: set[str] = set()
        for name, holds in ({"nothing": {}} | SWITCHES).items():
            repository = tmp_path / name
            put(repository / ".claude" / "settings.json", holds)
            before = len(api.charges)
            subprocess.run(
                [claude, "-p", "hello"],
                env=environ,
                cwd=repository,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=150,
                check=False,
            )
            if len(api.charges) > before:
                ungated.add(name)
                assert warned(desk_checks.repositories([repository], [], environ)), name
    assert "nothing" not in ungated  # no gateway is there: the gate holds
    assert {"all hooks off", "the plugin off"} <= ungated
