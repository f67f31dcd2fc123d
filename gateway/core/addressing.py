"""What in a group is meant for the bot, and what a group's new number changes; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.domain.events import Edited, Message, Unsupported
from gateway.domain.place import Grant, Thread


def meant(event: Message | Edited | Unsupported, *, listens: bool, in_session: bool) -> bool:
    """Whether what a person wrote is meant for the bot. `in_session`: its topic is a session's; `listens`: all is, in every group."""
    written = event.message if isinstance(event, Edited) else event
    return not written.in_group or written.addressed or listens or in_session


def is_known(grants: Iterable[Grant], chat: str) -> bool:
    """Whether the owner has said of this chat that somebody may do something there."""
    return any(grant.chat == chat for grant in grants)


def is_nobodys(grants: Iterable[Grant], chat: str) -> bool:
    """Whether nobody at all may do anything in this chat."""
    return not any(grant.chat in ("", chat) for grant in grants)


def at_home(thread: Thread, moves: Iterable[tuple[str, str]]) -> Thread:
    """The thread by the number by which its chat goes now."""
    return next((replace(thread, chat=after) for before, after in moves if before == thread.chat), thread)


def moved_grants(grants: Sequence[Grant], before: str, after: str) -> tuple[Grant, ...]:
    """The same grants in the chat's new number. Who has one there already has that one: it is the owner's newer word."""
    there = {grant.person for grant in grants if grant.chat == after}
    kept = (grant for grant in grants if grant.chat != before or grant.person not in there)
    return tuple(replace(grant, chat=after) if grant.chat == before else grant for grant in kept)
