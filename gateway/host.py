"""What the channel's server asks of the gateway, for one session: the deeds of the engine and of the desk in the server's words."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from gateway.agents.claude.desk import DeskAgent, DeskClient
from gateway.core import summary
from gateway.domain.effects import Edit, Say
from gateway.domain.place import Session
from gateway.engine import World
from gateway.engine.world import Draft
from gateway.ports import Decision, View
from mcp_servers.channel_host import Channel, Declined, Done, Question, Saved, Unread

TURNS_LOOKED_AT: Final = 20
NOT_JOINED: Final = (
    "No session belongs to this channel yet: say it in the terminal, and try again after the next prompt."
)
NO_FILES: Final = "Files cannot be sent yet: say where it is, or what is in it."
NO_REACTIONS: Final = "This chat takes no reactions from here: say it in a reply."
NO_ATTACHMENT: Final = "There is no such attachment."
NOT_OURS: Final = "No message of this session has this id: reply gives the ids of those that can be changed."


class DeskHost:
    """The Host of one channel, which belongs to whatever session its client has open. `stack` lasts as long as the channel."""

    def __init__(
        self, world: World, desk: DeskAgent, session: str, lineage: Sequence[int], stack: AsyncExitStack
    ) -> None:
        self._world = world
        self._desk = desk
        self._named = session
        self._lineage = lineage
        self._stack = stack
        self._channel: Channel | None = None

    async def ready(self, channel: Channel) -> None:
        self._channel = channel
        await self._stack.enter_async_context(self._desk.joined(channel, self._named, self._lineage))

    async def reply(self, text: str, files: Sequence[str], quotes: str | None) -> Done | Declined:
        if files:
            return Declined(NO_FILES)
        found = await self._session()
        if found is None:
            return Declined(NOT_JOINED)
        client, session = found
        ref = f"said:{session.id}:{self._world.clock.new_uuid()}"

        def decide(view: View) -> Decision[None]:
            draft = Draft()
            draft.say(Say(session.thread, ref, f"{_quote(view, session, quotes)}{text}", ring=True))
            return draft.done(None)

        await self._world.commit(decide)
        client.replied()
        return Done("It is on its way to the person's chat.", (ref,))

    async def react(self, message_id: str, emoji: str) -> Done | Declined:
        del message_id, emoji
        return Declined(NO_REACTIONS)

    async def edit(self, message_id: str, text: str) -> Done | Declined:
        found = await self._session()
        if found is None:
            return Declined(NOT_JOINED)
        _, session = found
        if not message_id.startswith(f"said:{session.id}:"):
            return Declined(NOT_OURS)

        def decide(view: View) -> Decision[bool]:
            draft = Draft()
            known = view.message_id(message_id) is not None
            if known:
                draft.say(Edit(session.thread, message_id, text))
            return draft.done(known)

        done = (await self._world.commit(decide)).result
        return Done("It is on its way to the person's chat.", (message_id,)) if done else Declined(NOT_OURS)

    async def download(self, attachment_id: str) -> Saved | Declined:
        del attachment_id
        return Declined(NO_ATTACHMENT)

    async def fetch(self) -> Unread:
        client = self._client()
        return Unread(() if client is None else client.unread())

    async def told(self, message_ids: Sequence[str]) -> None:
        client = self._client()
        if client is not None:
            client.fetched(message_ids)

    async def permission(self, question: Question) -> None:
        client = self._client()
        if client is not None:
            await client.asks(question.request_id, question.tool, question.description, question.preview)

    def _client(self) -> DeskClient | None:
        return None if self._channel is None else self._desk.client_of(self._channel)

    async def _session(self) -> tuple[DeskClient, Session] | None:
        client = self._client()
        if client is None:
            return None
        session = await self._world.store.read(lambda view: view.session_of_agent(client.agent_session))
        return None if session is None else (client, session)


def _quote(view: View, session: Session, quotes: str | None) -> str:
    """The first words of the message that is answered, where it is known."""
    turns = view.latest_turns(session.id, TURNS_LOOKED_AT) if quotes else ()
    words = next((summary.title(turn.prompt) for turn in turns if turn.prompt_uuid == quotes), "")
    return f"> {summary.escape(words)}\n\n" if words else ""
