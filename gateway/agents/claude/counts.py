"""What the client and the API behind it count, in their form, and as the domain counts. Counts are tokens.

A count that is none (negative, absurd, a fraction, a text) makes the usage that it stands in unreadable as a whole: nothing of it
is booked, and whoever reads it knows that the rest is a lower bound.
"""

from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WrapValidator
from pydantic_core.core_schema import ValidatorFunctionWrapHandler

from gateway.domain.usage import Tokens, Usage

CALL_MAX: Final = 10**8
"""No single call counts so many tokens, by two orders of magnitude."""
SUM_MAX: Final = 10**11
"""Nor does any client in its life; such sums still fit every column, as dollars too."""
NAME_MAX: Final = 200


class Wire(BaseModel):
    """Takes what it knows and lets the rest be."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=(), populate_by_name=True)


def or_else(value: object) -> BeforeValidator:
    """Null is as good as not told."""
    return BeforeValidator(lambda given: value if given is None else given)


Count = Annotated[int, or_else(0), Field(ge=0, le=CALL_MAX, strict=True)]
MaybeCount = Annotated[int | None, Field(ge=0, le=CALL_MAX, strict=True)]
Sum = Annotated[int, or_else(0), Field(ge=0, le=SUM_MAX, strict=True)]
Id = Annotated[str, Field(max_length=NAME_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A name that something is known by from then on, in files and in the database, too."""
Name = Annotated[Id, or_else("")]


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
    """`message.usage`, `message_delta.usage`. None: this line does not tell. `readable` False: it told something impossible."""

    input_tokens: MaybeCount = None
    cache_read_input_tokens: MaybeCount = None
    cache_creation_input_tokens: MaybeCount = None
    output_tokens: MaybeCount = None
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerTools | None = None
    output_tokens_details: OutputDetails | None = None
    service_tier: Id | None = None
    speed: Id | None = None
    inference_geo: Id | None = None
    readable: bool = True

    def over(self, earlier: "MessageUsage") -> "MessageUsage":
        """The line's figures, with the earlier line's where this one does not tell: message_delta over message_start."""
        told = {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}
        return earlier.model_copy(update={**told, "readable": self.readable and earlier.readable})

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


def _unreadable(value: object, read: ValidatorFunctionWrapHandler) -> MessageUsage:
    try:
        return read(value)
    except ValidationError:
        return MessageUsage(readable=False)


AnyUsage = Annotated[MessageUsage, or_else(MessageUsage()), WrapValidator(_unreadable)]
"""A usage whatever it holds: the message around it says enough to know that there was a call."""


class ModelUsage(Wire):
    """One model's part of `modelUsage`, `model_usage_since_last_result` and of the answer to get_usage."""

    input: Sum = Field(0, alias="inputTokens")
    output: Sum = Field(0, alias="outputTokens")
    cache_read: Sum = Field(0, alias="cacheReadInputTokens")
    cache_write: Sum = Field(0, alias="cacheCreationInputTokens")
    cache_write_5m: Sum = Field(0, alias="cacheCreationEphemeral5mInputTokens")
    cache_write_1h: Sum = Field(0, alias="cacheCreationEphemeral1hInputTokens")
    web_searches: Sum = Field(0, alias="webSearchRequests")

    def usage(self, model: str) -> Usage:
        """As the domain counts; the tier is not told. (Reasoning is part of output, and not every call tells it: left out.)"""
        unsplit = max(0, self.cache_write - self.cache_write_5m - self.cache_write_1h)
        tokens = Tokens(self.input, self.cache_read, self.cache_write_5m, self.cache_write_1h, unsplit, self.output)
        return Usage(model, tokens, web_searches=self.web_searches)


MODELS_MAX: Final = 100
Usages = Annotated[dict[Id, ModelUsage], Field(max_length=MODELS_MAX)]


class _Sums(Wire):
    usages: Usages


def sums(value: Any) -> dict[str, ModelUsage] | None:
    """Figures by model; None: nothing that can be read."""
    try:
        return _Sums(usages=value).usages
    except ValidationError:
        return None
