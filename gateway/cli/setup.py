"""`tollbridge setup`: from a bot token to a gateway that is ready to start. Running it again changes only what is answered."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import typer

import gateway
from gateway.cli import bot_api, machine
from gateway.cli.bot_api import Person
from gateway.cli.terminal import ask, ask_secret, confirm
from gateway.cli.terminal import paragraph as say

if TYPE_CHECKING:
    from gateway.chats.telegram import BotIdentity
    from gateway.config import Settings
    from gateway.domain.money import Usd

WAIT_FOR_MESSAGE_S: Final = 15 * 60
_POLL_S: Final = 25
_PAUSE_S: Final = 1.0
_MOST_REFUSED: Final = 20
WELCOME: Final = "You can write to me from now on: in plain words what is to be done, or /help. I answer as soon as the gateway runs."

REJECTED: Final = "Telegram does not accept this bot token: it was mistyped or revoked. Paste the present one from @BotFather (/mybots, API Token)."

Changes = dict[str, dict[str, Any]]


def setup(
    logs: bool = typer.Option(
        True, "--logs/--no-logs", help="Read what agents have used on this machine, for the estimates."
    ),
) -> None:
    """Set up the bot, who may write to it, the agent and the budgets."""
    from gateway import config, lock
    from gateway.cli import config_file

    home = config.home_directory()
    newcomer: Person | None = None
    # A running gateway has read the file already: the two would disagree about who may do what.
    with lock.hold(home):
        path = config.config_file(home)
        text = config.read_file(path)
        settings = config.settings_from(text, os.environ, home)
        say(f"Tollbridge keeps its settings in {path}.")
        changes, token, newcomer = interview(settings, os.environ)
        text = config_file.merged(text, changes)
        written = config.settings_from(text, os.environ, home)
        config_file.write(path, text)
    if newcomer is not None:
        _welcome(token, settings, newcomer)
    if logs and written.history.read_logs:
        from gateway.cli import setup_history

        setup_history.look(written)
    say()
    say(f"Written to {path}. Start the gateway with `tollbridge up`; `tollbridge doctor` tells what is wrong.")
    say(
        "`tollbridge plugin install` joins the Claude Code sessions that you open yourself: gated, metered, and on your phone too."
    )


def interview(settings: "Settings", environ: Mapping[str, str]) -> tuple[Changes, str, Person | None]:
    """All the questions, in order; what is to be written, the bot's token, and who is let in by it."""
    changes: Changes = {"telegram": {}, "agents": {}, "budgets": {}}
    token = _token(settings, environ, changes["telegram"])
    newcomer = _people(settings, environ, token, changes["telegram"])
    _agent(settings, environ, changes["agents"])
    _budgets(settings, environ, changes["budgets"])
    return changes, token, newcomer


def _welcome(token: str, settings: "Settings", newcomer: Person) -> None:
    """Answer the message with which somebody asked to be let in, now that they are."""
    try:
        bot_api.send(token, settings.telegram.base_url, newcomer.id, WELCOME, settings.telegram.proxy_address)
    except bot_api.BotApiError as error:
        say(f"   {newcomer.name} could not be told in Telegram: {error}")


def _token(settings: "Settings", environ: Mapping[str, str], changes: dict[str, Any]) -> str:
    """A token that Telegram accepts."""
    say()
    say("1. The bot. If you have none yet: write /newbot to @BotFather in Telegram; it answers with a token.")
    present = settings.telegram.token.get_secret_value() if settings.telegram.token else ""
    from_environment = bool(environ.get("TOLLBRIDGE_TELEGRAM__TOKEN", "").strip())

    def check(token: str) -> "tuple[str, BotIdentity]":
        from gateway.chats.telegram import RejectedTokenError

        try:
            return token, identity(token, settings.telegram.base_url, settings.telegram.proxy_address)
        except RejectedTokenError:
            if from_environment:
                raise
            raise ValueError(REJECTED) from None  # what else it says is to start this again: it asks again by itself

    if present and from_environment:
        token, bot = check(present)
        say("   The token comes from the environment (TOLLBRIDGE_TELEGRAM__TOKEN) and is not written down.")
    else:
        question = "   Token (leave empty to keep the present one)" if present else "   Token"
        token, bot = ask_secret(question, lambda answer: check(answer or present))
        if token != present:
            changes["token"] = token
    say(f"   The bot is @{bot_api.plain(bot.username)}: {bot.link}")
    return token


def identity(token: str, base_url: str, proxy: str | None = None) -> "BotIdentity":
    """Who the bot is, as Telegram says. Raises TollbridgeError."""
    import anyio

    from gateway.chats.telegram import check_token

    return anyio.run(check_token, token, base_url, proxy)


def _people(settings: "Settings", environ: Mapping[str, str], token: str, changes: dict[str, Any]) -> Person | None:
    """At least one person who may write to the bot; whoever is let in now."""
    say()
    allowed: tuple[int, ...] = settings.telegram.allowed_users
    if environ.get("TOLLBRIDGE_TELEGRAM__ALLOWED_USERS", "").strip():
        say("2. Who may write to the bot is set in the environment (TOLLBRIDGE_TELEGRAM__ALLOWED_USERS).")
        return None
    if allowed:
        say(f"2. These people may write to the bot: {', '.join(map(str, allowed))}.")
        if not confirm("   Let in somebody else?", default=False):
            return None
    say("2. Now open the bot in Telegram and press Start, or write it any message. Waiting ...")
    person = first_writer(
        lambda offset, wait_s: bot_api.updates(
            token, settings.telegram.base_url, offset, wait_s, settings.telegram.proxy_address
        ),
        frozenset(allowed),
        _let_in,
    )
    if person is None:
        say("   Nobody was let in. You can run `tollbridge setup` again at any time.")
    else:
        changes["allowed_users"] = [*allowed, person.id]
    return person


def _let_in(person: Person) -> bool:
    username = f" (@{person.username})" if person.username else ""
    say(f"   A message came from {person.name}{username}, numeric id {person.id}.")
    return confirm("   Is that you, and may they drive agents on this machine?")


def first_writer(
    poll: Callable[[int | None, int], list[Mapping[str, Any]]],
    allowed: frozenset[int],
    let_in: Callable[[Person], bool],
    now: Callable[[], float] = monotonic,
    pause: Callable[[float], None] = sleep,
) -> Person | None:
    """Wait for a message of somebody who is not allowed yet and whom `let_in` accepts; None after 15 minutes or 20 refusals.

    Messages of people who are allowed already are left for the gateway; all others would be dropped by it, and are taken.
    """
    offset: int | None = None
    refused: set[int] = set()
    deadline = now() + WAIT_FOR_MESSAGE_S
    while now() < deadline and len(refused) < _MOST_REFUSED:
        for update in (found := poll(offset, _POLL_S)):
            person = bot_api.writer(update)
            if person is None or person.id in allowed or person.id in refused:
                continue
            if let_in(person):
                if not _holds_prompts(found, allowed):
                    with suppress(bot_api.BotApiError):  # it would only be a greeting too many
                        poll(update["update_id"] + 1, 0)
                return person
            refused.add(person.id)
        if _holds_prompts(found, allowed):
            pause(_PAUSE_S)  # what stays on the server is handed out again at once
        elif found:
            offset = found[-1]["update_id"] + 1
    return None


def _holds_prompts(found: list[Mapping[str, Any]], allowed: frozenset[int]) -> bool:
    """Whether something is among them that the gateway has yet to see."""
    people = [bot_api.writer(update) for update in found]
    return bool(allowed) and any(person is None or person.id in allowed for person in people)


def _agent(settings: "Settings", environ: Mapping[str, str], changes: dict[str, Any]) -> None:
    say()
    say("3. The agent.")
    claude = machine.find(settings.agents.claude.command, environ)
    if claude is None:
        say(
            f"   Claude Code was not found (`{settings.agents.claude.command}`). Install it, then run `tollbridge doctor`:"
        )
        say("   npm install -g @anthropic-ai/claude-code")
    else:
        say(f"   Found Claude Code: {claude.words}")
        if claude.version is not None and claude.version < machine.OLDEST_CLAUDE:
            say(f"   It is older than {machine.dotted(machine.OLDEST_CLAUDE)}, the oldest that was tried: update it.")
        if machine.claude_sign_in(environ) is None:
            say("   It does not look signed in: start `claude` once and sign in.")
    if environ.get("TOLLBRIDGE_AGENTS__DIRECTORY", "").strip():
        say(f"   New sessions work in {settings.agents.directory} (TOLLBRIDGE_AGENTS__DIRECTORY).")
        return
    from gateway import config

    present = settings.agents.directory
    unfit = _holds_the_program(present) or config.misplaced(present, settings.home) is not None
    directory = ask(
        "   In which directory do new sessions work",
        lambda answer: _directory(answer, settings.home),
        "" if unfit else str(present),
    )
    changes["directory"] = str(directory)
    set_roots = [root for root in settings.agents.roots if root != settings.agents.directory]
    if set_roots and not any(directory.is_relative_to(root) for root in settings.agents.roots):
        changes["roots"] = [*map(str, settings.agents.roots), str(directory)]


def _directory(answer: str, home: Path) -> Path:
    from gateway import config

    path = Path(answer).expanduser()
    if not path.is_absolute():
        raise ValueError("please write the whole path, from / on")
    if not path.is_dir():
        raise ValueError(f"there is no directory {path}: create it first, or name another one")
    if (reason := config.misplaced(path, home)) is not None:
        raise ValueError(reason)
    if _holds_the_program(path):
        say(f"   Tollbridge itself is installed in {path}: an agent that works there could change it.")
        if not confirm("   Let agents work there all the same?", default=False):
            raise ValueError("then name another one, the directory of your projects")
    return path


def _holds_the_program(path: Path) -> bool:
    place, program = path.resolve(), Path(gateway.__file__).resolve().parent
    return program.is_relative_to(place) or place.is_relative_to(program)


def _limit(answer: str) -> "Usd":
    from gateway.domain.money import Usd

    amount = Usd.parse(answer)
    if not amount:
        raise ValueError("a limit of $0 lets nothing run: write an amount like 0.50")
    return amount


def _budgets(settings: "Settings", environ: Mapping[str, str], changes: dict[str, Any]) -> None:
    say()
    say("4. The budgets, in dollars at list prices. At a limit the agent pauses and you are asked.")
    amounts = {"session_usd": settings.budgets.session_usd, "day_usd": settings.budgets.day_usd}
    for name, question in (("session_usd", "   At most for one session"), ("day_usd", "   At most for one day")):
        variable = f"TOLLBRIDGE_BUDGETS__{name.upper()}"
        if environ.get(variable, "").strip():
            say(f"{question}: {amounts[name]} ({variable})")
            continue
        amount = ask(question, _limit, amounts[name].exact())
        changes[name] = amount.exact()
        amounts[name] = amount
    if amounts["session_usd"] > amounts["day_usd"]:
        say(f"   The day's limit is the smaller one: a session stops at {amounts['day_usd']} too.")
