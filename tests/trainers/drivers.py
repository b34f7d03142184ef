"""Drivers from the outside: they are forked from a nursery, watched, waited for and killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.trainers.driver import Order

PATIENCE_S = 240.0  # a bound against hanging for ever, not an expectation


def until(holds: Callable[[], Any], why: Callable[[], object] = lambda: "") -> Any:
    """Wait until something holds, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)
    return found


class Nursery:
    """Starts drivers without their imports; use as a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.trainers.nursery"],
            cwd=PROJECT_ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._read() == "ready"

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def start(self, order: Order, environment: dict[str, str], says: Path) -> int:
        """Fork a driver; return its process id."""
        assert self._process.stdin is not None
        told = {"order": order.to_json(), "environment": environment, "says": str(says)}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it; drivers of it go on."""
        self._process.kill()
        self._process.wait()


class Driver:
    """One driver at work."""

    def __init__(self, pid: int, says: Path) -> None:
        self.pid, self._says = pid, says
        self._process = psutil.Process(pid) if psutil.pid_exists(pid) else None

    @property
    def lines(self) -> list[str]:
        """What it said so far."""
        return self._says.read_text(errors="replace").splitlines() if self._says.exists() else []

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return self._process is None or not self._process.is_running()

    def reach(self, words: str) -> str:
        """Wait for a line that begins so, and return it."""

        def said() -> str:
            found = next((line for line in self.lines if line.startswith(words)), "")
            assert found or not self.ended or any(line.startswith(words) for line in self.lines), self.lines
            return found

        return until(said, lambda: self.lines)

    def finish(self) -> str:
        """Wait for its end; return what it said last."""
        until(lambda: self.ended, lambda: self.lines)
        ends = [line for line in self.lines if line.startswith("END ")]
        assert ends, "\n".join(self.lines)
        return ends[-1].removeprefix("END ")

    def send(self, number: int) -> None:
        """Signal it."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it as the kernel would, and wait until it is gone."""
        self.send(signal.SIGKILL)
        until(lambda: self.ended)

    def memory_bytes(self) -> int:
        """What it holds now."""
        assert self._process is not None
        return self._process.memory_info().rss


@contextmanager
def nursery() -> Iterator[Nursery]:
    """A nursery until the block ends."""
    made = Nursery()
    try:
        yield made
    finally:
        made.close()
