"""`tollbridge plugin`: in and out of the person's own client, what is said, and what is written only after a yes."""

import json
import os
import posix
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import VERSION, claude_code, exact, plugin, plugin_files
from gateway.cli.claude_code import PLUGIN, ClaudeCodeError, Installed
from gateway.home import is_off
from gateway.local import token
from gateway.local.token import renew
from mcp_servers import relay
from tests import nursery
from tests.cli.kit import environment
from tests.fakes.claude_binary import find_claude
from tests.fakes.claude_plugins import made

START = "claude --dangerously-load-development-channels plugin:tollbridge@tollbridge"
LISTEN = {"TOLLBRIDGE_LOCAL__LISTEN": "127.0.0.1:8731"}
VALUES = exact.wanted("127.0.0.1", 8731, "secret-token")


class Machine:
    """A person's machine: a home for everything, and a client."""

    def __init__(self, base: Path, claude: Path) -> None:
        self.base, self.claude = base, claude
        self.home, self.own = base / "Application Sµpport" / "home", base / "person"
        self.settings = self.own / "config" / "settings.json"
        self.settings.parent.mkdir(parents=True, exist_ok=True)

    def environ(self, **more: str) -> dict[str, str]:
        """Nothing of it leads to the person who runs the tests."""
        plain = environment(
            self.home,
            TOLLBRIDGE_AGENTS__CLAUDE__COMMAND=str(self.claude),
            TOLLBRIDGE_AGENTS__DIRECTORY=str(self.base),
            HOME=str(self.own),
            CLAUDE_CONFIG_DIR=str(self.settings.parent),
        )
        return {name: value for name, value in plain.items() if not name.startswith("ANTHROPIC_")} | more

    def __call__(self, *words: str, said: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run `tollbridge plugin`."""
        return nursery.run(["plugin", *words], said=said, env=self.environ(**more), cwd=self.base)

    def calls(self) -> list[str]:
        """What the client was told, without what it was only asked."""
        path = self.claude.with_name("calls")
        told = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [call for call in told if call.startswith("plugin") and "list" not in call]

    def state(self, **more: object) -> None:
        """Change what the client keeps."""
        path = self.claude.with_name("state.json")
        held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps(held | more), encoding="utf-8")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a client that knows its plugins."""
    return Machine(tmp_path, made(tmp_path / "bin"))


def test_installed_from_the_home_and_told_how_to_start(machine: Machine) -> None:
    """The client gets a folder that stays, and the person the one line that opens a session, and the way out."""
    done = machine("install")
    assert (done.returncode, done.stderr) == (0, "")
    place = machine.home / plugin_files.FOLDER
    assert machine.calls() == [f"plugin marketplace add {place}", f"plugin install {PLUGIN}"]
    assert (place / "relay.py").read_bytes() == (plugin_files.SOURCE / "relay.py").read_bytes()
    assert START in done.stdout
    assert "TOLLBRIDGE_OFF=1 claude" in done.stdout
    assert str(place) in done.stdout
    assert place.stat().st_mode & 0o077 == 0


def test_each_step_is_shown_as_it_is_taken(machine: Machine) -> None:
    """Who installs sees what is run in their name, up to the step that fails."""
    shown = machine("install").stdout
    for call in machine.calls():
        assert f"Running {machine.claude} {call}" in shown
    assert str(machine.home / plugin_files.FOLDER) in shown


def test_installing_again_changes_nothing_and_an_older_copy_is_brought_up_to_date(machine: Machine) -> None:
    """Idempotent; and a copy that differs from the package, or holds more, is made what the package has."""
    assert machine("install").returncode == 0
    place = machine.home / plugin_files.FOLDER
    before = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    assert machine("install").returncode == 0
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()} == before
    (place / "relay.py").write_text("raise SystemExit\n", encoding="utf-8")
    (place / "old.py").write_text("", encoding="utf-8")
    told = machine("status")
    assert told.returncode == 1
    said = " ".join(told.stdout.split())
    assert f"not those of version {VERSION}. Run `tollbridge plugin install`" in said
    assert START not in said
    assert machine("install").returncode == 0
    assert plugin_files.is_current(machine.home)
    assert not (place / "old.py").exists()


def test_only_printed_nothing_is_done(machine: Machine) -> None:
    """--print shows every command, also inside an agent, and leaves client and home as they are."""
    done = machine("install", "--print", TOLLBRIDGE_OFF="1")
    assert done.returncode == 0
    assert f"plugin install {PLUGIN}" in done.stdout
    assert machine("remove", "--print").returncode == 0
    assert machine.calls() == []
    assert not machine.home.exists()


@pytest.mark.parametrize("words", [("install", "--exact", "--print"), ("remove", "--print"), ("remove",)])
def test_no_token_is_made_where_none_is_needed(machine: Machine, words: tuple[str, ...]) -> None:
    """What would be written is shown without it, and what is taken out is known without it."""
    machine.home.mkdir(mode=0o700, parents=True)
    settings(machine.settings, {"env": exact.wanted("127.0.0.1", 8731, "older") if "remove" in words else {}})
    done = machine(*words, TOLLBRIDGE_LOCAL__LISTEN="127.0.0.1:8731")
    assert (done.returncode, done.stderr) == (0, "")
    assert not (machine.home / token.FILE).exists()
    assert words == ("remove",) or exact.HEADERS in done.stdout
    assert (exact.HEADERS in machine.settings.read_text(encoding="utf-8")) is (words == ("remove", "--print"))


def test_removed_it_is_gone_everywhere_and_removing_again_is_fine(machine: Machine) -> None:
    """Plugin, marketplace and copy go; what is gone already is no error."""
    machine("install")
    for words in ("Removed. Sessions that are open now", "Nothing was left to remove"):
        done = machine("remove")
        assert (done.returncode, done.stderr) == (0, "")
        assert words in done.stdout
    assert machine.calls()[2:] == [f"plugin uninstall {PLUGIN}", "plugin marketplace remove tollbridge"]
    assert not (machine.home / plugin_files.FOLDER).exists()
    assert json.loads(machine("status", "--json").stdout)["installed"] is False


def test_status_for_programs(machine: Machine) -> None:
    """Whether it is installed, of which version, and the words that start a session."""
    machine("install")
    done = machine("status", "--json", TOLLBRIDGE_OFF="1")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["schema"] == 1
    assert (told["installed"], told["enabled"], told["version"], told["flaw"]) == (True, True, VERSION, "")
    assert (told["start"], told["off"]) == (START, True)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_off_means_the_same_everywhere(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, value: str, *, off: bool
) -> None:
    """To the hooks, to the command line, and to whoever reads its status."""
    machine("install")
    assert json.loads(machine("status", "--json", TOLLBRIDGE_OFF=value).stdout)["off"] is off
    monkeypatch.delitem(posix.environ, b"CLAUDECODE", raising=False)
    monkeypatch.setitem(posix.environ, b"TOLLBRIDGE_OFF", value.encode())
    assert relay.is_off() is is_off({"TOLLBRIDGE_OFF": value}) is off


@pytest.mark.parametrize("command", ["install", "remove"])
def test_an_agent_neither_installs_nor_removes_what_gates_it(machine: Machine, command: str) -> None:
    """Inside an agent both are refused before anything is read or told."""
    done = machine(command, TOLLBRIDGE_AGENT="/a/journal")
    assert done.returncode == 1
    assert "inside an agent" in done.stderr
    assert machine.calls() == []


def test_nothing_is_said_to_be_installed_that_is_not(machine: Machine) -> None:
    """A client that fails, or installs it switched off, is an error in its own words."""
    machine.state(refuses=True)
    done = machine("install")
    assert done.returncode == 1
    assert "switched off" in done.stderr
    assert "Installed" not in done.stdout
    machine.state(broken="the disk is full")
    assert machine("install").returncode == 1


@pytest.mark.parametrize(
    ("says", "words"), [("2.1.127", "older than 2.1.128"), ("no figures", "does not say its version")]
)
def test_a_client_without_channels_is_refused(machine: Machine, says: str, words: str) -> None:
    """Hooks that block on failure and channels came with 2.1.128."""
    machine.state(says=says)
    done = machine("install")
    assert done.returncode == 1
    assert words in done.stderr
    assert machine.calls() == []


def test_a_client_that_is_not_there_is_refused(machine: Machine) -> None:
    """The sentence says how to get one."""
    done = machine("install", TOLLBRIDGE_AGENTS__CLAUDE__COMMAND="/nowhere/claude")
    assert done.returncode == 1
    assert "npm install -g @anthropic-ai/claude-code" in done.stderr


def test_up_brings_an_installed_copy_up_to_date_and_makes_none(tmp_path: Path) -> None:
    """After an upgrade of the gateway its sessions run the new hooks; who has not installed the plugin gets no copy."""
    plugin_files.refreshed(tmp_path)
    assert not (tmp_path / plugin_files.FOLDER).exists()
    plugin_files.copied(tmp_path)
    (tmp_path / plugin_files.FOLDER / "relay.py").write_text("", encoding="utf-8")
    plugin_files.refreshed(tmp_path)
    assert plugin_files.is_current(tmp_path)


def test_a_copy_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """A link in its place is not followed, and a package without its plugin is no package."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / plugin_files.FOLDER).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ClaudeCodeError, match="symbolic link"):
        plugin_files.copied(tmp_path)
    with pytest.raises(ClaudeCodeError, match="install tollbridge again"):
        plugin_files.copied(tmp_path, tmp_path / "nothing")


def test_a_plugin_that_would_not_run_is_never_called_fine(tmp_path: Path) -> None:
    """Each way in which Claude Code runs without it, or with another one, is told."""
    place = plugin_files.copied(tmp_path)
    assert plugin.flaw_of(Installed(VERSION, True, place), tmp_path) == ""
    flaws = [
        plugin.flaw_of(None, tmp_path),
        plugin.flaw_of(Installed(VERSION, False, place), tmp_path),
        plugin.flaw_of(Installed(VERSION, True, None), tmp_path),
        plugin.flaw_of(Installed(VERSION, True, tmp_path), tmp_path),
        plugin.flaw_of(Installed("0.0.1", True, place), tmp_path),
    ]
    assert all(flaws)
    assert len(set(flaws)) == len(flaws)


def test_with_the_organizations_list_the_session_is_started_by_it() -> None:
    """Where the plugin is on the list nobody needs the way for development."""
    own = {"plugin": "tollbridge", "marketplace": "tollbridge"}
    assert plugin.is_allowed({"allowedChannelPlugins": [own]})
    assert plugin.is_allowed({"allowedChannelPlugins": [PLUGIN]})
    assert not plugin.is_allowed({"allowedChannelPlugins": [{**own, "marketplace": "other"}, 5]})
    assert not plugin.is_allowed({})
    assert plugin.words_to_start(allowed=True) == f"claude --channels plugin:{PLUGIN}"


# ---------------------------------------------------------------------------------------------------------------- exact
def settings(path: Path, holds: Any) -> Path:
    """A settings file."""
    path.write_text(holds if isinstance(holds, str) else json.dumps(holds), encoding="utf-8")
    return path


def test_exact_adds_to_what_is_there_and_takes_out_only_its_own(tmp_path: Path) -> None:
    """Order and everything else stay; again there is nothing to do; taken out the file is as it was."""
    before = {"model": "opus", "env": {"FOO": "ü", "OTEL_LOGS_EXPORTER": "otlp"}, "hooks": {}}
    path = settings(tmp_path / "settings.json", before)
    change = exact.addition(path, VALUES, {})
    assert "secret-token" not in exact.shown(change) + repr(change)
    exact.written(change, tmp_path)
    note = exact.noted(tmp_path, path)
    assert "secret-token" not in (tmp_path / exact.FILE).read_text(encoding="utf-8")
    after = json.loads(path.read_text(encoding="utf-8"))
    assert list(after) == list(before)
    assert after["env"] == before["env"] | VALUES
    assert path.stat().st_mode & 0o077 == 0
    assert exact.addition(path, VALUES, note).is_empty
    exact.written(exact.removal(path, "", note), tmp_path)
    assert json.loads(path.read_text(encoding="utf-8")) == before
    assert exact.removal(path, "secret-token", exact.noted(tmp_path, path)).is_empty


def test_exact_never_changes_what_somebody_has_set(tmp_path: Path) -> None:
    """A collector of one's own stays: what contradicts is named, and taking out leaves it alone."""
    path = settings(tmp_path / "settings.json", {"env": {exact.ENDPOINT: "https://example.org/v1/logs"}})
    change = exact.addition(path, VALUES, {})
    assert list(change.contrary) == [exact.ENDPOINT]
    assert exact.ENDPOINT not in change.add
    assert exact.removal(path, "secret-token", {}).is_empty


def test_a_renewed_token_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """For the same listener the header is the gateway's own, and only then."""
    path = settings(tmp_path / "settings.json", {"env": exact.wanted("127.0.0.1", 8731, "older")})
    change = exact.addition(path, VALUES, {})
    assert (change.add, change.contrary) == ({exact.HEADERS: VALUES[exact.HEADERS]}, ())
    exact.written(change, tmp_path)
    assert set(exact.noted(tmp_path, path)) == set(VALUES)
    alien = settings(tmp_path / "alien.json", {"env": VALUES | {exact.HEADERS: "x-team=5"}})
    assert list(exact.addition(alien, VALUES, {}).contrary) == [exact.HEADERS]


def test_another_port_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """What was written for a listener that has moved is known by its token, or by the note, and led to where it is now."""
    moved = exact.wanted("127.0.0.1", 9000, "renewed")
    path = settings(tmp_path / "settings.json", {})
    exact.written(exact.addition(path, VALUES, {}), tmp_path)
    change = exact.addition(path, moved, exact.noted(tmp_path, path))
    assert (set(change.add), change.contrary) == ({exact.ENDPOINT, exact.HEADERS}, ())
    assert set(exact.addition(path, exact.wanted("127.0.0.1", 9000, "secret-token"), {}).add) == {exact.ENDPOINT}
    assert set(exact.addition(path, moved, {}).contrary) == {exact.ENDPOINT, exact.HEADERS}


@pytest.mark.parametrize("listener", ["", "http://127.0.0.1:8731/v1/logs"])
@pytest.mark.parametrize("token", ["", "secret-token", "renewed"])
def test_what_was_noted_is_taken_out_whatever_became_of_listener_and_token(
    tmp_path: Path, listener: str, token: str
) -> None:
    """The listener gone, the token another one: the note knows what was written."""
    path = settings(tmp_path / "settings.json", {"env": {"FOO": "1"}})
    exact.written(exact.addition(path, VALUES, {}), tmp_path)
    exact.written(exact.removal(path, token, exact.noted(tmp_path, path), listener), tmp_path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"env": {"FOO": "1"}}
    assert exact.noted(tmp_path, path) == {}


def test_what_was_written_before_there_was_a_note_is_known_by_this_homes_token(tmp_path: Path) -> None:
    """At any loopback address; with another home's token, or at another machine, it is somebody else's."""
    path = settings(tmp_path / "settings.json", {"env": {"FOO": "1"} | VALUES})
    assert set(exact.removal(path, "secret-token", {}).drop) == set(VALUES)
    assert exact.removal(path, "another home's", {}).is_empty
    assert exact.removal(path, "", {}).is_empty
    far = settings(tmp_path / "far.json", {"env": VALUES | {exact.ENDPOINT: "http://10.0.0.1:8731/v1/logs"}})
    assert exact.removal(far, "secret-token", {}).is_empty
    assert exact.elsewhere(exact.removal(far, "secret-token", {})) is None
    assert exact.elsewhere(exact.removal(path, "another home's", {})) == VALUES[exact.ENDPOINT]


def test_a_collector_of_ones_own_keeps_what_it_lives_on_and_not_our_token(tmp_path: Path) -> None:
    """Led elsewhere since: what was written for the gateway serves somebody else now; the token alone is taken back."""
    path = settings(tmp_path / "settings.json", {})
    exact.written(exact.addition(path, VALUES, {}), tmp_path)
    led = VALUES | {exact.ENDPOINT: "https://example.org/v1/logs"}
    settings(path, {"env": led})
    exact.written(exact.removal(path, "", exact.noted(tmp_path, path)), tmp_path)
    del led[exact.HEADERS]
    assert json.loads(path.read_text(encoding="utf-8")) == {"env": led}


@pytest.mark.parametrize("holds", ["{", "[]", '{"env": []}', '{"a": 1, "a": 2}', "\x00", "{" * 100_000])
def test_exact_refuses_a_file_that_it_does_not_understand(tmp_path: Path, holds: str) -> None:
    """What is not one JSON object stays as it is, byte for byte."""
    path = settings(tmp_path / "settings.json", holds)
    with pytest.raises(ClaudeCodeError, match="correct it by hand"):
        exact.addition(path, VALUES, {})
    assert path.read_text(encoding="utf-8") == holds


def test_exact_writes_through_a_link_and_not_over_a_change_made_meanwhile(tmp_path: Path) -> None:
    """A collection of settings that is linked from elsewhere stays linked; what changed since it was read is not lost."""
    real = settings(tmp_path / "real.json", {})
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    change = exact.addition(link, VALUES, {})
    exact.written(change, tmp_path)
    assert link.is_symlink()
    assert json.loads(real.read_text(encoding="utf-8")) == {"env": VALUES}
    with pytest.raises(ClaudeCodeError, match="changed meanwhile"):
        exact.written(change, tmp_path)


def test_exact_makes_the_file_where_there_is_none(tmp_path: Path) -> None:
    """With its directory, if need be; taking all of it out leaves an empty object."""
    path = tmp_path / "config" / "settings.json"
    exact.written(exact.addition(path, VALUES, {}), tmp_path)
    exact.written(exact.removal(path, "secret-token", {}), tmp_path)
    assert json.loads(path.read_text(encoding="utf-8")) == {}


def test_exact_without_a_listener_says_what_to_set(machine: Machine) -> None:
    """Before anything is done: no half of it is installed, nothing is written to the settings."""
    for words in (["install", "--exact"], ["install", "--exact", "--print"]):
        done = machine(*words)
        assert done.returncode == 1
        assert "local.listen" in done.stderr
        assert machine.calls() == []
        assert not machine.settings.exists()
        assert not machine.home.exists()


def test_exact_that_would_contradict_somebodys_own_is_refused_before_anything_is_done(machine: Machine) -> None:
    """A collector of one's own: it is named, and the plugin is not installed by half."""
    settings(machine.settings, {"env": {exact.ENDPOINT: "https://example.org/v1/logs"}})
    done = machine("install", "--exact", **LISTEN)
    assert done.returncode == 1
    assert exact.ENDPOINT in done.stderr
    assert machine.calls() == []


def test_removed_in_one_go_though_the_client_writes_to_the_same_file(machine: Machine) -> None:
    """Claude Code takes its own entries out of settings.json while it uninstalls: what it leaves is what is changed."""
    machine.state(settings=str(machine.settings))
    assert machine("install", "--exact", said="y\n", **LISTEN).returncode == 0
    done = machine("remove", **LISTEN)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(machine.settings.read_text(encoding="utf-8")) == {"enabledPlugins": {}}


def test_removed_without_a_listener_nothing_of_ours_stays(machine: Machine) -> None:
    """local.listen may have gone from the settings, and the token been renewed, since it was written."""
    settings(machine.settings, {"env": {"FOO": "1"}})
    assert machine("install", "--exact", said="y\n", **LISTEN).returncode == 0
    renew(machine.home)
    shown = machine("remove", "--print")
    assert f'- "{exact.HEADERS}"' in shown.stdout
    assert machine("remove").returncode == 0
    assert json.loads(machine.settings.read_text(encoding="utf-8")) == {"env": {"FOO": "1"}}


def test_removed_what_another_home_wrote_stays_and_is_named(machine: Machine) -> None:
    """Not ours to take out; but nobody should believe that the client tells nothing any more."""
    before = {"env": exact.wanted("127.0.0.1", 9, "the token of another home")}
    settings(machine.settings, before)
    done = machine("remove")
    assert done.returncode == 0
    assert "http://127.0.0.1:9/v1/logs" in done.stdout
    assert json.loads(machine.settings.read_text(encoding="utf-8")) == before


def test_exact_asks_before_it_writes_and_is_taken_out_with_the_plugin(machine: Machine) -> None:
    """Shown without the token, written after a yes, once; whoever removes the plugin gets the file back as it was."""
    before = settings(machine.settings, {"env": {"FOO": "1"}}).read_text(encoding="utf-8")
    for words, said in ((["install", "--exact"], "n\n"), (["install", "--exact", "--print"], "")):
        assert machine(*words, said=said, **LISTEN).returncode == 0
        assert machine.settings.read_text(encoding="utf-8") == before
    done = machine("install", "--exact", said="y\n", **LISTEN)
    assert (done.returncode, done.stderr) == (0, "")
    env = json.loads(machine.settings.read_text(encoding="utf-8"))["env"]
    assert env[exact.ENDPOINT] == "http://127.0.0.1:8731/v1/logs"
    token = env[exact.HEADERS].removeprefix("Authorization=Bearer ")
    assert len(token) > 20
    assert token not in done.stdout
    again = machine("install", "--exact", **LISTEN)
    assert "has all of it already" in again.stdout
    assert machine("remove", **LISTEN).returncode == 0
    assert json.loads(machine.settings.read_text(encoding="utf-8")) == json.loads(before)


# -------------------------------------------------------------------------------------------------------------- for real
@pytest.fixture
def real(tmp_path: Path) -> Machine:
    """A machine with the real client, which knows of nothing but this test."""
    return Machine(tmp_path, find_claude() or Path("/nowhere/claude"))


@pytest.mark.claude
def test_the_real_client_installs_lists_and_removes_it(real: Machine) -> None:
    """Offline and twice over; a plugin switched off by hand is told and switched on again; in the end nothing is left."""
    for _ in range(2):
        done = real("install")
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told = json.loads(real("status", "--json").stdout)
    place = real.home / plugin_files.FOLDER
    assert (told["version"], told["folder"], told["flaw"]) == (VERSION, str(place), "")
    claude = str(real.claude)
    claude_code.run(claude, ("plugin", "disable", PLUGIN), real.environ())
    assert "switched off" in real("status").stdout
    assert real("install").returncode == 0
    assert real("status").returncode == 0
    assert real("install", "--exact", said="y\n", **LISTEN).returncode == 0
    assert exact.HEADERS in real.settings.read_text(encoding="utf-8")
    done = real("remove", **LISTEN)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(real.settings.read_text(encoding="utf-8")) == {"enabledPlugins": {}, "extraKnownMarketplaces": {}}
    assert claude_code.plugin(claude, real.environ()) is None


@pytest.mark.claude
def test_a_folder_that_went_away_is_told_because_the_real_client_does_not(real: Machine) -> None:
    """Claude Code then runs none of the hooks and says nothing of it: status says what that means."""
    assert real("install").returncode == 0
    place = real.home / plugin_files.FOLDER
    place.rename(real.base / "gone")
    told = real("status")
    assert told.returncode == 1
    assert "nothing is gated or metered" in told.stdout
    assert real("install").returncode == 0
    assert real("status").returncode == 0


@pytest.mark.claude
def test_the_real_client_starts_both_servers_of_the_installed_plugin(real: Machine) -> None:
    """As installed, from the home: the client meets both, with no gateway running."""
    assert real("install").returncode == 0
    done = subprocess.run(
        [str(real.claude), "mcp", "list"],
        env=real.environ() | {"PATH": os.environ["PATH"]},
        cwd=real.base,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("plugin:tollbridge:")]
    assert len(lines) == 2
    assert all("Connected" in line for line in lines), done.stdout
