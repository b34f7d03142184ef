"""Who thinks: one protocol for the recorded researcher and for a language model."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from autoresearch_dagster.store import events as ev
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
    """One reply, with why it ended and what was read and written for it.

    `settled` is to be kept in the same transaction as the reply; None where nobody was paid.
    """

    text: str
    stop_reason: str | None
    input_tokens: int = 0
    output_tokens: int = 0
    settled: ev.ModelAnswered | None = None


@dataclass(frozen=True, slots=True)
class Sleep:
    """The model cannot be asked before some time; nobody needs to wait for it."""

    until: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class TooLong:
    """The conversation does not fit into the model any more."""


class Researcher(Protocol):
    """Proposes the next plan, or gives the final answer."""

    def reply(self, view: ResearcherView) -> Reply | Sleep | TooLong:
        """Answer the conversation so far.

        Raises:
            BudgetExceeded: the next request could pass a cap; it was not sent.
            ModelFault: the request was refused for good.
        """
        ...
