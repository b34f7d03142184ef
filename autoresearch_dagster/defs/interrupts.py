"""Ctrl-C that is not lost: whatever code it falls into may swallow the exception that Python makes of it.

The number of a signal is written to a pipe before any handler runs: `signal.set_wakeup_fd`.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

MOST_SIGNALS = 4096
"""Read at once."""


@contextmanager
def interrupts_noted() -> Iterator[Callable[[], bool]]:
    """Yield what says whether Ctrl-C came since; outside of the main thread, which alone may listen, never."""
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    came = False

    def noted() -> bool:
        nonlocal came
        with suppress(BlockingIOError):  # none came
            came = came or signal.SIGINT in os.read(reading, MOST_SIGNALS)
        return came

    try:
        yield noted
    finally:
        signal.set_wakeup_fd(before)
        os.close(reading)
        os.close(writing)
