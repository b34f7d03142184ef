"""Slots: one whole core for one experiment, leased across all processes of this machine."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from autoresearch_dagster.core.errors import StoreConflict
from autoresearch_dagster.core.limits import SLOT_POLL_S
from autoresearch_dagster.store.leases import Lease, Leases


class Slots:
    """The cores that experiments may use."""

    def __init__(self, leases: Leases, cores: tuple[int, ...]) -> None:
        self._leases = leases
        self._cores = cores

    @contextmanager
    def slot(self, owner: str, stop: Callable[[], bool]) -> Iterator[int]:
        """Wait for a free core and hold it until the block ends; yields its number.

        Raises:
            StoreConflict: `stop` became true while waiting.
        """
        lease, core = self._wait(owner, stop)
        with self._leases.continued(lease):
            yield core

    def _wait(self, owner: str, stop: Callable[[], bool]) -> tuple[Lease, int]:
        while not stop():
            for core in self._cores:
                with suppress(StoreConflict):
                    return self._leases.acquire(f"core:{socket.gethostname()}:{core}", owner), core
            time.sleep(SLOT_POLL_S)
        raise StoreConflict("Stopped while waiting for a slot.")
