"""Pairing: a window that a terminal opens, a code for each stranger who asks in it, and the owner of the machine who types it.

The window is kept in memory: it belongs to a command that waits in a terminal, whose connection ends with the gateway as well, and a
code that outlived either could be typed by nobody. Whatever reads or changes it does so inside a decision, of which one runs at a time.
"""

from collections.abc import Callable

import structlog

from gateway.core import pairing
from gateway.core.pairing import TRIES_MAX, Window
from gateway.core.summary import escape
from gateway.domain.change import Asker, ChangeState, Standing
from gateway.domain.events import Message
from gateway.domain.people import Terms, WindowStanding, WindowState
from gateway.domain.place import Thread
from gateway.engine import people
from gateway.engine.askers import is_inside_agent
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, View
from gateway.view import people_words as words

log = structlog.get_logger()

MINUTE_MS = 60_000
STRANGER, CODE_GIVEN = "stranger", "code given"


# ----------------------------------------------------------------------------------------------------------- the chat
def stranger(world: World, draft: Draft, message: Message) -> str:
    """Somebody wrote who may do nothing there; a word for the log. Only `/pair`, alone with the bot and in a window, is answered."""
    private = message.thread == Thread(message.thread.service, message.person)
    if message.command is None or message.command[0].lower() != "pair" or not private:
        return STRANGER
    window, ticks_ms, code = world.window, world.clock.ticks_ms(), pairing.code_of(world.clock.new_token())
    after = pairing.claimed(window, message.person, message.name, code, ticks_ms)
    if after is None:
        return STRANGER
    world.window = after
    minutes = max(1, (after.until_ticks_ms - ticks_ms) // MINUTE_MS)
    draft.say(world.notice(message.thread, escape(words.code(code, minutes))))
    return CODE_GIVEN


# ------------------------------------------------------------------------------------------------------- the terminal
async def opened(world: World, terms: Terms, minutes: int, asker: Asker) -> WindowStanding:
    """Open a window; one that was open is closed by that."""
    if refusal := await _refusal(world, asker):
        return WindowStanding(WindowState.REFUSED, refusal)

    def decide(view: View) -> Decision[WindowStanding]:
        grants = view.all_grants()
        if any(map(pairing.may_raise, grants)) and not any(map(pairing.may_grant, grants)):
            return Decision(WindowStanding(WindowState.REFUSED, words.NO_OWNER))
        until = world.clock.ticks_ms() + minutes * MINUTE_MS
        window = Window(world.clock.new_id("pair"), terms, until, asker.user, asker.host)
        world.window = window
        sentence = words.opened(terms.role, terms.chat, terms.largest_raise, minutes)
        return Decision(WindowStanding(WindowState.OPEN, sentence, window.id))

    return await _commit(world, decide, "opened", asker)


async def typed(world: World, window_id: str, code: str, asker: Asker) -> WindowStanding:
    """Somebody at the terminal typed a code."""
    if refusal := await _refusal(world, asker):
        return WindowStanding(WindowState.REFUSED, refusal)

    def decide(view: View) -> Decision[WindowStanding]:
        window = _open(world, window_id)
        if window is None or window.found is not None:
            return Decision(WindowStanding(WindowState.CLOSED, words.CLOSED))
        after = pairing.typed(window, code)
        if after.found is not None:
            grant = pairing.granted(after.terms, after.found)
            known = pairing.in_the_way(view.grants(grant.person), grant.chat)
            world.window = after if known is None else None
            if known is not None:
                return Decision(WindowStanding(WindowState.CLOSED, words.already(known)))
            return Decision(WindowStanding(WindowState.FOUND, words.found(grant), after.id))
        if after.tries >= TRIES_MAX:
            world.window = None
            return Decision(WindowStanding(WindowState.CLOSED, words.TRIED_TOO_OFTEN))
        world.window = after
        sentence = words.wrong(TRIES_MAX - after.tries, len(after.claims))
        return Decision(WindowStanding(WindowState.OPEN, sentence, after.id))

    return await _commit(world, decide, "code typed", asker)


async def answered(world: World, window_id: str, asker: Asker, *, yes: bool) -> Standing:
    """The person at the terminal says whether it is who they mean; without a code so far, that they stop waiting."""
    if refusal := await _refusal(world, asker):
        return Standing(ChangeState.REFUSED, refusal)

    def decide(view: View) -> Decision[Standing]:
        window = _open(world, window_id)
        if window is None:
            return Decision(Standing(ChangeState.VOID, words.CLOSED))
        world.window = None
        if not yes or window.found is None:
            return Decision(Standing(ChangeState.NO, words.NOBODY_IN))
        grant = pairing.granted(window.terms, window.found)
        if known := pairing.in_the_way(view.grants(grant.person), grant.chat):
            return Decision(Standing(ChangeState.REFUSED, words.already(known)))
        draft = Draft()
        return draft.done(people.widen(world, view, draft, grant, None, asker))

    result = (await world.commit(decide)).result
    log.info("pairing", did="answered", user=asker.user, result=result.state)
    return result


async def _refusal(world: World, asker: Asker) -> str:
    """Why the process may not ask for this; empty: it may."""
    if await is_inside_agent(world, asker):
        return words.INSIDE_AGENT
    return "" if asker.terminal else words.NEEDS_TERMINAL


def _open(world: World, window_id: str) -> Window | None:
    """The window of this id, if it is open still."""
    window = world.window
    return window if window is not None and window.id == window_id and window.opens(world.clock.ticks_ms()) else None


async def _commit(
    world: World, decide: Callable[[View], Decision[WindowStanding]], did: str, asker: Asker
) -> WindowStanding:
    result = (await world.commit(decide)).result
    log.info("pairing", did=did, user=asker.user, result=result.state)
    return result
