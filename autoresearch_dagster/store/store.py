"""Everything on disk, opened together."""

from dataclasses import dataclass

import sqlalchemy as sa

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.database import connect, exists
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.removed import RemovedBlobs
from autoresearch_dagster.store.slots import Slots


@dataclass(frozen=True, slots=True)
class Store:
    """The journal and what stands beside it."""

    engine: sa.Engine
    blobs: Blobs
    removed: RemovedBlobs
    leases: Leases
    slots: Slots
    journal: Journal


def open_store(settings: Settings) -> Store:
    """Open the store of this machine, creating it where there is none.

    Raises:
        StoreUnavailable: the database or its folder cannot be used.
    """
    engine = connect(settings.journal_url)
    leases, removed = Leases(engine), RemovedBlobs(engine)
    return Store(
        engine=engine,
        blobs=Blobs(settings.home.resolve() / "blobs", removed.why),
        removed=removed,
        leases=leases,
        slots=Slots(engine, leases),
        journal=Journal(engine, leases),
    )


def find_store(settings: Settings) -> Store | None:
    """Open the store where there is one; None, and nothing is created, where there is none.

    Raises:
        StoreUnavailable: there is one and it cannot be used.
    """
    return open_store(settings) if exists(settings.journal_url) else None
