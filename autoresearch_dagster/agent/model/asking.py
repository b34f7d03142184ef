"""Asks the model within the session's cap: reserve, send, settle; again where that may help; else sleep.

Every sending has a ticket of its own.  Its reservation is in the journal before the request leaves and stays there
until `model_failed` or `model_answered` names the ticket, so that a process that dies anywhere has spent at most
what the ledger says.  No transaction is open while the model thinks.
"""

import math
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential, wait_random

from autoresearch_dagster.agent.model.prices import Prices
from autoresearch_dagster.agent.model.wire import Answer, Request
from autoresearch_dagster.agent.researcher import Sleep
from autoresearch_dagster.agent.tools.signatures import BlobStore, Transaction
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import ModelFault
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.store.ledger import ensure_usd
from autoresearch_dagster.store.ledger_events import ModelAnswered, ModelAsked, ModelFailed, RequestPurpose
from autoresearch_dagster.store.state import SessionState


class StateReader(Protocol):
    """What asking needs of the journal."""

    def state(self, session: str) -> SessionState:
        """Return the session as it stands."""
        ...


class Desk(Protocol):
    """What asking needs of a session; `Workbench` has it."""

    @property
    def journal(self) -> StateReader:
        """Where the session is read."""
        ...

    @property
    def blobs(self) -> BlobStore:
        """Where requests are kept."""
        ...

    @property
    def session(self) -> str:
        """Which session."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open one short writing transaction."""
        ...


class Model(Protocol):
    """What asking needs of a model; `Claude` has it."""

    @property
    def model(self) -> str:
        """Its name."""
        ...

    def count(self, request: Request) -> int | None:
        """Return the tokens of a request; None: nobody can say."""
        ...

    def send(self, request: Request) -> Answer:
        """Send a request once.

        Raises:
            ModelFault: there is no whole reply.
        """
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A whole answer, and the event that settles it: append it in the transaction that uses the answer."""

    answer: Answer
    settled: ModelAnswered


def ask(
    desk: Desk,
    model: Model,
    prices: Prices,
    request: Request,
    purpose: RequestPurpose,
    turn: int,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
    ticket: Callable[[], str] = lambda: uuid.uuid4().hex,
) -> Asked | Sleep:
    """Ask until there is an answer, for `MODEL_PATIENCE_S` at most.

    Raises:
        BudgetExceeded: the next sending could pass `max_usd`; it was not sent.
        ModelFault: `fatal` or `too_long`: asking again would not help.
        StoreConflict: the lease was lost.
    """
    state = desk.journal.state(desk.session)
    body = canonical_json(request.body(model.model))
    counted = model.count(request) if state.config.max_usd is not None else None
    reserved = prices.most(_input_tokens(counted, len(body)), request.max_tokens)
    stored = desk.blobs.put(body)
    deadline = clock() + timedelta(seconds=limits.MODEL_PATIENCE_S)

    def try_once() -> Asked:
        number = ticket()
        with desk.transaction() as tx:
            ensure_usd(tx.state.ledger, tx.state.config, reserved)
            tx.append(
                ModelAsked(
                    ticket=number,
                    purpose=purpose,
                    turn=turn,
                    request=stored,
                    model=model.model,
                    prices=prices.version,
                    reserved_usd=reserved,
                )
            )
        try:
            answer = model.send(request)
        except ModelFault as fault:
            with desk.transaction() as tx:
                tx.append(ModelFailed(ticket=number, reason=str(fault), possibly_charged=fault.possibly_charged))
            raise
        return Asked(answer, _settled(number, answer, prices, reserved))

    def give_up(tries: RetryCallState) -> bool:
        named_s = _fault_of(tries).retry_after_s or 0.0
        ends = clock() + timedelta(seconds=tries.upcoming_sleep)
        return named_s > limits.MODEL_RETRY_AFTER_S or ends >= deadline

    try:
        return Retrying(retry=retry_if_exception(_passes), wait=_wait_s, stop=give_up, sleep=sleep, reraise=True)(
            try_once
        )
    except ModelFault as fault:
        if not _passes(fault):
            raise
        return Sleep(clock() + timedelta(seconds=sleep_s(state.sleeps, fault.retry_after_s)), str(fault))


def sleep_s(sleeps: int, named_s: float | None) -> float:
    """How long to sleep after so many sleeps in a row, in seconds, where the server named a time or none.

    A server that asks for less than we would wait may be asking for it for ever.
    """
    # The exponent is bounded: a session that slept 2,000 times would overflow.
    own_s = min(limits.MODEL_SLEEP_FIRST_S * 2 ** min(sleeps, 16), limits.MODEL_SLEEP_LONGEST_S)
    return max(own_s, min(named_s or 0.0, limits.MODEL_SLEEP_NAMED_S))


def _input_tokens(counted: int | None, body_bytes: int) -> int:
    """The most tokens that a prompt can have: no token is shorter than a byte."""
    bound = body_bytes if counted is None else min(body_bytes, math.ceil(counted * limits.MODEL_COUNT_MARGIN))
    return bound + limits.MODEL_EXTRA_TOKENS


def _settled(ticket: str, answer: Answer, prices: Prices, reserved: Decimal) -> ModelAnswered:
    """Settle an answer; one that does not say what it used costs all that was reserved."""
    told = answer.usage.read_tokens > 0  # a gateway may count the output alone
    return ModelAnswered(
        ticket=ticket,
        message_id=answer.message_id,
        usage=answer.usage,
        usd=prices.cost(answer.usage) if told else reserved,
        duration_s=answer.duration_s,
    )


def _passes(fault: BaseException) -> bool:
    return isinstance(fault, ModelFault) and fault.kind in ("busy", "cut")


_own_wait_s = wait_exponential(limits.MODEL_FIRST_WAIT_S, max=limits.MODEL_LONGEST_WAIT_S) + wait_random(
    0, limits.MODEL_FIRST_WAIT_S
)


def _wait_s(tries: RetryCallState) -> float:
    return max(_own_wait_s(tries), _fault_of(tries).retry_after_s or 0.0)


def _fault_of(tries: RetryCallState) -> ModelFault:
    fault = tries.outcome.exception() if tries.outcome else None
    assert isinstance(fault, ModelFault)
    return fault
