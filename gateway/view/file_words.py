"""Files that go through the chat: why one is not sent, or could not be fetched."""

from typing import Final

from gateway.view.figure_words import size

OWN: Final = "That is the gateway's own: it is not sent."
NOT_REGULAR: Final = "That is not a regular file: only those are sent."
OF_SYSTEM: Final = "That is the system's and not a file of yours: it is not sent."
CANNOT_SEND: Final = "Files cannot be sent here."
NOT_OF_SESSION: Final = "No message of this session came with such a file."
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
