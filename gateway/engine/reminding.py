"""Questions that wait long are reminded of: once each, aloud, and never after their answer."""

from collections.abc import Callable
from typing import Final

from gateway.core import asking
from gateway.domain.effects import Say
from gateway.engine.world import Draft, World
from gateway.ports import Decision, View

LONGEST_MS: Final = 600_000
"""After so long, or half of the time that there is for an answer, whichever is sooner."""
BATCH: Final = 20


def due_by_ms(world: World) -> int:
    """Questions whose time ends by then are to be reminded of."""
    given_ms = world.rules.approval_ms
    return world.clock.now_ms() + given_ms - min(given_ms // 2, LONGEST_MS)


def remind(world: World) -> Callable[[View], Decision[int]]:
    """Remind of the oldest; the result is of how many. The name of the message says that it was done, after a restart too."""

    def decide(view: View) -> Decision[int]:
        draft = Draft()
        said: set[str] = set()
        now_ms = world.clock.now_ms()
        for approval in view.unreminded_approvals(due_by_ms(world), BATCH):
            if approval.expires_at_ms > now_ms and approval.reminder_ref not in said:
                said.add(approval.reminder_ref)
                words = asking.reminder(approval, now_ms)
                draft.say(Say(approval.thread, approval.reminder_ref, words, ring=True))
        return draft.done(len(said))

    return decide
