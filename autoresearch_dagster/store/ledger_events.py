"""Events of the ledger: what was reserved before it could be spent, and what it came to."""

from datetime import datetime
from decimal import Decimal
from typing import Literal

from pydantic import Field, NonNegativeInt

from autoresearch_dagster.core.experiment import Data, Digest, ExperimentKey

RequestPurpose = Literal["turn", "sizing"]


class TokenUsage(Data):
    """Tokens of one request, each counted once."""

    input_tokens: NonNegativeInt = 0
    """Tokens that were read and neither came from the cache nor went into it."""
    output_tokens: NonNegativeInt = 0
    """Tokens that were written."""
    cache_read_tokens: NonNegativeInt = 0
    """Tokens that were read from the cache."""
    cache_write_5m_tokens: NonNegativeInt = 0
    """Tokens that were written to the cache for five minutes."""
    cache_write_1h_tokens: NonNegativeInt = 0
    """Tokens that were written to the cache for an hour."""

    @property
    def read_tokens(self) -> int:
        """Everything that the model read, at whatever price."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens


class ModelAsked(Data):
    """A request is about to be sent; the most that it can cost is reserved.

    Until `model_answered` or `model_failed` names the same ticket, it counts as possibly charged.
    """

    kind: Literal["model_asked"] = "model_asked"
    ticket: str
    """Names this one sending; a retry has another."""
    purpose: RequestPurpose
    """A turn of the agent, or an estimate of memory."""
    turn: int
    """The turn that it is for, from 1."""
    request: Digest
    """Blob with the request."""
    model: str
    """Name of the model."""
    prices: str
    """Version of the price table that the reservation, and later the cost, rests on."""
    reserved_usd: Decimal = Field(ge=0)
    """The most that it can cost, in US dollars."""


class ModelAnswered(Data):
    """A request has its whole answer; the reservation becomes what it cost."""

    kind: Literal["model_answered"] = "model_answered"
    ticket: str
    """Of the request that is answered."""
    message_id: str = ""
    """The provider's."""
    model: str = ""
    """Who answered, as the server says; '' in older journals: whoever was asked."""
    usage: TokenUsage
    """Tokens, as the provider counts them."""
    usd: Decimal = Field(ge=0)
    """What it cost, in US dollars."""
    duration_s: float = 0.0
    """Seconds until the answer was whole."""


class ModelFailed(Data):
    """A request has no usable answer; what may have been charged stays reserved."""

    kind: Literal["model_failed"] = "model_failed"
    ticket: str
    """Of the request."""
    reason: str
    """What went wrong, as a person is told."""
    possibly_charged: bool
    """Whether the provider may have charged for it all the same."""


class ExperimentSized(Data):
    """The model estimated what an experiment needs; within floor and ceiling already."""

    kind: Literal["experiment_sized"] = "experiment_sized"
    key: ExperimentKey
    """The experiment."""
    memory_bytes: int
    """For its first try."""
    reason: str
    """As the model says it."""


class SessionSlept(Data):
    """The model cannot be asked before some time; until then nothing is driven, and no process waits."""

    kind: Literal["session_slept"] = "session_slept"
    until: datetime
    """When the model is asked again, UTC."""
    reason: str
    """Why, as a person is told."""
