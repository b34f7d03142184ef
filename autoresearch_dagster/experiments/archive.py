"""Put a session away, take it out again, or write it into one file that another home can import."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import JsonValue

from autoresearch_dagster import __version__
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Data, Digest, canonical_json, digest_of
from autoresearch_dagster.core.limits import JSON_BLOB_BYTES
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.overview import find
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.archive_file import EVENTS, MANIFEST, new_archive
from autoresearch_dagster.store.journal import Transaction
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.schema import SCHEMA_VERSION
from autoresearch_dagster.store.store import Store, open_store
from autoresearch_dagster.store.summary import SessionSummary

FORMAT: Final = 1
"""Grows when an older program could not read a new archive."""
QUOTED_DIGEST = re.compile(rb'"([0-9a-f]{64})"')


class Manifest(Data):
    """What an archive holds; `without` names checkpoints that its events speak of and that it has not."""

    format: Literal[1] = FORMAT
    program: str
    database: int
    session: str
    number: int
    memory_key: str
    n_events: int
    events: Digest
    blobs: dict[Digest, int]
    without: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """The blobs that a session's events name, directly or through a receipt."""

    needed: frozenset[Digest]
    """Without these the session is not whole: code, receipts, curves, nats."""
    checkpoints: frozenset[Digest]
    mentioned: frozenset[Digest]
    """Everything that looks like a digest; most of it names no blob."""


def put_away(settings: Settings, memory_key: str) -> SessionSummary:
    """Archive a session: lists do not show it any more.  One that is active is paused.

    Raises:
        UserError: there is no such session.
        StoreConflict: somebody drives it now.
    """
    store = open_store(settings)
    session = _named(store, memory_key).session
    with _alone(store, session) as transaction:
        if transaction.state.status == "active":
            transaction.append(ev.SessionPaused(reason="archived"))
        if not transaction.state.archived:
            transaction.append(ev.SessionArchived())
    return _named(store, session)


def take_out(settings: Settings, memory_key: str) -> SessionSummary:
    """Restore an archived session.

    Raises:
        UserError: there is no such session.
        StoreConflict: somebody drives it now.
    """
    store = open_store(settings)
    session = _named(store, memory_key).session
    with _alone(store, session) as transaction:
        if transaction.state.archived:
            transaction.append(ev.SessionRestored())
    return _named(store, session)


@contextmanager
def _alone(store: Store, session: str) -> Iterator[Transaction]:
    """A transaction on a session that nobody else drives."""
    with (
        store.leases.hold(lease_name(session), this_process()) as lease,
        store.journal.transaction(session, lease) as transaction,
    ):
        yield transaction


def _named(store: Store, memory_key: str) -> SessionSummary:
    found = find(store, memory_key) if memory_key else None
    if found is None:
        raise UserError("Name a session by its memory key or id; `autoresearch session list --all` shows them.")
    return found


def export_session(settings: Settings, memory_key: str, target: Path, *, checkpoints: bool = False) -> Manifest:
    """Write a session into a file as it stands now; the same journal gives the same bytes.

    Raises:
        UserError: there is no such session, or the file cannot be written.
        StoreUnavailable: a blob is missing or damaged.
    """
    store = open_store(settings)
    session = _named(store, memory_key).session
    records = store.journal.events(session)
    state = store.journal.state(session)
    lines = event_lines(records)
    named = named_blobs(records, store.blobs.get)
    kept = named.needed | {digest for digest in named.mentioned if store.blobs.has(digest)}
    kept -= named.checkpoints
    if checkpoints:
        kept |= {digest for digest in named.checkpoints if store.blobs.has(digest)}
    manifest = Manifest(
        program=__version__,
        database=SCHEMA_VERSION,
        session=session,
        number=state.number,
        memory_key=state.config.memory_key,
        n_events=len(records),
        events=digest_of(lines),
        blobs={digest: store.blobs.require(digest).stat().st_size for digest in sorted(kept)},
        without=tuple(sorted(named.checkpoints - kept)),
    )
    with new_archive(target) as archive:
        archive.add(MANIFEST, canonical_json(manifest.model_dump()))
        archive.add(EVENTS, lines)
        for digest, size in manifest.blobs.items():
            archive.add_blob(digest, store.blobs.require(digest), size)
    return manifest


def event_lines(records: Iterable[ev.Recorded]) -> bytes:
    """Write events as JSON, one a line."""
    return b"".join(record.model_dump_json().encode() + b"\n" for record in records)


def named_blobs(records: Iterable[ev.Recorded], read: Callable[[Digest], bytes]) -> Named:
    """Find every blob that events name; `read` returns a receipt."""
    needed, checkpoints, mentioned = set[Digest](), set[Digest](), set[Digest]()
    for record in records:
        mentioned |= digests_in(ev.EVENT.dump_json(record.event))
        event = record.event
        if isinstance(event, ev.EditSaved):
            needed.add(event.train_py)
        needed |= {planned.train_py for planned in ev.planned_in(event)}
        for _, result in ev.results_in(event):
            needed |= _present(result.receipt, result.curve)
            checkpoints |= _present(result.checkpoint)
            if result.receipt is not None:
                data = read(result.receipt)
                mentioned |= digests_in(data)
                receipt = read_receipt(data)
                needed |= _present(receipt.get("nats_per_target"))
                checkpoints |= _present(receipt.get("checkpoint"))
    return Named(frozenset(needed - checkpoints), frozenset(checkpoints), frozenset(mentioned))


def _present(*digests: object) -> set[Digest]:
    return {Digest(digest) for digest in digests if isinstance(digest, str)}


def read_receipt(data: bytes) -> dict[str, JsonValue]:
    """Return what a receipt of any version says; nothing if it is none."""
    try:
        found = json.loads(data) if len(data) <= JSON_BLOB_BYTES else None
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def digests_in(data: bytes) -> set[Digest]:
    """Return whatever looks like a digest in some JSON."""
    return {Digest(found.decode()) for found in QUOTED_DIGEST.findall(data)}
