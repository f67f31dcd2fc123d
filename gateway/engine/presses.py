"""Pressed buttons: an answer to a question, or a command of a menu."""

from collections.abc import Callable

from gateway.core.approve import TooLate
from gateway.domain.approval import ApprovalKind
from gateway.domain.events import Tap
from gateway.engine import inbound, taps
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View


def handle_tap(
    world: World, tap: Tap, update: tuple[str, str], waiting: frozenset[str]
) -> Callable[[View], Decision[str | TooLate]]:
    """The decision for a tap: the button's label, or why it changes nothing. `waiting`: turns in which an agent waits."""

    def decide(view: View) -> Decision[str | TooLate]:
        draft = Draft(handled=update)
        found = view.approval_by_token(tap.token)
        if found is not None and found.kind is ApprovalKind.MENU:
            return draft.done(inbound.pressed(world, view, draft, tap, found, waiting))
        return draft.done(taps.answered(world, view, draft, tap, found, waiting))

    return decide
