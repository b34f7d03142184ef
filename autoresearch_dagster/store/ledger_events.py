"""Events of the ledger: what was reserved before it could be spent, and what it came to."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field, NonNegativeInt

from autoresearch_dagster.core.experiment import Data, Digest, ExperimentKey

RequestPurpose = Literal["turn", "sizing"]


class TokenUsage(Data):
    """Tokens of one request, each counted once.

    `input_tokens` are those that were neither read from the cache nor written to it.
    """

    input_tokens: NonNegativeInt = 0
    output_tokens: NonNegativeInt = 0
    cache_read_tokens: NonNegativeInt = 0
    cache_write_5m_tokens: NonNegativeInt = 0
    cache_write_1h_tokens: NonNegativeInt = 0

    @property
    def read_tokens(self) -> int:
        """Everything that the model read, at whatever price."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens


class ModelAsked(Data):
    """A request is about to be sent; `reserved_usd` is the most that it can cost.

    Until `model_answered` or `model_failed` names the same ticket, it counts as possibly charged.
    """

    kind: Literal["model_asked"] = "model_asked"
    ticket: str
    """Names this one sending; a retry has another."""
    purpose: RequestPurpose
    """A turn of the agent, or an estimate of memory."""
    turn: int
    request: Digest
    """Blob with the request."""
    model: str
    """Name of the model."""
    prices: str
    """Version of the price table that the reservation, and later the cost, rests on."""
    reserved_usd: Decimal = Field(ge=0)


class ModelAnswered(Data):
    """A request has its whole answer; the reservation becomes what it cost."""

    kind: Literal["model_answered"] = "model_answered"
    ticket: str
    message_id: str = ""
    """The provider's."""
    model: str = ""
    """Who answered, as the server says; '' in older journals: whoever was asked."""
    usage: TokenUsage
    """Tokens, as the provider counts them."""
    usd: Decimal = Field(ge=0)
    """What it cost, in US dollars."""
    duration_s: float = 0.0


class ModelFailed(Data):
    """A request has no usable answer; `possibly_charged` keeps its reservation as spent."""

    kind: Literal["model_failed"] = "model_failed"
    ticket: str
    """Of the request."""
    reason: str
    possibly_charged: bool


class ExperimentSized(Data):
    """The model estimated what an experiment needs; within floor and ceiling already."""

    kind: Literal["experiment_sized"] = "experiment_sized"
    key: ExperimentKey
    memory_bytes: int
    """For its first try."""
    reason: str
    """As the model says it."""


class SessionSlept(Data):
    """The model cannot be asked before some time; until then nothing is driven, and no process waits."""

    kind: Literal["session_slept"] = "session_slept"
    until: datetime
    reason: str
    """Why, as a person is told."""
