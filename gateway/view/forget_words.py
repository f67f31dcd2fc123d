"""What is said when a session's words are forgotten. For the command line plain text, for the chat the same: nothing in it is anybody's."""

from typing import Final

BUTTON: Final = "Forget, for good"
MAY_NOT: Final = "Whose session it is can have it forgotten, and an owner."
STOP_FIRST: Final = "A turn of it is still open: /stop first, then /forget again."
LEAVING: Final = "One of its messages is on its way this moment: try again when it has arrived."
AT_DESK: Final = "Its agent is open at the desk, or something of it still works: close it there, or /stop, first."
NO_SESSION: Final = "There is no session here to forget."
IS_FORGOTTEN: Final = "That was forgotten: write again what you want."
FORGOTTEN_TITLE: Final = "forgotten"
HOW: Final = "Write /forget in the session that is to be forgotten."
INSIDE_AGENT: Final = (
    "this command runs inside an agent, and agents forget nothing: write it in a terminal of your own, or in the chat"
)
NOT_YET: Final = (
    "The log of the database still holds them, since somebody reads it just now: they go from it within the day."
)
MESSAGES_STAY: Final = "Messages in this chat are not deleted: do that here yourself."
CHAT_STAYS: Final = "Messages in the chat are not deleted: do that there."
STAYS: Final = "Amounts, tokens, times, models, states, directories and the ledger stay."
TRANSCRIPT_STAYS: Final = "What the agent itself keeps of the conversation belongs to the agent, and stays."


def counted(prompts: int, answers: int, questions: int, files: int, drafts: int) -> str:
    """`2 prompts, 1 answer, 3 unsent messages`; `no words` where there is nothing."""
    kinds = (
        (prompts, "prompt"),
        (answers, "answer"),
        (questions, "question"),
        (files, "file"),
        (drafts, "unsent message"),
    )
    return ", ".join(f"{n} {kind}{'s' * (n != 1)}" for n, kind in kinds if n) or "no words"


def asks(place: str, title: str, what: str) -> str:
    """Before it is done, in the chat. `place`: its directory, as code; `title`: the newest prompt, escaped, or empty; `what`: as
    `counted` says.
    """
    about = f"{place}: {title}" if title else place
    return "\n".join(
        [
            f"Forget this session for good? It is the one in {about}",
            f"What goes: {what}, and all files that belong to it.",
            STAYS,
            TRANSCRIPT_STAYS,
            MESSAGES_STAY,
        ]
    )


def done(what: str, transcript: str, *, scrubbed: bool) -> str:
    """Afterwards, for a terminal. `transcript`: where the agent's own is, empty if there is none that is known."""
    lies = f"The agent's own transcript is its own, and stays: {transcript}" if transcript else ""
    return "\n".join(line for line in (f"Forgotten: {what}. {STAYS}", lies, "" if scrubbed else NOT_YET) if line)


def done_in_chat(what: str, *, transcript: bool, scrubbed: bool) -> str:
    """Afterwards, in the chat; `transcript`: the agent has one of its own."""
    lines = (f"Forgotten: {what}. {STAYS}", TRANSCRIPT_STAYS if transcript else "", "" if scrubbed else NOT_YET)
    return "\n".join(line for line in (*lines, MESSAGES_STAY) if line)


def kept(prompts_days: int, files_days: int, messages_days: int) -> str:
    """How long what is kept, for the doctor; 0: for ever."""
    return (
        f"prompts, answers and questions {_for(prompts_days)}, files that people send {_for(files_days)}, "
        f"what could not be read or may not have arrived {_for(messages_days)}; amounts and the ledger for ever"
    )


def _for(days: int) -> str:
    return "for ever" if not days else "1 day" if days == 1 else f"{days} days"


def not_deleted(path: str, why: str) -> str:
    """A file of the session could not be deleted."""
    return f"Nothing was forgotten: {path} cannot be deleted ({why}). Mend that, and try again."


def which(found: int) -> str:
    """The beginning of an id names no session, or several; for a terminal."""
    if found:
        return "more than one session's id begins so: write more of it (`tollbridge sessions` lists them)"
    return "no session's id begins so: `tollbridge sessions` lists them"
