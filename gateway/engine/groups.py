"""Groups: what in them is meant for the bot, which it leaves without a word, and what a group's new number changes."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from gateway.core import addressing, approve, pairing
from gateway.core.access import may
from gateway.domain.effects import LEAVE_REF, Leave, Say
from gateway.domain.events import Edited, Incoming, Membership, Message, Moved, Unsupported
from gateway.domain.place import Deed, Thread
from gateway.engine import waiting
from gateway.engine.decision import Draft
from gateway.engine.rules import Rules
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import group_words as words

log = structlog.get_logger()

MINUTE_MS = 60_000


# ------------------------------------------------------------------------------------------------------- what is heard
def passed_over(world: World, view: View, draft: Draft, event: Message | Edited | Unsupported) -> str:
    """Why nothing is done about what somebody wrote in a group, for the log; empty: it is meant for the bot, or no group."""
    written = event.message if isinstance(event, Edited) else event
    thread = event.thread
    if not written.in_group:
        return ""
    if addressing.is_nobodys(view.all_grants(), thread.chat):
        _leave(draft, thread, str(world.clock.now_ms() // MINUTE_MS))
        return "nobody's group"
    in_session = bool(thread.topic) and bool(view.thread_sessions(thread, 1))
    meant = addressing.meant(event, listens=world.rules.groups_listen, in_session=in_session)
    return "" if meant else "not addressed"


async def handle(world: World, event: Membership | Moved, update: tuple[str, str]) -> None:
    """What the service tells of a group itself."""
    if isinstance(event, Moved):
        decision = await world.commit(handle_moved(world, event, update))
        log.info("a group's number", before=event.before, after=event.after, result=decision.result)
    else:
        decision = await world.commit(handle_membership(event, update))
        log.info("the bot in a group", chat=event.thread.chat, person=event.person, result=decision.result)


def handle_membership(event: Membership, update: tuple[str, str]) -> Callable[[View], Decision[str]]:
    """The decision for the bot's own coming and going; its result is a word for the log. Nothing is ever said about it."""

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        if not event.now:
            draft.gone = event.thread
            return draft.done("gone")
        if event.was:
            return draft.done("rights changed")
        if may(view.grants(event.person), Deed.GRANT, event.thread):
            return draft.done("owner's group")
        if addressing.is_known(view.all_grants(), event.thread.chat):
            return draft.done("known group")
        _leave(draft, event.thread, update[1])
        return draft.done("leaves")

    return decide


def _leave(draft: Draft, thread: Thread, once: str) -> None:
    """`once`: wanted twice under the same name, it is done once."""
    draft.effects.append(Leave(replace(thread, topic=""), f"{LEAVE_REF}{thread.service}:{thread.chat}:{once}"))


# ------------------------------------------------------------------------------------------------------ another number
async def remember(world: World) -> None:
    """At the start: the settings may name groups by numbers that they had before."""
    for before, after in await world.store.read(lambda view: view.moves(world.chat.service)):
        _rename(world, before, after)


def handle_moved(world: World, moved: Moved, update: tuple[str, str] | None) -> Callable[[View], Decision[str]]:
    """The decision for a group's new number, however it was heard of (`update` None: by what came of a message there).

    Everything that names the group moves at once, or was moved before. Questions and waiting messages whose
    buttons stood in the old chat are put again, with buttons of their own.
    """

    def decide(view: View) -> Decision[str]:
        draft = Draft(handled=update)
        known = dict(view.moves(moved.service))
        if moved.before == moved.after or moved.after in known or known.get(moved.before, moved.after) != moved.after:
            return draft.done("impossible number")
        draft.moved = moved
        _move_grants(view, draft, moved)
        for shown in view.shown_approvals(moved.service, moved.before):
            tokens = tuple(world.clock.new_token() for _ in shown.options)
            again = replace(shown, thread=replace(shown.thread, chat=moved.after), tokens=tokens)
            draft.put.append(again)
            draft.say(Say(again.thread, again.ref, again.text, approve.buttons(again), ring=True))
        waiting.put_again(world, view, draft, moved)
        in_settings = _is_named(world.rules, moved.before)
        if in_settings:
            here = Thread(moved.service, moved.after)
            draft.say(Say(here, f"moved:{moved.service}:{moved.before}", words.moved(moved.before, moved.after)))
        _rename(world, moved.before, moved.after)
        return draft.done("number changed")

    return decide


def _move_grants(view: View, draft: Draft, moved: Moved) -> None:
    known = view.all_grants()
    grants = addressing.moved_grants(known, moved.before, moved.after)
    if grants != known:
        draft.grants = grants
        draft.entries.extend(pairing.entries(known, grants, who=moved.service, why=words.WHY_MOVED))


def _is_named(rules: Rules, chat: str) -> bool:
    return chat in {
        *(grant.chat for grant in rules.people),
        *(desk.chat for desk in rules.desks),
        *(rule.when.chat for rule in rules.policy),
    }


def _rename(world: World, before: str, after: str) -> None:
    """What the settings say of the group holds under its new number."""
    rules = world.rules
    world.moves[before] = after
    world.rules = replace(
        rules,
        people=addressing.moved_grants(rules.people, before, after),
        desks=tuple(replace(desk, chat=after) if desk.chat == before else desk for desk in rules.desks),
        policy=tuple(
            replace(rule, when=replace(rule.when, chat=after)) if rule.when.chat == before else rule
            for rule in rules.policy
        ),
    )


def at_home(world: World, event: Incoming) -> Incoming:
    """What was written before a group moved, and is handled after that, was written where the group is now.

    Messages have other numbers there. A press stays where the button was: it means nothing any more.
    """
    moves = world.moves.items()
    match event:
        case Message() if event.thread.chat in world.moves:
            return replace(event, thread=addressing.at_home(event.thread, moves), replies_to="", message_id="")
        case Edited() if event.thread.chat in world.moves:
            return Edited(replace(event.message, thread=addressing.at_home(event.thread, moves), replies_to=""))
        case Unsupported() if event.thread.chat in world.moves:
            return replace(event, thread=addressing.at_home(event.thread, moves))
        case _:
            return event
