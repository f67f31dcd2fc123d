"""The lines of `claude -p --output-format stream-json`, as observed with 2.1.328. Unknown keys and kinds are let through.

Each line is JSON with a `type`; `reading.parse` turns it into one of the models here.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, ValidationError, WrapValidator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from gateway.agents.claude.counts import AnyUsage, Id, MessageUsage, Name, Usages, Wire, or_else

SYNTHETIC_MODEL: Final = "<synthetic>"
"""The client's own words in the form of a message; no API call stands behind it."""
BLOCKS_MAX: Final = 1_000
TASKS_MAX: Final = 1_000
SECONDS_MAX: Final = 2**35
"""A time after that (in the year 3058) is none."""

Words = Annotated[str, or_else("")]
Ids = Annotated[tuple[Id, ...], or_else(()), Field(max_length=100)]
Inputs = Annotated[dict[str, Any], or_else({}), Field(default_factory=dict)]
PathName = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$"), or_else("")]


class Block(Wire):
    """One content block: text, thinking, tool_use."""

    type: str = ""
    text: Words = ""
    id: Name = ""
    name: Words = ""
    input: Inputs


class Message(Wire):
    """`message` of an assistant line or of message_start."""

    id: Id
    model: Name = ""
    content: Annotated[
        tuple[Block, ...],
        BeforeValidator(lambda value: value if isinstance(value, list) else ()),
        Field(max_length=BLOCKS_MAX),
    ] = ()
    stop_reason: str | None = None
    usage: AnyUsage = MessageUsage()


class Assistant(Wire):
    """A finished content block (one line each). `agent_id`: of a sub-agent."""

    message: Message
    agent_id: Id | None = None
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
    usage: AnyUsage = MessageUsage()


class StreamEvent(Wire):
    """The main loop's API stream, passed on as it comes."""

    event: ApiEvent
    api_message_id: Name = ""
    parent_tool_use_id: str | None = None


class TextDelta(Wire):
    """`delta` of content_block_delta, where it is text."""

    type: Literal["text_delta"]
    text: str


class WrittenEvent(Wire):
    """The event that carries it. `index`: of the block in its message."""

    index: int
    delta: TextDelta


class Written(Wire):
    """More of the text that the main loop writes."""

    event: WrittenEvent
    parent_tool_use_id: str | None = None


class FileTold(Wire):
    """What a file holds: a tool has read or written it. `text` None: something else than was known, and too much to tell here."""

    path: str
    text: str | None = None


class CommandEnded(Wire):
    """A command of a shell that a tool ran has ended. `well`: with status 0; None: not known, as where it goes on in the background."""

    tool_use_id: Id
    well: bool | None = None


class Lifecycle(Wire):
    """What becomes of a prompt: queued, started, completed, cancelled."""

    command_uuid: Id
    state: str


class Task(Wire):
    """One background task."""

    task_id: Id
    task_type: Name = ""


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
    session_id: Name = ""
    uuid: Name = ""
    model: Name = ""
    status: str | None = None
    task_id: Name = ""
    task_type: Name = ""
    patch: Annotated[TaskPatch, or_else(TaskPatch())] = TaskPatch()
    tasks: Annotated[tuple[Task, ...], or_else(()), Field(max_length=TASKS_MAX)] = ()
    prompt_submit_outcome: PromptOutcome | None = None
    user_message_uuids: Ids = ()
    permission_mode: Annotated[Name, or_else(""), Field(validation_alias="permissionMode")] = ""
    """With `status`: the mode is another one now."""


class Result(Wire):
    """A run is over. `usages` None: it does not say what it used. `unreadable`: the name of a line that says it in vain."""

    uuid: Name = ""
    subtype: str = ""
    is_error: bool = False
    result: Words = ""
    errors: Annotated[tuple[str, ...], or_else(())] = ()
    terminal_reason: Words = ""
    num_turns: Annotated[int, or_else(0)] = 0
    api_error_status: Any = None
    user_message_uuids: Ids = ()
    usages: Usages | None = None
    unreadable: str = ""


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(value)
    except ValidationError:
        return None


OrNone = WrapValidator(_or_none)
"""What cannot be read is as good as not told."""
Figure = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Seconds = Annotated[float | None, Field(gt=0, le=SECONDS_MAX, strict=True), OrNone]
"""Since 1970."""


class Window(Wire):
    """How much of a subscription's window is used, as a fraction (1: all of it), and when it begins anew."""

    utilization: Figure
    resets_at: Seconds = Field(None, validation_alias="resetsAt")


class RateLimit(Wire):
    """`rate_limit_info`. `kind`: the window that the API speaks of; not every kind is among `windows`."""

    status: Annotated[str | None, OrNone] = None
    kind: Annotated[str | None, OrNone] = Field(None, validation_alias="rateLimitType")
    utilization: Annotated[Figure | None, OrNone] = None
    resets_at: Seconds = Field(None, validation_alias="resetsAt")
    windows: Annotated[dict[str, Annotated[Window | None, OrNone]] | None, OrNone] = Field(
        None, validation_alias="unifiedWindows"
    )


class RateLimited(Wire):
    """How much of a subscription is used has changed."""

    rate_limit_info: RateLimit


class UsageLimit(Wire):
    """A window in the answer to get_usage: hundredths, and an ISO 8601 time or null."""

    utilization: Figure
    resets_at: str | None


class HookInput(Wire):
    """What a hook is told. `agent_id`: of a sub-agent."""

    hook_event_name: str
    agent_id: Id | None = None
    transcript_path: PathName = ""
    cwd: PathName = ""
    tool_name: Words = ""
    tool_input: Inputs
    tool_use_id: Name = ""
    trigger: Words = ""


class HookCallback(Wire):
    """The client waits at a hook that we registered."""

    request_id: Id
    input: HookInput


class OddCallback(Wire):
    """The client waits at a hook, and what it says there cannot be read."""

    request_id: Id
    callback_id: Words = ""


class CanUseTool(Wire):
    """The client asks whether a tool may be used, or puts a question to the person."""

    request_id: Id
    tool_name: str
    input: Inputs
    description: Words = ""
    permission_suggestions: Annotated[tuple[dict[str, Any], ...], or_else(())] = ()
    blocked_path: Words = ""
    decision_reason: Any = None
    requires_user_interaction: bool = False


class OtherRequest(Wire):
    """The client asks something that we do not know."""

    request_id: Id


class Response(Wire):
    """The answer to a control request of ours. `error` is set where it was refused."""

    request_id: Id
    response: Inputs
    error: str | None = None


class Cancelled(Wire):
    """The client no longer waits for an answer."""

    request_id: Id


class Reset(Wire):
    """The conversation was cleared; it goes on under a new id."""

    new_conversation_id: Id


class Marker(Wire):
    """A line that the gateway itself wrote into the journal: this prompt was handed over here."""

    uuid: str


class Unknown(Wire):
    """Something that nobody here needs."""


class Unreadable(Wire):
    """Something that should have been readable. `counted`: it may have told what was used. `name`: its own, by its text."""

    name: str = ""
    kind: str = ""
    counted: bool = False


Line = (
    Assistant
    | StreamEvent
    | Written
    | FileTold
    | CommandEnded
    | Lifecycle
    | System
    | Result
    | HookCallback
    | OddCallback
    | CanUseTool
    | OtherRequest
    | Response
    | Cancelled
    | Reset
    | RateLimited
    | Marker
    | Unknown
    | Unreadable
)

MARKER = "tollbridge_prompt"
