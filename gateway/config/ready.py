"""Whether a gateway with these settings can be of use to anybody."""

import os
from pathlib import Path

from gateway.config.settings import Settings
from gateway.domain.place import Role
from gateway.home import HOME_VARIABLE, SettingsError


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
