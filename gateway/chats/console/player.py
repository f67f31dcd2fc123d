"""Plays the person: waits until something is to be seen, then types or presses, so that a demo runs by itself."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from gateway.chats.console.conversation import Conversation, Shown
from gateway.domain.effects import Button
from gateway.ports import TollbridgeError


class PlayerStuckError(TollbridgeError):
    """What the player waits for did not appear in time; the message says what, and what was there instead."""


@dataclass(frozen=True, slots=True)
class Write:
    """Type a line."""

    text: str


@dataclass(frozen=True, slots=True)
class Press:
    """Wait for a button whose label holds these words (any case), and press it."""

    label: str


@dataclass(frozen=True, slots=True)
class Await:
    """Wait for a message that holds this pattern and appeared, or changed, after what was typed or pressed last."""

    pattern: str


Move = Write | Press | Await


@dataclass(frozen=True, slots=True)
class Player:
    """Plays the moves in order; the chat's input ends after the last. Raises PlayerStuckError.

    `pause_s`: how long it hesitates before it types or presses, so that people can read along.
    """

    moves: Sequence[Move]
    pause_s: float = 0.0
    patience_s: float = 30.0
    sleep: Callable[[float], Awaitable[None]] = field(default=anyio.sleep)

    async def play(self, chat: Conversation) -> AsyncGenerator[str | tuple[Shown, Button]]:
        """What the person types (a line) or presses (a button)."""
        seen = 0
        pressed: set[str] = set()
        for move in self.moves:
            match move:
                case Write(text):
                    await self.sleep(self.pause_s)
                    seen = chat.changes
                    yield text
                case Press(label):
                    shown, button = await self._button(chat, label, pressed)
                    await self.sleep(self.pause_s)
                    pressed.add(button.token)
                    seen = chat.changes
                    yield shown, button
                case Await(pattern):
                    await self._message(chat, pattern, seen)

    async def _button(self, chat: Conversation, label: str, pressed: set[str]) -> tuple[Shown, Button]:
        def pick(shown: Shown) -> Button | None:
            fresh = (button for button in shown.buttons if button.token not in pressed)
            return next((button for button in fresh if label.casefold() in button.label.casefold()), None)

        shown = await self._wait(chat, f"a button {label!r}", lambda all_: next(filter(pick, reversed(all_)), None))
        button = pick(shown)
        assert button is not None  # noqa: S101 - it was just found there
        return shown, button

    async def _message(self, chat: Conversation, pattern: str, seen: int) -> None:
        def look(messages: tuple[Shown, ...]) -> Shown | None:
            return next((m for m in messages if m.change > seen and re.search(pattern, m.text)), None)

        await self._wait(chat, f"a message with {pattern!r}", look)

    async def _wait(self, chat: Conversation, what: str, look: Callable[[tuple[Shown, ...]], Shown | None]) -> Shown:
        with anyio.move_on_after(self.patience_s):
            return await chat.seen(look)
        last = chat.messages[-1] if chat.messages else None
        there = "nothing" if last is None else f"{last.text!r} with {[button.label for button in last.buttons]}"
        raise PlayerStuckError(f"The demo waited {self.patience_s:g} s for {what}; the last message was {there}")
