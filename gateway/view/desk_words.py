"""Sessions at the desk: what is said there of a prompt that does not run, and what the phone reads of it."""

from typing import Final

from gateway.domain.money import Usd

# ------------------------------------------------------------------------------------------------------------ at the desk
GONE: Final = "Tollbridge does not know this session: close it and open it again."
SEND_AGAIN: Final = "After the yes, send it again here within 10 minutes."
BANK_ASKED: Final = "Tollbridge: not run. The team's limits are being asked about: send it again in a moment."
NOBODY: Final = (
    "Tollbridge does not know whose session this is: set desk.person in its config.toml, and start it again."
)
ELSEWHERE: Final = "Tollbridge: this conversation is at work from the phone. Write /stop there first, or go on in a copy of it here, with /branch."
REPLACED: Final = "Another prompt was typed at the desk."
NOT_SENT_AGAIN: Final = "It was not sent again in time."


def not_run(reason: str) -> str:
    """Why a prompt does not run; `reason` may be empty."""
    return f"Tollbridge: not run. {reason}".strip()


def not_run_stopped(where: str) -> str:
    """The same after /stop all; `where` people write to the gateway: `on Telegram`."""
    return f"Tollbridge: not run. Everything is stopped: write /go to Tollbridge {where}."


def asked(where: str, most: Usd | None, question: str) -> str:
    """People are asked whether a prompt may run; `question`: as they read it, plain text. `most`: what a yes allows, if it says that."""
    up_to = "" if most is None else f", up to {most}"
    return f"Tollbridge asked {where} whether this may run{up_to}: {question}\n{SEND_AGAIN}"


def asked_again(where: str, most: Usd | None, question: str) -> str:
    """The same where a person has just said no to that prompt."""
    up_to = "" if most is None else f", up to {most}"
    return f"Tollbridge: a person said no to this prompt. Asked again {where}{up_to}: {question}\n{SEND_AGAIN}"


# ----------------------------------------------------------------------------------------------------------- on the phone
LAPSED: Final = "Not sent again at the desk in time: nothing is held for it any more."
WENT_ON: Final = "Calls made while the gateway could not see the session"
WRITTEN: Final = "Written to the session at the desk."
TAKEN_IN: Final = "The session has read it, beside what it was doing."
DEAF: Final = (
    "This session takes no messages from here: close it and write /start, or open it again with "
    "`claude --continue --dangerously-load-development-channels plugin:tollbridge@tollbridge`."
)
CLOSED: Final = "it was closed at the desk"
VANISHED: Final = "Claude Code at the desk is gone, and did not say why"
LOST: Final = "Claude Code at the desk was not found any more"
HERE: Final = "What you write here goes to it."
UNPROVEN: Final = "Whether it takes messages from here shows with the first one that you write."
LISTED: Final = "/sessions lists it."
ASIDE: Final = "At the desk, without a prompt: a command run with `!`, or the like"


def opened(place: str, what_then: str) -> str:
    """A session is open at the desk; `what_then`: one of the three sentences above."""
    return f"Open at the desk: {place}. {what_then}"


def lapsed(title: str) -> str:
    """A prompt that was allowed was never sent again."""
    return f"At the desk: {title}\n{LAPSED}"


def ran(title: str) -> str:
    """A prompt that was typed at the desk has run: the cost line follows."""
    return f"At the desk: {title}"


def aside(line: str) -> str:
    """Calls without a prompt, with their cost line."""
    return f"{ASIDE}\n{line}"


NO_PLACE: Final = "a directory that it did not name"


def unmetered(place: str) -> str:
    """A session goes without Tollbridge."""
    return f"Claude Code was opened in {place} with `TOLLBRIDGE_OFF`: what it spends is not metered."


def cut_prompt(beginning: str, characters: int, digest: str) -> str:
    """As much of a long prompt as is kept, and how it is known again; plain text."""
    return f"{beginning}\n[{characters} characters, SHA-256 {digest}]"
