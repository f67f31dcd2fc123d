"""The token is in every address that is called, and in nothing that anybody reads."""

import json
import logging
import traceback

import anyio
import pytest
from structlog.testing import capture_logs

from gateway.chats.telegram import BotIdentity, TelegramChat, check_token
from gateway.chats.telegram.bot import TelegramBot, redact
from gateway.chats.telegram.unsaid import HEAD
from gateway.core import progress
from gateway.core.progress import Doing, Phase
from gateway.domain.place import Thread
from gateway.domain.turn import Origin, Turn, TurnState
from gateway.ports import Post, TollbridgeError
from tests.fakes.bot_api import BotApi, Phone

pytestmark = pytest.mark.anyio

WRONG = "123456:AAwrong-token-that-nobody-gave-out"
TURN = Turn("t_1", "s_1", Origin.PERSON, TurnState.RUNNING, "4711", "go", "u", 0, started_at_ms=0)


async def test_a_good_token_names_its_bot(server: BotApi) -> None:
    """Setup can show whom it talks to."""
    identity = await check_token(server.token, server.base_url)
    assert identity == BotIdentity(987654321, "tollbridge_test_bot")
    assert identity.link == "https://t.me/tollbridge_test_bot"


async def test_a_start_names_the_bot(chat: TelegramChat) -> None:
    """Whom to write to stands in the log."""
    assert await chat.introduce() == BotIdentity(987654321, "tollbridge_test_bot")


async def test_a_start_without_telegram_goes_on_and_says_why(server: BotApi, chat: TelegramChat) -> None:
    """A network that is away for now keeps no gateway from starting."""
    server.goes_down()
    assert await chat.introduce() == "no connection to Telegram (ConnectError)"


async def test_a_start_with_a_wrong_token_is_refused(server: BotApi) -> None:
    """Nothing is said to run that cannot receive a message."""
    async with TelegramChat(WRONG, server.base_url) as chat:
        with pytest.raises(TollbridgeError, match="does not accept this bot token"):
            await chat.introduce()


async def test_a_wrong_token_is_said_to_be_wrong(server: BotApi) -> None:
    """The message says what to do, and nowhere in the error does the token appear."""
    with pytest.raises(TollbridgeError, match="does not accept this bot token") as caught:
        await check_token(WRONG, server.base_url)
    assert WRONG not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_is_not_there_is_said_to_be_unreachable(server: BotApi) -> None:
    """A network problem is not blamed on the token."""
    server.goes_down()
    with pytest.raises(TollbridgeError, match="could not be asked: no connection") as caught:
        await check_token(server.token, server.base_url)
    assert server.token not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("token", ["", "abc", "12:34 56", "12:ab/../cd", "12:ab\n", "@my_bot"])
def test_what_cannot_be_a_token_is_refused_before_it_is_used(token: str) -> None:
    """A mistyped token never becomes part of an address, nor of the message about it."""
    with pytest.raises(TollbridgeError, match="@BotFather") as caught:
        TelegramChat(token)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["api.telegram.org/bot", "http://x", "ftp://x/bot", "https://x/bot{token}", "http://x/bot/"]
)
def test_what_cannot_be_a_server_is_refused(url: str) -> None:
    """The form of the address is named."""
    with pytest.raises(TollbridgeError, match="ends with /bot"):
        TelegramChat(WRONG, url)


async def test_the_token_is_in_no_log_whatever_level_is_asked_for(
    server: BotApi, alice: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    """Also when somebody turns every library's debug output on, and when requests fail."""
    async with TelegramChat(server.token, server.base_url, poll_s=1, retry_ms=10) as chat:
        for name in ("", "httpx", "httpcore", "telegram"):
            caplog.set_level(logging.DEBUG, logger=name)
        server.fail_next("getUpdates", status=502)
        server.lose_next("sendMessage")
        [body] = chat.compose("hi", ())
        arrived = anyio.Event()

        async def accept(_updates: object) -> None:
            arrived.set()

        with capture_logs() as logs:
            await chat.deliver(Post(1, Thread("telegram", "4711"), "r", body))
            await chat.deliver(Post(2, Thread("telegram", "4711"), "r", body))
            alice.says("hello")
            with anyio.fail_after(30):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(chat.receive, accept)
                    await arrived.wait()
                    tasks.cancel_scope.cancel()
    text = caplog.text + repr([record.__dict__ for record in caplog.records]) + repr(logs)
    assert "HTTP Request: POST" in text
    assert "<bot token>" in text
    assert server.token not in text


async def test_the_libraries_are_quiet_by_default(server: BotApi, caplog: pytest.LogCaptureFixture) -> None:
    """A poll every half minute is not worth a line."""
    caplog.set_level(logging.DEBUG)
    await check_token(server.token, server.base_url)
    assert [record for record in caplog.records if record.name.startswith(("httpx", "httpcore", "telegram"))] == []


def test_a_message_never_says_the_token() -> None:
    """Attack 43: not even cut in two: it is taken out before the text is split, wherever the cut would be."""
    chat = TelegramChat(WRONG)
    for before in range(4040, 4100, 3):
        said = "".join(chat.compose("x" * before + f" {WRONG} " + "y" * 100, ()))
        assert "token>" in said
        assert WRONG[:20] not in said
        assert WRONG[-12:] not in said


@pytest.mark.parametrize("token", [WRONG, "123456:AA_wrong-token_that-nobody_gave-out"])
def test_a_status_message_that_grows_says_no_part_of_the_token(token: str) -> None:
    """Attack 43: whatever is shown of an agent's words while it works, edit by edit, cut off and with its marks made harmless."""
    chat = TelegramChat(token)
    words = "x" * (progress.SAID_CHARACTERS_MAX - 30) + f" {token} is the token"
    seen = set[str]()
    for end in range(len(words) - len(token) - 20, len(words) + 1):
        doing = Doing(Phase.ACTS, actions=(f"Bash: echo {token}",), said=words[:end])
        text = progress.status(TURN, doing, None, 1_000)
        [body] = chat.compose(text, ())
        seen.add(json.loads(body)["text"])
    assert len(seen) > 1
    secret = token.partition(":")[2]
    assert not [text for text in seen if secret[: HEAD + 1] in text or secret[-12:] in text]


def test_the_token_shows_in_no_representation() -> None:
    """What a debugger or an error reporter prints of the objects that hold it."""
    chat = TelegramChat(WRONG)
    assert WRONG not in repr(chat)
    assert WRONG not in repr(TelegramBot(WRONG)) + str(TelegramBot(WRONG))
    assert redact(f"https://x/bot{WRONG}/getMe") == "https://x/bot<bot token>/getMe"
