"""Files that go through the chat: why one is not sent, or could not be fetched; and what people send that is not plain text.

What comes from outside is escaped by the caller.
"""

from typing import Final

from gateway.view.figure_words import size

OWN: Final = "That is the gateway's own: it is not sent."
NOT_REGULAR: Final = "That is not a regular file: only those are sent."
OF_SYSTEM: Final = "That is the system's and not a file of yours: it is not sent."
CANNOT_SEND: Final = "Files cannot be sent here."
NOT_OF_SESSION: Final = "No message of this session came with such a file."
COMMAND_BELOW: Final = "A command below a file is not carried out: send it as a message."
NO_TRANSCRIBER: Final = "Nothing here writes down what is said aloud: the recording goes to the agent as a file. `[voice]` in the settings changes that."
NOTHING_SAID: Final = "nothing could be made out"
HEARD_SHOWN_MAX: Final = 3000
"""Characters: what is longer is cut in the chat, and only there."""

_NAMES: Final = {
    "poll": "polls",
    "dice": "dice",
    "game": "games",
    "checklist": "checklists",
    "story": "stories",
    "paid_media": "media that is paid for",
    "live_photo": "live photos",
    "rich_message": "this kind of message",
    "location": "a location without its coordinates",
    "venue": "a place without its coordinates",
    "contact": "a contact without a number",
}
NO_PLACE: Final = "there is no place to save it (agents.files in the settings)"


def too_many(number: int, most: int) -> str:
    """More files than one message carries."""
    return f"{number} files are too many: at most {most} go with one message."


def not_sent(name: str, why: str) -> str:
    """A file never arrived; `why`: without a full stop."""
    return f"The file {name} could not be sent: {why}."


def too_large(most: int) -> str:
    """Why a file is not fetched: more bytes than may be."""
    return f"it is larger than {size(most)}"


def too_slow(seconds: float) -> str:
    """The same for one that did not come in time."""
    return f"it did not come within {seconds:.0f} seconds"


def not_fetched(name: str, why: str, *, runs: bool) -> str:
    """A file that a person sent could not be fetched; `why`: without a full stop. `runs`: the text of its message does."""
    if runs:
        return f"{name} could not be fetched: {why}. The text runs without it."
    return f"{name} could not be fetched: {why}."


def unread(kind: str, *, captioned: bool) -> str:
    """That something is not read, by the chat's word for it, and what is."""
    what = _NAMES.get(kind, "files that the chat does not name")
    instead = "send the words below it as a message of their own" if captioned else "say it in words"
    return f"I do not read {what}: {instead}."


def heard(text: str) -> str:
    """What the agent is told that the person said. `text`: escaped, and cut to what is shown."""
    return f"Heard: {text}"


def not_heard(name: str, why: str) -> str:
    """That what is said in a recording is not known. `why`: a reason that goes on after a colon."""
    return f"What is said in {name} could not be written down: {why}. It goes to the agent as a file."


def took_too_long(seconds: float) -> str:
    """Why what is said is not known; follows a colon, as `NOTHING_SAID` does."""
    return f"it took longer than {seconds:.0f} seconds"
