"""Words that are forgotten: of a session when somebody says so, and of all that is old once a day. Figures and the ledger stay.

What lies beside the database goes first, so that a crash in between leaves a session that can be forgotten again, and says nothing
that is not so.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import structlog

from gateway.core import change, summary
from gateway.core.forgetting import Cut, Held, before_ms, may_forget
from gateway.domain.approval import Approval
from gateway.domain.change import Asker, ChangeState, Standing
from gateway.domain.effects import Forget
from gateway.domain.events import Message
from gateway.domain.place import Session
from gateway.engine import attachments, menus
from gateway.engine.askers import is_inside_agent
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.files import Spool, forget_folder
from gateway.ports import Decision, Store, StoreError, View
from gateway.view import forget_words as words

log = structlog.get_logger()

TRIES_MAX = 20
TRY_GAP_S = 0.5
"""For a message that is on its way, an agent that comes to rest, and for somebody who reads: none takes long."""
TRIES_MORE = {words.LEAVING: TRIES_MAX, words.AT_DESK: 4}
"""For refusals that may be over in a moment: a turn has ended for the ledger a little before its agent rests."""
DAY_S = 24 * 3600.0
BATCH_GAP_S = 0.1
"""Between two batches others write."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What there is of a session beside the database. `erase` deletes what the home keeps of its agent, and tells where the agent's
    own transcript lies, empty if there is none. It blocks, and raises OSError.
    """

    erase: Callable[[Session], str]
    files: str
    spool: Spool | None

    def clear(self, session: Session, copies: Sequence[str]) -> str:
        """Delete all of it; where the agent's own transcript lies. Raises OSError."""
        if self.files:
            forget_folder(Path(self.files) / session.id)
        for path in copies:
            if self.spool is not None:
                self.spool.discard(path)
        return self.erase(session)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """It is done: what was there, where the agent's own transcript lies, and whether the files are free of it already."""

    held: Held
    transcript: str
    scrubbed: bool


def counted(held: Held) -> str:
    """What there is, as people read it."""
    return words.counted(held.prompts, held.answers, held.questions, held.files, held.drafts)


def refusal(session: Session | None, held: Held) -> str:
    """Why the session cannot be forgotten now; empty: it can."""
    if session is None:
        return words.NO_SESSION
    if session.forgotten_at_ms is not None:
        return words.IS_FORGOTTEN
    return words.STOP_FIRST if held.open_turns else ""


async def forget(
    store: Store, beside: Beside, session_id: str, now_ms: int, release: Callable[[str], Awaitable[bool]] | None = None
) -> Forgotten | str:
    """Forget a session's words for good, or say why not. `release` ends its agent, where that rests; False: it is not ours to end."""
    tries = 0
    while True:
        found = await _try(store, beside, session_id, now_ms, release)
        if isinstance(found, Forgotten) or tries >= TRIES_MORE.get(found, 0):
            return found
        tries += 1
        await anyio.sleep(TRY_GAP_S)


async def _try(
    store: Store, beside: Beside, session_id: str, now_ms: int, release: Callable[[str], Awaitable[bool]] | None
) -> Forgotten | str:
    def look(view: View) -> tuple[Session | None, Held]:
        return view.session(session_id), view.held(session_id)

    def refused(session: Session | None, held: Held) -> str:
        return refusal(session, held) or (words.LEAVING if held.leaving else "")

    session, held = await store.read(look)
    why = refused(session, held)
    if why or session is None:
        return why
    if release is not None and not await release(session_id):
        return words.AT_DESK
    transcript = await anyio.to_thread.run_sync(beside.clear, session, held.copies)

    def decide(view: View) -> Decision[str]:
        why = refused(*look(view))
        return Decision(why, forgotten="" if why else session_id)

    why = (await store.transact(decide, now_ms)).result
    return why or Forgotten(held, transcript, await _scrubbed(store))


async def _scrubbed(store: Store) -> bool:
    for _ in range(TRIES_MAX):
        if await store.scrub():
            return True
        await anyio.sleep(TRY_GAP_S)
    return False


# ------------------------------------------------------------------------------------------------------- in the gateway
def _beside(world: World) -> Beside:
    return Beside(world.erase, world.rules.files, world.spool)


async def _forget(world: World, session_id: str) -> Forgotten | str:
    try:
        found = await forget(world.store, _beside(world), session_id, world.clock.now_ms(), world.release)
    except OSError as error:
        return words.not_deleted(str(error.filename or ""), error.strerror or "")
    log.info("forget", session=session_id, done=isinstance(found, Forgotten))
    return found


async def asked(world: World, beginning: str, asker: Asker) -> Standing:
    """From a command line: it narrows, so nobody is asked."""
    if await is_inside_agent(world, asker):
        return Standing(ChangeState.REFUSED, words.INSIDE_AGENT)
    named = await world.store.read(lambda view: view.sessions_named(beginning, 2))
    if len(named) != 1:
        return Standing(ChangeState.REFUSED, words.which(len(named)))
    found = await _forget(world, named[0].id)
    if isinstance(found, str):
        return Standing(ChangeState.REFUSED, found)
    return Standing(ChangeState.DONE, words.done(counted(found.held), found.transcript, scrubbed=found.scrubbed))


def wanted(
    world: World, view: View, draft: Draft, message: Message, session_id: str, menu: Approval | None = None
) -> None:
    """`/forget`: what would go, and a button; `menu`: that was pressed."""
    session = view.session(session_id) if session_id else view.current_session(message.thread)
    if session is None or session.thread != message.thread:
        draft.say(world.notice(message.thread, words.NO_SESSION))
        return
    held = view.held(session.id)
    allowed = may_forget(message.person, session, view.grants(message.person))
    if why := refusal(session, held) if allowed else words.MAY_NOT:
        draft.say(world.notice(message.thread, why))
    elif menu is not None and session_id:
        draft.effects.append(Forget(session.id, menu.id))
    else:
        newest = next((one for one in view.latest_turns(session.id, 1) if one.forgotten_at_ms is None), None)
        title = "" if newest is None else summary.escaped_title(newest.prompt)
        text = words.asks(summary.code(change.reason(session.directory)), title, counted(held))
        menus.show(world, draft, message.thread, text, [(words.BUTTON, f"forget {session.id}")])


async def pressed(world: World, effect: Forget) -> None:
    """Carry it out, and say so where the button was."""
    found = await _forget(world, effect.session_id)

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        menu = view.approval(effect.menu_id)
        if menu is not None and isinstance(found, str):
            draft.say(world.notice(menu.thread, found))
        elif menu is not None and isinstance(found, Forgotten):
            said = words.done_in_chat(counted(found.held), transcript=bool(found.transcript), scrubbed=found.scrubbed)
            menus.renew(world, draft, menu, said)
        return draft.done(None)

    await world.commit(decide)


# ---------------------------------------------------------------------------------------------------------- what is old
async def keep_forgetting(world: World) -> None:
    """Once a day, and at the start: what is older than the settings keep it."""
    while True:
        try:
            await forget_old(world)
        except (StoreError, OSError) as error:
            log.warning("what is old could not be forgotten now", why=str(error))
        await anyio.sleep(DAY_S)


async def forget_old(world: World) -> Cut:
    """A batch at a time: what a crash leaves is found by the next look. What was taken in all."""
    await attachments.sweep(world)
    now_ms, taken = world.clock.now_ms(), Cut()
    before = before_ms(world.rules.prompts_days, now_ms)
    files = 0 if before is None else await _erase_old(world, before)
    while before is not None and (some := await world.store.cut(before, now_ms)):
        taken += some
        await anyio.sleep(BATCH_GAP_S)
    scrubbed = await world.store.scrub()
    if taken or files:
        log.info("forgot what is old", turns=taken.turns, questions=taken.questions, journals=files, scrubbed=scrubbed)
    return taken


async def _erase_old(world: World, before: int) -> int:
    works = await world.store.read(lambda view: {turn.session_id for turn in view.all_open_turns()})
    works |= {process.session_id for process in await world.store.processes()}
    return await anyio.to_thread.run_sync(world.erase_old, before, works)
