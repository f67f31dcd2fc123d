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
from typing import Annotated, Any, ClassVar, Final, Literal
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
    model_validator,
)
from pydantic_core import ErrorDetails

from gateway.domain.budget import ScopeKind
from gateway.domain.money import AmountError, Usd
from gateway.ports import TollbridgeError

PREFIX: Final = "TOLLBRIDGE_"
HOME_VARIABLE: Final = "TOLLBRIDGE_HOME"
RESERVED: Final = frozenset({HOME_VARIABLE})
"""Variables with the prefix that are no settings."""
TELEGRAM_BASE_URL: Final = "https://api.telegram.org/bot"
LARGEST_FILE_BYTES: Final = 256 * 1024
MOST_USERS: Final = 1000


class SettingsError(TollbridgeError):
    """A setting that cannot be used; the message names it, says what is wrong and what to write."""


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


class ClaudeSettings(_Section):
    """How to start Claude Code: a program on the PATH or its whole path, and a model if not the client's own choice."""

    command: Annotated[str, BeforeValidator(_command)] = Field(default="claude", min_length=1, max_length=4096)
    model: str | None = Field(default=None, min_length=1, max_length=200)


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

    @property
    def limits(self) -> dict[ScopeKind, Usd]:
        """By kind of scope; a kind without a limit is missing."""
        found: dict[ScopeKind, Usd | None] = {kind: getattr(self, f"{kind}_usd") for kind in ScopeKind}
        return {kind: limit for kind, limit in found.items() if limit is not None}


class Settings(_Section):
    """Everything that can be set, and the home that it was read for."""

    home: Path = Field(exclude=True)
    telegram: TelegramSettings = TelegramSettings()
    agents: AgentSettings = Field(default_factory=AgentSettings)
    budgets: BudgetSettings = BudgetSettings()
    pause_minutes: Annotated[float, Field(gt=0, le=55, allow_inf_nan=False)] = 30
    """How long a paused agent is kept waiting for an answer before its run is ended cleanly."""
    approval_minutes: Minutes = 24 * 60
    """How long a question can be answered."""
    timezone: Annotated[str, BeforeValidator(_zone)] = Field(default_factory=machine_zone)
    """Where the day of the day budget begins and ends."""

    @property
    def zone(self) -> tzinfo:
        """The time zone as Python knows it."""
        return zone_of(self.timezone)


# ---------------------------------------------------------------------------------------------------------- reading
def home_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """TOLLBRIDGE_HOME, else the platform's place for a user's data. It need not exist. Raises SettingsError."""
    text = environ.get(HOME_VARIABLE, "").strip()
    if not text:
        return Path(platformdirs.user_data_dir("tollbridge", appauthor=False))
    try:
        return Path(os.path.normpath(Path(text).expanduser().absolute()))
    except (OSError, RuntimeError):
        raise SettingsError(f"{HOME_VARIABLE} cannot be understood: write the whole path of a directory") from None


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
    if chat == "telegram" and not settings.telegram.allowed_users:
        raise SettingsError(
            "nobody is allowed to write to the bot yet: run `tollbridge setup`, or set telegram.allowed_users to a list"
            " of numeric ids"
        )
    for name, path in (("directory", settings.agents.directory), *(("roots", root) for root in settings.agents.roots)):
        if not path.is_dir():
            raise SettingsError(f"agents.{name}: there is no directory {path}: create it, or set another one")
        if (reason := misplaced(path, settings.home)) is not None:
            raise SettingsError(f"agents.{name}: {reason}")


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
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{where}: {_reason(first, names)}{more}"


def _reason(error: ErrorDetails, names: tuple[str, ...]) -> str:
    if error["type"] == "extra_forbidden":
        return f"there is no such setting; known here: {', '.join(_known_beside(names))}"
    if error["type"] in {"model_type", "model_attributes_type"}:
        return f"this is a section: write [{'.'.join(names)}] and its settings below it"
    if error["type"] == "value_error":
        return str(error.get("ctx", {}).get("error", error["msg"]))
    return error["msg"][:1].lower() + error["msg"][1:]


def _known_beside(names: tuple[str, ...]) -> list[str]:
    section: type[BaseModel] = Settings
    for name in names[:-1]:
        field = section.model_fields.get(name)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            section = inner
    return sorted(name for name in section.model_fields if name != "home")
