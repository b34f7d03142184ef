"""Waiting for what is nobody's fault: a journal that somebody has locked, a runner that does not answer."""

import time
from collections.abc import Callable
from typing import TypeVar

from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import RunnerGone, StoreUnavailable

Kept = TypeVar("Kept")


def patiently(write: Callable[[], Kept], halted: Callable[[], bool], waiting: Callable[[], None]) -> Kept:
    """Write to the journal, waiting for whoever has it locked: a finished training is not thrown away for that.

    Args:
        write: one transaction; may be called again.
        halted: whether nobody wants to wait any more.
        waiting: told at each further try.

    Raises:
        StoreUnavailable: it stays unavailable.
    """
    until = time.monotonic() + lim.STORE_PATIENCE_S
    while True:
        try:
            return write()
        except StoreUnavailable:
            if halted() or time.monotonic() > until:
                raise
            waiting()
            time.sleep(lim.RUNNER_LOOK_S)


def await_runner(runner: Runner, fault: RunnerGone, waiting: Callable[[], None]) -> None:
    """Wait until jobs can be started again.

    Args:
        runner: that is gone.
        fault: what it was missed by.
        waiting: told at each look; what it raises ends the waiting.

    Raises:
        RunnerGone: that takes too long.
    """
    until = time.monotonic() + lim.RUNNER_PATIENCE_S
    while not runner.answers():
        if time.monotonic() > until:
            raise fault
        waiting()
        time.sleep(lim.RUNNER_LOOK_S)
