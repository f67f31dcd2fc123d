"""A chat that lives in memory: tests post what people do and look at what was delivered. It keeps the Chat contract."""

import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

import anyio

from gateway.chats.memory import updates
from gateway.core.files import parcel_of, words_under
from gateway.core.route import Command
from gateway.domain.effects import LEAVE_REF, Button
from gateway.domain.events import Edited, Incoming, Message, Tap, Unsupported
from gateway.domain.files import Attachment, FileKind, Parcel
from gateway.domain.place import Thread
from gateway.files import TooLargeError, save
from gateway.ports import (
    Accept,
    Delayed,
    Delivered,
    Elsewhere,
    Gone,
    Post,
    Receipt,
    Rejected,
    Saved,
    StoreError,
    Uncertain,
    UnreadableError,
)

MAX_CHARACTERS = 4096
NOTHING = "(nothing to show)"
STORE_RETRY_S = 0.01
WITHIN_S = 30.0
"""So long a test waits for what it wants to see: a busy machine is no fault."""
CHUNK = 4096
NAME_MAX = 128
REACTIONS = ("\N{THUMBS UP SIGN}", "\N{THUMBS DOWN SIGN}", "\N{EYES}")


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as people see it now. `rang`: it notified aloud; `edits`: how often it changed."""

    thread: Thread
    message_id: str
    text: str
    buttons: tuple[Button, ...] = ()
    rang: bool = False
    edits: int = 0
    file: Parcel | None = None
    content: bytes = b""
    """Of the file, if it is one."""

    def button(self, label: str) -> Button:
        """The first button whose label begins like this. Raises LookupError."""
        for button in self.buttons:
            if button.label.startswith(label):
                return button
        raise LookupError(f"no button {label!r}; there are {[button.label for button in self.buttons]}")


@dataclass(slots=True)
class _Change:
    """Wakes everybody who waits for something to happen."""

    event: anyio.Event = field(default_factory=anyio.Event)

    def announce(self) -> None:
        self.event.set()
        self.event = anyio.Event()


class MemoryChat:
    """The Chat port without a service. `receipts` are returned by the next deliveries instead of delivering them.

    An Uncertain among them is delivered and its answer lost, which is the case that hurts.
    """

    service_gap_ms = 0

    def __init__(self, service: str = "memory") -> None:
        self.service = service
        self.where = "on your phone"
        self.messages: dict[str, Shown] = {}
        self.receipts: deque[Receipt] = deque()
        self.acknowledged: list[tuple[str, str]] = []
        self.typed: list[Thread] = []
        self.left: list[Thread] = []
        """Where the gateway wanted to be no more."""
        self.drafts: list[tuple[Thread, int, str]] = []
        """As they were shown: thread, number and text."""
        self.draft_begun = anyio.Event()
        """The first draft is on its way."""
        self.has_drafts = True
        self.draft_hold: anyio.Event | None = None
        """Drafts do not arrive before this is set."""
        self.reactions: dict[str, str] = {}
        """By message, of ours or of a person's."""
        self.offered: dict[str, tuple[str, ...]] = {}
        """The names of commands by chat, `groups`, or nothing for everywhere else."""
        self.offer_fails = ""
        self.files: dict[str, bytes] = {}
        """What people sent, by the name under which it can be fetched."""
        self.forums: set[str] = set()
        """Chats that have topics."""
        self.topics: dict[Thread, str] = {}
        """What they are called."""
        self.shut: set[Thread] = set()
        """Those that are closed."""
        self.answers: deque[Delayed | Uncertain | str] = deque()
        """What the next openings are answered with; after an Uncertain the topic is there."""
        self._said: dict[str, Thread] = {}
        self._waiting: deque[tuple[str, str]] = deque()
        self._last = 0
        self._changed = _Change()

    # ------------------------------------------------------------------------------------- what people do and see
    def post(self, incoming: Message | Edited | Tap | Unsupported) -> str:
        """A person does this; the result is the key under which it is received."""
        return self.post_raw(updates.dump(incoming))

    def post_raw(self, payload: str, key: str | None = None) -> str:
        """An update as it is, poison or repeated; without a key it gets the next one."""
        key = key or self._number()
        self._waiting.append((key, payload))
        self._changed.announce()
        return key

    def says(
        self, thread: Thread, person: str, text: str, *, to: Shown | None = None, name: str = "", sent_at_ms: int = 0
    ) -> str:
        """A person types a text, or a reply to a message; one that begins with a slash is a command. The message's name."""
        message_id = self._number()
        self._said[message_id] = thread
        said = Message(thread, person, text, updates.command(text), to.message_id if to else "", message_id=message_id)
        self.post(replace(said, name=name, sent_at_ms=sent_at_ms))
        return message_id

    def edits(self, thread: Thread, person: str, message_id: str, text: str) -> None:
        """A person changes a message of theirs."""
        self.post(Edited(Message(thread, person, text, updates.command(text), message_id=message_id)))

    def sends_file(
        self,
        thread: Thread,
        person: str,
        content: bytes,
        name: str = "notes.txt",
        text: str = "",
        kind: FileKind = FileKind.DOCUMENT,
        album: str = "",
        forwarded: str = "",
    ) -> str:
        """A person sends a file, perhaps with words; the result is the name under which it can be fetched."""
        file_id, message_id = f"file-{self._number()}", self._number()
        self.files[file_id] = content
        self._said[message_id] = thread
        sent = (Attachment(file_id, name, kind, len(content), album=album, passed_on=bool(forwarded)),)
        told = Message(thread, person, text, message_id=message_id, attachments=sent)
        self.post(replace(told, forwarded=forwarded, album=album))
        return file_id

    def taps(self, shown: Shown, label: str, person: str) -> str:
        """A person presses the button of this message whose label begins like this; the result is the tap's id."""
        tap_id = f"tap_{self._number()}"
        self.post(Tap(shown.thread, person, shown.button(label).token, shown.message_id, tap_id))
        return tap_id

    def sees(self, thread: Thread) -> list[Shown]:
        """The messages of a thread, oldest first."""
        return [shown for shown in self.messages.values() if shown.thread == thread]

    async def waits_for(self, thread: Thread, words: str, within_s: float = WITHIN_S) -> Shown:
        """The latest message of the thread that holds the words, as soon as there is one. Raises TimeoutError."""

        def find() -> Shown | None:
            return next((shown for shown in reversed(self.sees(thread)) if words in shown.text), None)

        with anyio.move_on_after(within_s):
            while not (found := find()):
                await self._changed.event.wait()
            return found
        raise TimeoutError(f"no message with {words!r}; visible: {[shown.text for shown in self.sees(thread)]}")

    async def told(self, tap_id: str, within_s: float = WITHIN_S) -> str:
        """What the person was told who pressed, as soon as they were. Raises TimeoutError."""
        with anyio.fail_after(within_s):
            while not (found := [words for name, words in self.acknowledged if name == tap_id]):
                await self._changed.event.wait()
        return found[0]

    @property
    def unconfirmed(self) -> tuple[str, ...]:
        """Keys of the updates that were not yet accepted."""
        return tuple(key for key, _ in self._waiting)

    # ------------------------------------------------------------------------------------------------- the Chat port
    async def receive(self, accept: Accept) -> NoReturn:
        """Run until cancelled; updates are taken from the queue after `accept` returned, and stay after a StoreError."""
        while True:
            while not self._waiting:
                await self._changed.event.wait()
            updates = tuple(self._waiting)
            try:
                await accept(updates)
            except StoreError:
                await anyio.sleep(STORE_RETRY_S)
            else:
                for _ in updates:
                    self._waiting.popleft()
                self._changed.announce()

    def read(self, payload: str) -> Incoming:
        """What an update means. Raises UnreadableError."""
        try:
            return updates.load(json.loads(payload))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
            raise UnreadableError(f"not an update that can be understood: {error!r}") from None

    def compose(self, text: str, buttons: Sequence[Button]) -> tuple[str, ...]:
        """Bodies of at most 4096 characters; Markdown stays as it is."""
        clean = "".join(c for c in text if c != "\0" and not "\ud800" <= c <= "\udfff")
        pieces = [clean[at : at + MAX_CHARACTERS] for at in range(0, len(clean), MAX_CHARACTERS)]
        shown = [piece for piece in pieces if piece.strip()] or [NOTHING]
        keys = [[button.label, button.token] for button in buttons]
        last = len(shown) - 1
        return tuple(json.dumps({"text": t, "buttons": keys if i == last else []}) for i, t in enumerate(shown))

    def enclosable(self, text: str) -> str | None:
        """The text."""
        return text

    def gap_ms(self, thread: Thread, *, edit: bool) -> int:  # noqa: ARG002 - the port's signature
        """Nobody has to wait here."""
        return 0

    async def deliver(self, post: Post) -> Receipt:  # noqa: PLR0911 - each way to fail has its receipt
        """Show or change a message, unless a prepared receipt says otherwise."""
        await anyio.lowlevel.checkpoint()
        prepared = self.receipts.popleft() if self.receipts else None
        if isinstance(prepared, Delayed | Rejected | Elsewhere):
            return prepared
        if post.ref.startswith(LEAVE_REF):
            self.left.append(post.thread)
            self._changed.announce()
            return prepared or Delivered("")
        try:
            parcel = parcel_of(post.ref, post.body)
        except ValueError as error:
            return Rejected(str(error))
        if parcel is not None:
            return await self._deliver_file(post, parcel, prepared)
        if post.thread.topic and post.thread.chat in self.forums and post.thread not in self.topics:
            return Gone("message thread not found")
        body = json.loads(post.body)
        buttons = tuple(Button(label, token) for label, token in body["buttons"])
        if post.edits is None:
            shown = Shown(post.thread, self._number(), body["text"], buttons, post.ring)
        elif post.edits in self.messages:
            old = self.messages[post.edits]
            shown = replace(old, text=body["text"], buttons=buttons, edits=old.edits + 1)
        else:
            return Rejected("message to edit not found")
        self.messages[shown.message_id] = shown
        self._changed.announce()
        return prepared if isinstance(prepared, Uncertain) else Delivered(shown.message_id)

    async def _deliver_file(self, post: Post, file: Parcel, prepared: Receipt | None) -> Receipt:
        words, held = words_under(post.body), file
        body = json.loads(words) if words else {"text": file.name, "buttons": []}
        try:
            content = await anyio.Path(file.path).read_bytes()
        except OSError as error:
            if not words:
                return Rejected(f"the copy of the file cannot be read ({error.strerror})")
            held, content = None, b""
        buttons = tuple(Button(label, token) for label, token in body["buttons"])
        shown = Shown(post.thread, self._number(), body["text"], buttons, post.ring, file=held, content=content)
        self.messages[shown.message_id] = shown
        self._changed.announce()
        return prepared if isinstance(prepared, Uncertain) else Delivered(shown.message_id)

    async def acknowledge(self, tap: Tap, words: str) -> None:
        """Note the answer to a tap."""
        await anyio.lowlevel.checkpoint()
        self.acknowledged.append((tap.tap_id, words))
        self._changed.announce()

    async def typing(self, thread: Thread) -> None:
        """Note that work was shown."""
        await anyio.lowlevel.checkpoint()
        self.typed.append(thread)

    async def draft(self, thread: Thread, draft_id: int, text: str) -> bool:
        """Note the draft, if there are any here."""
        await anyio.lowlevel.checkpoint()
        if not self.has_drafts:
            return False
        self.draft_begun.set()
        if self.draft_hold is not None:
            await self.draft_hold.wait()
        self.drafts.append((thread, draft_id, text))
        self._changed.announce()
        return True

    async def draws(self, words: str, within_s: float = WITHIN_S) -> str:
        """The first draft that holds the words, as soon as there is one. Raises TimeoutError."""
        with anyio.fail_after(within_s):
            while not (found := [text for _, _, text in self.drafts if words in text]):
                await self._changed.event.wait()
        return found[0]

    async def fetch(self, attachment_id: str, into: str, bytes_max: int) -> Saved | str:
        """Save a file that a person sent here."""
        content = self.files.get(attachment_id)
        if content is None:
            return "there is no such file"

        async def chunks() -> AsyncGenerator[bytes]:
            for at in range(0, len(content), CHUNK):
                yield content[at : at + CHUNK]

        try:
            return Saved(await save(chunks(), into, bytes_max))
        except TooLargeError as error:
            return str(error)
        except OSError as error:
            return f"it cannot be saved ({error.strerror})"

    async def react(self, thread: Thread, message_id: str, emoji: str) -> str:
        """Note the emoji on a message of ours or of a person's."""
        await anyio.lowlevel.checkpoint()
        if emoji not in REACTIONS:
            return f"There is no reaction {emoji[:20]!r} here: use one of {' '.join(REACTIONS)}."
        shown = self.messages.get(message_id)
        if thread != (self._said.get(message_id) if shown is None else shown.thread):
            return "There is no such message here."
        self.reactions[message_id] = emoji
        self._changed.announce()
        return ""

    def opens(self, thread: Thread, name: str = "") -> Thread:
        """A person opens a topic in the chat of this thread, which has topics from then on."""
        self.forums.add(thread.chat)
        opened = replace(thread, topic=self._number())
        self.topics[opened] = name
        self._changed.announce()
        return opened

    def deletes(self, thread: Thread) -> None:
        """A person deletes a topic, and all that was said in it."""
        del self.topics[thread]
        self.messages = {name: shown for name, shown in self.messages.items() if shown.thread != thread}

    async def called(self, name: str, within_s: float = WITHIN_S) -> Thread:
        """The topic of this name, as soon as there is one. Raises TimeoutError."""
        with anyio.fail_after(within_s):
            while not (found := [thread for thread, called in self.topics.items() if called == name]):
                await self._changed.event.wait()
        return found[0]

    async def until(self, holds: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Wait for a change after which this is so. Raises TimeoutError."""
        with anyio.fail_after(within_s):
            while not holds():
                await self._changed.event.wait()

    def has_threads(self, thread: Thread) -> bool:
        """The chat is one of those with topics."""
        return thread.chat in self.forums

    async def open_thread(self, thread: Thread, name: str) -> Thread | Delayed | Uncertain | str:
        """A new topic, unless a prepared answer says otherwise."""
        await anyio.lowlevel.checkpoint()
        prepared = self.answers.popleft() if self.answers else None
        self._changed.announce()
        if isinstance(prepared, Delayed | str):
            return prepared
        if thread.chat not in self.forums:
            return "the chat is not a forum"
        opened = self.opens(thread, name[:NAME_MAX])
        return opened if prepared is None else prepared

    async def rename_thread(self, thread: Thread, name: str) -> Delayed | Gone | str:
        """Call a topic so."""
        await anyio.lowlevel.checkpoint()
        if thread not in self.topics:
            return Gone("message thread not found")
        self.topics[thread] = name[:NAME_MAX]
        self._changed.announce()
        return ""

    async def shut_thread(self, thread: Thread, *, shut: bool) -> Delayed | Gone | str:
        """Close a topic, or open it again."""
        await anyio.lowlevel.checkpoint()
        if thread not in self.topics:
            return Gone("message thread not found")
        (self.shut.add if shut else self.shut.discard)(thread)
        self._changed.announce()
        return ""

    def thread_link(self, thread: Thread) -> str:
        """A made-up address."""
        return f"memory://{thread.chat}/{thread.topic}" if thread.topic else ""

    async def offer(self, commands: Sequence[Command], chat: str = "", *, groups: bool = False) -> str:
        """Note what is offered in a chat, in groups, or elsewhere."""
        await anyio.lowlevel.checkpoint()
        place = chat or ("groups" if groups else "")
        if self.offer_fails:
            return self.offer_fails
        self.offered[place] = tuple(one.name for one in commands)
        self._changed.announce()
        return ""

    async def offers(self, holds: Callable[[dict[str, tuple[str, ...]]], bool], within_s: float = WITHIN_S) -> None:
        """Wait until what is offered is as it should be. Raises TimeoutError."""
        with anyio.fail_after(within_s):
            while not holds(self.offered):
                await self._changed.event.wait()

    def _number(self) -> str:
        self._last += 1
        return str(self._last)
