"""Trying again: how long to wait after a passing fault, and when to give up."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError

Sleep = Callable[[float], bool]
"""Waits some seconds; true if somebody wants everything to stop (`threading.Event.wait`)."""
KEPT = "then run the same command again: what has been downloaded is kept"


@dataclass(frozen=True, slots=True)
class RetryLimits:
    """How patient downloads are.  Units: seconds and bytes."""

    first_wait_s: float = limits.HUB_FIRST_WAIT_S
    longest_wait_s: float = limits.HUB_LONGEST_WAIT_S
    retry_after_s: float = limits.HUB_RETRY_AFTER_S
    patience_s: float = limits.HUB_PATIENCE_S
    no_network_s: float = limits.HUB_NO_NETWORK_S
    progress_bytes: int = limits.HUB_PROGRESS_BYTES


class Passing(Exception):
    """A fault that may pass: busy servers, broken connections.

    `what` and `cure` complete the sentences `The hub ...` and `...`, `reached` tells whether the hub has
    answered anything yet, `retry_after_s` is the wait that it asks for.
    """

    def __init__(self, what: str, cure: str, *, reached: bool = True, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.cure = cure
        self.reached = reached
        self.retry_after_s = retry_after_s


class Stopped(Exception):
    """Somebody else gave up first; this worker has nothing to tell."""


class Patience:
    """Waits between the tries of one task, twice as long each time, until the deadline.

    The deadline moves only with progress: a connection that trickles is given up like one that is silent.
    """

    def __init__(
        self,
        task: str,
        numbers: RetryLimits,
        say: Callable[[str], object],
        sleep: Sleep,
        *,
        clock: Callable[[], float] = time.monotonic,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._task = task
        self._numbers = numbers
        self._say = say
        self._sleep = sleep
        self._clock = clock
        self._spread = spread
        self._since = clock()
        self._wait_s = numbers.first_wait_s
        self._mark = 0

    def reached(self, position: int) -> None:
        """Take note of how many bytes of the task are done; only what was never reached before is progress.

        Raises:
            BundleError: they come too slowly.
        """
        if position - self._mark >= self._numbers.progress_bytes:
            self._mark, self._since, self._wait_s = position, self._clock(), self._numbers.first_wait_s
        elif self._clock() - self._since >= self._numbers.patience_s:
            raise self._exhausted("sends next to nothing new", "check the network", self._numbers.patience_s)

    def wait(self, fault: Passing) -> None:
        """Wait before the next try.

        Raises:
            BundleError: the deadline has come.
            Stopped: somebody wants everything to stop.
        """
        patience_s = self._numbers.patience_s if fault.reached else self._numbers.no_network_s
        left_s = self._since + patience_s - self._clock()
        if left_s <= 0:
            raise self._exhausted(fault.what, fault.cure, patience_s) from fault
        # A hub that asks for less than we would wait may be asking for it for ever.
        wait_s = max(self._wait_s, min(fault.retry_after_s or 0.0, self._numbers.retry_after_s))
        self._wait_s = min(2 * self._wait_s, self._numbers.longest_wait_s)
        # Workers that were refused together do not come back together.
        wait_s = min(wait_s * (1 + self._spread() / 4), left_s)
        self._say(f"{self._task}: the hub {fault.what}; trying again in {wait_s:.0f} s")
        if self._sleep(wait_s):
            raise Stopped

    def _exhausted(self, what: str, cure: str, patience_s: float) -> BundleError:
        return BundleError(f"{self._task}: the hub {what}, for {patience_s:.0f} s now; {cure}, {KEPT}.")
