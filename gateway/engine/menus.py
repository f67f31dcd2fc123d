"""Buttons that stand for commands. Who presses one has said the command: with that person's rights, and in that place."""

from collections.abc import Sequence
from dataclasses import replace

from gateway.core import approve
from gateway.domain.approval import Approval, ApprovalKind, ApprovalState, Choice, Option
from gateway.domain.effects import Button, Edit, Say
from gateway.domain.events import Message, Tap
from gateway.domain.place import Thread
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import View

Entries = Sequence[tuple[str, str]]
"""Labels, each with its command as it would be typed, without the slash."""


def show(
    world: World, draft: Draft, thread: Thread, text: str, entries: Entries, ref: str = "", *, ring: bool = False
) -> None:
    """Say it, with the buttons under it. `ref`: the message's own name, if something refers to it later; `ring`: it is a question."""
    made = menu(world, draft, thread, ref or world.clock.new_id("menu"), text, entries)
    draft.say(Say(thread, made.ref, text, approve.buttons(made), ring=ring))


def renew(world: World, draft: Draft, shown: Approval, text: str, entries: Entries = ()) -> None:
    """Change a menu's message and its buttons; without any, it is one no more."""
    if entries:
        shown = menu(world, draft, shown.thread, shown.id, text, entries)
        draft.say(Edit(shown.thread, shown.ref, text, approve.buttons(shown)))
    else:
        draft.put.append(replace(shown, text=text, state=ApprovalState.WITHDRAWN))
        draft.say(Edit(shown.thread, shown.ref, text))


def menu(world: World, draft: Draft, thread: Thread, ref: str, text: str, entries: Entries) -> Approval:
    """The buttons of a message of this name, kept; the caller sends the message."""
    options = tuple(Option(Choice.COMMAND, label, value=command) for label, command in entries)
    made = Approval(
        id=ref,
        kind=ApprovalKind.MENU,
        turn_id="",
        session_id="",
        thread=thread,
        text=text,
        options=options,
        tokens=tuple(world.clock.new_token() for _ in options),
        digest=approve.digest(ApprovalKind.MENU, "", text, options),
        expires_at_ms=world.clock.now_ms() + world.rules.approval_ms,
    )
    draft.put.append(made)
    return made


def opened(view: View, ref: str) -> Approval | None:
    """The menu that a message of this name shows, if its buttons still mean something."""
    found = view.approval(ref)
    return found if found is not None and found.state is ApprovalState.OPEN else None


def buttons(found: Approval | None) -> tuple[Button, ...]:
    """Its buttons as they are: for a message that changes more often than they do."""
    return () if found is None else approve.buttons(found)


def said(tap: Tap, option: Option) -> Message:
    """What a press says, as if it had been typed there."""
    name, _, argument = option.value.partition(" ")
    return Message(tap.thread, tap.person, f"/{option.value}", (name, argument))
