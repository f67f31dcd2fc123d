"""`tollbridge budget set` and `raise`: asked of the running gateway. What widens a limit waits for a yes in the chat."""

import sys
from collections.abc import Mapping
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final

import typer

from gateway.cli.called import as_called
from gateway.ports import TollbridgeError

if TYPE_CHECKING:
    from gateway.local.client import Answer

CHANGES: Final = "/v1/changes"
WAIT_S: Final = 5
"""How long one question for the answer waits at the gateway."""
BACK_S: Final = 300.0
"""How long a gateway that has gone away may take to come back while an answer is waited for."""
RETRY_S: Final = 1.0
UNABLE: Final = 500
"""An HTTP status from here on says that the gateway could not answer, and may be able to later."""
ARRIVES_S: Final = 20.0
"""A question that is not in the chat by then is told of."""
LATER: Final = "`tollbridge budget history` tells later what became of the question"
NEGATIVE: Final = {"ignore_unknown_options": True}
"""`-1` is an amount that is refused with a sentence, and no option."""

_KIND = typer.Argument(help="Which limit: day, week, month, session, project, person or chat.")
_WHY = typer.Option("", help="The reason, for the people who are asked and for the ledger.")
_SESSION = typer.Option("", help="The session, or how its id begins (see `tollbridge sessions`).")
_PERSON = typer.Option("", help="The number of the person (default: the one owner).")
_CHAT = typer.Option("", help="The number of the chat (default: the one owner's own).")
_NO_WAIT = typer.Option(False, "--no-wait", help="Do not wait for the answer in the chat.")


def set_limit(
    kind: str = _KIND,
    amount: str = typer.Argument(
        help="The limit in dollars, like 25 or 2.50; or like '200 calls', '2M tokens', '90 min'; or none, 'none calls'."
    ),
    why: str = _WHY,
    session: str = _SESSION,
    person: str = _PERSON,
    chat: str = _CHAT,
    no_wait: bool = _NO_WAIT,
) -> None:
    """Set a limit, or take it away. A lower one counts at once; a higher one, or none, waits for a yes in the chat.

    `project` is the directory that you are in.
    """
    change(kind, amount, {"raises": False, "why": why, "session": session, "person": person, "chat": chat}, no_wait)


def raise_limit(  # noqa: PLR0913, PLR0917 - typer makes an option of each
    kind: str = _KIND,
    amount: str = typer.Argument(
        help="By how many dollars, like 5 or 2.50; or like '200 calls', '2M tokens', '90 min'."
    ),
    why: str = _WHY,
    lasts: str = typer.Option(
        "",
        "--for",
        help="How long the raise lasts, like 2h, 90m or 1d (default: as long as what it stands on; of a project, person or chat a day).",
    ),
    until: str = typer.Option("", help="When the raise is over, like 18:00."),
    session: str = _SESSION,
    person: str = _PERSON,
    chat: str = _CHAT,
    no_wait: bool = _NO_WAIT,
) -> None:
    """Raise a limit. It waits for a yes in the chat.

    `project` is the directory that you are in.
    """
    if lasts and until:
        raise TollbridgeError("--for and --until say the same: write one of them")
    wish = {"raises": True, "until": lasts or until, "why": why, "session": session, "person": person, "chat": chat}
    change(kind, amount, wish, no_wait)


def change(kind: str, amount: str, wish: Mapping[str, Any], no_wait: bool) -> None:
    """Ask the gateway, say what it says, and wait for the answer in the chat. Raises TollbridgeError for everything but a yes."""
    from gateway.core.change import read_amount
    from gateway.domain.budget import BOOKED
    from gateway.domain.money import AmountError
    from gateway.home import home_directory
    from gateway.local import client

    if kind.lower() not in tuple(BOOKED):
        raise TollbridgeError(f"there is no limit on {kind[:40]!r}: there are {', '.join(BOOKED)}")
    try:
        read_amount(amount, raises=wish["raises"])
    except AmountError as error:
        raise TollbridgeError(str(error)) from None
    home = home_directory()
    body = {"kind": kind.lower(), "amount": amount, "directory": _here(), **wish}
    try:
        told = client.ask(home, "POST", CHANGES, body)
    except client.NobodyThereError as error:
        raise TollbridgeError(f"{error}; nothing was changed") from None
    must(told)
    if told.fields["state"] == "done":
        say(told.fields["words"])
        return
    say(told.fields["words"])
    if not no_wait:
        say(wait(home, str(told.fields["id"])))


def wait(home: Path, change_id: str, later: str = LATER) -> str:
    """The words of the yes. Raises TollbridgeError for any other end; says on the way what is worth knowing. `later`: what tells
    of the answer after that.
    """
    from gateway.local import client

    say("Waiting for a yes there. Ctrl-C stops waiting; the question stays.")
    began, gone_since, known = monotonic(), None, ""
    while True:
        _progress(monotonic() - began)
        try:
            told = client.ask(home, "GET", f"{CHANGES}/{change_id}?wait={WAIT_S}")
        except (client.NobodyThereError, client.NoAnswerError) as error:
            gone_since = _away(gone_since, error, later)
            continue
        if told.status >= UNABLE:
            gone_since = _away(gone_since, TollbridgeError(told.error), later)
            continue
        gone_since = None
        must(told)
        if told.fields["state"] == "asked":
            known = _news(told, known, monotonic() - began)
            continue
        _progress(None)
        if told.fields["state"] != "done":
            raise TollbridgeError(told.fields["words"])
        return told.fields["words"]


def _news(told: "Answer", known: str, waited_s: float) -> str:
    """Say it where the question is another one by now, or does not arrive; what is known of it from now on."""
    words = told.fields["words"]
    late = f"{words} It has not arrived there yet: can the chat's service be reached?"
    now = late if not told.fields["shown"] and waited_s > ARRIVES_S else words
    if known and now != known:
        _progress(None)
        say(now)
    return now


def _away(since: float | None, error: TollbridgeError, later: str) -> float:
    """The gateway does not answer: say so once, and give it time to come back. Since when it is gone."""
    now = monotonic()
    if since is None:
        _progress(None)
        say("The gateway does not answer. The question stays in the chat; waiting for the gateway to come back.")
    elif now - since > BACK_S:
        raise TollbridgeError(f"{error}; {later}")
    sleep(RETRY_S)
    return now if since is None else since


def must(told: "Answer") -> None:
    """Raises TollbridgeError with the sentence with which the gateway refused."""
    if told.error:
        raise TollbridgeError(told.error)


def _here() -> str:
    try:
        return str(Path.cwd())
    except FileNotFoundError:
        return ""


def say(text: str) -> None:
    """One line to the person."""
    typer.echo(as_called(text))


def _progress(seconds: float | None) -> None:
    """On a terminal: how long it has been waited; None: the line goes."""
    if sys.stderr.isatty():
        from gateway.core.summary import duration

        line = "" if seconds is None else f"{duration(int(seconds))} ..."
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()
