"""What the stand-in knows: the clock, chats, messages, files, callback queries, and who waits for a change."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import anyio

from tests.fakes.bot_api_facts import Upload
from tests.fakes.bot_api_updates import Updates
from tests.fakes.bot_api_webhook import Webhooks

Json = dict[str, Any]
T = TypeVar("T")
LOOK_EVERY_S = 0.5
"""What a test waits for may lie outside the stand-in, whose changes it would be told of."""
RESTS = 4
"""Who looks at a long history rests so many times as long as that takes: what it waits for wants the processor too."""
CALLBACK_ANSWER_S = 15
"""How long a tap can be answered."""
DELETE_WITHIN_S = 48 * 3600
MAX_DOWNLOAD = 20 * 1024 * 1024


class ApiError(Exception):
    """An answer that is not ok: HTTP status, description, and `parameters` where the server sends them."""

    def __init__(self, status: int, description: str, parameters: Json | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


@dataclass(slots=True)
class Message:
    """A message as the Bot API shows it (`data`), and what happened to it."""

    data: Json
    by_bot: bool
    edits: int = 0
    service: bool = False
    dropped_entities: int = 0
    reactions: list[Json] = field(default_factory=list)

    @property
    def message_id(self) -> int:
        """Its number in its chat."""
        return self.data["message_id"]


@dataclass(slots=True)
class Topic:
    """A forum topic."""

    name: str
    icon_color: int = 7322096
    closed: bool = False


@dataclass(frozen=True, slots=True)
class Action:
    """A chat action that the person saw: what, when (monotonic seconds), in which topic."""

    action: str
    at: float
    thread: int | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A streamed draft: its number, the text shown, when it came (monotonic seconds)."""

    draft_id: int
    text: str
    at: float
    thread: int | None
    can_stop: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What the bot answered to a tap."""

    query_id: str
    text: str
    alert: bool
    at: float


@dataclass(slots=True)
class Chat:
    """A chat: private, group or supergroup (forum)."""

    info: Json
    members: dict[int, Json] = field(default_factory=dict)
    bot_status: str = "member"
    blocked: bool = False
    started: bool = True
    upgraded: int | None = None
    """The number that the group has as a supergroup."""
    topics: dict[int, Topic] = field(default_factory=dict)
    general_closed: bool = False
    messages: dict[int, Message] = field(default_factory=dict)
    actions: list[Action] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    last_message_id: int = 0

    @property
    def chat_id(self) -> int:
        """Its number."""
        return self.info["id"]

    @property
    def private(self) -> bool:
        """Whether it is a chat with one person."""
        return self.info["type"] == "private"

    @property
    def administered(self) -> bool:
        """Whether the bot is an administrator here."""
        return self.bot_status == "administrator"


@dataclass(slots=True)
class Callback:
    """A tap: who may read the answer, until when (seconds of the world's clock) it can be answered."""

    query_id: str
    chat_id: int
    user_id: int
    expires: float
    answer: Answer | None = None


class World:
    """The state behind the server. Every access holds `lock`; `touch()` tells those who wait that something changed."""

    def __init__(
        self,
        *,
        private_topics: bool = False,
        reads_all: bool = False,
        files_dir: Path | None = None,
        local: bool = False,
        unit_s: float = 1.0,
        token: str = "",
    ) -> None:
        self.token = token
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.skew = 0.0
        self.stopping = False
        self.pokes: set[Callable[[], None]] = set()
        self.updates = Updates(self.changed, self.now)
        self.webhooks = Webhooks(self.updates, self.touch, local=local or files_dir is not None, unit_s=unit_s)
        self.files_dir = files_dir
        self.bot: Json = {
            "id": 987654321,
            "is_bot": True,
            "first_name": "Tollbridge",
            "username": "tollbridge_test_bot",
            "can_join_groups": True,
            "can_read_all_group_messages": reads_all,
            "supports_inline_queries": False,
            "has_topics_enabled": private_topics,
        }
        self.users: dict[int, Json] = {}
        self.chats: dict[int, Chat] = {}
        self.files: dict[str, Upload] = {}
        self.callbacks: dict[str, Callback] = {}
        self.commands: dict[str, list[Json]] = {}
        self.last_private_message_id = 0
        self.serial = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for a change, then tell those who wait."""
        with self.lock:
            yield
            self.touch()

    def touch(self) -> None:
        """Something changed."""
        with self.lock:
            self.changed.notify_all()
            pokes = tuple(self.pokes)
        for poke in pokes:
            poke()

    async def until(self, find: Callable[[], T | None], timeout: float, what: str) -> T:  # noqa: ASYNC109 - has the limit
        """Return what `find` finds, looking again after every change, and now and then; AssertionError after `timeout` seconds."""
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def poke() -> None:
            loop.call_soon_threadsafe(changed.set)

        with self.lock:
            self.pokes.add(poke)
        try:
            with anyio.fail_after(timeout):
                while True:
                    began = time.monotonic()
                    if (found := self._look(find)) is not None:
                        break
                    took = time.monotonic() - began
                    with anyio.move_on_after(LOOK_EVERY_S):
                        await changed.wait()
                    await anyio.sleep(took * RESTS)
                    changed.clear()
        except TimeoutError as error:
            raise AssertionError(f"within {timeout} s there was no {what}") from error
        else:
            return found
        finally:
            with self.lock:
                self.pokes.discard(poke)

    def _look(self, find: Callable[[], T | None]) -> T | None:
        with self.lock:
            return find()

    def now(self) -> float:
        """Unix time in seconds, moved on by `advance`."""
        return time.time() + self.skew

    def date(self) -> int:
        """Now, as the Bot API writes dates."""
        return int(self.now())

    def next_serial(self) -> int:
        """A number that was not used before."""
        self.serial += 1
        return self.serial

    def next_message_id(self, chat: Chat) -> int:
        """Supergroups count for themselves; private chats and basic groups share one counter."""
        if chat.info["type"] == "supergroup":
            chat.last_message_id += 1
            return chat.last_message_id
        self.last_private_message_id += 1
        return self.last_private_message_id

    def public_bot(self) -> Json:
        """The bot as the sender of a message."""
        return {name: self.bot[name] for name in ("id", "is_bot", "first_name", "username")}

    def chat(self, chat_id: int | str) -> Chat:
        """The chat, or the server's complaint."""
        named = [c for c in self.chats.values() if isinstance(chat_id, str) and chat_id == f"@{c.info.get('username')}"]
        found = self.chats.get(chat_id) if isinstance(chat_id, int) else (named[0] if named else None)
        if found is None:
            raise ApiError(400, "Bad Request: chat not found")
        return found

    def membership(self, chat: Chat, person: Json, before: str, after: str) -> None:
        """Tell the bot what it is in a chat now, by whom."""
        chat.bot_status = after
        change = {"chat": chat.info, "from": person, "date": self.date()}
        statuses = {"old_chat_member": before, "new_chat_member": after}
        self.updates.push(
            "my_chat_member", change | {k: member_json(self.public_bot(), one) for k, one in statuses.items()}
        )

    def writable(self, chat_id: int | str) -> Chat:
        """The chat, if the bot may write there."""
        chat = self.chat(chat_id)
        kind = chat.info["type"]
        if chat.upgraded is not None:
            words = "Bad Request: group chat was upgraded to a supergroup chat"
            raise ApiError(400, words, {"migrate_to_chat_id": chat.upgraded})
        if chat.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        if not chat.started:
            raise ApiError(403, "Forbidden: bot can't initiate conversation with a user")
        if chat.bot_status == "kicked":
            raise ApiError(403, f"Forbidden: bot was kicked from the {kind} chat")
        if chat.bot_status == "left":
            raise ApiError(403, f"Forbidden: bot is not a member of the {kind} chat")
        return chat

    def topic(self, chat: Chat, thread: int | None) -> Topic | None:
        """The topic, if there is such a one; the General topic has no number that can be addressed."""
        if thread is None:
            if chat.general_closed and not chat.administered:
                raise ApiError(400, "Bad Request: TOPIC_CLOSED")
            return None
        if thread not in chat.topics:
            raise ApiError(400, "Bad Request: message thread not found")
        topic = chat.topics[thread]
        if topic.closed and not chat.administered and not chat.private:
            raise ApiError(400, "Bad Request: TOPIC_CLOSED")
        return topic

    def add_message(self, chat: Chat, sender: Json, content: Json, thread: int | None = None) -> Message:
        """A new message in the chat."""
        data: Json = {"message_id": self.next_message_id(chat), "from": sender, "chat": chat.info, "date": self.date()}
        if thread is not None:
            data |= {"message_thread_id": thread, "is_topic_message": True}
        message = Message(data | content, by_bot=sender["id"] == self.bot["id"])
        chat.messages[message.message_id] = message
        return message

    def keep_file(self, upload: Upload, folder: str) -> Json:
        """Keep a file; the result is what every media object has in common."""
        file_id = f"AgACAgI{folder}-{self.next_serial()}"
        self.files[file_id] = upload
        return self.file_json(file_id)

    def file_json(self, file_id: str) -> Json:
        """A kept file as every media object begins."""
        unique = file_id.rpartition("-")[2]
        return {"file_id": file_id, "file_unique_id": f"u{unique}", "file_size": len(self.files[file_id].data)}

    def file_path(self, file_id: str) -> str:
        """Where the file can be downloaded."""
        folder, _, serial = file_id.removeprefix("AgACAgI").rpartition("-")
        return f"{folder}/file_{serial}"

    def served_path(self, file_id: str) -> str:
        """Where the file is: with `--local` on the disk, below a directory that is called like the bot's token."""
        path = self.file_path(file_id)
        if self.files_dir is None:
            return path
        place = self.files_dir / self.token / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(self.files[file_id].data)
        return str(place)


def member_json(user: Json, status: str) -> Json:
    """A ChatMember with every field that its status requires."""
    rights = (
        "can_be_edited can_change_info can_delete_stories can_edit_stories can_invite_users can_manage_video_chats "
        "can_post_stories can_promote_members can_restrict_members can_send_welcome_messages is_anonymous"
    )
    if status == "administrator":
        granted = {
            "can_manage_chat": True,
            "can_delete_messages": True,
            "can_manage_topics": True,
            "can_pin_messages": True,
        }
        return {"status": status, "user": user, **dict.fromkeys(rights.split(), False), **granted}
    extra = {"kicked": {"until_date": 0}, "creator": {"is_anonymous": False}}.get(status, {})
    return {"status": status, "user": user, **extra}
