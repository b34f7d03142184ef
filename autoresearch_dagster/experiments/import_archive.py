"""Take over a session from an archive that anybody may have written.

What is covered: everything is checked before anything is written.  The file can bring no links, paths or bombs
(`store/archive_file.py`), no blob that its events do not name and no name that is not a digest; its events must be
those of one session, in order, with keys of its own and budgets that its preset allows.  The session comes in
paused, and its code is never trusted: it runs in a sandbox or not at all.
What is not covered: whether the research took place.  A receipt that was forged elsewhere is a forged receipt here;
`session list` says `imported`.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydantic import ValidationError

from autoresearch_dagster.core.errors import StoreConflict, UserError
from autoresearch_dagster.core.experiment import Digest, PlannedExperiment, Verdict, digest_of
from autoresearch_dagster.core.limits import (
    ARCHIVE_EVENT_BYTES,
    ARCHIVE_EVENTS_BYTES,
    ARCHIVE_MANIFEST_BYTES,
    ARCHIVE_SESSION_NUMBER,
    JSON_BLOB_BYTES,
    OUTPUT_BYTES,
)
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.archive import FORMAT, Manifest, named_blobs, read_receipt
from autoresearch_dagster.experiments.confirmations import longest_times
from autoresearch_dagster.experiments.renumber import renumbered, session_id
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.archive_file import BLOBS, EVENTS, MANIFEST, ArchiveReader
from autoresearch_dagster.store.blobs import NAME
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store

BUNDLE = re.compile(r"[0-9A-Za-z_-]{0,64}")
MEMORY_KEY = re.compile(r"[^\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Checked:
    """An archive that passed every check; its file is still open."""

    reader: ArchiveReader
    manifest: Manifest
    records: list[ev.Recorded]
    state: SessionState


def import_session(settings: Settings, archive: Path, memory_key: str = "") -> SessionState:
    """Import a session; return it as it stands here.

    It keeps its number if that is free, else it gets the next one, and the keys of its experiments follow.

    Raises:
        UserError: the archive is not believed, or its memory key is taken; nothing was written.
    """
    if archive.exists() and not archive.is_file():
        raise UserError(f"{archive} is not a file; name what `autoresearch session export` wrote.")
    with _refusing(archive), archive.open("rb") as file:
        checked = _check(file)
        store = open_store(settings)
        wanted = memory_key or checked.manifest.memory_key
        _refuse_taken(store, checked, wanted)
        for digest in checked.manifest.blobs:
            if not store.blobs.has(digest):
                store.blobs.put_chunks(checked.reader.chunks(BLOBS + digest), digest)
        absent = [digest for digest in checked.manifest.without if not store.blobs.has(digest)]
        store.removed.record(absent, "import")
        return _adopt(store, checked, wanted)


@contextmanager
def _refusing(archive: Path) -> Iterator[None]:
    """Turn whatever is wrong with an archive into one sentence."""
    try:
        yield
    except OSError as fault:
        raise UserError(f"{archive} cannot be read ({fault.strerror}); name a file to import.") from fault
    except ValidationError as fault:
        raise UserError(f"{archive} was not imported, nothing was changed: {_first(fault)}.") from fault
    except (ValueError, RecursionError, KeyError, IndexError) as fault:
        said = str(fault) if type(fault) is ValueError else "its events do not follow from one another"
        raise UserError(f"{archive} was not imported, nothing was changed: {said}.") from fault


def _first(fault: ValidationError) -> str:
    first = fault.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))[:80]
    if first["type"] == "union_tag_invalid":
        kind = str(first.get("ctx", {}).get("tag", ""))[:40]
        return f"it holds an event {kind!r} that this version does not know; update this installation"
    return f"{where or 'its content'} is not what this version writes ({first['msg'][:120]})"


def _check(file: BinaryIO) -> Checked:
    reader = ArchiveReader(file)
    manifest = _manifest(reader.read(MANIFEST, ARCHIVE_MANIFEST_BYTES))
    lines = reader.read(EVENTS, ARCHIVE_EVENTS_BYTES)
    if digest_of(lines) != manifest.events:
        raise ValueError("its events are not those of its manifest")
    records = _events(lines, manifest)
    state = fold(records)
    _check_state(state, manifest)
    _check_blobs(reader, manifest, records)
    return Checked(reader, manifest, records, state)


def _manifest(data: bytes) -> Manifest:
    found = json.loads(data)
    version = found.get("format") if isinstance(found, dict) else None
    if isinstance(version, int) and version > FORMAT:
        raise ValueError(f"it was written by a newer version (format {version}); update this installation")
    return Manifest.model_validate_json(data)


def _events(lines: bytes, manifest: Manifest) -> list[ev.Recorded]:
    split = lines.splitlines()
    if any(len(line) > ARCHIVE_EVENT_BYTES for line in split):
        raise ValueError(f"one of its events has more than {ARCHIVE_EVENT_BYTES} bytes")
    records = [ev.Recorded.model_validate_json(line) for line in split]
    if len(records) != manifest.n_events or not records:
        raise ValueError("it does not hold as many events as its manifest says")
    if any((record.session, record.sequence) != (manifest.session, n) for n, record in enumerate(records)):
        raise ValueError("its events are not those of one session, in order")
    if any(record.at.tzinfo is None for record in records):
        raise ValueError("its events have times without a time zone")
    return records


def _check_state(state: SessionState, manifest: Manifest) -> None:
    number = manifest.number
    if (state.number, state.id, state.config.memory_key) != (number, session_id(number), manifest.memory_key):
        raise ValueError("its session is not that of its manifest")
    if not 1 <= number <= 10 * ARCHIVE_SESSION_NUMBER or not MEMORY_KEY.fullmatch(manifest.memory_key):
        raise ValueError("its session number or memory key is none that this program gives")
    if not BUNDLE.fullmatch(state.bundle):
        raise ValueError("its bundle is none that this program names")
    preset = PRESETS.get(state.config.preset)
    if preset is None:
        raise ValueError(f"there is no preset {state.config.preset[:40]!r} here")
    own = re.compile(rf"[a-z]?{state.id}_[a-z]\d{{1,6}}_[a-z]\d{{1,6}}")
    for key, experiment in state.everything.items():
        if not own.fullmatch(key):
            raise ValueError(f"the key {key[:40]!r} is none of its session")
        longest = preset.config.time_budget_sec * longest_times(experiment.planned.purpose)
        if not 0 < experiment.planned.config.time_budget_sec <= longest:
            raise ValueError(f"{key} has a time budget that the preset {preset.name} does not allow")


def _check_blobs(reader: ArchiveReader, manifest: Manifest, records: list[ev.Recorded]) -> None:
    sizes = {
        name.removeprefix(BLOBS): member.size for name, member in reader.members.items() if name.startswith(BLOBS)
    }
    if sizes != manifest.blobs or list(sizes) != sorted(sizes):
        raise ValueError("its blobs are not those of its manifest")
    if any(size > OUTPUT_BYTES for size in sizes.values()):
        raise ValueError(f"one of its blobs has more than {OUTPUT_BYTES} bytes")

    def receipt(digest: Digest) -> bytes:
        if digest not in sizes:
            raise ValueError(f"it lacks the receipt {digest[:12]}")
        return reader.read(BLOBS + digest, JSON_BLOB_BYTES)

    named = named_blobs(records, receipt)
    if odd := [digest for digest in named.needed | named.checkpoints if not NAME.fullmatch(digest)]:
        raise ValueError(f"{odd[0][:20]!r} names no blob")
    if missing := named.needed - sizes.keys():
        raise ValueError(f"it lacks {len(missing)} of its blobs, {min(missing)[:12]} among them")
    if stray := sizes.keys() - named.needed - named.checkpoints - named.mentioned:
        raise ValueError(f"it holds {counted(len(stray), 'blob')} that none of its events names")
    if set(manifest.without) != set(named.checkpoints) - sizes.keys():
        raise ValueError("it does not say which checkpoints it lacks")
    _check_receipts(records, receipt)
    for digest in manifest.blobs:
        _check_digest(reader, digest)


def _check_receipts(records: list[ev.Recorded], receipt: Callable[[Digest], bytes]) -> None:
    """A receipt must speak of the result that names it; its key may be that of an earlier home."""
    planned: dict[str, PlannedExperiment] = {}
    for record in records:
        planned |= {item.key: item for item in ev.planned_in(record.event)}
        for key, result in ev.results_in(record.event):
            if result.receipt is None:
                continue
            said, mine = read_receipt(receipt(result.receipt)), planned[key]
            scored = None if result.verdict is Verdict.REJECTED else said.get("val_bpb")
            if (
                (scored, said.get("checkpoint")) != (result.val_bpb, result.checkpoint)
                or said.get("verdict", result.verdict) != result.verdict
                or said.get("train_py") != mine.train_py
                or str(said.get("key")).partition("_")[2] != mine.key.partition("_")[2]
            ):
                raise ValueError(f"the receipt of {key[:40]} is about something else")


def _check_digest(reader: ArchiveReader, digest: Digest) -> None:
    found = hashlib.sha256()
    for chunk in reader.chunks(BLOBS + digest):
        found.update(chunk)
    if found.hexdigest() != digest:
        raise ValueError(f"its blob {digest[:12]} has other bytes than its name says")


def _refuse_taken(store: Store, checked: Checked, memory_key: str) -> None:
    if not MEMORY_KEY.fullmatch(memory_key):
        raise ValueError("a memory key has 1 to 255 characters and no control characters")
    found = store.journal.find(memory_key)
    if found is None:
        return
    again = any(origin.events == checked.manifest.events for origin in found.imported)
    origin = "this very archive" if again else "another session"
    if not again and (found.started_at, found.bundle) == (checked.state.started_at, checked.state.bundle):
        origin = "the session that this archive was made of"
    raise UserError(
        f"The memory key {memory_key!r} belongs to {found.id}, {origin}; "
        "choose another with --memory-key to import it beside that one."
    )


def _adopt(store: Store, checked: Checked, memory_key: str) -> SessionState:
    old = checked.manifest.number
    number = store.journal.free_number(old if old <= ARCHIVE_SESSION_NUMBER else 1)
    records = checked.records
    if (number, memory_key) != (old, checked.manifest.memory_key):
        records = list(renumbered(records, old, number, memory_key))
    news: list[ev.Event] = [
        ev.SessionImported(
            events=checked.manifest.events, session=checked.manifest.session, memory_key=checked.manifest.memory_key
        )
    ]
    if checked.state.status == "active":
        news.append(ev.SessionPaused(reason="imported"))
    if checked.state.archived:
        news.append(ev.SessionRestored())
    try:
        return store.journal.adopt(records, news)
    except StoreConflict as fault:
        raise UserError("Another process took the session's number or memory key; import it again.") from fault
