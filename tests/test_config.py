from datetime import UTC
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import config
from gateway.config import SettingsError, settings_from
from gateway.domain.budget import Caps, ScopeKind
from gateway.domain.money import Usd

TOKEN = "123456789:AAE-made_up_for_tests"


def refusal(home: Path, toml: str = "", **environ: str) -> str:
    """The sentence with which these settings are refused."""
    with pytest.raises(SettingsError) as caught:
        settings_from(toml, environ, home)
    return str(caught.value)


def test_without_a_file_or_environment_the_defaults_hold(tmp_path: Path):
    """Nothing has to be set for the settings to be read."""
    settings = settings_from("", {}, tmp_path)
    assert settings.telegram.token is None
    assert settings.telegram.base_url == "https://api.telegram.org/bot"
    assert settings.telegram.allowed_users == ()
    assert settings.agents.default == "claude"
    assert settings.agents.directory == Path.cwd()
    assert settings.agents.roots == (Path.cwd(),)
    assert (settings.agents.max_processes, settings.agents.idle_minutes) == (4, 10)
    assert (settings.agents.claude.command, settings.agents.claude.model) == ("claude", None)
    assert settings.agents.claude.cheaper_model is None
    budgets = settings.budgets
    assert [str(one) for one in (budgets.session_usd, budgets.day_usd, budgets.confirm_above_usd)] == [
        "$5.00",
        "$25.00",
        "$1.00",
    ]
    assert budgets.default_hold_usd == Usd.parse("0.50")
    assert (settings.pause_minutes, settings.approval_minutes) == (30, 1440)
    assert settings.home == tmp_path


def test_in_groups_the_bots_name_is_needed_unless_the_settings_say_otherwise(tmp_path: Path):
    """Two words, and no third."""
    assert settings_from("", {}, tmp_path).telegram.groups.mention == "needed"
    always = settings_from('[telegram.groups]\nmention = "always-listens"', {}, tmp_path)
    assert always.telegram.groups.mention == "always-listens"
    assert "telegram.groups.mention" in refusal(tmp_path, '[telegram.groups]\nmention = "sometimes"')


def test_the_environment_overrides_the_file_name_by_name(tmp_path: Path):
    """A variable replaces one setting and leaves its neighbours to the file."""
    toml = f'[telegram]\ntoken = "{TOKEN}"\nallowed_users = [1]\n[budgets]\nday_usd = 10\nsession_usd = "3.25"\n'
    environ = {
        "TOLLBRIDGE_HOME": "/elsewhere",
        "TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": "[4711, 4712]",
        "TOLLBRIDGE_TELEGRAM__BASE_URL": "http://127.0.0.1:8081/bot",
        "TOLLBRIDGE_BUDGETS__DAY_USD": "12.5",
        "TOLLBRIDGE_AGENTS__CLAUDE__COMMAND": "/opt/claude",
        "TOLLBRIDGE_AGENTS__DIRECTORY": str(tmp_path),
        "TOLLBRIDGE_PAUSE_MINUTES": "0.5",
        "PATH": "/bin",
    }
    settings = settings_from(toml, environ, tmp_path)
    assert settings.telegram.token is not None
    assert settings.telegram.token.get_secret_value() == TOKEN
    assert settings.telegram.allowed_users == (4711, 4712)
    assert settings.telegram.base_url == "http://127.0.0.1:8081/bot"
    assert (settings.budgets.day_usd, settings.budgets.session_usd) == (Usd.parse("12.5"), Usd.parse("3.25"))
    assert settings.agents.claude.command == "/opt/claude"
    assert settings.agents.roots == (tmp_path,)
    assert settings.pause_minutes == 0.5


def test_an_empty_variable_counts_as_not_set(tmp_path: Path):
    """`export TOLLBRIDGE_TELEGRAM__TOKEN=` leaves the file's token in force."""
    settings = settings_from(f'[telegram]\ntoken="{TOKEN}"', {"TOLLBRIDGE_TELEGRAM__TOKEN": ""}, tmp_path)
    assert settings.telegram.token is not None


@pytest.mark.parametrize(
    "amount", ["-1", "nan", "inf", "1e9", "1_000", "", " ", "5 dollars", "1000001", "0.1234567891"]
)
def test_an_amount_that_nobody_can_have_meant_is_refused_in_the_file(tmp_path: Path, amount: str):
    """Negative, not-a-number, huge and scientific amounts never become a budget."""
    assert "budgets.day_usd" in refusal(tmp_path, f'[budgets]\nday_usd = "{amount}"')


@pytest.mark.parametrize("amount", ["-1", "nan", "inf", "1e9", "1e3", "-0.5", "true", "[5]", "{ usd = 5 }"])
def test_an_amount_written_as_a_toml_value_is_read_by_its_digits(tmp_path: Path, amount: str):
    """TOML's own numbers go through the same door as text, so 1e3 is no way around it."""
    assert "is not an amount in dollars" in refusal(tmp_path, f"[budgets]\nday_usd = {amount}")


@pytest.mark.parametrize("amount", ["-1", "nan", "1e9"])
def test_an_amount_is_refused_in_the_environment_by_the_variables_name(tmp_path: Path, amount: str):
    """The sentence names what the person has to change."""
    said = refusal(tmp_path, TOLLBRIDGE_BUDGETS__SESSION_USD=amount)
    assert said.startswith("TOLLBRIDGE_BUDGETS__SESSION_USD: ")
    assert amount in said


@pytest.mark.parametrize("name", ["session_usd", "day_usd", "default_hold_usd"])
def test_a_limit_of_nothing_is_refused(tmp_path: Path, name: str):
    """A budget of $0 would stop every turn without a word why; only asking may begin at $0."""
    assert "more than $0" in refusal(tmp_path, f"[budgets]\n{name} = 0")
    assert settings_from("[budgets]\nconfirm_above_usd = 0", {}, tmp_path).budgets.confirm_above_usd == Usd(0)


@given(st.integers(1, 10**15))
def test_every_amount_survives_the_file_to_the_nano(nano: int):
    """2.5 or 0.000000001 in the file is exactly that, never its nearest float."""
    exact = Usd(nano).exact()
    for written in (exact, f'"{exact}"'):
        settings = settings_from(f"[budgets]\nday_usd = {written}", {}, Path("/home"))
        assert settings.budgets.day_usd == Usd(nano)


@pytest.mark.parametrize(
    ("toml", "name"),
    [
        ("colour = 1", "colour"),
        ("[telegram]\ntokn = 1", "telegram.tokn"),
        ("[agents.claude]\nmodle = 'x'", "agents.claude.modle"),
        ("[agents.codex]\ncommand = 'x'", "agents.codex"),
    ],
)
def test_an_unknown_key_in_the_file_is_refused_with_what_is_known(tmp_path: Path, toml: str, name: str):
    """A misspelt key is never silently without effect."""
    said = refusal(tmp_path, toml)
    assert f"config.toml: {name}: there is no such setting; " in said
    assert "nown here: " in said


@pytest.mark.parametrize(
    "variable",
    [
        "TOLLBRIDGE_TELEGRAM__TOKN",
        "TOLLBRIDGE_TOKEN",
        "TOLLBRIDGE_TELEGRAM",
        "TOLLBRIDGE_TELEGRAM__TOKEN__X",
        "TOLLBRIDGE_Telegram__TOKEN",
        "TOLLBRIDGE_",
        "TOLLBRIDGE_HOME__X",
    ],
)
def test_an_unknown_variable_is_refused_by_name(tmp_path: Path, variable: str):
    """Everything that begins with TOLLBRIDGE_ is a setting or a mistake."""
    assert refusal(tmp_path, **{variable: "1"}).startswith(f"{variable} is not a setting")


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("TOLLBRIDGE_BUDGETS__DAY", "TOLLBRIDGE_BUDGETS__DAY_USD"),
        ("TOLLBRIDGE_BUGDETS__SESSION_USD", "TOLLBRIDGE_BUDGETS__SESSION_USD"),
        ("TOLLBRIDGE_Telegram__TOKEN", "TOLLBRIDGE_TELEGRAM__TOKEN"),
        ("TOLLBRIDGE_AGENTS_CLAUDE_MODEL", "TOLLBRIDGE_AGENTS__CLAUDE__MODEL"),
        ("TOLLBRIDGE_POLICIES", "TOLLBRIDGE_POLICY"),
        ("TOLLBRIDGE_QUUX", ""),
        ("TOLLBRIDGE_HOMES", ""),
    ],
)
def test_the_nearest_variable_is_named_where_one_is_near(tmp_path: Path, variable: str, near: str):
    """A mistype is mended without the table of settings; a name that is like none gets no guess, nor is the home one."""
    said = refusal(tmp_path, **{variable: "1"})
    assert said.endswith(f"; did you mean {near}?" if near else "correct its name")


@pytest.mark.parametrize(("written", "near"), [("sesion_usd", "session_usd"), ("day", "day_usd"), ("colour", "")])
def test_the_nearest_setting_is_named_before_all_that_there_are(tmp_path: Path, written: str, near: str):
    """The list of known names is long."""
    said = refusal(tmp_path, f'[budgets]\n{written} = "5"')
    assert (f"did you mean {near}? Known here: ask_at" in said) is bool(near)
    assert ("no such setting; known here: ask_at" in said) is not bool(near)


def test_the_home_cannot_be_set_in_its_own_file(tmp_path: Path):
    """A home that names another home is refused."""
    assert "TOLLBRIDGE_HOME" in refusal(tmp_path, 'home = "/elsewhere"')


@pytest.mark.parametrize("toml", ["x = [", "[telegram]\ntoken = 5 5", "a = 1\na = 2", "=", "[telegram\n"])
def test_bad_toml_is_one_sentence_with_the_line(tmp_path: Path, toml: str):
    """Whoever edited the file is told where to look."""
    said = refusal(tmp_path, toml)
    assert "config.toml is not valid TOML" in said
    assert "line " in said
    assert "\n" not in said


def test_a_value_where_a_section_belongs_is_explained(tmp_path: Path):
    """`budgets = 3` is told what a section looks like, also when the environment names a setting in it."""
    for environ in ({}, {"TOLLBRIDGE_BUDGETS__DAY_USD": "5"}):
        assert "write [budgets]" in refusal(tmp_path, "budgets = 3", **environ)


@pytest.mark.parametrize("users", ['["@alice"]', '["alice"]', '"@alice"', "[1, 'bob']"])
def test_a_user_name_in_the_allowlist_is_refused_and_explained(tmp_path: Path, users: str):
    """Attack 2: only numeric ids let somebody in: a name can change hands."""
    said = refusal(tmp_path, f"[telegram]\nallowed_users = {users}")
    assert "telegram.allowed_users: " in said
    assert "is not a numeric id: names can be taken over" in said


@pytest.mark.parametrize("users", ["[-100123]", "[0]", "[true]", "[1.5]", "[[1]]", "['1e3']", "['٤']"])
def test_what_is_no_persons_id_is_refused(tmp_path: Path, users: str):
    """Groups, channels and anything that is not a positive whole number are not people."""
    assert "allowed_users" in refusal(tmp_path, f"[telegram]\nallowed_users = {users}")


def test_the_allowlist_of_the_environment_is_json(tmp_path: Path):
    """A JSON list, a single number, and nothing else."""
    for text, people in (("[1, 2, 2]", (1, 2)), ("7", (7,)), ('["8"]', (8,)), ("[]", ())):
        settings = settings_from("", {"TOLLBRIDGE_TELEGRAM__ALLOWED_USERS": text}, tmp_path)
        assert settings.telegram.allowed_users == people
    assert "list" in refusal(tmp_path, TOLLBRIDGE_TELEGRAM__ALLOWED_USERS="1,2")
    too_many = str(list(range(1, config.MOST_USERS + 2)))
    assert "at most" in refusal(tmp_path, TOLLBRIDGE_TELEGRAM__ALLOWED_USERS=too_many)


def test_the_token_never_shows(tmp_path: Path):
    """Neither repr nor an error sentence carries the token, a wrong one included."""
    settings = settings_from(f'[telegram]\ntoken="{TOKEN}"', {}, tmp_path)
    assert TOKEN not in repr(settings) + str(settings)
    wrong = "12345:secret with spaces"
    for said in (refusal(tmp_path, TOLLBRIDGE_TELEGRAM__TOKEN=wrong), refusal(tmp_path, f'telegram.token="{wrong}"')):
        assert "secret" not in said
        assert "bot token" in said


@pytest.mark.parametrize(
    "url", ["api.telegram.org/bot", "ftp://x/bot", "https://x", "https://u:p@x/bot", "https://x/bot?y=1"]
)
def test_an_address_that_is_no_bot_api_is_refused(tmp_path: Path, url: str):
    """Files are fetched from the same address with /file/bot, so it has to end in /bot."""
    assert "TOLLBRIDGE_TELEGRAM__BASE_URL" in refusal(tmp_path, TOLLBRIDGE_TELEGRAM__BASE_URL=url)


def test_a_directory_has_to_be_a_whole_path(tmp_path: Path):
    """A relative path would mean another place with every start."""
    assert "relative" in refusal(tmp_path, TOLLBRIDGE_AGENTS__DIRECTORY="projects")
    assert "directory" in refusal(tmp_path, '[agents]\ndirectory = ""')


def test_the_directory_has_to_lie_under_a_root(tmp_path: Path):
    """Where sessions work and where they may work cannot contradict each other."""
    said = refusal(tmp_path, '[agents]\ndirectory = "/srv/a"\nroots = ["/srv/b"]')
    assert "/srv/a is under none of agents.roots" in said
    assert settings_from('[agents]\ndirectory = "/srv/b/c"\nroots = ["/srv/b"]', {}, tmp_path)


@pytest.mark.parametrize("text", ["agents.max_processes = 0", "agents.max_processes = 'x'", "pause_minutes = -1"])
def test_a_number_out_of_range_is_refused_by_name(tmp_path: Path, text: str):
    """Every limit has limits itself."""
    assert text.partition(" ")[0] in refusal(tmp_path, text)


def test_an_unknown_agent_is_refused_with_the_known_ones(tmp_path: Path):
    """The sentence lists what can be chosen."""
    said = refusal(tmp_path, TOLLBRIDGE_AGENTS__DEFAULT="codex")
    assert "claude" in said
    assert "scripted" in said


def test_the_time_zone_is_an_iana_name(tmp_path: Path):
    """UTC works on a machine without a time zone database; a made-up name does not."""
    assert settings_from("timezone = 'UTC'", {}, tmp_path).zone is UTC
    assert settings_from("timezone = 'Europe/Berlin'", {}, tmp_path).zone == ZoneInfo("Europe/Berlin")
    for name in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime"):
        assert "time zone" in refusal(tmp_path, TOLLBRIDGE_TIMEZONE=name)


def test_settings_cannot_be_changed_once_read(tmp_path: Path):
    """Settings are a value."""
    settings = settings_from("", {}, tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.budgets.day_usd = Usd(0)  # pyright: ignore[reportAttributeAccessIssue]


def test_several_mistakes_are_counted(tmp_path: Path):
    """The first is said, the others are announced."""
    assert refusal(tmp_path, "a = 1\nb = 2\nc = 3").endswith("(and 2 more)")


@pytest.mark.parametrize(
    ("content", "words"), [(b"\xff\xfe", "line 1"), (b"a = 1\n\xff", "line 2"), (b"#" * 300_000, "larger")]
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, words: str):
    """Binary and huge files get a sentence instead of a traceback."""
    path = config.config_file(tmp_path)
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=words):
        config.read_file(path)


def test_a_directory_in_place_of_the_file_is_refused(tmp_path: Path):
    """What cannot be read is said with the system's reason."""
    config.config_file(tmp_path).mkdir()
    with pytest.raises(SettingsError, match="cannot be read"):
        config.load({"TOLLBRIDGE_HOME": str(tmp_path)})


def test_the_home_is_where_the_environment_says_else_the_platforms_place(tmp_path: Path):
    """One variable moves everything."""
    assert config.home_directory({"TOLLBRIDGE_HOME": f"{tmp_path}/a/../b"}) == tmp_path / "b"
    assert config.home_directory({}).name == "tollbridge"


def test_a_gateway_that_nobody_could_use_does_not_start(tmp_path: Path):
    """Attack 1: token, people and directories have to be there before anything starts."""
    environ = {"TOLLBRIDGE_AGENTS__DIRECTORY": str(tmp_path / "gone")}

    def refused(chat: str) -> str:
        with pytest.raises(SettingsError) as caught:
            config.require_ready(settings_from("", environ, tmp_path / "home"), chat)
        return str(caught.value)

    assert "no bot token" in refused("telegram")
    environ["TOLLBRIDGE_TELEGRAM__TOKEN"] = TOKEN
    assert "nobody is allowed" in refused("telegram")
    environ["TOLLBRIDGE_TELEGRAM__ALLOWED_USERS"] = "[1]"
    assert f"there is no directory {tmp_path / 'gone'}" in refused("telegram")
    assert "there is no directory" in refused("console")
    (tmp_path / "gone").mkdir()
    config.require_ready(settings_from("", environ, tmp_path / "home"), "telegram")
    assert settings_from("", environ, tmp_path / "home").agents.directory.is_dir()


@pytest.mark.parametrize("home", ["", "home", "link/share/home"])
def test_agents_do_not_work_above_the_gateways_own_directory(tmp_path: Path, home: str):
    """A search in their directory would find the bot's token: refused for the directory and every root, through links, too."""
    work = tmp_path / "work"
    (work / "share").mkdir(parents=True)
    (tmp_path / "link").symlink_to(work)
    place = tmp_path / home if home.startswith("link") else work / home
    environ = {"TOLLBRIDGE_AGENTS__DIRECTORY": str(work)}
    with pytest.raises(SettingsError, match=r"agents\.directory: .* TOLLBRIDGE_HOME"):
        config.require_ready(settings_from("", environ, place), "console")
    project = tmp_path / "project"
    project.mkdir()
    environ = {
        "TOLLBRIDGE_AGENTS__DIRECTORY": str(project),
        "TOLLBRIDGE_AGENTS__ROOTS": f'["{project}", "{tmp_path / "link"}"]',
    }
    with pytest.raises(SettingsError, match=r"agents\.roots: .*link holds the gateway's own directory"):
        config.require_ready(settings_from("", environ, place), "console")


def test_agents_do_not_work_in_the_gateways_own_directory(tmp_path: Path):
    """Every tool would be refused there; a directory beside it, whose name only begins like it, is right."""
    for name in ("home/project", "home-project"):
        (tmp_path / name).mkdir(parents=True)
    home = tmp_path / "home"
    assert "lies in the gateway's own directory" in (config.misplaced(home / "project", home) or "")
    assert config.misplaced(tmp_path / "home-project", home) is None


def test_people_have_a_role_a_chat_and_a_largest_raise(tmp_path: Path) -> None:
    """In the file as tables, in the environment as JSON."""
    toml = '[[people]]\nid = 4712\nrole = "approver"\nchat = "-100"\nlargest_raise_usd = 5'
    written = settings_from(toml, {}, tmp_path).people
    listed = '[{"id": 4712, "role": "approver", "chat": "-100", "largest_raise_usd": "5"}]'
    assert settings_from("", {"TOLLBRIDGE_PEOPLE": listed}, tmp_path).people == written
    (person,) = written
    assert (person.id, person.role, person.chat, person.largest_raise_usd) == (4712, "approver", "-100", Usd.parse("5"))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (
            '[[people]]\nid = 4712\nrole = "boss"',
            "people.role: this has to be 'owner', 'approver', 'writer' or 'reader'",
        ),
        ('[[people]]\nid = "ada"\nrole = "writer"', "people.id: 'ada' is not a numeric id"),
        ('[[people]]\nid = 4712\nrole = "reader"\nlargest_raise_usd = 5', "a reader raises nothing"),
        (
            '[telegram]\nallowed_users = [4712]\n[[people]]\nid = 4712\nrole = "writer"',
            "4712 is named twice (in people, telegram.allowed_users): keep one of them",
        ),
        (
            '[[people]]\nid = 5\nrole = "writer"\nchat = "1"\n[[people]]\nid = 5\nrole = "reader"\nchat = "1"',
            "5 is named twice in chat 1",
        ),
    ],
)
def test_people_who_make_no_sense_are_refused(tmp_path: Path, toml: str, words: str) -> None:
    """Each with what is wrong."""
    assert words in refusal(tmp_path, toml)


def test_people_that_are_no_list_are_refused(tmp_path: Path) -> None:
    """With an example of what to write."""
    assert 'write a list of tables, like [{"name"' in refusal(tmp_path, TOLLBRIDGE_PEOPLE="ada")


def test_a_team_without_anybody_who_may_answer_does_not_start(tmp_path: Path) -> None:
    """Writers and readers alone would wait for ever."""
    (tmp_path / "work").mkdir()
    people = '[{"id": 4712, "role": "writer"}]'
    environ = {"TOLLBRIDGE_PEOPLE": people, "TOLLBRIDGE_TELEGRAM__TOKEN": TOKEN}
    with pytest.raises(SettingsError, match="nobody could answer a question about money"):
        config.require_ready(settings_from("", environ, tmp_path / "home"), "telegram")
    environ["TOLLBRIDGE_PEOPLE"] = people.replace("writer", "approver")
    environ["TOLLBRIDGE_AGENTS__DIRECTORY"] = str(tmp_path / "work")
    config.require_ready(settings_from("", environ, tmp_path / "home"), "telegram")


def test_a_hold_of_nothing_is_refused() -> None:
    """`budgets.default_hold_usd` is what a hold grows by: zero could never grow."""
    with pytest.raises(SettingsError, match="more than"):
        settings_from('[budgets]\ndefault_hold_usd = "0"\n', {}, Path("/home/me/.tollbridge"))


def test_limits_on_counts_are_tables_by_kind_of_scope(tmp_path: Path) -> None:
    """In numbers or with the chat's words; a turn has its usual ones unless they are set, and 0 is none."""
    usual = settings_from("", {}, tmp_path).budgets
    assert usual.caps == {ScopeKind.TURN: Caps(calls=300, work_ms=7_200_000)}
    text = (
        '[budgets]\ntokens = {day = "20M"}\ncalls = {turn = 0, week = 5000}\nminutes = {session = "2 h", turn = 30}\n'
    )
    assert settings_from(text, {}, tmp_path).budgets.caps == {
        ScopeKind.TURN: Caps(work_ms=1_800_000),
        ScopeKind.SESSION: Caps(work_ms=7_200_000),
        ScopeKind.DAY: Caps(tokens=20_000_000),
        ScopeKind.WEEK: Caps(calls=5000),
    }
    named = settings_from("", {"TOLLBRIDGE_BUDGETS__CALLS": '{"day": 9}'}, tmp_path).budgets
    assert named.caps[ScopeKind.DAY] == Caps(calls=9)


@pytest.mark.parametrize(("percent", "mark"), [("", 80), (1, 1), (100, 100), (101, None)])
def test_runs_are_asked_about_from_a_part_of_a_subscription_on_or_never(
    tmp_path: Path, percent: int | str, mark: int | None
) -> None:
    """101 is no mark that a window could pass: more than all of it can be used."""
    text = f"[budgets]\nask_at_quota_percent = {percent}\n" if percent else ""
    assert settings_from(text, {}, tmp_path).budgets.ask_at_quota == mark


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("calls = {quota = 5}", "'quota' has no limits: known are turn, session"),
        ("calls = {day = -1}", "'-1' is not a whole number of calls: write a number of calls, like 500"),
        ("calls = {day = true}", "write a number of calls"),
        ("calls = {day = 1.5}", "not a whole number of calls"),
        ('tokens = {day = "1e9"}', "write a number of tokens"),
        ('tokens = {day = "5 calls"}', "not a number of tokens"),
        ("minutes = 5", "write a table like {day = 500}, in minutes"),
        ('minutes = "5"', "write a table like {day = 500}, in minutes"),
        ('minutes = "five"', 'write a table like {"day": 500}, in minutes'),
        ("pace_times = -1", "pace_times: this has to be greater than or equal to 0"),
        ('pace_times = "x"', "pace_times: write a whole number"),
        ("ask_at_quota_percent = 0", "ask_at_quota_percent"),
        ("ask_at_quota_percent = 102", "ask_at_quota_percent"),
    ],
)
def test_a_limit_on_counts_that_cannot_be_meant_is_rejected(tmp_path: Path, line: str, says: str) -> None:
    """The sentence names the setting and what to write."""
    assert says in refusal(tmp_path, f"[budgets]\n{line}\n")


def test_files_that_people_send_lie_outside_of_the_gateways_own_directory(tmp_path: Path) -> None:
    """Agents may not read in there, so a file would be of no use."""
    assert not settings_from("", {}, tmp_path).agents.files.is_relative_to(tmp_path)
    assert "agents.files" in refusal(tmp_path, TOLLBRIDGE_AGENTS__FILES=str(tmp_path / "files"))
    assert not settings_from("", {}, tmp_path).agents.worktrees.is_relative_to(tmp_path)
    assert "agents.worktrees" in refusal(tmp_path, TOLLBRIDGE_AGENTS__WORKTREES=str(tmp_path / "trees"))
    assert "FILE_MB" in refusal(tmp_path, TOLLBRIDGE_AGENTS__FILE_MB="0")


def test_places_of_the_desk_can_stand_in_a_variable(tmp_path: Path) -> None:
    """As JSON, like people: a directory, and whose sessions there they are."""
    places = '[{"directory": "/srv/app", "person": 4712, "topic": "5"}]'
    [place] = settings_from("", {"TOLLBRIDGE_DESK__PLACES": places}, tmp_path).desk.places
    assert (str(place.directory), place.person, place.chat, place.topic) == ("/srv/app", 4712, "", "5")
