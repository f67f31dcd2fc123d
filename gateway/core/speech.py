"""What is said aloud: which files are listened to, and how their words become a prompt; pure."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from gateway.core.files import shown_name, stand_in
from gateway.core.quoting import NOT_THEIRS, apart
from gateway.domain.files import Attachment, FileKind
from gateway.domain.turn import Turn, TurnState

HEARD_CHARACTERS_MAX: Final = 20_000
"""So much of what is said becomes part of a prompt: more than two hours of speech."""
SPOKEN: Final = frozenset({FileKind.VOICE, FileKind.VIDEO_NOTE, FileKind.AUDIO})
OWN_WORDS: Final = frozenset({FileKind.VOICE, FileKind.VIDEO_NOTE})
"""People record these themselves, and send them as what they say."""


def is_own(one: Attachment) -> bool:
    """What is said in it are its sender's own words."""
    return one.kind in OWN_WORDS and not one.passed_on


def unheard(attachments: Sequence[Attachment]) -> tuple[int, ...]:
    """Which of the files nobody has listened to yet, by their places."""
    return tuple(n for n, one in enumerate(attachments) if one.kind in SPOKEN and one.heard is None)


def is_unheard(turn: Turn) -> bool:
    """The turn's prompt is not known yet: something in it is listened to first."""
    return turn.state is TurnState.QUEUED and not turn.continues and bool(unheard(turn.attachments))


def clean(text: str) -> str:
    """What a transcriber wrote, without controls, and no longer than a prompt takes."""
    kept = (char if char in "\n\t" or unicodedata.category(char)[0] != "C" else " " for char in text)
    return "".join(kept).strip()[:HEARD_CHARACTERS_MAX].rstrip()


def with_heard(prompt: str, attachments: Sequence[Attachment]) -> str:
    """The prompt with what is said in its files: a person's own words as they are, everything else as what it is.

    Nothing that is only said is a command, of the gateway's or of the agent's own.
    """
    own = [one for one in attachments if one.heard and is_own(one)]
    others = [_quoted(one) for one in attachments if one.heard and not is_own(one)]
    below = apart(prompt, stand_in(attachments))
    if below is None:
        said = [f"[Said in the {one.kind}:]\n{one.heard}" for one in own]
        return "\n\n".join([prompt, *said, *others])
    if not own and not others:
        return prompt
    words = [str(one.heard) for one in own]
    if words and words[0].startswith("/"):
        words[0] = f"Said: {words[0]}"
    return "\n\n".join([*words, *others]) + below


def _quoted(one: Attachment) -> str:
    lines = "\n".join(f"> {line}".rstrip() for line in str(one.heard).splitlines())
    return f'[Said in {one.kind} "{shown_name(one.name)}":]\n{lines}\n[{NOT_THEIRS}]'


def is_told(one: Attachment) -> bool:
    """Its words are all that there is to it, and they stand in the prompt: the file need not be passed on."""
    return bool(one.heard) and one.kind is FileKind.VOICE
