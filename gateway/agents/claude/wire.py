"""The lines of `claude -p --output-format stream-json`, as observed with 2.1.328. Unknown keys and kinds are let through.

Each line is JSON with a `type`; `parse` turns it into one of the models here, or into Unknown. Counts are tokens.
"""

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from gateway.domain.usage import Tokens, Usage

SYNTHETIC_MODEL = "<synthetic>"
"""The client's own words in the form of a message; no API call stands behind it."""


class Wire(BaseModel):
    """Takes what it knows and lets the rest be."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=(), populate_by_name=True)


Count = Annotated[int, BeforeValidator(lambda value: value or 0), Field(ge=0)]
MaybeCount = Annotated[int | None, Field(ge=0)]
Words = Annotated[str, BeforeValidator(lambda value: value or "")]
Uuids = Annotated[tuple[str, ...], BeforeValidator(lambda value: value or ())]


class CacheCreation(Wire):
    """Which part of the cache writes lives how long."""

    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class ServerTools(Wire):
    """Tools that the API runs itself and charges for."""

    web_search_requests: Count = 0


class OutputDetails(Wire):
    """What the output consists of."""

    thinking_tokens: Count = 0


class MessageUsage(Wire):
    """`message.usage`, `message_delta.usage`. None: this line does not tell."""

    input_tokens: MaybeCount = None
    cache_read_input_tokens: MaybeCount = None
    cache_creation_input_tokens: MaybeCount = None
    output_tokens: MaybeCount = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerTools | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None

    def over(self, earlier: "MessageUsage") -> "MessageUsage":
        """The line's figures, with the earlier line's where this one does not tell: message_delta over message_start."""
        told = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        return earlier.model_copy(update=told)

    def tokens(self) -> Tokens:
        """Counts by class; a write that the split does not explain is unsplit."""
        split = self.cache_creation or CacheCreation()
        written = self.cache_creation_input_tokens or 0
        short, long = split.ephemeral_5m_input_tokens, split.ephemeral_1h_input_tokens
        return Tokens(
            input=self.input_tokens or 0,
            cache_read=self.cache_read_input_tokens or 0,
            cache_write_5m=short,
            cache_write_1h=long,
            cache_write_unsplit=max(0, written - short - long),
            output=self.output_tokens or 0,
            reasoning=self.output_tokens_details.thinking_tokens if self.output_tokens_details else 0,
        )

    def usage(self, model: str) -> Usage:
        """The same with the terms that it ran under."""
        searches = self.server_tool_use.web_search_requests if self.server_tool_use else 0
        tier, speed = self.service_tier or "standard", self.speed or "standard"
        return Usage(model, self.tokens(), tier, speed, searches, self.inference_geo or "")


class ModelUsage(Wire):
    """One model's part of `modelUsage`, `model_usage_since_last_result` and of the answer to get_usage."""

    input: Count = Field(0, alias="inputTokens")
    output: Count = Field(0, alias="outputTokens")
    cache_read: Count = Field(0, alias="cacheReadInputTokens")
    cache_write: Count = Field(0, alias="cacheCreationInputTokens")
    cache_write_5m: Count = Field(0, alias="cacheCreationEphemeral5mInputTokens")
    cache_write_1h: Count = Field(0, alias="cacheCreationEphemeral1hInputTokens")
    web_searches: Count = Field(0, alias="webSearchRequests")

    def usage(self, model: str) -> Usage:
        """As the domain counts; the tier is not told. (Reasoning is part of output, and not every call tells it: left out.)"""
        unsplit = max(0, self.cache_write - self.cache_write_5m - self.cache_write_1h)
        tokens = Tokens(self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h, unsplit, self.output)
        return Usage(model, tokens, web_searches=self.web_searches)


Usages = dict[str, ModelUsage]


class Block(Wire):
    """One content block: text, thinking, tool_use."""

    type: str = ""
    text: Words = ""
    id: Words = ""
    name: Words = ""
    input: dict[str, Any] = {}


class Message(Wire):
    """`message` of an assistant line or of message_start."""

    id: str
    model: Words = ""
    content: Annotated[tuple[Block, ...], BeforeValidator(lambda value: value if isinstance(value, list) else ())] = ()
    stop_reason: str | None = None
    usage: MessageUsage = MessageUsage()


class Assistant(Wire):
    """A finished content block (one line each). `agent_id`: of a sub-agent."""

    message: Message
    agent_id: str | None = None
    parent_tool_use_id: str | None = None
    is_api_error_message: bool = False


class Delta(Wire):
    """`delta` of message_delta."""

    stop_reason: str | None = None


class ApiEvent(Wire):
    """An event of the API's stream; only the first and the last of a message matter."""

    type: str
    message: Message | None = None
    delta: Delta | None = None
    usage: MessageUsage = MessageUsage()


class StreamEvent(Wire):
    """The main loop's API stream, passed on as it comes."""

    event: ApiEvent
    api_message_id: Words = ""
    parent_tool_use_id: str | None = None


class Lifecycle(Wire):
    """What becomes of a prompt: queued, started, completed, cancelled."""

    command_uuid: str
    state: str
    session_id: Words = ""


class Task(Wire):
    """One background task."""

    task_id: str
    task_type: Words = ""


class PromptOutcome(Wire):
    """Why a prompt did not run."""

    kind: str = ""
    reason: Words = ""


class TaskPatch(Wire):
    """What changed of a task."""

    status: str | None = None


class System(Wire):
    """Everything else that the client reports; which fields are set depends on `subtype`."""

    subtype: str
    session_id: Words = ""
    uuid: Words = ""
    model: Words = ""
    status: str | None = None
    task_id: Words = ""
    task_type: Words = ""
    is_backgrounded: bool = False
    patch: TaskPatch = TaskPatch()
    tasks: tuple[Task, ...] = ()
    prompt_submit_outcome: PromptOutcome | None = None
    user_message_uuids: Uuids = ()


class RunOrigin(Wire):
    """What started a run that no prompt of ours did."""

    kind: str = ""


class Result(Wire):
    """A run is over."""

    subtype: str
    is_error: bool = False
    result: Words = ""
    errors: Annotated[tuple[str, ...], BeforeValidator(lambda value: value or ())] = ()
    terminal_reason: Words = ""
    num_turns: Count = 0
    api_error_status: int | None = None
    user_message_uuids: Uuids = ()
    origin: RunOrigin | None = None
    session_id: Words = ""
    usages: Usages | None = Field(None, alias="model_usage_since_last_result")


class HookInput(Wire):
    """What a hook is told. `agent_id`: of a sub-agent."""

    hook_event_name: str
    agent_id: str | None = None
    transcript_path: Words = ""
    tool_name: Words = ""
    tool_input: dict[str, Any] = {}
    tool_use_id: Words = ""
    prompt: Words = ""
    trigger: Words = ""


class HookCallback(Wire):
    """The client waits at a hook that we registered."""

    request_id: str
    input: HookInput


class CanUseTool(Wire):
    """The client asks whether a tool may be used, or puts a question to the person."""

    request_id: str
    tool_name: str
    input: dict[str, Any] = {}
    description: Words = ""
    permission_suggestions: Annotated[tuple[dict[str, Any], ...], BeforeValidator(lambda value: value or ())] = ()
    blocked_path: Words = ""
    decision_reason: Any = None
    requires_user_interaction: bool = False


class OtherRequest(Wire):
    """The client asks something that we do not know."""

    request_id: str


class Response(Wire):
    """The answer to a control request of ours. `error` is set where it was refused."""

    request_id: str
    response: dict[str, Any] = {}
    error: str | None = None


class Cancelled(Wire):
    """The client no longer waits for an answer."""

    request_id: str


class Reset(Wire):
    """The conversation was cleared; it goes on under a new id."""

    new_conversation_id: str


class Marker(Wire):
    """A line that the gateway itself wrote into the journal: this prompt was handed over here."""

    uuid: str


class Unknown(Wire):
    """Anything else."""


Line = (
    Assistant
    | StreamEvent
    | Lifecycle
    | System
    | Result
    | HookCallback
    | CanUseTool
    | OtherRequest
    | Response
    | Cancelled
    | Reset
    | Marker
    | Unknown
)

MARKER = "tollbridge_prompt"
_PLAIN: dict[str, type[Line]] = {
    "assistant": Assistant,
    "stream_event": StreamEvent,
    "command_lifecycle": Lifecycle,
    "system": System,
    "result": Result,
    "control_cancel_request": Cancelled,
    "conversation_reset": Reset,
    MARKER: Marker,
}
_DELTA = b'"type":"content_block_delta"'


def parse(raw: bytes) -> Line:
    """One line. What is not JSON, or not in the form that its type has, is Unknown."""
    if _DELTA in raw and raw.startswith(b'{"type":"stream_event"'):
        return Unknown()
    try:
        value = json.loads(raw)
        return _model(value) if isinstance(value, dict) else Unknown()
    except (ValueError, ValidationError, RecursionError):
        return Unknown()


def _model(value: dict[str, Any]) -> Line:
    kind = value.get("type")
    if kind == "control_request":
        request = value.get("request")
        return _request(value.get("request_id"), request if isinstance(request, dict) else {})
    if kind == "control_response":
        return Response.model_validate(value.get("response"))
    model = _PLAIN.get(kind) if isinstance(kind, str) else None
    return Unknown() if model is None else model.model_validate(value)


def _request(request_id: object, request: dict[str, Any]) -> Line:
    fields = request | {"request_id": request_id}
    models: dict[object, type[HookCallback | CanUseTool]] = {"hook_callback": HookCallback, "can_use_tool": CanUseTool}
    model = models.get(request.get("subtype"), OtherRequest)
    try:
        return model.model_validate(fields)
    except ValidationError:
        # It must be answered even if it cannot be read, or the client waits for good.
        return OtherRequest.model_validate(fields)


def usages_of(response: Response) -> Usages | None:
    """The cumulative figures in the answer to get_usage."""
    session = response.response.get("session")
    found = session.get("model_usage") if isinstance(session, dict) else None
    if not isinstance(found, dict):
        return None
    try:
        return {str(model): ModelUsage.model_validate(usage) for model, usage in found.items()}
    except ValidationError:
        return None


def model_of(response: Response) -> str | None:
    """The model in the answer to get_settings."""
    applied = response.response.get("applied")
    model = applied.get("model") if isinstance(applied, dict) else None
    return model if isinstance(model, str) else None
