"""The doctor: each check on a thing that is right and on one that is not, and the command as a whole."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import anyio
import pytest

from gateway import lock
from gateway.cli import checks, machine, telegram_checks, voice_checks
from gateway.cli.checks import Check, Status
from gateway.cli.doctor import as_text, as_values
from gateway.config import Settings, config_file, settings_from
from gateway.core.hooks import Event
from gateway.domain.place import Session, Thread
from gateway.domain.turn import Turn
from gateway.ports import Decision, NewPost, Rejected, TollbridgeError, Uncertain
from gateway.store import open_store
from tests import nursery
from tests.cli.kit import environment, session, turn
from tests.fakes.bot_api import BotApi

NOW_MS = int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1000)


@pytest.fixture
def server() -> Iterator[BotApi]:
    """A Bot API server."""
    with BotApi() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as the gateway makes it."""
    return lock.make_home(tmp_path / "home")


def program(folder: Path, says: str) -> Path:
    """A program that says this about its version."""
    folder.mkdir(exist_ok=True)
    path = folder / "claude"
    path.write_text(f"#!/bin/sh\n{says}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def project(home: Path) -> Path:
    """Where agents work: beside the home, not above it."""
    path = home.parent / "project"
    path.mkdir(exist_ok=True)
    return path


def settings_for(home: Path, server: BotApi | None = None, **more: str) -> Settings:
    """Settings with everything that a gateway needs."""
    plain = {"TOLLBRIDGE_AGENTS__DIRECTORY": str(project(home))}
    if server is not None:
        plain["TOLLBRIDGE_TELEGRAM__TOKEN"] = server.token
        plain["TOLLBRIDGE_TELEGRAM__BASE_URL"] = server.base_url
        plain["TOLLBRIDGE_TELEGRAM__ALLOWED_USERS"] = "[4711]"
    return settings_from("", plain | more, home)


def statuses(found: Iterator[Check]) -> dict[str, str]:
    """The findings by name, and that each failure says how to mend it."""
    listed = list(found)
    assert all(check.mend for check in listed if check.status is not Status.OK)
    return {check.name: check.status.value for check in listed}


def test_the_interpreter_has_to_be_new_enough():
    """Python 3.10 cannot run the gateway."""
    assert checks.python((3, 11, 7)).status is Status.OK
    assert checks.python((3, 10, 14)).status is Status.FAIL


def test_a_home_in_order_is_ok_and_everything_that_others_could_read_is_not(home: Path):
    """Directory and files belong to their owner alone; what `up` closes by itself keeps nothing from working."""
    assert statuses(checks.home(home, None)) == {"gateway": "ok", "home": "ok"}
    config_file(home).write_text("", encoding="utf-8")
    config_file(home).chmod(0o640)
    assert statuses(checks.home(home, 5)) == {"gateway": "ok", "home": "ok", "config.toml": "warn"}
    config_file(home).chmod(0o600)
    home.chmod(0o755)
    assert statuses(checks.home(home, None)) == {"gateway": "ok", "home": "warn", "config.toml": "ok"}
    (home.parent / "link").symlink_to(home)
    assert statuses(checks.home(home.parent / "link", None))["home"] == "fail"
    assert statuses(checks.home(home.parent / "none", None))["home"] == "warn"
    assert statuses(checks.home(home / "config.toml" / "below", None))["home"] == "fail"


def test_a_bot_that_works_is_ok(home: Path, server: BotApi):
    """Token known, somebody allowed, nobody else listening; nothing was taken from the queue."""
    server.user(4711, "Alice").says("a prompt")
    found = statuses(checks.telegram(settings_for(home, server).telegram, clock_ms(), running=False))
    assert found == {"people": "ok", "token": "ok", "poller": "ok"}
    assert len(server.pending) == 1
    assert server.violations == []


def clock_ms() -> int:
    """The real time."""
    return int(datetime.now(UTC).timestamp() * 1000)


def test_a_running_gateway_is_not_disturbed(home: Path, server: BotApi):
    """The doctor polls only while this home's gateway does not."""
    assert statuses(checks.telegram(settings_for(home, server).telegram, clock_ms(), running=True))["poller"] == "ok"
    assert server.requests("getUpdates") == []


def test_a_port_that_is_taken_fails(home: Path):
    """`up` would not start: before it does, the listener's place has to be free; one that runs has it itself."""
    assert statuses(checks.listener(settings_for(home).local, running=False)) == {}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        local = settings_for(home, TOLLBRIDGE_LOCAL__LISTEN=f"127.0.0.1:{port}").local
        [found] = checks.listener(local, running=False)
        assert (found.status, f"port {port}" in found.found) == (Status.FAIL, True)
        assert statuses(checks.listener(local, running=True)) == {"listen": "ok"}
    assert statuses(checks.listener(local, running=False)) == {"listen": "ok"}


def test_missing_and_wrong_tokens_fail(home: Path, server: BotApi):
    """No token, a revoked one, nobody allowed, no network: each fails, and none shows the token."""
    assert statuses(checks.telegram(settings_for(home).telegram, clock_ms(), running=False)) == {"token": "fail"}
    wrong = settings_for(home, server, TOLLBRIDGE_TELEGRAM__TOKEN="1:AA", TOLLBRIDGE_TELEGRAM__ALLOWED_USERS="")
    found = list(checks.telegram(wrong.telegram, clock_ms(), running=False))
    assert [(check.name, check.status.value) for check in found] == [("people", "fail"), ("token", "fail")]
    assert "1:AA" not in as_text(found)
    away = settings_for(home, server, TOLLBRIDGE_TELEGRAM__BASE_URL="http://127.0.0.1:1/bot")
    assert statuses(checks.telegram(away.telegram, clock_ms(), running=False))["token"] == "fail"


@pytest.mark.anyio
async def test_another_poller_is_noticed_when_it_comes_back(home: Path, server: BotApi):
    """Only one program can receive a bot's messages: the doctor polls long enough to be thrown out by the other one."""
    telegram = settings_for(home, server).telegram
    found: dict[str, str] = {}

    def look() -> None:
        found.update(statuses(checks.telegram(telegram, clock_ms(), running=False)))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, look)
            await server.until(server.rival_polls, timeout=20)
    assert found == {"people": "ok", "token": "ok", "poller": "fail"}


def test_a_conflict_at_once_fails(home: Path, server: BotApi):
    """A server that refuses the first poll already is believed."""
    server.fail_next("getUpdates", status=409)
    assert statuses(checks.telegram(settings_for(home, server).telegram, clock_ms(), running=False))["poller"] == "fail"


def test_a_clock_that_cannot_be_right_is_told():
    """A day before the release fails; a minute beside Telegram's clock is worth a look, and what comes of it is said."""
    assert checks.clock(0).status is Status.FAIL
    assert checks.clock(NOW_MS).status is Status.OK
    assert checks.clock(NOW_MS, NOW_MS + 59_999).status is Status.OK
    behind = checks.clock(NOW_MS, NOW_MS + 60_000)
    assert (behind.status, behind.found) == (Status.WARN, "the clock is 1 min 0 s behind Telegram's")
    assert "late messages are not asked about" in behind.mend
    ahead = checks.clock(NOW_MS, NOW_MS - 3_600_000)
    assert (ahead.status, ahead.found) == (Status.WARN, "the clock is 1 h 0 min ahead of Telegram's")
    assert "and are asked about before they run" in ahead.mend
    assert "timedatectl set-ntp true" in ahead.mend


@pytest.mark.parametrize("skew_s", [-70, 70])
def test_the_clock_is_compared_with_an_answer_of_telegrams(home: Path, server: BotApi, skew_s: int):
    """By the Date of an answer, either way; the bot works all the same."""
    now_ms = clock_ms() + skew_s * 1000
    found = statuses(checks.telegram(settings_for(home, server).telegram, now_ms, running=True))
    assert found == {"people": "ok", "token": "ok", "clock": "warn", "poller": "ok"}


def test_a_program_that_writes_down_what_people_say_has_to_be_there_and_run(home: Path):
    """By its path, or found on the PATH; without one that is told, and none of it keeps the gateway from working."""

    def look(command: str) -> Check:
        settings = settings_for(home, TOLLBRIDGE_VOICE__COMMAND=json.dumps([command, "{file}"]))
        return voice_checks.voice(settings.voice, {"PATH": str(home.parent / "bin")})

    path = program(home.parent / "bin", "echo heard")
    assert look(str(path)) == look("claude") == Check("voice", Status.OK, f"{path} writes down what people say")
    path.chmod(0o644)
    assert (look(str(path)).status, look(str(path)).found) == (Status.WARN, f"voice.command: {path} cannot be run")
    assert f"chmod +x {path}" in look(str(path)).mend
    assert "on the PATH" in look("claude").found
    assert look("/nowhere/whisper").found == "voice.command: there is no program /nowhere/whisper"
    assert voice_checks.voice(settings_for(home).voice, {}).status is Status.OK


def test_a_service_that_writes_down_what_people_say_is_reached_so_that_nobody_else_reads_it(home: Path):
    """Over https, or on this machine; what is no address at all fails with the settings."""

    def look(url: str) -> Check:
        more = {"TOLLBRIDGE_VOICE__URL": url, "TOLLBRIDGE_VOICE__MODEL": "whisper-1"}
        return voice_checks.voice(settings_for(home, None, **more).voice, {})

    for url in ("https://voice.example.org/v1", "http://127.0.0.1:9000/v1"):
        assert look(url).status is Status.OK
    assert look("https://voice.example.org/v1").found == "whisper-1 at voice.example.org writes down what people say"
    assert look("http://voice.example.org/v1").status is Status.WARN
    with pytest.raises(TollbridgeError, match="that is no address"):
        look("https://voice.example.org:99999/v1")


def test_directories_that_are_gone_fail(home: Path):
    """Where agents work has to be there."""
    agents = settings_for(home, TOLLBRIDGE_AGENTS__ROOTS=json.dumps([str(project(home)), "/nowhere/at/all"])).agents
    found = list(checks.places(agents, home))
    assert [(check.name, check.status.value) for check in found][:3] == [
        ("directory", "ok"),
        ("root", "ok"),
        ("root", "fail"),
    ]


def test_a_directory_above_the_home_fails(home: Path):
    """What `up` refuses, the doctor refuses: a search there would find the token."""
    agents = settings_for(home, TOLLBRIDGE_AGENTS__DIRECTORY=str(home.parent)).agents
    [directory, root, *_] = checks.places(agents, home)
    assert (directory.status, root.status) == (Status.FAIL, Status.FAIL)
    assert "holds the gateway's own directory" in directory.found
    assert "TOLLBRIDGE_HOME" in directory.mend


@pytest.mark.parametrize(
    ("says", "status"),
    [
        ("echo '2.1.328 (Claude Code)'", "ok"),
        ("echo 2.2.0", "ok"),
        ("echo 2.1.99", "warn"),
        ("echo no figures", "warn"),
        ("exit 3", "warn"),
    ],
)
def test_claude_code_has_to_be_new_enough(home: Path, says: str, status: str):
    """Versions are compared as numbers; a client that does not say its own is worth a look."""
    path = program(home.parent / "bin", says)
    agents = settings_for(home, TOLLBRIDGE_AGENTS__CLAUDE__COMMAND=str(path)).agents
    found = statuses(checks.claude(agents, {"HOME": str(home), "PATH": os.environ["PATH"], "ANTHROPIC_API_KEY": "x"}))
    assert found == {"claude": status, "sign-in": "ok"}


def test_claude_code_that_is_not_installed_fails_only_where_it_is_wanted(home: Path):
    """Who runs the scripted agent needs no client."""
    missing = settings_for(home, TOLLBRIDGE_AGENTS__CLAUDE__COMMAND="/nowhere/claude")
    assert statuses(checks.claude(missing.agents, {})) == {"claude": "fail"}
    scripted = settings_for(home, TOLLBRIDGE_AGENTS__DEFAULT="scripted")
    assert statuses(checks.claude(scripted.agents, {})) == {"agent": "ok"}


def test_the_clients_version_is_asked_without_the_gateways_secrets(home: Path):
    """What the gateway knows by its environment stays with it."""
    path = program(home.parent / "bin", 'env > "$0.env"; echo 2.1.328')
    machine.find(str(path), {"PATH": os.environ["PATH"], "TOLLBRIDGE_TELEGRAM__TOKEN": "secret", "OTHER": "x"})
    assert "secret" not in path.with_name("claude.env").read_text(encoding="utf-8")


def test_a_sign_in_is_recognised_by_what_it_leaves_behind(tmp_path: Path):
    """A key, a cloud, credentials or an account; nothing else, and no content is told."""
    plain = {"HOME": str(tmp_path)}
    assert machine.claude_sign_in(plain) is None
    assert machine.claude_sign_in(plain | {"CLAUDE_CODE_USE_BEDROCK": "0"}) is None
    for name, value in (("ANTHROPIC_API_KEY", "sk-secret"), ("CLAUDE_CODE_USE_VERTEX", "1")):
        said = machine.claude_sign_in(plain | {name: value})
        assert said == f"{name} is set"
    (tmp_path / ".claude.json").write_text('{"oauthAccount": {"emailAddress": "me@example.org"}}', encoding="utf-8")
    said = machine.claude_sign_in(plain)
    assert said is not None
    assert "example.org" not in said
    own = tmp_path / "own"
    own.mkdir()
    elsewhere = plain | {"CLAUDE_CONFIG_DIR": str(own)}
    assert machine.claude_sign_in(elsewhere) is None
    (own / "settings.json").write_text('{"apiKeyHelper": "/bin/key"}', encoding="utf-8")
    assert machine.claude_sign_in(elsewhere) == "apiKeyHelper is configured"
    (own / ".credentials.json").write_text("{}", encoding="utf-8")
    assert machine.claude_sign_in(elsewhere) == f"{own / '.credentials.json'} exists"


def test_a_model_without_a_price_is_worth_a_look():
    """An alias is the client's business, a known name has a price, an unknown one will be asked about."""
    today = date(2026, 11, 22)
    assert checks.prices(None, today).status is Status.OK
    assert checks.prices("opus", today).status is Status.OK
    assert checks.prices("claude-opus-4-8[1m]", today).status is Status.OK
    assert checks.prices("claude-opus-77", today).status is Status.WARN


def test_a_cheaper_model_that_would_never_be_offered_is_warned_about() -> None:
    """A name without a list price, and a family's name too, since nobody knows which model it stands for."""
    today = date(2026, 11, 22)
    assert [*checks.cheaper(None, today)] == []
    assert [check.status for check in checks.cheaper("claude-haiku-4-5", today)] == [Status.OK]
    for name in ("haiku", "claude-haiku-77"):
        [check] = checks.cheaper(name, today)
        assert check.status is Status.WARN
        assert "whole name" in check.mend


@pytest.mark.anyio
async def test_what_is_stuck_uncertain_put_aside_or_unpriced_is_told(home: Path):
    """Silence is not health: every queue that is not empty shows."""
    assert statuses(checks.database(home, NOW_MS, running=False)) == {"database": "ok"}
    thread = Thread("telegram", "1")
    owner = session(1)
    async with open_store(home, lambda: NOW_MS) as store:
        put = (owner, replace(turn(owner, "1"), unpriced_calls=1))
        posts = (NewPost(thread, "a", ("one",)), NewPost(thread, "b", ("two",)), NewPost(thread, "c", ("three",)))
        await store.transact(lambda _: Decision(None, put=put, posts=posts), NOW_MS)
        for receipt in (Uncertain("the connection broke"), Rejected("the bot was blocked")):
            (post,) = await store.outbox("telegram", 1, NOW_MS)
            await store.sending(post)
            await store.receipted(post, receipt)
        await store.accept("telegram", [("1", "{}")], NOW_MS)
        (update,) = await store.inbox(1)
        await store.quarantine(update, "not readable")
    found = {check.name: check for check in checks.database(home, NOW_MS, running=False)}
    assert {name: check.status.value for name, check in found.items()} == {
        "database": "ok",
        "outbox": "warn",
        "rejected": "warn",
        "queues": "warn",
        "quarantine": "warn",
        "unpriced": "warn",
    }
    assert "the connection broke" in found["outbox"].found
    assert "1 messages of the last day never arrived: the bot was blocked" in found["rejected"].found
    assert "rejected" not in statuses(checks.database(home, NOW_MS + checks.DAY_MS + 1, running=True))
    assert "not readable" in found["quarantine"].found
    assert "queues" not in statuses(checks.database(home, NOW_MS, running=True))


@pytest.mark.anyio
async def test_a_webhook_that_does_not_take_events_is_told(home: Path):
    """With the last failure, and how to try it."""

    def tell(_before: Turn | None, after: Turn, _session: Session, version: int, *_: object) -> Event:
        return Event(f"{after.id}_{version}", "{}")

    owner = session(1)
    async with open_store(home, lambda: NOW_MS, tell) as store:
        await store.transact(lambda _: Decision(None, put=(owner, turn(owner, "1"))), NOW_MS)
        [due] = await store.hooks.due(NOW_MS, 9)
        assert "webhook" not in statuses(checks.database(home, NOW_MS, running=True))
        await store.hooks.failed(due, "it answered 500", NOW_MS, NOW_MS + 5000)
    found = {check.name: check for check in checks.database(home, NOW_MS, running=True)}
    assert found["webhook"].status is Status.WARN
    assert "waiting events: 1, given up: 0; the last failure: it answered 500" in found["webhook"].found
    assert "tollbridge hooks test" in found["webhook"].mend


def test_a_home_that_the_gateway_would_close_is_no_failure(home: Path):
    """Doctor and `up` agree: what is closed at the next start keeps nothing from working."""
    (home / "tollbridge.db").write_bytes(b"")
    (home / "tollbridge.db").chmod(0o644)
    home.chmod(0o755)
    assert statuses(checks.home(home, None)) == {"gateway": "ok", "home": "warn", "tollbridge.db": "warn"}
    assert statuses(checks.database(home, NOW_MS, running=False)) == {"database": "warn"}


def test_a_database_that_is_none_fails(home: Path):
    """A corrupt file is a finding, not a crash."""
    (home / "tollbridge.db").write_bytes(b"nonsense" * 1000)
    (home / "tollbridge.db").chmod(0o600)
    assert statuses(checks.database(home, NOW_MS, running=False)) == {"database": "fail"}


def test_findings_fit_into_eighty_columns_with_the_way_to_mend_below():
    """A person reads lines, a program reads JSON."""
    found = [
        Check("token", Status.OK, "the bot is @tollbridge_bot"),
        Check("home", Status.FAIL, "/home/me/of/somebody is open " + "and open " * 20, "run `chmod 700 /home/me`"),
        Check("git", Status.WARN, "git was not found", "install git"),
    ]
    text = as_text(found)
    assert max(map(len, text.splitlines())) <= 80
    assert "      -> run `chmod 700 /home/me`" in text
    assert text.endswith("1 to mend before the gateway can work, 1 to look at.")
    assert as_text(found[:1]).endswith("Ready.")
    assert as_values(found)["ok"] is False
    assert as_values(found[:1]) == {
        "schema": 1,
        "ok": True,
        "checks": [{"name": "token", "status": "ok", "found": "the bot is @tollbridge_bot", "mend": ""}],
    }


def doctor(home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `tollbridge doctor`."""
    return nursery.run(["doctor", *arguments], env=environment(home, **more), cwd=home.parent)


def test_the_command_ends_with_0_if_the_gateway_can_work_and_1_if_not(home: Path, server: BotApi):
    """Scripts can rely on the exit code, and on JSON; nothing is made and no token is told."""
    path = program(home.parent / "bin", "echo 2.1.328")
    good = {
        "TOLLBRIDGE_TELEGRAM__TOKEN": server.token,
        "TOLLBRIDGE_TELEGRAM__BASE_URL": server.base_url,
        "TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": "[4711]",
        "TOLLBRIDGE_AGENTS__DIRECTORY": str(project(home)),
        "TOLLBRIDGE_AGENTS__CLAUDE__COMMAND": str(path),
        "ANTHROPIC_API_KEY": "sk-test",
    }
    done = doctor(home, "--json", **good)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    told = json.loads(done.stdout)
    assert told["ok"] is True
    names = [check["name"] for check in told["checks"]]
    assert {"python", "home", "clock", "settings", "database", "token", "poller", "claude", "prices"} <= set(names)
    bad = doctor(home, **good | {"TOLLBRIDGE_BUDGETS__DAY_USD": "nan"})
    assert bad.returncode == 1
    assert "TOLLBRIDGE_BUDGETS__DAY_USD: 'nan' is not an amount" in " ".join(bad.stdout.split())
    assert server.token not in done.stdout + bad.stdout
    assert list(home.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ ways to Telegram
HOOK = "https://bot.example.org/telegram"
SECRET = "0123456789abcdef"


def telegram_with(home: Path, server: BotApi, **more: str):
    """The telegram settings of a gateway with a webhook."""
    named = {"WEBHOOK__URL": HOOK, "WEBHOOK__SECRET": SECRET, "WEBHOOK__LISTEN": "127.0.0.1:18443"} | more
    return settings_for(
        home, server, **{f"TOLLBRIDGE_TELEGRAM__{name}": value for name, value in named.items()}
    ).telegram


def test_a_webhook_is_looked_at_where_telegram_has_it(home: Path, server: BotApi):
    """Not set yet, ours, another program's, or taken away: each says what to do; nothing is polled then."""
    settings = telegram_with(home, server)

    def said(*, running: bool) -> Check:
        [found] = [one for one in checks.telegram(settings, NOW_MS, running=running) if one.name == "webhook"]
        return found

    assert said(running=False).status is Status.OK
    assert said(running=True).status is Status.FAIL
    server.another_sets_webhook("https://other.example/their-secret")
    for running in (True, False):
        found = said(running=running)
        assert (found.status, "other.example" in found.found) == (Status.FAIL, True)
        assert "their-secret" not in found.found + found.mend
    server.another_sets_webhook(HOOK)
    assert said(running=True).found == "Telegram sends updates to bot.example.org, 0 wait"
    hook = server.world.webhooks.current
    assert hook is not None
    hook.error, hook.error_date = "Wrong response from the webhook: 502 Bad Gateway", 1
    assert said(running=True).status is Status.OK  # it was overcome: nothing waits
    server.user(4711, "Ada").says("hello")
    found = said(running=True)
    assert (found.status, "(1): Wrong response from the webhook: 502 Bad Gateway" in found.found) == (
        Status.WARN,
        True,
    )
    assert server.requests("getUpdates") == []


def test_a_forgotten_webhook_is_named_by_its_host(home: Path, server: BotApi):
    """A gateway that polls takes it away at its start."""
    server.another_sets_webhook("https://other.example/their-secret")
    for running, status in ((True, Status.FAIL), (False, Status.WARN)):
        settings = settings_for(home, server).telegram
        found = {one.name: one for one in checks.telegram(settings, NOW_MS, running=running)}
        assert found["poller"].status is status
    assert "other.example" in found["poller"].found
    assert "tollbridge up" in found["poller"].mend


def test_the_ways_to_telegram_are_looked_at(home: Path, server: BotApi, monkeypatch: pytest.MonkeyPatch):
    """The port, the proxy without its password, and the directory of a server of one's own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        settings = telegram_with(home, server, WEBHOOK__LISTEN=listen)
        [found] = telegram_checks.ways(settings, running=False)
        assert (found.status, "telegram.webhook.listen" in found.mend) == (Status.FAIL, True)
        assert [one.status for one in telegram_checks.ways(settings, running=True)] == [Status.OK]
    assert [one.status for one in telegram_checks.ways(settings, running=False)] == [Status.OK]
    statuses = [
        one.status
        for one in telegram_checks.ways(telegram_with(home, server, WEBHOOK__LISTEN="0.0.0.0:18443"), running=True)
    ]
    assert statuses == [Status.OK, Status.WARN]
    far = {"BASE_URL": "https://bot.example.org/bot", "PROXY": "socks5://me:pass-word@proxy.example:1080"}
    monkeypatch.setattr("gateway.chats.telegram.proxies.find_spec", lambda _name: None)
    found = {one.name: one for one in telegram_checks.ways(telegram_with(home, server, **far), running=True)}
    assert (found["proxy"].status, "httpx[socks]" in found["proxy"].found) == (Status.FAIL, True)
    monkeypatch.setattr("gateway.chats.telegram.proxies.find_spec", lambda _name: object())
    found = {one.name: one for one in telegram_checks.ways(telegram_with(home, server, **far), running=True)}
    assert found["proxy"].found.endswith("socks5://proxy.example:1080")
    near = {"PROXY": far["PROXY"], "FILES_DIR": str(home.parent / "files")}
    found = {one.name: one for one in telegram_checks.ways(telegram_with(home, server, **near), running=True)}
    assert (found["proxy"].status, "not used" in found["proxy"].found) == (Status.OK, True)
    assert found["files_dir"].status is Status.FAIL
    (home.parent / "files").mkdir()
    found = {one.name: one for one in telegram_checks.ways(telegram_with(home, server, **near), running=True)}
    assert found["files_dir"].status is Status.OK
