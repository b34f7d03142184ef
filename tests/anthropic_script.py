"""What the Messages API on loopback may be told to do, and the wire format of it."""

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MODEL = "claude-sonnet-4-6"
CHARS_OF_A_TOKEN = 4
PIECE_CHARS = 40
Place = Literal["at once", "mid-stream", "before message_delta"]


@dataclass(frozen=True)
class Seen:
    """A request as it came; `headers` have lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def text(self) -> str:
        """All that the model is told, system prompt first."""
        return "\n".join(block["text"] for block in blocks_of(self.body))

    @property
    def last(self) -> str:
        """The last message's text."""
        return "\n".join(block["text"] for block in self.body["messages"][-1]["content"])


@dataclass(frozen=True)
class Reply:
    """A whole reply; `blocks` instead of `text` for other content, `usage` overrides what is counted.

    `model` is who answers; None: the one asked.
    """

    text: str = ""
    stop_reason: str = "end_turn"
    blocks: Sequence[dict[str, Any]] | None = None
    usage: dict[str, Any] = field(default_factory=dict)
    model: str | None = None


@dataclass(frozen=True)
class Refused:
    """An error status; `type` empty: a page of something in between, not the API's."""

    status: int
    type: str = ""
    message: str = ""
    retry_after: str = ""
    location: str = ""


@dataclass(frozen=True)
class Cut:
    """The connection breaks; `plain`: the body ends with the connection, so that nobody sees that it is cut."""

    where: Place = "mid-stream"
    plain: bool = False
    reply: Reply = Reply("A reply that is long enough to be cut in the middle of its second piece or so.")


@dataclass(frozen=True)
class BrokenOff:
    """An error event, in the middle of a reply or at its very beginning."""

    type: str = "overloaded_error"
    message: str = "Overloaded"
    at_once: bool = False


@dataclass(frozen=True)
class Raw:
    """Any body; status 200 if no other is named."""

    data: bytes
    content_type: str = "text/event-stream"
    status: int = 200


@dataclass(frozen=True)
class Endless:
    """A `Raw` body that never ends: after it comes `more`, for as long as anybody reads."""

    begin: Raw
    more: bytes
    every_s: float = 0.02


@dataclass(frozen=True)
class Held:
    """Releases `server.held`, waits for `server.release`, then goes on."""

    step: Any = ""


@dataclass(frozen=True)
class Slow:
    """Waits some seconds first."""

    step: Any
    seconds: float


class PromptCache:
    """What the server remembers of prompts, for ever."""

    def __init__(self) -> None:
        self._cached: set[str] = set()
        self._lock = threading.Lock()

    def usage(self, body: dict[str, Any]) -> dict[str, Any]:
        """Count a request's tokens: read from the cache, written to it, and the rest."""
        total = read = written = 0
        by_ttl = {"5m": 0, "1h": 0}
        seen = hashlib.sha256(body["model"].encode())
        with self._lock:
            for block in blocks_of(body):
                total += tokens(block["text"])
                seen.update(block["text"].encode() + b"\0")
                if control := block.get("cache_control"):
                    prefix = seen.hexdigest()
                    if prefix in self._cached:
                        read = total
                    else:
                        by_ttl[control.get("ttl", "5m")] += total - max(read, written)
                    written = total
                    self._cached.add(prefix)
                elif seen.hexdigest() in self._cached:
                    read = written = total  # an earlier request ended here: the API looks back for such a place
        return {
            "input_tokens": total - max(read, written),
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": sum(by_ttl.values()),
            "cache_creation": {f"ephemeral_{ttl}_input_tokens": count for ttl, count in by_ttl.items()},
        }


def blocks_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The blocks of a request in the order in which they are read."""
    contents = [body.get("system") or [], *(message["content"] for message in body["messages"])]
    return [
        block
        for content in contents
        for block in ([{"type": "text", "text": content}] if isinstance(content, str) else content)
    ]


def tokens(text: str) -> int:
    """About as many tokens as a text has; one at least."""
    return len(text) // CHARS_OF_A_TOKEN + 1


def events_of(reply, model, usage, *, whole=False):
    """The events of a reply; `whole`: each block in one piece, as without streaming."""
    blocks = [{"type": "text", "text": reply.text}] if reply.blocks is None else list(reply.blocks)
    output = sum(tokens(json.dumps(block)) for block in blocks) if reply.blocks else tokens(reply.text)
    name = hashlib.sha256(f"{time.monotonic_ns()}".encode()).hexdigest()[:12]
    begun = {
        "id": f"msg_{name}", "type": "message", "role": "assistant", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {**usage, "output_tokens": 1, **reply.usage},
        "model": model if reply.model is None else reply.model,
    }  # fmt: skip
    events = [{"type": "message_start", "message": begun}]
    for index, block in enumerate(blocks):
        text = block.get("text", "") if block["type"] == "text" and not whole else None
        start = block if text is None else {"type": "text", "text": ""}
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        events.append({"type": "ping"})
        for at in range(0, len(text or ""), PIECE_CHARS):
            delta = {"type": "text_delta", "text": text[at : at + PIECE_CHARS]}
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    ended = {"output_tokens": output, **{n: c for n, c in reply.usage.items() if n == "output_tokens"}}
    delta = {"stop_reason": reply.stop_reason, "stop_sequence": None}
    return [*events, {"type": "message_delta", "delta": delta, "usage": ended}, {"type": "message_stop"}]


def problem_with(body):
    """What the API refuses in a request's form."""
    roles = [message["role"] for message in body["messages"]]
    if not roles or roles[0] != "user":
        return 'messages: first message must use the "user" role'
    if any(one == other for one, other in itertools.pairwise(roles)):
        return 'messages: roles must alternate between "user" and "assistant"'
    if any(not block["text"].strip() for block in blocks_of(body) if block["type"] == "text"):
        return "messages: text content blocks must contain non-whitespace text"
    if body.get("max_tokens", 0) < 1:
        return "max_tokens: must be greater than or equal to 1"
    return ""
