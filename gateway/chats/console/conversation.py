"""What stands in the console chat: messages with their buttons, and which key presses which button."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio

from gateway.domain.effects import Button

CHARACTERS_MAX = 4_000
"""The longest text of one message: about a screenful more than people read at once."""
MESSAGES_KEPT = 500
NOTHING = "(nothing to show)"


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as it stands there now. Its buttons are pressed with the keys `first_key`, `first_key` + 1, ...

    `change` numbers everything that appeared or changed in this chat, in order.
    """

    message_id: str
    text: str
    buttons: tuple[Button, ...]
    first_key: int
    change: int

    @property
    def keys(self) -> tuple[tuple[int, Button], ...]:
        """The buttons with their keys."""
        return tuple(enumerate(self.buttons, self.first_key))


class Conversation:
    """The newest messages, oldest first. Whoever waits for something to appear is woken by every change."""

    def __init__(self) -> None:
        self.changes = 0
        self._messages: dict[str, Shown] = {}
        self._changed = anyio.Event()

    @property
    def messages(self) -> tuple[Shown, ...]:
        """What stands there, oldest first."""
        return tuple(self._messages.values())

    @property
    def open(self) -> tuple[Shown, ...]:
        """The messages that have buttons, oldest first."""
        return tuple(shown for shown in self._messages.values() if shown.buttons)

    def get(self, message_id: str) -> Shown | None:
        """The message with this id."""
        return self._messages.get(message_id)

    def put(self, message_id: str, text: str, buttons: Sequence[Button]) -> Shown:
        """Add a message, or change the one with this id."""
        old = self._messages.get(message_id)
        self.changes += 1
        shown = Shown(message_id, text, tuple(buttons), self._first_key(old), self.changes)
        if old is not None and replace(shown, change=old.change) == old:
            return old
        self._messages[message_id] = shown
        while len(self._messages) > MESSAGES_KEPT:
            del self._messages[next(iter(self._messages))]
        changed, self._changed = self._changed, anyio.Event()
        changed.set()
        return shown

    def pressed(self, key: int) -> tuple[Shown, Button] | None:
        """The message and the button that this key presses."""
        found = ((shown, button) for shown in reversed(self.open) for number, button in shown.keys if number == key)
        return next(found, None)

    async def seen(self, look: Callable[[tuple[Shown, ...]], Shown | None]) -> Shown:
        """Wait until `look` finds the message it is after."""
        while (found := look(self.messages)) is None:
            await self._changed.wait()
        return found

    def _first_key(self, old: Shown | None) -> int:
        if old is not None and old.buttons:
            return old.first_key
        return 1 + max((shown.first_key + len(shown.buttons) - 1 for shown in self.open), default=0)


def split(text: str) -> list[str]:
    """A text in parts that each fit one message, cut between lines or words; a code block goes on in the next part."""
    clean = "".join(char for char in text if char != "\0" and not "\ud800" <= char <= "\udfff").expandtabs(4)
    parts: list[str] = []
    while len(clean) > CHARACTERS_MAX:
        at = max(clean.rfind("\n", 1, CHARACTERS_MAX), 0) or max(clean.rfind(" ", 1, CHARACTERS_MAX), 0)
        at = at or CHARACTERS_MAX
        part, clean = clean[:at], clean[at:].removeprefix("\n")
        if part.count("```") % 2:
            part, clean = f"{part}\n```", f"```\n{clean}"
        parts.append(part)
    parts = [part for part in (*parts, clean) if any(char.isprintable() and not char.isspace() for char in part)]
    return parts or [NOTHING]


def dump(text: str, buttons: Sequence[Button]) -> str:
    """A message as the outbox keeps it."""
    return json.dumps({"text": text, "buttons": [[button.label, button.token] for button in buttons]})


def load(body: str) -> tuple[str, tuple[Button, ...]]:
    """The text and buttons of a message that `dump` wrote."""
    fields = json.loads(body)
    return fields["text"], tuple(Button(label, token) for label, token in fields["buttons"])
