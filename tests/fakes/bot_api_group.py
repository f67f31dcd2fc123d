"""A group as tests use it."""

from tests.fakes.bot_api_phone import Phone
from tests.fakes.bot_api_world import Chat, Topic, World


class Group:
    """A group for tests: people join it, the bot can be thrown out."""

    def __init__(self, world: World, chat: Chat) -> None:
        self._world = world
        self._chat = chat

    @property
    def chat_id(self) -> int:
        """The chat."""
        return self._chat.chat_id

    def joined_by(self, phone: Phone) -> Phone:
        """Let a person join; the result is their view of the group."""
        with self._world.changing():
            self._chat.members[phone.user_id] = phone.user
        return Phone(self._world, phone.user, self._chat)

    def topic(self, name: str) -> int:
        """Open a topic as a person would; its number."""
        with self._world.changing():
            chat = self._chat
            opener = next(iter(chat.members.values()), self._world.public_bot())
            content = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
            service = self._world.add_message(chat, opener, content)
            service.service = True
            chat.topics[service.message_id] = Topic(name)
            return service.message_id

    def closes_general(self, *, closed: bool = True) -> None:
        """A person closes the General topic, or opens it again."""
        with self._world.lock:
            self._chat.general_closed = closed

    def deletes_topic(self, topic: int) -> None:
        """A person deletes a topic with all that was said in it; bots are not told."""
        with self._world.changing():
            del self._chat.topics[topic]
            said = [n for n, message in self._chat.messages.items() if message.data.get("message_thread_id") == topic]
            for number in said:
                del self._chat.messages[number]

    @property
    def topics(self) -> dict[int, Topic]:
        """Topics by number."""
        with self._world.lock:
            return dict(self._chat.topics)

    def adds_bot(self, phone: Phone, status: str = "member") -> None:
        """Somebody puts the bot into the group."""
        with self._world.changing():
            self._world.membership(self._chat, phone.user, "left", status)

    def promotes_bot(self, phone: Phone) -> None:
        """Somebody makes the bot an administrator."""
        with self._world.changing():
            self._world.membership(self._chat, phone.user, self._chat.bot_status, "administrator")

    def kicks_bot(self) -> None:
        """Throw the bot out."""
        with self._world.changing():
            person = next(iter(self._chat.members.values()), self._world.public_bot())
            self._world.membership(self._chat, person, self._chat.bot_status, "kicked")

    @property
    def bot_status(self) -> str:
        """What the bot is here."""
        with self._world.lock:
            return self._chat.bot_status

    def becomes_supergroup(self, chat_id: int, *, told: tuple[str, ...] = ("to", "from")) -> "Group":
        """It goes by another number from now on, in which messages are numbered anew; `told`: which of the two service messages
        the bot gets, and in which order.
        """
        world, old = self._world, self._chat
        with world.changing():
            info = old.info | {"id": chat_id, "type": "supergroup"}
            new = world.chats[chat_id] = Chat(info, dict(old.members), bot_status=old.bot_status)
            opener = next(iter(old.members.values()), world.public_bot())
            anonymous = {"id": 1087968824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}
            old.upgraded = chat_id
            gone = world.add_message(old, opener, {"migrate_to_chat_id": chat_id})
            come = world.add_message(new, anonymous, {"migrate_from_chat_id": old.chat_id, "sender_chat": info})
            gone.service = come.service = True
            both = {"to": gone, "from": come}
            for one in told:
                world.updates.push("message", dict(both[one].data))
            return Group(world, new)
