"""A group as tests use it."""

from tests.fakes.bot_api_phone import Phone
from tests.fakes.bot_api_world import Chat, Topic, World, member_json


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

    @property
    def topics(self) -> dict[int, Topic]:
        """Topics by number."""
        with self._world.lock:
            return dict(self._chat.topics)

    def kicks_bot(self) -> None:
        """Throw the bot out."""
        with self._world.changing():
            world, before = self._world, self._chat.bot_status
            self._chat.bot_status = "kicked"
            person = next(iter(self._chat.members.values()), world.public_bot())
            change = {"chat": self._chat.info, "from": person, "date": world.date()}
            statuses = {"old_chat_member": before, "new_chat_member": "kicked"}
            members = {field: member_json(world.public_bot(), status) for field, status in statuses.items()}
            world.updates.push("my_chat_member", change | members)
