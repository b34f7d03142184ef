"""The moments that a test can aim at: a driver tells of them, and can stand still at one of them."""

import os
import random
import time
from collections.abc import Callable
from itertools import count
from typing import Any

from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.tickets import Tickets

DAY_S = 86_400.0
CLOCK_LOOKS = 7


def say(*words: object) -> None:
    """Tell the test; one write, so that lines of several threads stay whole."""
    stamp = (f"{time.monotonic():.3f}",) if STAMPS else ()
    os.write(1, (" ".join(map(str, (*words, *stamp))) + "\n").encode())


STAMPS: list[bool] = []
"""Not empty: lines are stamped."""


def halting(moment: str, seconds: float, passes: int = 0) -> Callable[[str, object], None]:
    """Return what stands still at a moment, once, having passed it by a few times: noise floors do not count."""
    met: list[str] = []

    def reach(here: str, what: object) -> None:
        if here != moment or "_n" in str(what):
            return
        met.append(here)
        if len(met) == passes + 1:
            say("AT", here, what)
            time.sleep(seconds)

    return reach


def break_points(reach: Callable[[str, object], None]) -> None:
    """Put the moments that nothing tells of within reach: a call stands still before it does what it does."""
    import docker.models.containers as containers

    from autoresearch_dagster.evaluation import evaluator
    from autoresearch_dagster.store import journal

    def before(place: Any, name: str, moment: str, which: Callable[..., object]) -> None:
        real = getattr(place, name)

        def stops(*args: Any, **options: Any) -> Any:
            reach(moment, which(*args))
            return real(*args, **options)

        setattr(place, name, stops)

    def written(_transaction: object, event: Any) -> object:
        reach(f"writing {event.kind}", "")
        return finished(_transaction, event)

    def finished(_transaction: object, event: object) -> object:
        return event.key if type(event).__name__ == "ExperimentFinished" else "_n"  # type: ignore[attr-defined]

    before(containers.Container, "start", "created", lambda container: container.name)
    before(evaluator, "commit", "scoring A", lambda server, *_: server._job.key)
    before(evaluator, "audit", "scoring B", lambda server, *_: server._job.key)
    before(journal.Transaction, "append", "committing", written)


def make_clock_jump() -> None:
    """Let the wall clock of this process jump by up to a day, back and forth, every few looks at it."""
    real, looks, drawn = time.time, count(), random.Random(0)
    offset = 0.0

    def jumping() -> float:
        nonlocal offset
        if next(looks) % CLOCK_LOOKS == 0:
            offset = drawn.uniform(-DAY_S, DAY_S)
        return real() + offset

    time.time = jumping
    for kind in (Leases, Tickets):  # they took the real one when they were defined
        kind.__init__.__defaults__ = (jumping,)
