"""A process with all its descendants: what they use together, and how to end them."""

import contextlib
import os
import signal
from dataclasses import dataclass

import psutil

from autoresearch_dagster.core.boot import boot_id, start_of

GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree has used so far.

    Units: CPU seconds, children that have ended included; bytes now and at most.
    """

    cpu_s: float = 0.0
    memory_bytes: int = 0
    peak_bytes: int = 0

    def then(self, later: "Usage") -> "Usage":
        """Combine with a later look, which sees less once something has ended unobserved."""
        peak = max(self.peak_bytes, later.peak_bytes)
        return Usage(max(self.cpu_s, later.cpu_s), later.memory_bytes, peak)


def usage_of(pid: int, limit: int) -> Usage:
    """Look once at a tree; zombies still tell their CPU time."""
    cpu, memory = 0.0, 0
    tree = _tree(pid)
    for process in tree:
        with contextlib.suppress(*GONE):
            times = process.cpu_times()
            cpu += times.user + times.system + times.children_user + times.children_system
            memory += process.memory_info().rss
    if memory > limit:  # forked processes share pages: count those once before anybody is killed for them
        memory = min(memory, _proportional(tree))
    return Usage(cpu, memory, memory)


def _proportional(tree: list[psutil.Process]) -> int:
    """Memory with every shared page divided among its users, where the system tells; slow."""
    total = 0
    for process in tree:
        with contextlib.suppress(*GONE):
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
    return total


def is_running(pid: int) -> bool:
    """Whether a process is there and has not ended, reaped or not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except GONE:
        return False


def identity(pid: int) -> str:
    """Name a process for as long as it lives, on whatever boot of the machine; '' if it is gone."""
    try:
        return f"{boot_id()}:{start_of(pid)}"
    except GONE:
        return ""


def kill_tree(pid: int) -> None:
    """Kill a process, its group and its descendants."""
    descendants = _tree(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for process in descendants:
        with contextlib.suppress(*GONE):
            process.kill()


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except GONE:
        return []
