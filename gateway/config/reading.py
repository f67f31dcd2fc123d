"""The settings out of the file and the environment, and what is wrong with them in words."""

import os
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.config.settings import Settings
from gateway.config.values import Section
from gateway.home import HOME_VARIABLE, OFF_VARIABLE, SettingsError, home_directory

PREFIX: Final = "TOLLBRIDGE_"
RESERVED: Final = frozenset({HOME_VARIABLE, OFF_VARIABLE})
"""Variables with the prefix that are no settings."""
_NEAR: Final = 0.6
"""How alike a name has to be to one that was written for the question whether it was meant."""
LARGEST_FILE_BYTES: Final = 256 * 1024


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
            raise SettingsError(f"{key} is not a setting: unset it, or correct its name{_meant(key)}")
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
        if not (isinstance(inner, type) and issubclass(inner, Section)):
            return depth == len(names) - 1
        section = inner
    return False


def _variables(section: type[BaseModel] = Settings, names: tuple[str, ...] = ()) -> list[str]:
    """The variables of all settings of a section."""
    found: list[str] = []
    for name, field in section.model_fields.items():
        path, inner = (*names, name), field.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            found += _variables(inner, path)
        elif name != "home":
            found.append(_variable(path))
    return found


def _meant(variable: str) -> str:
    """A question whether the variable that is nearest is meant; empty if none is near."""
    known = [one.removeprefix(PREFIX) for one in _variables()]
    near = _nearest(variable.removeprefix(PREFIX).upper(), known)
    return f"; did you mean {PREFIX}{near}?" if near else ""


def _nearest(name: str, known: Sequence[str]) -> str:
    return next(iter(get_close_matches(name, known, 1, _NEAR)), "")


def _put(data: dict[str, Any], names: tuple[str, ...], value: str) -> None:
    for name in names[:-1]:
        inner = data.setdefault(name, {})
        if not isinstance(inner, dict):
            return  # the file has a plain value where a section belongs: validation says so
        data = inner
    data[names[-1]] = value


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
        known = _known_beside(names)
        listed = f"known here: {', '.join(known)}"
        near = _nearest(names[-1], known)
        return (
            f"there is no such setting; did you mean {near}? K{listed[1:]}"
            if near
            else f"there is no such setting; {listed}"
        )
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
