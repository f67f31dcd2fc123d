"""What people say aloud: written down before the gate is asked, so that it judges, and people approve, the words themselves."""

from collections.abc import Mapping
from dataclasses import replace

import anyio
import structlog

from gateway.core.files import shown_name
from gateway.core.speech import clean, is_own, is_unheard, unheard, with_heard
from gateway.core.summary import escape
from gateway.domain.effects import Say
from gateway.domain.files import Attachment
from gateway.domain.turn import Turn
from gateway.engine import attachments, gating
from gateway.engine.decision import Draft
from gateway.engine.world import World
from gateway.ports import Decision, Heard, Transcriber, View
from gateway.view import file_words as words

log = structlog.get_logger()

LISTEN_LIMIT_S = 900.0
"""Transcribers have a limit of their own; this is for one that does not keep it."""


async def hear(world: World, turn_id: str) -> None:
    """Listen to the files of a queued turn, then put it before the gate. After a crash that is done anew: nothing was decided yet."""
    turn = await world.store.read(lambda view: view.turn(turn_id))
    if turn is None or not is_unheard(turn):
        return
    found: dict[int, Heard | str | None] = {}
    for number in unheard(turn.attachments):
        async with world.listening:  # nobody's limit runs out while others are listened to
            found[number] = await _listen(world, turn, number)

    def decide(view: View) -> Decision[None]:
        draft = Draft()
        now = view.turn(turn_id)
        session = view.session(turn.session_id)
        if now is None or session is None or not is_unheard(now):
            return draft.done(None)  # it was stopped meanwhile
        files = tuple(
            replace(one, heard=_text(found[n])) if n in found else one for n, one in enumerate(now.attachments)
        )
        draft.put.append(replace(now, attachments=files, prompt=with_heard(now.prompt, files)))
        if told := _told(world, files, found):
            draft.say(Say(session.thread, f"turn:{turn_id}:heard", told))
        gating.next_in_line(world, view, draft, session)
        return draft.done(None)

    await world.commit(decide)


def _text(heard: Heard | str | None) -> str:
    return heard.text if isinstance(heard, Heard) else ""


async def _listen(world: World, turn: Turn, number: int) -> Heard | str | None:
    """What is said in one of the turn's files; or why that is not known, empty where nobody listens here.

    None: it cannot be fetched. That is told when its prompt is handed over, as of any file.
    """
    if world.transcriber is None:
        return ""
    fetched = await attachments.fetch(world, turn, number)
    if isinstance(fetched, str):
        return None
    return await _transcribed(world.transcriber, fetched.path)


async def _transcribed(transcriber: Transcriber, path: str) -> Heard | str:
    heard: Heard | str = words.took_too_long(LISTEN_LIMIT_S)
    with anyio.move_on_after(LISTEN_LIMIT_S):
        heard = await transcriber.transcribe(path)
    if isinstance(heard, str):
        log.warning("nobody knows what was said", why=heard)
        return heard
    text = clean(heard.text)
    return Heard(text) if text else words.NOTHING_SAID


def _told(world: World, files: tuple[Attachment, ...], found: Mapping[int, Heard | str | None]) -> str:
    """What the person reads of it: what the agent is told, and what it is not."""
    lines: list[str] = []
    for number, heard in found.items():
        one = files[number]
        if isinstance(heard, Heard):
            if world.rules.shows_heard:
                shown = heard.text[: words.HEARD_SHOWN_MAX]
                lines.append(words.heard(escape(shown) + ("…" if shown != heard.text else "")))
        elif heard:
            lines.append(words.not_heard(escape(shown_name(one.name)), escape(heard)))
        elif heard is not None and is_own(one):
            lines.append(words.NO_TRANSCRIBER)
    return "\n".join(dict.fromkeys(lines))
