"""Ctrl-C is known of, whatever became of the exception."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from autoresearch_dagster.defs.interrupts import interrupts_noted


@pytest.fixture
def handled() -> Iterator[None]:
    """Ctrl-C is not ignored, as a shell has it for what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("handled")
def test_ctrl_c_that_some_code_swallowed_is_known_of() -> None:
    with interrupts_noted() as noted:
        assert not noted()
        try:
            os.kill(os.getpid(), signal.SIGINT)
            threading.Event().wait(5)
        except KeyboardInterrupt:
            pass
        assert noted()
        assert noted()

    with interrupts_noted() as noted:
        assert not noted()


def test_another_signal_is_no_ctrl_c() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with interrupts_noted() as noted:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert not noted()
    finally:
        signal.signal(signal.SIGUSR1, before)
