"""What people do, as JSON and back: the updates of a chat that lives in memory."""

import json
from dataclasses import asdict
from typing import Any

from gateway.domain.events import Edited, Ignored, Incoming, Message, Tap, Unsupported
from gateway.domain.files import Attachment, FileKind
from gateway.domain.place import Thread


def command(text: str) -> tuple[str, str] | None:
    """The name and the rest of a text that begins with a slash."""
    name, _, rest = text.removeprefix("/").partition(" ")
    return (name, rest.strip()) if text.startswith("/") else None


def dump(incoming: Message | Edited | Tap | Unsupported) -> str:
    """What a person does, as an update."""
    if isinstance(incoming, Edited):
        return json.dumps({"edited": json.loads(dump(incoming.message))})
    thread = [incoming.thread.service, incoming.thread.chat, incoming.thread.topic]
    if isinstance(incoming, Message):
        rest: dict[str, Any] = {"text": incoming.text, "command": incoming.command, "replies": incoming.replies_to} | {
            "id": incoming.message_id,
            "files": [asdict(one) for one in incoming.attachments],
            "of_others": [incoming.quoted, incoming.forwarded],
            "at": incoming.sent_at_ms,
            "name": incoming.name,
            "album": incoming.album,
            "group": [incoming.in_group, incoming.addressed],
        }
    elif isinstance(incoming, Unsupported):
        rest = {"words": incoming.words, "once": incoming.once, "album": incoming.album}
    else:
        rest = {"token": incoming.token, "message_id": incoming.message_id, "tap_id": incoming.tap_id}
    return json.dumps({"thread": thread, "person": incoming.person, **rest})


def load(value: dict[str, Any]) -> Incoming:
    """What an update means. Raises whatever its shape does, if it is not one."""
    if "ignored" in value:
        return Ignored(value["ignored"])
    if "edited" in value:
        message = load(value["edited"])
        if not isinstance(message, Message):
            raise TypeError("only messages are edited")
        return Edited(message)
    thread, person = Thread(*value["thread"]), value["person"]
    if "token" in value:
        return Tap(thread, person, value["token"], value["message_id"], value["tap_id"])
    if "words" in value:
        return Unsupported(thread, person, value["words"], value["once"], value["album"])
    typed = (value["command"][0], value["command"][1]) if value["command"] else None
    files = tuple(Attachment(**one | {"kind": FileKind(one["kind"])}) for one in value["files"])
    return Message(
        *(thread, person, value["text"], typed, value["replies"], value["id"], files, *value["of_others"]),
        name=value.get("name", ""),
        sent_at_ms=value.get("at", 0),
        album=value["album"],
        in_group=value.get("group", [False])[0],
        addressed=value.get("group", [True])[-1],
    )
