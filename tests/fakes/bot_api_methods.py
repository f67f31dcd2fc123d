"""What the modelled methods do, apart from messages: chats, topics, commands, callbacks, files, updates."""

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.fakes import bot_api_messages as messages
from tests.fakes.bot_api_facts import Upload, check_object, words
from tests.fakes.bot_api_markdown import utf16
from tests.fakes.bot_api_webhook import RefusedWebhook
from tests.fakes.bot_api_world import (
    MAX_DOWNLOAD,
    Action,
    Answer,
    ApiError,
    Chat,
    Draft,
    Json,
    Topic,
    World,
    member_json,
)

MAX_COMMANDS = 100
MAX_CALLBACK_TEXT = 200
TOPIC_NOT_MODIFIED = "Bad Request: TOPIC_NOT_MODIFIED"
OLD_QUERY = "Bad Request: query is too old and response timeout expired or query ID is invalid"
ALWAYS_TRUE = words(
    "close deleteChatPhoto logOut pinChatMessage setChatDescription setChatMenuButton "
    "setChatPermissions setChatTitle setMyDefaultAdministratorRights setMyDescription setMyName "
    "setMyShortDescription unpinAllChatMessages unpinAllForumTopicMessages unpinChatMessage"
)
"""Checked against the table and answered `true`, with no effect."""


@dataclass(frozen=True, slots=True)
class Call:
    """One checked call: typed parameters, files, and whether its client still listens."""

    world: World
    method: str
    params: Json
    uploads: Mapping[str, Upload]
    alive: Callable[[], bool]


def perform(call: Call) -> Any:
    """The `result` of the call; ApiError for the server's complaint, NotImplementedError for what is not modelled."""
    if call.method in ALWAYS_TRUE:
        if "chat_id" in call.params:
            call.world.writable(call.params["chat_id"])
        return True
    handler = _HANDLERS.get(call.method)
    if handler is None:
        raise NotImplementedError(call.method)
    result = handler(call)
    kind = _RETURNS.get(call.method, "Message" if call.method.startswith(("send", "editMessage")) else None)
    for item in result if isinstance(result, list) else [result]:
        wrong = check_object(kind, item) if kind and item is not True else []
        if wrong:
            raise AssertionError(f"the stand-in answered {call.method} with what Telegram would not: {wrong}")
    return result


def _get_updates(call: Call) -> list[Json]:
    return call.world.updates.poll(call.params, call.alive)


def _set_webhook(call: Call) -> bool:
    if call.uploads:
        raise NotImplementedError("certificates")
    if "ip_address" in call.params:
        raise NotImplementedError("a fixed ip_address")
    try:
        call.world.webhooks.set(call.params)
    except RefusedWebhook as error:
        raise ApiError(400, str(error)) from None
    return True


def _delete_webhook(call: Call) -> bool:
    if call.params.get("drop_pending_updates"):
        call.world.updates.queue.clear()
    call.world.webhooks.delete()
    return True


def _get_chat(call: Call) -> Json:
    chat = call.world.chat(call.params["chat_id"])
    gifts = ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels")
    return {
        **chat.info,
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(gifts, False),
    }


def _leave(call: Call) -> bool:
    chat = call.world.writable(call.params["chat_id"])
    if chat.private:
        raise ApiError(400, "Bad Request: chat can't be left")
    call.world.membership(chat, call.world.public_bot(), chat.bot_status, "left")
    return True


def _member(call: Call) -> Json:
    chat, user_id = call.world.chat(call.params["chat_id"]), call.params["user_id"]
    if user_id == call.world.bot["id"]:
        return member_json(call.world.public_bot(), chat.bot_status)
    if user_id not in call.world.users:
        raise ApiError(400, "Bad Request: user not found")
    return member_json(call.world.users[user_id], "member" if user_id in chat.members else "left")


def _administrators(call: Call) -> list[Json]:
    chat = call.world.chat(call.params["chat_id"])
    if chat.private:
        raise ApiError(400, "Bad Request: there are no administrators in the private chat")
    return [member_json(call.world.public_bot(), "administrator")] if chat.administered else []


def _member_count(call: Call) -> int:
    return len(call.world.chat(call.params["chat_id"]).members) + 1


def _set_commands(call: Call) -> bool:
    commands = call.params["commands"]
    if len(commands) > MAX_COMMANDS:
        raise ApiError(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
    if not all(re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]) for command in commands):
        raise ApiError(400, "Bad Request: BOT_COMMAND_INVALID")
    _exists(call)
    call.world.commands[_scope(call.params)] = commands
    return True


def _delete_commands(call: Call) -> bool:
    _exists(call)
    call.world.commands.pop(_scope(call.params), None)
    return True


def _exists(call: Call) -> None:
    """A scope of one chat is one that the bot knows."""
    scope = call.params.get("scope", {})
    if "chat_id" in scope:
        call.world.chat(scope["chat_id"])


def _get_commands(call: Call) -> list[Json]:
    return call.world.commands.get(_scope(call.params), [])


def _scope(params: Json) -> str:
    scope = params.get("scope", {"type": "default"})
    key = scope["type"] if list(scope) == ["type"] else json.dumps(scope, sort_keys=True)
    return f"{key}/{params['language_code']}" if params.get("language_code") else key


def _answer_callback(call: Call) -> bool:
    world, text = call.world, call.params.get("text", "")
    if utf16(text) > MAX_CALLBACK_TEXT:
        raise ApiError(400, messages.TOO_LONG_FOR_SERVER)
    callback = world.callbacks.get(call.params["callback_query_id"])
    if callback is None or callback.answer is not None or world.now() > callback.expires:
        raise ApiError(400, OLD_QUERY)
    alert = call.params.get("show_alert", False)
    callback.answer = Answer(callback.query_id, text, alert, time.monotonic())
    return True


def _chat_action(call: Call) -> bool:
    chat, thread = call.world.writable(call.params["chat_id"]), call.params.get("message_thread_id")
    call.world.topic(chat, thread)
    chat.actions.append(Action(call.params["action"], time.monotonic(), thread))
    return True


def _draft(call: Call) -> bool:
    params, thread = call.params, call.params.get("message_thread_id")
    formatted = messages.formatted_text(params, "text", "entities")
    chat = call.world.writable(params["chat_id"])
    if not chat.private:
        raise ApiError(400, "Bad Request: TEXTDRAFT_PEER_INVALID")
    if params["draft_id"] == 0:
        raise ApiError(400, "Bad Request: draft_id must be non-zero")
    call.world.topic(chat, thread)
    text = messages.checked_text(formatted, 4096, "Bad Request: message is too long").text
    chat.drafts.append(Draft(params["draft_id"], text, time.monotonic(), thread, params.get("can_stop", False)))
    return True


def _create_topic(call: Call) -> Json:
    world, params = call.world, call.params
    chat = world.writable(params["chat_id"])
    allowed = world.bot["has_topics_enabled"] if chat.private else chat.info.get("is_forum", False)
    if not allowed:
        raise ApiError(400, "Bad Request: the chat is not a forum")
    _may_manage_topics(chat)
    topic = Topic(params["name"], params.get("icon_color", 7322096))
    service = world.add_message(
        chat, world.public_bot(), {"forum_topic_created": {"name": topic.name, "icon_color": topic.icon_color}}
    )
    service.service = True
    service.data |= {"message_thread_id": service.message_id, "is_topic_message": True}
    chat.topics[service.message_id] = topic
    return {"message_thread_id": service.message_id, "name": topic.name, "icon_color": topic.icon_color}


def _may_manage_topics(chat: Chat) -> None:
    if not chat.private and not chat.administered:
        raise ApiError(400, "Bad Request: not enough rights to create a topic")


def _topic_to_change(call: Call) -> tuple[Chat, int, Topic]:
    chat, thread = call.world.writable(call.params["chat_id"]), call.params["message_thread_id"]
    _may_manage_topics(chat)
    topic = call.world.topic(chat, thread)
    if topic is None:
        raise ApiError(400, "Bad Request: message thread not found")
    return chat, thread, topic


def _edit_topic(call: Call) -> bool:
    _, _, topic = _topic_to_change(call)
    name = call.params.get("name") or topic.name
    if name == topic.name and "icon_custom_emoji_id" not in call.params:
        raise ApiError(400, TOPIC_NOT_MODIFIED)
    topic.name = name
    return True


def _close_topic(call: Call) -> bool:
    chat, _, topic = _topic_to_change(call)
    if chat.private:
        raise ApiError(400, "Bad Request: the chat is not a forum")
    closing = call.method == "closeForumTopic"
    if topic.closed == closing:
        raise ApiError(400, TOPIC_NOT_MODIFIED)
    topic.closed = closing
    return True


def _delete_topic(call: Call) -> bool:
    chat, thread, _ = _topic_to_change(call)
    del chat.topics[thread]
    for number in [n for n, message in chat.messages.items() if message.data.get("message_thread_id") == thread]:
        del chat.messages[number]
    return True


def _get_file(call: Call) -> Json:
    file_id = call.params["file_id"]
    upload = call.world.files.get(file_id)
    if upload is None:
        raise ApiError(400, "Bad Request: invalid file_id")
    if call.world.files_dir is None and len(upload.data) > MAX_DOWNLOAD:
        raise ApiError(400, "Bad Request: file is too big")
    return call.world.file_json(file_id) | {"file_path": call.world.served_path(file_id)}


def _on_messages(handler: Callable[[World, Json, Mapping[str, Upload]], Any]) -> Callable[[Call], Any]:
    return lambda call: handler(call.world, call.params, call.uploads)


def _media(field: str) -> Callable[[Call], Any]:
    return lambda call: messages.send_media(call.world, field, call.params, call.uploads)


_HANDLERS: dict[str, Callable[[Call], Any]] = {
    "answerCallbackQuery": _answer_callback,
    "closeForumTopic": _close_topic,
    "createForumTopic": _create_topic,
    "deleteForumTopic": _delete_topic,
    "deleteMyCommands": _delete_commands,
    "deleteMessage": _on_messages(messages.delete),
    "deleteMessages": _on_messages(messages.delete_many),
    "deleteWebhook": _delete_webhook,
    "editForumTopic": _edit_topic,
    "editMessageCaption": _on_messages(messages.edit_caption),
    "editMessageMedia": _on_messages(messages.edit_media),
    "editMessageReplyMarkup": _on_messages(messages.edit_reply_markup),
    "editMessageText": _on_messages(messages.edit_text),
    "getChat": _get_chat,
    "getChatAdministrators": _administrators,
    "getChatMember": _member,
    "getChatMemberCount": _member_count,
    "getFile": _get_file,
    "getMe": lambda call: call.world.bot,
    "getMyCommands": _get_commands,
    "getUpdates": _get_updates,
    "getWebhookInfo": lambda call: call.world.webhooks.info(),
    "leaveChat": _leave,
    "reopenForumTopic": _close_topic,
    "sendAnimation": _media("animation"),
    "sendAudio": _media("audio"),
    "sendChatAction": _chat_action,
    "sendDocument": _media("document"),
    "sendMediaGroup": _on_messages(messages.send_media_group),
    "sendMessage": _on_messages(messages.send),
    "sendMessageDraft": _draft,
    "sendPhoto": _media("photo"),
    "sendVideo": _media("video"),
    "sendVoice": _media("voice"),
    "setWebhook": _set_webhook,
    "setMessageReaction": _on_messages(messages.set_reaction),
    "setMyCommands": _set_commands,
}
_RETURNS = {
    "createForumTopic": "ForumTopic",
    "getChat": "ChatFullInfo",
    "getChatAdministrators": "ChatMember",
    "getChatMember": "ChatMember",
    "getFile": "File",
    "getMe": "User",
    "getMyCommands": "BotCommand",
    "getWebhookInfo": "WebhookInfo",
}
MODELLED = frozenset(_HANDLERS)
