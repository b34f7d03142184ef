"""What is said to the model and what it says, as the Messages API has them; no network here.

A request is cached for an hour at two places: the system prompt, which never changes, and the end of the
conversation.  Trainings between two replies take minutes, so that a cache of five minutes would mostly be gone:
with N tokens of conversation and d new ones a turn costs 1.25 (N + d) input tokens then, and 0.1 N + 2 d so.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import BaseModel, NonNegativeInt, ValidationError

from autoresearch_dagster.agent.researcher import Message
from autoresearch_dagster.containers.escape import printable_line
from autoresearch_dagster.core.errors import ModelFault
from autoresearch_dagster.core.limits import MODEL_MESSAGE_CHARS, MODEL_REPLY_S
from autoresearch_dagster.store.ledger_events import TokenUsage

NO_TEXT = "(no text)"
"""Stands for an empty message, which the API refuses."""
CACHED = {"type": "ephemeral", "ttl": "1h"}


@dataclass(frozen=True, slots=True)
class Request:
    """One question to the model.

    `system` stays the same over a session, `messages` only grow, `max_tokens` bounds the reply, `cache` pays for
    keeping all of it for the next request.
    """

    system: str
    messages: Sequence[Message]
    max_tokens: int
    cache: bool = True

    def body(self, model: str) -> dict[str, Any]:
        """Return what is sent, all but the key: plain JSON data, in which messages take turns and none is empty."""
        messages: list[dict[str, Any]] = []
        for message in self.messages:
            if not messages or messages[-1]["role"] != message.role:
                messages.append({"role": message.role, "content": []})
            messages[-1]["content"].append(_block(message.text))
        body: dict[str, Any] = {"model": model, "max_tokens": self.max_tokens, "messages": messages}
        if self.system.strip():
            body["system"] = [_block(self.system)]
        if self.cache:
            for blocks in (body.get("system"), messages and messages[-1]["content"]):
                if blocks:
                    blocks[-1]["cache_control"] = CACHED
        return body


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole reply.

    `text` joins the blocks of text, other blocks are left out; `stop_reason` is the API's word for why it ended;
    `model` is the one that answered, which may have a date in its name.
    """

    text: str
    stop_reason: str
    usage: TokenUsage
    message_id: str = ""
    model: str = ""
    duration_s: float = 0.0


class _CacheWrites(BaseModel):
    ephemeral_5m_input_tokens: NonNegativeInt = 0
    ephemeral_1h_input_tokens: NonNegativeInt = 0


class _Usage(BaseModel):
    input_tokens: NonNegativeInt | None = None
    output_tokens: NonNegativeInt | None = None
    cache_read_input_tokens: NonNegativeInt | None = None
    cache_creation_input_tokens: NonNegativeInt | None = None
    cache_creation: _CacheWrites | None = None

    def updated(self, later: "_Usage") -> "_Usage":
        """Take later totals, where there are any: counts in a stream are cumulative."""
        return self.model_copy(update={name: count for name, count in later if count is not None})

    @property
    def counted(self) -> TokenUsage:
        """Each token once; cache writes of an unnamed kind count as the dearest."""
        writes = self.cache_creation or _CacheWrites()
        named = writes.ephemeral_5m_input_tokens + writes.ephemeral_1h_input_tokens
        unnamed = max(0, (self.cache_creation_input_tokens or 0) - named)
        return TokenUsage(
            input_tokens=self.input_tokens or 0,
            output_tokens=self.output_tokens or 0,
            cache_read_tokens=self.cache_read_input_tokens or 0,
            cache_write_5m_tokens=writes.ephemeral_5m_input_tokens,
            cache_write_1h_tokens=writes.ephemeral_1h_input_tokens + unnamed,
        )


class _Begun(BaseModel):
    id: str = ""
    model: str = ""
    usage: _Usage = _Usage()


class _Block(BaseModel):
    type: str = ""
    text: str = ""


class _Delta(BaseModel):
    type: str = ""
    text: str = ""
    stop_reason: str | None = None


class _Error(BaseModel):
    type: str = ""
    message: str = ""


class _Event(BaseModel):
    """Any event of a stream; what is not named here is left out."""

    type: str
    message: _Begun = _Begun()
    content_block: _Block = _Block()
    delta: _Delta = _Delta()
    usage: _Usage = _Usage()
    error: _Error = _Error()


def read_stream(events: Iterable[str], out_of_time: Callable[[], bool]) -> Answer:
    """Put a reply together from the data of its server-sent events.

    A connection that ends early is told from a whole reply by `stop_reason` only: where the end of the connection
    is the end of the body, nothing else fails.

    Raises:
        ModelFault: there is no whole reply.
    """
    begun: _Begun | None = None
    usage, text, stop_reason = _Usage(), list[str](), None
    for data in events:
        event = _read(data)
        match event.type:
            case "message_start":
                begun, usage = event.message, event.message.usage
            case "content_block_start" if event.content_block.type == "text":
                text.append(event.content_block.text)
            case "content_block_delta" if event.delta.type == "text_delta":
                text.append(event.delta.text)
            case "message_delta":
                usage, stop_reason = usage.updated(event.usage), event.delta.stop_reason or stop_reason
            case "message_stop":
                break
            case "error":
                raise _broken_off(event.error, begun=begun is not None)
            case _:
                pass  # pings, ends of blocks, and what later versions may add
        if out_of_time():
            raise ModelFault(
                f"The model did not finish a reply in {MODEL_REPLY_S:.0f} s.", "cut", possibly_charged=True
            )
    if begun is None or stop_reason is None:
        raise ModelFault("The model's reply ended before it was whole.", "cut", possibly_charged=True)
    return Answer("".join(text), stop_reason, usage.counted, begun.id, begun.model)


def _block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text if text.strip() else NO_TEXT}


def _read(data: str) -> _Event:
    try:
        return _Event.model_validate_json(data)
    except ValidationError:
        raise ModelFault("The model's reply cannot be read.", "cut", possibly_charged=True) from None


def _broken_off(error: _Error, *, begun: bool) -> ModelFault:
    """Make a fault of an error that was sent in place of the rest of a reply."""
    told = printable_line(f"{error.type}: {error.message}", MODEL_MESSAGE_CHARS)
    return ModelFault(f"The model broke a reply off ({told}).", "cut" if begun else "busy", possibly_charged=begun)


def retry_after_s(header: str, now: datetime) -> float | None:
    """Read `retry-after`: seconds, or a date; None where it says nothing that can be waited for."""
    try:
        wait_s = float(header)
    except ValueError:
        try:
            until = parsedate_to_datetime(header)
        except (TypeError, ValueError):
            return None
        wait_s = ((until if until.tzinfo else until.replace(tzinfo=UTC)) - now).total_seconds()
    return max(0.0, wait_s) if math.isfinite(wait_s) else None
