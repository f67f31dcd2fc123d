"""`[bank]`: the team's bank."""

import json
import os
from pathlib import Path
from typing import Annotated, Final, Literal

import platformdirs
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from gateway.config.values import Limit, Section
from gateway.domain.money import Usd

LOCAL: Final = "local"
"""As `bank.url`: the one bank of this user of the machine."""


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


class BankSettings(Section):
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
