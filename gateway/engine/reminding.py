"""Questions that wait long are reminded of: once each, aloud, never after their answer, and not while the chat is quiet."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from gateway.core import asking, preferences
from gateway.domain.approval import Approval
from gateway.domain.effects import Say
from gateway.domain.preferences import Preferences
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View

LONGEST_MS: Final = 600_000
"""After so long, or half of the time that there is for an answer, whichever is sooner."""
BATCH: Final = 20
LOOKED_MAX: Final = 500
"""So many questions are looked at for those whose chat is not quiet."""
MINUTE_MS: Final = 60_000


def due(world: World, view: View) -> tuple[Approval, ...]:
    """The oldest questions that are to be reminded of now."""
    return tuple(islice(_due(world, view), BATCH))


def _due(world: World, view: View) -> Iterator[Approval]:
    now_ms, given_ms = world.clock.now_ms(), world.rules.approval_ms
    by_ms = now_ms + given_ms - min(given_ms // 2, LONGEST_MS)
    chosen: dict[str, Preferences] = {}
    for approval in view.unreminded_approvals(by_ms, LOOKED_MAX):
        chat = approval.thread.chat
        if chat not in chosen:
            chosen[chat] = view.preferences(approval.thread)
        if approval.expires_at_ms > now_ms and not _is_kept_back(world, chosen[chat], approval, now_ms):
            yield approval


def _is_kept_back(world: World, chosen: Preferences, approval: Approval, now_ms: int) -> bool:
    """In quiet hours it would not be heard. Where they last until there is no time for an answer it comes without a sound."""
    quiet_ms = preferences.quiet_for(chosen, world.minute_of_week(now_ms)) * MINUTE_MS
    return 0 < quiet_ms < approval.expires_at_ms - now_ms


def remind(world: World) -> Callable[[View], Decision[int]]:
    """Remind of the oldest; the result is of how many. The name of the message says that it was done, after a restart too."""

    def decide(view: View) -> Decision[int]:
        draft = Draft()
        said: set[str] = set()
        now_ms = world.clock.now_ms()
        for approval in due(world, view):
            if approval.reminder_ref not in said:
                said.add(approval.reminder_ref)
                words = asking.reminder(approval, now_ms)
                draft.say(Say(approval.thread, approval.reminder_ref, words, ring=True))
        return draft.done(len(said))

    return decide
