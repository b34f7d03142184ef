"""The three environments that work is done in, and how a process of ours is kept within one.

| environment | CPUs | memory | what | kept by |
|---|---|---|---|---|
| bundle | 4 | 8 GiB | shards, tokenizer, packed rows | `within`, where it is built |
| experiment | 2 | 2 GiB | one training, one answering server | its container: 2 GiB, and the one core of its slot |
| agent | 1 | 2 GiB | one thinking of the agent | `within`, where it thinks |

Processors are clipped to those that this process may use.  Memory is what the work takes beyond what its
process already holds: a worker that has torch loaded has no less room for it.
"""

import os
import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import ResourcesExceeded
from autoresearch_dagster.core.settings import available_cores


@dataclass(frozen=True, slots=True)
class Resources:
    """What one kind of work may use: whole processors, and bytes of memory."""

    name: str
    cpu: int
    memory_bytes: int

    def __str__(self) -> str:
        return f"{self.name}: {self.cpu} CPU, {self.memory_bytes / limits.GIB:.0f} GiB"


BUNDLE: Final = Resources("bundle", limits.BUNDLE_CPUS, limits.BUNDLE_MEMORY_BYTES)
EXPERIMENT: Final = Resources("experiment", limits.EXPERIMENT_CPUS, limits.MEMORY_FLOOR_BYTES)
AGENT: Final = Resources("agent", limits.AGENT_CPUS, limits.AGENT_MEMORY_BYTES)


@contextmanager
def within(resources: Resources, advice: str) -> Iterator[None]:
    """Keep the block within an environment; what was before is restored.

    What is covered: the processors of this thread and of the threads and processes that it starts; on Linux the
    private memory of the whole process, by its data segment's limit.
    What is not covered: a compiled library that answers a refused allocation with `abort`: it ends the process.

    Args:
        resources: the environment.
        advice: what a person can do who meets its end, as the second half of a sentence.

    Raises:
        ResourcesExceeded: the block needed more memory.
    """
    try:
        with _cores(resources.cpu), _CEILINGS.at(resources.memory_bytes):
            yield
    except MemoryError as fault:
        raise ResourcesExceeded(
            f"More than {resources.memory_bytes / limits.GIB:.3g} GiB of memory was needed, which is all that the "
            f"environment `{resources.name}` has; {advice}."
        ) from fault


@contextmanager
def _cores(count: int) -> Iterator[None]:
    """Pin this thread to some cores: the last ones, because slots are leased from the first."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    mine = [core for core in available_cores() if core in before] or sorted(before)
    with suppress(OSError):
        os.sched_setaffinity(0, mine[-count:])
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


class _Ceilings:
    """The memory limits of this process: it has one, and several threads may ask for theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._active: list[int] = []
        self._before = (-1, -1)

    @contextmanager
    def at(self, extra_bytes: int) -> Iterator[None]:
        """Allow `extra_bytes` beyond what the process holds now, until the block ends."""
        held = _data_bytes()
        if held is None:
            yield
            return
        ceiling = held + extra_bytes
        with self._lock:
            if not self._active:
                self._before = resource.getrlimit(resource.RLIMIT_DATA)
            self._active.append(ceiling)
            self._apply()
        try:
            yield
        finally:
            with self._lock:
                self._active.remove(ceiling)
                self._apply()

    def _apply(self) -> None:
        soft, hard = self._before
        known = [limit for limit in (*self._active, soft, hard) if limit != resource.RLIM_INFINITY]
        wanted = (min(known) if known else resource.RLIM_INFINITY) if self._active else soft
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_DATA, (wanted, hard))


_CEILINGS = _Ceilings()
_STATUS = Path("/proc/self/status")


def _data_bytes() -> int | None:
    """What the kernel counts against the limit of the data segment; None where it does not tell."""
    with suppress(OSError, IndexError, ValueError):
        for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return None
