"""What is special about groups in an update: whether a message names the bot, and what Telegram tells of the group itself; pure."""

import re
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gateway.domain.events import Ignored, Membership, Moved
from gateway.domain.place import Thread

_THERE = frozenset({"creator", "administrator", "member"})
_GROUP, _SUPERGROUP = re.compile(r"-[1-9][0-9]{0,12}"), re.compile(r"-100[0-9]{1,13}")


class Wire(BaseModel):
    """Only what is read here; fields of newer API versions are no concern."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class User(Wire):
    """Somebody, by number; their names are only words."""

    id: int
    is_bot: bool = False
    first_name: str = ""
    last_name: str = ""


class Chat(Wire):
    """Where something happened."""

    id: int
    type: Literal["private", "group", "supergroup", "channel"]


class Entity(Wire):
    """A part of a text, in UTF-16 units; `user`: whom a mention without a user name means."""

    type: str
    offset: int
    length: int
    user: User | None = None


class Bot(Wire):
    """Whom messages are addressed to."""

    username: str
    id: int


class _Member(Wire):
    status: str
    is_member: bool = True

    @property
    def there(self) -> bool:
        return self.status in _THERE or (self.status == "restricted" and self.is_member)


class MemberUpdated(Wire):
    """`my_chat_member`: what the bot is in a chat, before and now."""

    chat: Chat
    sender: User
    old: _Member
    new: _Member


def membership(service: str, raw: dict[str, object]) -> Membership | Ignored:
    """The bot came into a group or had to go. Raises pydantic's ValidationError."""
    fields = {"chat": "chat", "sender": "from", "old": "old_chat_member", "new": "new_chat_member"}
    change = MemberUpdated.model_validate({name: raw.get(key) for name, key in fields.items()})
    if change.chat.type == "private":
        return Ignored("the bot was blocked or unblocked by a person")
    here = Thread(service, str(change.chat.id))
    return Membership(here, str(change.sender.id), change.old.there, change.new.there)


def moved(service: str, chat: Chat, raw: dict[str, object]) -> Moved | None:
    """What a service message says of a group's new number; None: nothing.

    Only Telegram makes service messages, so a person's message is none, whatever stands in it. The old number is a group's, the new one a
    supergroup's, and one of the two is the chat's own.
    """
    if raw.keys() & {"text", "caption", "forward_origin", "via_bot", "edit_date"}:
        return None
    match raw:
        case {"migrate_to_chat_id": int(after)} if chat.type == "group":
            before = chat.id
        case {"migrate_from_chat_id": int(before)} if chat.type == "supergroup":
            after = chat.id
        case _:
            return None
    if not _SUPERGROUP.fullmatch(str(after)) or not _GROUP.fullmatch(str(before)) or before == after:
        return None
    return Moved(service, str(before), str(after))


def without_mentions(text: str, entities: Sequence[Entity], bot: Bot) -> tuple[str, tuple[Entity, ...]]:
    """The text without the bot's name wherever it is mentioned, and the other entities where they are then.

    As they were, if it is mentioned nowhere.
    """
    units, kept = text.encode("utf-16-le", "surrogatepass"), list(entities)
    for mention in sorted((one for one in entities if _names(units, one, bot)), key=lambda one: -one.offset):
        begin, end = mention.offset, mention.offset + mention.length
        while _at(units, end) == " " and (begin == 0 or _at(units, begin - 1).isspace()):
            end += 1
        units = units[: 2 * begin] + units[2 * end :]
        kept.remove(mention)
        kept = [
            one.model_copy(update={"offset": one.offset - (end - begin)}) if one.offset >= end else one for one in kept
        ]
    return units.decode("utf-16-le", "replace"), tuple(kept)


def _names(units: bytes, entity: Entity, bot: Bot) -> bool:
    if entity.type == "text_mention":
        return entity.user is not None and entity.user.id == bot.id
    if entity.type != "mention" or entity.offset < 0 or entity.length < 1:
        return False
    named = units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le", "replace")
    return named.lower() == f"@{bot.username}".lower()


def _at(units: bytes, place: int) -> str:
    return units[2 * place : 2 * place + 2].decode("utf-16-le", "replace")
