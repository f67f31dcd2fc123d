"""A phone in the terminal: the Chat port without a service, for the demo and for people who are at the machine anyway."""

import json
import os
import re
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TextIO

import anyio
import anyio.lowlevel

from gateway import clock
from gateway.chats.console.conversation import Conversation, Shown, dump, load, split
from gateway.chats.console.keys import Editor, Ended, Entered, Typed, chunks, lines, single_keys
from gateway.chats.console.player import Await, Player, PlayerStuckError, Press, Write
from gateway.chats.console.screen import Screen
from gateway.core.files import parcel_of, readable, words_under
from gateway.core.route import Command
from gateway.core.summary import escape
from gateway.domain.effects import Button
from gateway.domain.events import Ignored, Incoming, Message, Tap
from gateway.domain.files import Parcel
from gateway.domain.place import Thread
from gateway.ports import Accept, Delivered, Post, Receipt, Rejected, Saved, StoreError, UnreadableError

__all__ = ["PERSON", "THREAD", "Await", "ConsoleChat", "Player", "PlayerStuckError", "Press", "Write"]

PERSON = "you"
THREAD = Thread("console", PERSON)
EDIT_GAP_MS = 100
STORE_RETRY_S = 0.2
EMOJI_MAX = 16
QUOTED_MAX = 60
ONE_THREAD = "a terminal is one thread"
_COMMAND = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,32})(?:@\w+)?(?:\s+(?P<rest>.*))?", re.DOTALL)
_OWN_ID = re.compile(r"\d+-\d+")


@dataclass(frozen=True, slots=True)
class Missed:
    """A number that stands on no button, or on one that is gone by now."""

    number: str


class ConsoleChat:
    """The Chat port on a terminal: one thread, one person.

    Buttons are pressed by their number: one key on a terminal, the number as a line on any other input. `player` plays
    the person instead of reading `stdin` (a file descriptor). Keys and message ids are unique over restarts: start time
    and a counter.
    """

    service = THREAD.service
    service_gap_ms = 0
    where = "in its console"

    def __init__(
        self,
        player: Player | None = None,
        *,
        out: TextIO | None = None,
        stdin: int = 0,
        width: int | None = None,
        person: str = PERSON,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        self.conversation = Conversation()
        self._player = player
        self._stdin = stdin
        self._person = person
        self._start = now_ms()
        self._last = 0
        self._unaccepted: tuple[str, str] | None = None
        self._screen = Screen(out or sys.stdout, width)

    def introduce(self, text: str) -> None:
        """Say something before the conversation begins: no message, and nothing of it is kept."""
        self._screen.plain(text)

    # ------------------------------------------------------------------------------------------------- the Chat port
    async def receive(self, accept: Accept) -> None:
        """Until the input ends: hand over what is typed and pressed, one after the other, each until it is accepted."""
        async with aclosing(self._inputs()) as inputs:
            await self._hand_over(accept)
            async for payload in inputs:
                self._unaccepted = (f"{self._start}-{self._number()}", json.dumps(payload))
                await self._hand_over(accept)

    def read(self, payload: str) -> Incoming:
        """What a line or a press means. Raises UnreadableError."""
        try:
            fields = json.loads(payload)
            if "token" in fields:
                return Tap(THREAD, self._person, fields["token"], fields["message_id"], fields["tap_id"])
            return self._message(fields["text"], fields.get("id", ""))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise UnreadableError(f"not something that was typed here: {error!r}") from None

    def compose(self, text: str, buttons: Sequence[Button]) -> tuple[str, ...]:
        """Bodies of at most about 4000 characters; Markdown is drawn when they are shown."""
        *before, last = split(text)
        return (*(dump(part, ()) for part in before), dump(last, buttons))

    def enclosable(self, text: str) -> str | None:  # noqa: ARG002 - the port's signature
        """A screen has room for all of it."""
        return None

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        """Messages need no gap; edits have one, so that a fast agent does not make the screen flicker."""
        return EDIT_GAP_MS if edit else 0

    async def deliver(self, post: Post) -> Receipt:
        """Draw a message, or what changed in one. One that stands in an earlier run of this chat is drawn anew."""
        await anyio.lowlevel.checkpoint()
        try:
            parcel = parcel_of(post.ref, post.body)
        except ValueError as error:
            return Rejected(str(error))
        # The person sits where the file is: its own place says more than a copy's.
        words = post.body if parcel is None else words_under(post.body)
        text, buttons = load(words) if words else ("", ())
        text = text if parcel is None else f"{text}\n\n{_file(parcel)}".lstrip()
        old = None if post.edits is None else self.conversation.get(post.edits)
        if post.edits is not None and old is None and _OWN_ID.fullmatch(post.edits) is None:
            return Rejected("the message to edit is gone")
        shown = self.conversation.put(post.edits or f"{self._start}-{self._number()}", text, buttons)
        if old is None:
            self._screen.show(shown, ring=post.ring)
        elif shown is not old:
            self._screen.change(old, shown)
        return Delivered(shown.message_id)

    async def acknowledge(self, tap: Tap, words: str) -> None:  # noqa: ARG002 - the port's signature
        """Say the word, if there is one."""
        await anyio.lowlevel.checkpoint()
        if words:
            self._screen.note(words)

    async def fetch(self, attachment_id: str, into: str, bytes_max: int) -> Saved | str:  # noqa: ARG002 - the port's signature
        """Nobody sends a file here: it is on this machine already."""
        await anyio.lowlevel.checkpoint()
        return "no file was sent here"

    def has_threads(self, thread: Thread) -> bool:  # noqa: ARG002 - the port's signature
        """A terminal is one thread."""
        return False

    async def open_thread(self, thread: Thread, name: str) -> str:  # noqa: ARG002 - the port's signature
        """There is only one thread here."""
        return ONE_THREAD

    async def rename_thread(self, thread: Thread, name: str) -> str:  # noqa: ARG002 - the port's signature
        """It has no name."""
        return ONE_THREAD

    async def shut_thread(self, thread: Thread, *, shut: bool) -> str:  # noqa: ARG002 - the port's signature
        """It ends when the person leaves."""
        return ONE_THREAD

    def thread_link(self, thread: Thread) -> str:  # noqa: ARG002 - the port's signature
        """Nothing opens it."""
        return ""

    async def react(self, thread: Thread, message_id: str, emoji: str) -> str:
        """Say which emoji was put on which message."""
        await anyio.lowlevel.checkpoint()
        if thread != THREAD or _OWN_ID.fullmatch(message_id) is None:
            return "There is no such message here."
        if not 0 < len(emoji) <= EMOJI_MAX or emoji.isascii():
            return "That is no emoji."
        shown = self.conversation.get(message_id)
        lines = (
            [line for line in shown.text.splitlines() if line.strip()] if shown is not None else ["to what you wrote"]
        )
        self._screen.note(f"{emoji} {lines[0][:QUOTED_MAX]}")
        return ""

    async def offer(self, commands: Sequence[Command], chat: str = "", *, groups: bool = False) -> str:  # noqa: ARG002 - the port's signature
        """A terminal has no menu: /help lists them."""
        await anyio.lowlevel.checkpoint()
        return ""

    async def typing(self, thread: Thread) -> None:
        """Show at the input line that work goes on."""
        await anyio.lowlevel.checkpoint()
        if thread == THREAD:
            self._screen.working()

    async def draft(self, thread: Thread, draft_id: int, text: str) -> bool:  # noqa: ARG002 - the port's signature
        """A screen shows an answer once it is whole: it is there at once then."""
        await anyio.lowlevel.checkpoint()
        return True

    # ----------------------------------------------------------------------------------------------------- the person
    async def _hand_over(self, accept: Accept) -> None:
        while self._unaccepted is not None:
            try:
                await accept([self._unaccepted])
            except StoreError:
                await anyio.sleep(STORE_RETRY_S)
            else:
                self._unaccepted = None

    def _message(self, text: str, message_id: str) -> Incoming:
        if not text.strip():
            return Ignored("an empty line")
        found = _COMMAND.fullmatch(text.strip())
        command = (found["name"].lower(), (found["rest"] or "").strip()) if found else None
        return Message(THREAD, self._person, text, command, message_id=message_id)

    async def _inputs(self) -> AsyncGenerator[dict[str, Any]]:
        """What the person does, as payloads."""
        if self._player is not None:
            source: AsyncGenerator[str | Missed | tuple[Shown, Button]] = self._player.play(self.conversation)
        elif self._screen.live and os.isatty(self._stdin):
            source = self._typed()
        else:
            source = self._piped()
        async with aclosing(source) as moves:
            async for move in moves:
                if isinstance(move, Missed):
                    self._screen.note(f"There is no [{move.number}]. If it was meant for the agent, add a word to it.")
                elif isinstance(move, str):
                    self._screen.spoken(move)
                    yield {"text": move, "id": f"{self._start}-{self._number()}"}
                else:
                    shown, button = move
                    self._screen.spoken(button.label)
                    tap_id = f"{self._start}-{self._number()}"
                    yield {"token": button.token, "message_id": shown.message_id, "tap_id": tap_id}

    async def _piped(self) -> AsyncGenerator[str | Missed | tuple[Shown, Button]]:
        async with aclosing(lines(self._stdin)) as source:
            async for line in source:
                if line.strip():
                    yield self._meant(line)

    async def _typed(self) -> AsyncGenerator[str | Missed | tuple[Shown, Button]]:
        editor = Editor(self._presses_at_once)
        with single_keys(self._stdin, self._screen.control):
            self._screen.typed("")
            try:
                async with aclosing(chunks(self._stdin)) as source:
                    async for keys in source:
                        for event in editor.feed(keys):
                            match event:
                                case Typed(text):
                                    self._screen.typed(text)
                                case Entered(text):
                                    self._screen.typed("")
                                    if text.strip():
                                        yield self._meant(text)
                                case Ended():
                                    return
            finally:
                self._screen.typed(None)

    def _meant(self, line: str) -> str | Missed | tuple[Shown, Button]:
        """A number presses the button that it stands on. It is never a prompt: a slip of the finger would be a paid one."""
        number = line.strip()
        if re.fullmatch(r"[0-9]{1,4}", number) is None:
            return line
        return self.conversation.pressed(int(number)) or Missed(number)

    def _presses_at_once(self, key: str) -> bool:
        """One key is enough while every button's number has one digit."""
        numbers = [number for shown in self.conversation.open for number, _ in shown.keys]
        return key in "123456789" and int(key) in numbers and max(numbers) <= 9  # noqa: PLR2004 - one digit

    def _number(self) -> int:
        self._last += 1
        return self._last


def _file(parcel: Parcel) -> str:
    return f"File: {escape(parcel.source)} ({readable(parcel.size)})"
