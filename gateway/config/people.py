"""`[telegram]` and `[[people]]`: the bot, and who may do what."""

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from gateway.config.telegram import Proxy, WebhookSettings, misfit
from gateway.config.values import Amount, Directory, Person, Persons, Section, tables
from gateway.domain.charts import Theme
from gateway.domain.place import Role

TELEGRAM_BASE_URL: Final = "https://api.telegram.org/bot"


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


class GroupSettings(Section):
    """`[telegram.groups]`: what is meant for the bot where several people write. Who may write at all is said elsewhere."""

    mention: Literal["needed", "always-listens"] = "needed"
    """`needed`: what names the bot, replies to it, or stands in a session's topic; `always-listens`: everything."""


class TelegramSettings(Section):
    """The bot, and who may write to it. The token never shows in `repr` or errors."""

    token: Annotated[SecretStr, BeforeValidator(_token)] | None = None
    base_url: Annotated[str, BeforeValidator(_base_url)] = TELEGRAM_BASE_URL
    allowed_users: Persons = ()
    proxy: Proxy | None = None
    """For everything that is asked of the Bot API server, unless that is on this machine."""
    files_dir: Directory | None = None
    """Where a Bot API server with `--local` keeps files: they are taken from there, and may have 2000 MB."""
    webhook: WebhookSettings = WebhookSettings()
    groups: GroupSettings = GroupSettings()
    pictures: Theme = Theme.LIGHT
    """How charts are drawn: no chat tells on what its reader looks at them."""

    @property
    def proxy_address(self) -> str | None:
        """The proxy, with the password that may be in it."""
        return None if self.proxy is None else self.proxy.get_secret_value()

    @model_validator(mode="after")
    def _fits_together(self) -> "TelegramSettings":
        token = None if self.token is None else self.token.get_secret_value()
        has_files_dir = self.files_dir is not None
        if wrong := misfit(self.base_url, has_files_dir=has_files_dir, webhook=self.webhook.url, token=token):
            raise ValueError(wrong)
        return self


class PersonSettings(Section):
    """Somebody who is no owner: what they may do, in one chat (default: in all), and how much they may raise at once."""

    id: Person
    role: Role
    chat: str = Field(default="", max_length=40)
    largest_raise_usd: Amount | None = None

    @model_validator(mode="after")
    def _raises_only_if_allowed(self) -> "PersonSettings":
        if self.largest_raise_usd is not None and self.role in (Role.WRITER, Role.READER):
            raise ValueError(f"a {self.role} raises nothing: remove largest_raise_usd, or make them an approver")
        return self


People = Annotated[tuple[PersonSettings, ...], BeforeValidator(tables)]
