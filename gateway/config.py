"""Settings: `config.toml` in the gateway's home, overridden by the environment. Unknown names are refused in both.

`[budgets] day_usd = "10"` and `TOLLBRIDGE_BUDGETS__DAY_USD=10` say the same; `TOLLBRIDGE_HOME` names the home itself.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import platformdirs
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from gateway.core import gauges
from gateway.core.contradictions import contradiction
from gateway.core.policy import RULES_MAX, Action, Condition, Hours, HoursError, Rule
from gateway.domain.budget import BOOKED, NO_CAPS, Caps, ScopeKind, Unit
from gateway.domain.money import AmountError, Usd
from gateway.domain.place import Role
from gateway.domain.turn import Origin
from gateway.home import HOME_VARIABLE, SettingsError, home_directory

PREFIX: Final = "TOLLBRIDGE_"
RESERVED: Final = frozenset({HOME_VARIABLE})
"""Variables with the prefix that are no settings."""
TELEGRAM_BASE_URL: Final = "https://api.telegram.org/bot"
LOCAL: Final = "local"
"""As `bank.url`: the one bank of this user of the machine."""
LARGEST_FILE_BYTES: Final = 256 * 1024
MOST_USERS: Final = 1000


# ---------------------------------------------------------------------------------------------------- kinds of values
def _amount(value: object) -> object:
    if isinstance(value, Usd):
        return value
    try:
        # A list, a table or a truth value is no amount either: its text is refused like any other.
        return Usd.parse(str(value))
    except AmountError as error:
        raise ValueError(str(error)) from None


def _token(value: object) -> object:
    if isinstance(value, str):
        number, colon, secret = value.strip().partition(":")
        if not (colon and number.isascii() and number.isdigit() and secret.replace("_", "").replace("-", "").isalnum()):
            raise ValueError("this is not a bot token: copy the one that @BotFather sent, like 123456789:AAE...")
        return SecretStr(value.strip())
    return value


def _base_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise ValueError("write the address of a Bot API server, like https://api.telegram.org/bot")
    if not parts.path.endswith("/bot"):
        raise ValueError("the address of a Bot API server ends in /bot, like https://api.telegram.org/bot")
    return url


def _users(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value or "[]")
        except ValueError:
            if "[" in value or not any(char.isalpha() for char in value):
                raise ValueError("write the numeric ids of people as a list, like [4711, 4712]") from None
    people = list(value) if isinstance(value, list | tuple) else [value]
    if len(people) > MOST_USERS:
        raise ValueError(f"at most {MOST_USERS} people can be listed")
    return tuple(dict.fromkeys(_user(one) for one in people))


def _user(value: object) -> int:
    text = str(value).strip()
    if isinstance(value, int | str) and not isinstance(value, bool) and text.isascii() and text.isdigit() and int(text):
        return int(text)
    if isinstance(value, str) and not text.lstrip("-").isdigit():
        raise ValueError(
            f"{text[:40]!r} is not a numeric id: names can be taken over by somebody else, so only numeric ids are"
            " accepted; `tollbridge setup` shows yours"
        )
    raise ValueError(f"{text[:40]!r} is not the id of a person: those are positive whole numbers")


def _command(value: object) -> object:
    if isinstance(value, str) and "\0" not in value:
        return str(Path(value).expanduser()) if value.startswith("~") else value.strip()
    return value


def _directory(value: object) -> object:
    if not isinstance(value, str | Path):
        return value
    text = str(value).strip()
    if not text or "\0" in text:
        raise ValueError("write the path of a directory")
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise ValueError(f"{text[:200]!r} is a relative path: write the whole path, from / on")
    return Path(os.path.normpath(path))


def _directories(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError('write paths as a list, like ["/home/me/projects"]') from None
    return value


def _tables(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError('write a list of tables, like [{"id": 4712, "role": "approver"}]') from None
    return value


def _policy(value: object) -> object:
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_float=str)
        except ValueError:
            raise ValueError('write a list of rules, like [{"model": "*opus*", "then": "confirm"}]') from None
    if not isinstance(value, list | tuple) or not all(isinstance(one, dict) for one in value):
        raise ValueError("write each rule as a table of its own: [[policy]], and its settings below it")
    if len(value) > RULES_MAX:
        raise ValueError(f"there are {len(value)} rules, and at most {RULES_MAX} are read: put some together")
    return value


def _rule_name(name: str) -> str:
    if not all(part.isalnum() for part in name.replace("-", " ").split()):
        raise ValueError(f"{name!r} is no name for a rule: write letters, digits, spaces and hyphens, like nights")
    return " ".join(name.split())


def _chat(value: object) -> str:
    text = str(value).strip()
    if isinstance(value, bool) or not text.removeprefix("-").isdigit() or not text.isascii():
        raise ValueError(f"{text[:40]!r} is not a chat: write its number, like 4711 or -1001234")
    return text


def _hours(value: object) -> object:
    try:
        return value if isinstance(value, Hours) else Hours.parse(str(value))
    except HoursError as error:
        raise ValueError(str(error)) from None


def _bank_url(value: object) -> object:
    if not isinstance(value, str):
        return value
    url = value.strip()
    server = url.startswith(("postgresql+psycopg://", "postgresql://", "postgres://"))
    if not server and url != LOCAL and not Path(_bank_path(url)).expanduser().is_absolute():
        # Never repeated here: it may hold a password.
        raise ValueError(
            "write postgresql+psycopg://USER@HOST/DATABASE for a team's PostgreSQL; for gateways of one machine the whole path"
            f" of a file that all of them may write, or {LOCAL} for one of this user's own"
        )
    return SecretStr(url)


def _bank_path(url: str) -> str:
    path = url.removeprefix("sqlite://")
    return f"/{path.lstrip('/')}" if path.startswith("/") else path


def _plain_name(name: str) -> str:
    if not name or not all(
        part.isalnum() for part in name.replace("-", " ").replace("_", " ").replace(".", " ").split()
    ):
        raise ValueError(f"{name[:40]!r} is no name: write letters, digits, hyphens, dots and underscores, like core")
    return name


def _periods(value: object) -> object:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            raise ValueError('write a list, like ["month"] or ["day", "month"]') from None
    return value


def _zone(value: object) -> object:
    if isinstance(value, str):
        zone_of(value)
    return value


def zone_of(name: str) -> tzinfo:
    """The time zone of this IANA name. Raises ValueError with a sentence."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"no time zone is called {name[:60]!r}: write one like Europe/Berlin, or UTC") from None


def machine_zone() -> str:
    """The IANA name of the machine's time zone; UTC where the machine does not tell."""
    target = os.path.realpath("/etc/localtime")
    candidates = [os.environ.get("TZ", "").lstrip(":"), target.partition("zoneinfo/")[2].removeprefix("posix/")]
    with suppress(OSError, UnicodeDecodeError):
        candidates.append(Path("/etc/timezone").read_text(encoding="utf-8")[:100].strip())
    for name in filter(None, candidates):
        try:
            zone_of(name)
        except ValueError:
            continue
        return name
    return "UTC"


def _more_than_nothing(amount: Usd) -> Usd:
    if not amount:
        raise ValueError("this has to be more than $0: write an amount like 0.50")
    return amount


Amount = Annotated[Usd, BeforeValidator(_amount)]
Limit = Annotated[Amount, AfterValidator(_more_than_nothing)]
"""A limit of $0 would let nothing run, and nothing would say why; the chat's /budget refuses it too."""
Directory = Annotated[Path, BeforeValidator(_directory)]
Minutes = Annotated[float, Field(gt=0, le=7 * 24 * 60, allow_inf_nan=False)]


# ----------------------------------------------------------------------------------------------------- the sections
class _Section(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TelegramSettings(_Section):
    """The bot, and who may write to it. The token never shows in `repr` or errors."""

    token: Annotated[SecretStr, BeforeValidator(_token)] | None = None
    base_url: Annotated[str, BeforeValidator(_base_url)] = TELEGRAM_BASE_URL
    allowed_users: Annotated[tuple[int, ...], BeforeValidator(_users)] = ()


class PersonSettings(_Section):
    """Somebody who is no owner: what they may do, in one chat (default: in all), and how much they may raise at once."""

    id: Annotated[int, BeforeValidator(_user)]
    role: Role
    chat: str = Field(default="", max_length=40)
    largest_raise_usd: Amount | None = None

    @model_validator(mode="after")
    def _raises_only_if_allowed(self) -> "PersonSettings":
        if self.largest_raise_usd is not None and self.role in (Role.WRITER, Role.READER):
            raise ValueError(f"a {self.role} raises nothing: remove largest_raise_usd, or make them an approver")
        return self


class ClaudeSettings(_Section):
    """How to start Claude Code: a program on the PATH or its whole path, and a model if not the client's own choice.

    `cheaper_model` is offered beside that one before an expensive run.
    """

    command: Annotated[str, BeforeValidator(_command)] = Field(default="claude", min_length=1, max_length=4096)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    cheaper_model: str | None = Field(default=None, min_length=1, max_length=200)


class AgentSettings(_Section):
    """Which agent new sessions get, where they work (default: where the gateway was started), and how many may live."""

    default: Literal["claude", "scripted"] = "claude"
    directory: Directory = Field(default_factory=Path.cwd)
    roots: Annotated[tuple[Directory, ...], BeforeValidator(_directories)] = Field(
        default_factory=lambda known: (known["directory"],), min_length=1, max_length=100
    )
    """`/new` works under these only; default: the directory alone."""
    max_processes: int = Field(default=4, ge=1, le=64)
    idle_minutes: Minutes = 10
    claude: ClaudeSettings = ClaudeSettings()

    @model_validator(mode="after")
    def _directory_is_under_a_root(self) -> "AgentSettings":
        if not any(self.directory.is_relative_to(root) for root in self.roots):
            raise ValueError(f"agents.directory {self.directory} is under none of agents.roots: add one that holds it")
        return self


CAPPED: Final = (ScopeKind.TURN, *BOOKED)


def _caps(value: object, unit: Unit, word: str, usual: Mapping[ScopeKind, int]) -> object:
    """Limits on a count, by kind of scope: `{day = 500, week = "2k"}`; 0: none. What is not named is as usual."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError(f'write a table like {{"day": 500}}, in {word}') from None
    if not isinstance(value, Mapping):
        raise ValueError(f"write a table like {{day = 500}}, in {word}")  # noqa: TRY004 - pydantic takes this one
    found = dict(usual)
    for name, cap in value.items():
        if name not in CAPPED:
            raise ValueError(f"{str(name)[:40]!r} has no limits: known are {', '.join(CAPPED)}")
        found[ScopeKind(name)] = _cap(cap, unit, word)
    return {kind: cap for kind, cap in found.items() if cap}


def _cap(value: object, unit: Unit, word: str) -> int:
    text = "" if isinstance(value, bool) else str(value).strip()
    try:
        found, amount = gauges.parse(text if " " in text else f"{text} {word}")
    except AmountError:
        raise ValueError(
            f"{text[:40]!r} is not a whole number of {word}: write a number of {word}, like 500; 0: no limit"
        ) from None
    if found is not unit:
        raise ValueError(f"{text[:40]!r} is not a number of {word}")
    return amount


def _caps_in(unit: Unit, word: str, usual: Mapping[ScopeKind, int]) -> BeforeValidator:
    return BeforeValidator(lambda value: _caps(value, unit, word, usual))


Limits = dict[ScopeKind, int]
CALLS_OF_A_TURN: Final = {ScopeKind.TURN: 300}
ALL_PERCENT: Final = 100
MINUTES_OF_A_TURN: Final = {ScopeKind.TURN: 120 * gauges.MINUTE_MS}


class BudgetSettings(_Section):
    """Limits in dollars. A run above `confirm_above_usd` waits for a tap; `default_hold_usd` stands in for missing history."""

    session_usd: Limit = Usd.parse("5")
    day_usd: Limit = Usd.parse("25")
    week_usd: Limit | None = None
    month_usd: Limit | None = None
    project_usd: Limit | None = None
    person_usd: Limit | None = None
    chat_usd: Limit | None = None
    confirm_above_usd: Amount = Usd.parse("1")
    default_hold_usd: Limit = Usd.parse("0.50")
    unpriced: Literal["ask", "refuse"] = "ask"
    """What becomes of a run whose model has no known price."""
    tokens: Annotated[Limits, _caps_in(Unit.TOKENS, "tokens", {})] = {}
    """Limits in tokens, all classes added up, by kind of scope."""
    calls: Annotated[Limits, _caps_in(Unit.CALLS, "calls", CALLS_OF_A_TURN)] = CALLS_OF_A_TURN
    """Limits in API calls; that of a turn breaks loops."""
    minutes: Annotated[Limits, _caps_in(Unit.WORK_MS, "minutes", MINUTES_OF_A_TURN)] = MINUTES_OF_A_TURN
    """Limits in minutes in which agents work, kept in milliseconds; that of a turn breaks loops."""
    pace_times: int = Field(default=5, ge=0, le=1000)
    """A turn that costs so many times as much a minute as any before it in its session pauses and asks; 0: none does."""
    ask_at_quota_percent: int = Field(default=80, ge=1, le=ALL_PERCENT + 1)
    """Runs are asked about from so many hundredths of a subscription's window on; 101: never."""

    @property
    def ask_at_quota(self) -> int | None:
        """From where on runs are asked about; None: never, however much beyond all of it is used."""
        return self.ask_at_quota_percent if self.ask_at_quota_percent <= ALL_PERCENT else None

    @property
    def limits(self) -> dict[ScopeKind, Usd]:
        """By kind of scope; a kind without a limit is missing."""
        found: dict[ScopeKind, Usd | None] = {kind: getattr(self, f"{kind}_usd") for kind in BOOKED}
        return {kind: limit for kind, limit in found.items() if limit is not None}

    @property
    def caps(self) -> dict[ScopeKind, Caps]:
        """Limits on what is counted, by kind of scope; a kind without any is missing."""
        found = {kind: Caps(self.tokens.get(kind), self.calls.get(kind), self.minutes.get(kind)) for kind in CAPPED}
        return {kind: caps for kind, caps in found.items() if caps != NO_CAPS}


class PolicySettings(_Section):
    """One rule about runs: conditions, which all have to hold, and the one thing that is done then."""

    name: Annotated[str, AfterValidator(_rule_name)] = Field(default="", max_length=40)
    model: str | None = Field(default=None, min_length=1, max_length=200)
    directory: Directory | None = None
    person: Annotated[int, BeforeValidator(_user)] | None = None
    chat: Annotated[str, BeforeValidator(_chat)] | None = None
    origin: Origin | None = None
    cold_tokens_above: int | None = Field(default=None, ge=0, le=100_000_000)
    hours: Annotated[Hours, BeforeValidator(_hours)] | None = None
    estimate_above_usd: Amount | None = None
    then: Literal["confirm", "refuse"] | None = None
    confirm_above_usd: Amount | None = None
    allow_below_usd: Amount | None = None
    refuse_above_usd: Amount | None = None

    def actions(self) -> dict[Action, Usd | None]:
        """What is to be done, with its amount."""
        amounts = {
            Action.CONFIRM_ABOVE: self.confirm_above_usd,
            Action.ALLOW_BELOW: self.allow_below_usd,
            Action.REFUSE_ABOVE: self.refuse_above_usd,
        }
        found: dict[Action, Usd | None] = {} if self.then is None else {Action(self.then): None}
        return found | {action: amount for action, amount in amounts.items() if amount is not None}

    @model_validator(mode="after")
    def _does_one_thing(self) -> "PolicySettings":
        known = 'then = "confirm", then = "refuse", confirm_above_usd, allow_below_usd or refuse_above_usd'
        match [f'then = "{one}"' if one == self.then else f"{one}_usd" for one in self.actions()]:
            case [_]:
                return self
            case []:
                raise ValueError(f"it says nothing of what to do: write one of {known}")
            case found:
                raise ValueError(
                    f"a rule does one thing, and this has {' and '.join(found)}: make it {len(found)} rules"
                )

    @property
    def rule(self) -> Rule:
        """The rule as the core knows it."""
        when = Condition(
            model=self.model,
            # Sessions work in real directories, so that a link names the same place.
            directory=None if self.directory is None else os.path.realpath(self.directory),
            person=None if self.person is None else str(self.person),
            chat=self.chat,
            origin=self.origin,
            cold_tokens_above=self.cold_tokens_above,
            hours=self.hours,
            estimate_above=self.estimate_above_usd,
        )
        ((then, amount),) = self.actions().items()
        return Rule(when, then, amount, self.name)


class BankSettings(_Section):
    """The team's bank: limits that several gateways share. Without `url` there is none. The address never shows in errors."""

    url: Annotated[SecretStr, BeforeValidator(_bank_url)] | None = None
    team: Annotated[str, AfterValidator(_plain_name)] | None = Field(default=None, max_length=60)
    gateway: Annotated[str, AfterValidator(_plain_name)] | None = Field(default=None, max_length=100)
    """This gateway's name in the team; default: one that is made once and kept in the home."""
    periods: Annotated[tuple[Literal["day", "week", "month", "ever"], ...], BeforeValidator(_periods)] = Field(
        default=("month",), min_length=1, max_length=4
    )
    """Which limits are shared; each has to be set: `tollbridge bank limit month 500`."""
    chunk_usd: Limit = Usd.parse("5")
    least_usd: Limit = Usd.parse("0.50")
    lease_minutes: Annotated[float, Field(ge=2, le=24 * 60, allow_inf_nan=False)] = 10
    project: Literal["last", "hash", "full"] = "last"
    """What the team's report calls a project: its directory's name, a hash of the path, or the path."""

    @model_validator(mode="after")
    def _makes_sense(self) -> "BankSettings":
        if self.url is None and self.team is not None:
            raise ValueError(
                f"the team {self.team} has no bank, so that nothing would be shared: set url, or remove team"
            )
        if self.url is not None and self.team is None:
            raise ValueError('a bank is a team\'s: name it, like team = "core", with the same name in all its gateways')
        if self.least_usd > self.chunk_usd:
            raise ValueError(f"least_usd {self.least_usd} is more than chunk_usd {self.chunk_usd}: make it less")
        if len(set(self.periods)) < len(self.periods):
            raise ValueError("each of periods is written once")
        return self

    @property
    def where(self) -> str | Path | None:
        """The address of a PostgreSQL, or the bank's file; None: there is no bank."""
        if self.url is None:
            return None
        url = self.url.get_secret_value()
        if url == LOCAL:
            return Path(platformdirs.user_data_dir("tollbridge-bank", appauthor=False)) / "bank.db"
        return url if url.startswith("postgres") else Path(os.path.normpath(Path(_bank_path(url)).expanduser()))


class Settings(_Section):
    """Everything that can be set, and the home that it was read for."""

    home: Path = Field(exclude=True)
    telegram: TelegramSettings = TelegramSettings()
    agents: AgentSettings = Field(default_factory=AgentSettings)
    budgets: BudgetSettings = BudgetSettings()
    bank: BankSettings = BankSettings()
    policy: Annotated[tuple[PolicySettings, ...], BeforeValidator(_policy)] = ()
    """Which runs are asked about, go unasked or are refused; the first rule that decides wins."""
    people: Annotated[tuple[PersonSettings, ...], BeforeValidator(_tables)] = Field(default=(), max_length=MOST_USERS)
    """Who may do less than the owners, who are `telegram.allowed_users`."""
    pause_minutes: Annotated[float, Field(gt=0, le=55, allow_inf_nan=False)] = 30
    """How long a paused agent is kept waiting for an answer before its run is ended cleanly."""
    approval_minutes: Minutes = 24 * 60
    """How long a question can be answered."""
    timezone: Annotated[str, BeforeValidator(_zone)] = Field(default_factory=machine_zone)
    """Where the day of the day budget begins and ends."""

    @model_validator(mode="after")
    def _each_person_once_a_chat(self) -> "Settings":
        named = [(one.id, one.chat) for one in self.people]
        named += [(one, "") for one in self.telegram.allowed_users]
        twice = next((person for person in named if named.count(person) > 1), None)
        if twice is not None:
            where = f" in chat {twice[1]}" if twice[1] else ""
            raise ValueError(f"{twice[0]} is named twice{where} (in people, telegram.allowed_users): keep one of them")
        return self

    @field_validator("policy")
    @classmethod
    def _rules_make_sense_together(
        cls, policy: tuple[PolicySettings, ...], known: ValidationInfo
    ) -> tuple[PolicySettings, ...]:
        budgets = known.data.get("budgets")
        rules = [one.rule for one in policy]
        if budgets is not None and (wrong := contradiction(rules, budgets.confirm_above_usd, budgets.default_hold_usd)):
            raise ValueError(wrong)
        return policy

    @property
    def policy_rules(self) -> tuple[Rule, ...]:
        """The rules as the core knows them, in order."""
        return tuple(one.rule for one in self.policy)

    @property
    def zone(self) -> tzinfo:
        """The time zone as Python knows it."""
        return zone_of(self.timezone)


# ---------------------------------------------------------------------------------------------------------- reading
def config_file(home: Path) -> Path:
    """Where the settings of a home are."""
    return home / "config.toml"


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process's home. Raises SettingsError."""
    home = home_directory(environ)
    return settings_from(read_file(config_file(home)), environ, home)


def read_file(path: Path) -> str:
    """The text of config.toml; empty if there is none. Raises SettingsError."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{path} cannot be read ({error.strerror}): mend its permissions") from None
    if len(raw) > LARGEST_FILE_BYTES:
        raise SettingsError(f"{path} is larger than {LARGEST_FILE_BYTES // 1024} KiB: that is no settings file")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SettingsError(f"{path} is not UTF-8 text (line {line}): save it as UTF-8") from None


def settings_from(toml: str, environ: Mapping[str, str], home: Path) -> Settings:
    """Settings out of the file's text and the environment; the environment wins. Raises SettingsError."""
    path = config_file(home)
    try:
        # Numbers with a point stay text, so that an amount is read by its digits and never through a float.
        data = tomllib.loads(toml, parse_float=str)
    except tomllib.TOMLDecodeError as error:
        where = str(error).replace("(at end of document)", f"(at the end, line {toml.count(chr(10)) + 1})")
        raise SettingsError(f"{path} is not valid TOML: {where}") from None
    if "home" in data:
        raise SettingsError(f"{path}: the home cannot be set here: set {HOME_VARIABLE} in the environment")
    overrides = _from_environment(environ)
    for names in overrides:
        _put(data, names, environ[_variable(names)])
    try:
        return Settings.model_validate({**data, "home": home})
    except ValidationError as error:
        raise SettingsError(_sentence(error, path, overrides)) from None
    except FileNotFoundError:
        raise SettingsError("the directory you are in is gone: go to another one, or set agents.directory") from None


def _variable(names: tuple[str, ...]) -> str:
    return PREFIX + "__".join(names).upper()


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, ...]]:
    """The settings that the environment names, as paths. An empty variable counts as not set."""
    found: list[tuple[str, ...]] = []
    for key in sorted(environ):
        if not key.startswith(PREFIX) or key in RESERVED:
            continue
        names = tuple(key.removeprefix(PREFIX).lower().split("__"))
        if _variable(names) != key or not _is_setting(names):
            raise SettingsError(f"{key} is not a setting: unset it, or correct its name (see `tollbridge doctor`)")
        if environ[key].strip():
            found.append(names)
    return found


def _is_setting(names: tuple[str, ...]) -> bool:
    section: type[BaseModel] = Settings
    for depth, name in enumerate(names):
        field = section.model_fields.get(name)
        if field is None or name == "home":
            return False
        inner = field.annotation
        if not (isinstance(inner, type) and issubclass(inner, _Section)):
            return depth == len(names) - 1
        section = inner
    return False


def _put(data: dict[str, Any], names: tuple[str, ...], value: str) -> None:
    for name in names[:-1]:
        inner = data.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the file has a plain value where a section belongs: validation says so
        data = inner
    data[names[-1]] = value


def require_ready(settings: Settings, chat: str) -> None:
    """Refuse to start a gateway that nobody could use. `chat` is "telegram" or "console". Raises SettingsError."""
    if chat == "telegram" and settings.telegram.token is None:
        raise SettingsError("there is no bot token yet: run `tollbridge setup`, or set TOLLBRIDGE_TELEGRAM__TOKEN")
    approvers = [one for one in settings.people if one.role in (Role.OWNER, Role.APPROVER)]
    if chat == "telegram" and not settings.telegram.allowed_users and not approvers and settings.bank.url is None:
        if settings.people:
            raise SettingsError(
                "nobody could answer a question about money: set telegram.allowed_users, or make somebody in people an"
                " approver"
            )
        raise SettingsError(
            "nobody is allowed to write to the bot yet: run `tollbridge setup`, or set telegram.allowed_users to a list"
            " of numeric ids"
        )
    if settings.bank.url is not None:
        _require_team(settings, chat)
    for name, path in (("directory", settings.agents.directory), *(("roots", root) for root in settings.agents.roots)):
        if not path.is_dir():
            raise SettingsError(f"agents.{name}: there is no directory {path}: create it, or set another one")
        if (reason := misplaced(path, settings.home)) is not None:
            raise SettingsError(f"agents.{name}: {reason}")


def _require_team(settings: Settings, chat: str) -> None:
    """Refuse a team whose limit nobody could raise, and a bank that agents could write to. Raises SettingsError."""
    raising = [
        one
        for one in settings.people
        if one.role in (Role.OWNER, Role.APPROVER) and (one.largest_raise_usd is None or one.largest_raise_usd)
    ]
    if chat == "telegram" and not settings.telegram.allowed_users and not raising:
        raise SettingsError(
            f"bank: the team {settings.bank.team} has no approvers here: nobody could answer when its money runs out; set"
            " telegram.allowed_users, or make somebody in people an approver who may raise"
        )
    where = settings.bank.where
    if isinstance(where, Path) and any(where.is_relative_to(root) for root in settings.agents.roots):
        raise SettingsError("bank.url: agents work in that directory and could change the bank: put its file elsewhere")


def misplaced(path: Path, home: Path) -> str | None:
    """Why agents may not work in a directory: what they do there goes through the gateway's own one. None where they may."""
    place, private = Path(os.path.realpath(path)), Path(os.path.realpath(home))
    if private.is_relative_to(place):
        return (
            f"{path} holds the gateway's own directory {home}, with the bot's token in it, and any search there would find"
            f" that: choose the directory of a project, or move the gateway's with {HOME_VARIABLE}"
        )
    if place.is_relative_to(private):
        return f"{path} lies in the gateway's own directory {home}, where agents may do nothing: choose another one"
    return None


# ---------------------------------------------------------------------------------------------------------- wording
def _sentence(error: ValidationError, path: Path, overrides: list[tuple[str, ...]]) -> str:
    """The first thing that is wrong, where it stands, and how many more there are."""
    # A default that could not be made only follows from another error.
    errors = [one for one in error.errors() if one["type"] != "default_factory_not_called"]
    first = errors[0]
    names = tuple(str(part) for part in first["loc"] if isinstance(part, str) and not part.startswith("function-"))
    setting = next((known for known in overrides if known == names[: len(known)]), None)
    where = _variable(setting) if setting else f"{path}: {'.'.join(names) or 'settings'}"
    if names[:1] == ("policy",):
        where += "".join(f", rule {part + 1}" for part in first["loc"] if isinstance(part, int))
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {_reason(first, names)}{more}"


_PLAINER: Final = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "write a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "write a number"),
    "string_type": "write a text, in quotes",
    "too_short": "write at least one",
}
"""What pydantic says of these speaks of Python."""


def _reason(error: ErrorDetails, names: tuple[str, ...]) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no such setting; known here: {', '.join(_known_beside(names))}"
    if error["type"] in {"model_type", "model_attributes_type"}:
        return f"this is a section: write [{'.'.join(names)}] and its settings below it"
    if error["type"] == "value_error":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    words = _PLAINER.get(error["type"]) or error["msg"].replace("Input should be", "this has to be", 1)
    return words[:1].lower() + words[1:]


def _known_beside(names: tuple[str, ...]) -> list[str]:
    section: type[BaseModel] = Settings
    for name in names[:-1]:
        field = section.model_fields.get(name)
        inner = field.annotation if field else None
        for one in (inner, *get_args(inner)):  # a section, or a list of them
            if isinstance(one, type) and issubclass(one, BaseModel):
                section = one
    return sorted(name for name in section.model_fields if name != "home")
