"""What a session spent and has reserved: a fold over its events, checked in the transaction that reserves.

A reservation is the most that something can cost.  It is made before the money can be spent and replaced by the
cost afterwards; what never reports back stays spent.  So the caps hold whatever runs in parallel or dies.
"""

from copy import copy
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from autoresearch_dagster.core.errors import BudgetExceeded
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult
from autoresearch_dagster.core.progress import HOUR_S
from autoresearch_dagster.store.ledger_events import ModelAnswered, ModelAsked, ModelFailed, TokenUsage

NOTHING = Decimal(0)


@dataclass(slots=True)
class Ledger:
    """Totals of a session's life.  Units: US$, seconds of CPU and of GPU time, tokens."""

    calls: int = 0
    usage: TokenUsage = field(default_factory=TokenUsage)
    usd: Decimal = NOTHING
    """Of answered requests."""
    usd_possible: Decimal = NOTHING
    """Reserved for requests that failed in a way in which they may have been charged."""
    unanswered: int = 0
    """Requests in a row that may have been charged and brought no answer, since the session was last resumed."""
    models: dict[str, int] = field(default_factory=dict)
    """Answers by the model that gave them, in the order of their first."""
    asked: dict[str, ModelAsked] = field(default_factory=dict)
    """Requests without an answer yet, by ticket; left by a dead process, they may have been charged."""
    cpu_s: float = 0.0
    gpu_s: float = 0.0
    """Of experiments that have a result."""
    gpu_lost_s: float = 0.0
    """Reserved for attempts that never reported."""
    gpu_open: dict[ExperimentKey, float] = field(default_factory=dict)
    """Reserved for attempts that have no result yet."""
    granted_at_usd: Decimal = NOTHING
    """Committed when this launch began: caps count from there, as `n_experiments` does."""
    granted_at_gpu_s: float = 0.0

    @property
    def usd_committed(self) -> Decimal:
        """Spent, possibly spent and reserved."""
        return self.usd + self.usd_possible + sum((one.reserved_usd for one in self.asked.values()), NOTHING)

    @property
    def gpu_committed_s(self) -> float:
        """Used, possibly used and reserved."""
        return self.gpu_s + self.gpu_lost_s + sum(self.gpu_open.values())

    def clone(self) -> "Ledger":
        """Copy what folding may change."""
        other = copy(self)
        other.asked, other.models, other.gpu_open = dict(self.asked), dict(self.models), dict(self.gpu_open)
        return other

    def grant(self) -> None:
        """Begin a new launch; nobody is left to settle what was reserved in the one before."""
        self.usd_possible, self.asked = self.usd_committed - self.usd, {}
        self.gpu_lost_s, self.gpu_open = self.gpu_committed_s - self.gpu_s, {}
        self.granted_at_usd, self.granted_at_gpu_s = self.usd_committed, self.gpu_committed_s

    def ask(self, event: ModelAsked) -> None:
        """Reserve."""
        self.asked[event.ticket] = event

    def answer(self, event: ModelAnswered) -> None:
        """Settle; a second answer to the same ticket changes nothing."""
        asked = self.asked.pop(event.ticket, None)
        if asked is None:
            return
        self.calls += 1
        self.unanswered = 0
        who = event.model or asked.model
        self.models[who] = self.models.get(who, 0) + 1
        self.usd += event.usd
        sums = {name: getattr(self.usage, name) + getattr(event.usage, name) for name in TokenUsage.model_fields}
        self.usage = TokenUsage(**sums)

    def fail(self, event: ModelFailed) -> None:
        """Free the reservation, or keep it as possibly spent."""
        asked = self.asked.pop(event.ticket, None)
        if asked is not None and event.possibly_charged:
            self.usd_possible += asked.reserved_usd
            self.unanswered += 1

    def attempt(self, key: ExperimentKey, reserve_s: float) -> None:
        """Reserve the GPU time of an attempt; the one before it never reported and may have used all it had."""
        self.gpu_lost_s += self.gpu_open.pop(key, 0.0)
        if reserve_s:
            self.gpu_open[key] = reserve_s

    def finish(self, key: ExperimentKey, result: ExperimentResult) -> None:
        """Settle an experiment; an attempt that was ended before it said what it used may have used all it had."""
        reserved_s = self.gpu_open.pop(key, 0.0)
        if not result.gpu_sec:
            self.gpu_lost_s += reserved_s
        self.gpu_s += result.gpu_sec
        self.cpu_s += result.cpu_sec + sum(one.cpu_sec for one in result.out_of_memory)


class Caps(Protocol):
    """The ceilings of a session, as its configuration has them; None: there is none."""

    @property
    def max_usd(self) -> float | None:
        """US$ for model calls."""
        ...

    @property
    def max_gpu_hours(self) -> float | None:
        """Hours of GPU time."""
        ...


def usd_left(ledger: Ledger, caps: Caps) -> Decimal | None:
    """Return what may still be reserved in this launch, in US$; None without a cap."""
    if caps.max_usd is None:
        return None
    return Decimal(str(caps.max_usd)) - (ledger.usd_committed - ledger.granted_at_usd)


def gpu_left_s(ledger: Ledger, caps: Caps) -> float | None:
    """Return what may still be reserved in this launch, in seconds; None without a cap."""
    if caps.max_gpu_hours is None:
        return None
    return caps.max_gpu_hours * HOUR_S - (ledger.gpu_committed_s - ledger.granted_at_gpu_s)


def ensure_usd(ledger: Ledger, caps: Caps, usd: Decimal) -> None:
    """Refuse what could pass the cap.

    Raises:
        BudgetExceeded: the text has the figures.
    """
    left = usd_left(ledger, caps)
    if left is not None and usd > left:
        raise BudgetExceeded(
            f"max_usd={caps.max_usd:g} is used up: US$ {max(left, NOTHING):.4f} are left and the next request may "
            f"cost US$ {usd:.4f}; raise max_usd to go on."
        )


def ensure_gpu(ledger: Ledger, caps: Caps, seconds: float) -> None:
    """Refuse what could pass the cap.

    Raises:
        BudgetExceeded: the text has the figures.
    """
    left = gpu_left_s(ledger, caps)
    if left is not None and seconds > left:
        raise BudgetExceeded(
            f"max_gpu_hours={caps.max_gpu_hours:g} is used up: {max(left, 0.0):.0f} s are left and the next "
            f"training may take {seconds:.0f} s; raise max_gpu_hours to go on."
        )
