"""Who thinks: one protocol for the recorded researcher and for a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from autoresearch_dagster.store.state import SessionState


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class ResearcherView:
    """All that a researcher knows: a pure function of the journal.

    `turns_taken` counts the turns of this launch; `last` means that nothing can be launched any more.
    """

    system: str
    messages: Sequence[Message]
    state: SessionState
    turns_taken: int
    last: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, with why it ended and what it cost."""

    text: str
    stop_reason: str | None
    input_tokens: int = 0
    output_tokens: int = 0


class Researcher(Protocol):
    """Proposes the next plan, or gives the final answer."""

    def reply(self, view: ResearcherView) -> Reply:
        """Answer the conversation so far."""
        ...
