"""Settings of the webhook, the proxy and a Bot API server of one's own: what starts, and what is refused in a sentence."""

from datetime import UTC, tzinfo
from pathlib import Path

import pytest

from gateway.app import drawn, spool_of, telegram_chat
from gateway.charts import MemoryCharts
from gateway.config import SettingsError, settings_from
from gateway.domain.charts import PeriodChart, SessionChart, Theme
from gateway.ports import TollbridgeError

TOKEN = "123456789:AAabcdefghijklmnop"
SECRET = "0123456789abcdef"
URL = "https://bot.example.org/telegram"
OWN = {"TOLLBRIDGE_TELEGRAM__BASE_URL": "http://127.0.0.1:8081/bot"}
PREFIX = "TOLLBRIDGE_TELEGRAM__"


def hooked(tmp_path: Path, **more: str):
    """Settings of a webhook, by the environment; an empty one counts as not set."""
    usual = {"WEBHOOK__URL": URL, "WEBHOOK__SECRET": SECRET, "TOKEN": TOKEN}
    named = {f"{PREFIX}{name}": value for name, value in (usual | more).items()}
    return settings_from("", named, tmp_path).telegram


def test_a_webhook_is_set_in_the_file_or_by_the_environment(tmp_path: Path) -> None:
    """It listens on this machine alone unless it is told otherwise; without a section the gateway polls."""
    by_file = settings_from(f'[telegram.webhook]\nurl = "{URL}"\nsecret = "{SECRET}"\n', {}, tmp_path).telegram.webhook
    by_environment = hooked(tmp_path).webhook
    assert by_file == by_environment
    assert by_file.listen == ("127.0.0.1", 8443)
    assert hooked(tmp_path, WEBHOOK__LISTEN="0.0.0.0:9000").webhook.listen == ("0.0.0.0", 9000)  # noqa: S104 - the owner's wish
    assert hooked(tmp_path, WEBHOOK__LISTEN="[::1]:9000").webhook.listen == ("::1", 9000)
    assert settings_from("", {}, tmp_path).telegram.webhook.url is None
    assert telegram_chat(hooked(tmp_path)).listens_on is None  # nothing listens before it is entered


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        ("", "there is no secret, and without one anybody could send updates: write 16 to 256 characters"),
        ("0123456789abcde", "this is no secret for a webhook: write 16 to 256 characters"),
        ("x" * 257, "this is no secret for a webhook"),
        ("0123456789abcde+", "this is no secret for a webhook"),
        ("0123456789 abcdef", "this is no secret for a webhook"),
        ("0123456789abcdé0", "this is no secret for a webhook"),
    ],
)
def test_a_webhook_without_a_secret_does_not_start(tmp_path: Path, secret: str, words: str) -> None:
    """Attack 51: none, a short one, one that Telegram does not take: the settings are refused, and say what to write."""
    with pytest.raises(SettingsError) as caught:
        hooked(tmp_path, WEBHOOK__SECRET=secret)
    assert words in str(caught.value)
    assert "token_urlsafe" in str(caught.value)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"WEBHOOK__URL": ""}, "there is no url"),
        ({"WEBHOOK__URL": "bot.example.org/hook"}, "write the public address"),
        ({"WEBHOOK__URL": "ftp://bot.example.org"}, "write the public address"),
        ({"WEBHOOK__URL": "https:///hook"}, "write the public address"),
        ({"WEBHOOK__URL": "https://bot.example.org:no/hook"}, "port of the webhook's address as a number"),
        ({"WEBHOOK__URL": f"{URL}?secret={SECRET}"}, "the webhook's address has no query"),
        ({"WEBHOOK__URL": f"{URL}?"}, "the webhook's address has no query"),
        ({"WEBHOOK__URL": "https://me:pw@bot.example.org/hook"}, "no user"),
        ({"WEBHOOK__URL": "https://bot.example.org/a//b"}, "made of letters"),
        ({"WEBHOOK__URL": "https://bot.example.org/%41"}, "made of letters"),
        ({"WEBHOOK__URL": f"{URL}/{SECRET}"}, "the secret stands in url"),
        ({"WEBHOOK__URL": f"{URL}/bot{TOKEN.partition(':')[2]}", "WEBHOOK__SECRET": SECRET}, "the bot token stands in"),
        ({"WEBHOOK__URL": "http://bot.example.org/hook"}, "https addresses only"),
        ({"WEBHOOK__URL": "https://bot.example.org:8080/hook"}, "443, 80, 88 and 8443"),
        ({"WEBHOOK__LISTEN": "localhost:8443"}, "like 127.0.0.1:8443"),
        ({"WEBHOOK__LISTEN": "127.0.0.1"}, "like 127.0.0.1:8443"),
        ({"WEBHOOK__LISTEN": "127.0.0.1:0"}, "between 1 and 65535"),
        ({"FILES_DIR": "/srv/bot-api"}, "for a Bot API server of your own"),
        ({"FILES_DIR": "srv"}, "relative path"),
        ({"PROXY": "127.0.0.1:3128"}, "write the address of a proxy"),
        ({"PROXY": "ftp://127.0.0.1"}, "write the address of a proxy"),
        ({"PROXY": "http://:3128"}, "write the address of a proxy"),
        ({"PROXY": "http://me:pass/word@127.0.0.1:3128"}, "write the address of a proxy"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_write(tmp_path: Path, changed: dict[str, str], words: str) -> None:
    """Before anything starts; neither secret nor password is repeated."""
    with pytest.raises(SettingsError) as caught:
        hooked(tmp_path, **changed)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "pass/word" not in str(caught.value)


def test_a_server_of_ones_own_may_do_more(tmp_path: Path) -> None:
    """http, any port, and files of 2000 MB, for which its directory has to be named."""
    own = OWN | {f"{PREFIX}FILES_DIR": str(tmp_path), f"{PREFIX}WEBHOOK__URL": "http://127.0.0.1:8099/hook"}
    settings = settings_from("", own | {f"{PREFIX}WEBHOOK__SECRET": SECRET}, tmp_path / "home")
    assert settings.telegram.files_dir == tmp_path
    assert spool_of(settings)._bytes_max == 2_000_000_000
    assert spool_of(settings_from("", {}, tmp_path / "home"))._bytes_max == 50_000_000


def test_neither_secret_nor_proxy_shows(tmp_path: Path) -> None:
    """In what a debugger prints of the settings."""
    telegram = hooked(tmp_path, PROXY="http://me:the-password@127.0.0.1:3128")
    assert telegram.proxy_address == "http://me:the-password@127.0.0.1:3128"
    assert "the-password" not in repr(telegram)
    assert SECRET not in repr(telegram)


def test_a_socks_proxy_without_its_package_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence names the package."""
    monkeypatch.setattr("gateway.chats.telegram.proxies.find_spec", lambda _name: None)
    with pytest.raises(TollbridgeError, match=r"httpx\[socks\]"):
        telegram_chat(hooked(tmp_path, PROXY="socks5://127.0.0.1:1080"))


@pytest.mark.anyio
async def test_charts_are_drawn_as_the_settings_say(tmp_path: Path) -> None:
    """Light without a word, dark where it is asked for; anything else is refused."""
    found: list[Theme] = []

    class Noted(MemoryCharts):
        async def draw(self, chart: SessionChart | PeriodChart, theme: Theme, zone: tzinfo) -> bytes | None:
            found.append(theme)
            return await super().draw(chart, theme, zone)

    for text in ("", '[telegram]\npictures = "dark"\n'):
        settings = settings_from(text, {}, tmp_path)
        assert await drawn(Noted(), settings.telegram.pictures, SessionChart("shop", (), 0), UTC)
    assert found == [Theme.LIGHT, Theme.DARK]
    with pytest.raises(SettingsError, match="PICTURES: this has to be"):
        settings_from("", {f"{PREFIX}PICTURES": "sepia"}, tmp_path)
