"""Free disk: what nobody needs any more, and what dead processes left half done.

What stays: the journal, every train.py, receipt, curve and nats, finished bundles, reports.  Of checkpoints stay
those of the champion, of confirmed results and of the best one, of the newest results of each session, and of
experiments that are not decided yet.

Files are listed before the journal is read, so that whatever comes into being meanwhile is not on the list.  The
journal's side is written first: a kill at any point leaves files that the next run removes, never a gap that
nobody can explain.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from autoresearch_dagster.agent.plan_snapshot import SUFFIX, snapshot_name
from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.experiment import Data, Digest, Standing
from autoresearch_dagster.core.folders import find_folders, remove_tree
from autoresearch_dagster.core.limits import CHECKPOINT_MIN_AGE_S, KEPT_CHECKPOINTS, STALE_BUILD_S, STALE_S
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.climbmix import LOCK
from autoresearch_dagster.experiments.archive import named_blobs
from autoresearch_dagster.experiments.laboratory import experiment_lease, scratch_prefix
from autoresearch_dagster.store.blobs import NAME, UNFINISHED
from autoresearch_dagster.store.leaderboard import lowest
from autoresearch_dagster.store.leases import Lease, this_process
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store

LEASE = "gc"
ZIP = b"PK\x03\x04"
"""How checkpoints begin; nothing else among the blobs does."""
KEPT_STANDINGS = frozenset({Standing.CHAMPION, Standing.CONFIRMED})
Kind = Literal["checkpoint", "snapshot", "half-written blob", "temporary folder", "interrupted build"]


class Garbage(Data):
    """One file or folder that may go."""

    kind: Kind
    path: Path
    bytes: int
    why: str


class Collected(Data):
    """What was removed, or would be; `left` could not be removed."""

    dry_run: bool
    removed: tuple[Garbage, ...]
    left: tuple[Garbage, ...]
    bytes: int


def collect_garbage(settings: Settings, *, dry_run: bool, clock: Callable[[], float] = time.time) -> Collected:
    """Remove what nobody needs; beside running sessions, and as often as one likes.

    Raises:
        StoreConflict: another one is at it.
    """
    store = open_store(settings)
    if dry_run:
        found = list(_look(settings, store, clock()))
        return _told(found, [], dry_run=True)
    with store.leases.hold(LEASE, this_process()):
        found = list(_look(settings, store, clock()))
        store.removed.record((Digest(item.path.name) for item in found if item.kind == "checkpoint"), "gc")
        left = [item for item in found if not _remove(settings, store, item)]
    return _told([item for item in found if item not in left], left, dry_run=False)


def _told(removed: list[Garbage], left: list[Garbage], *, dry_run: bool) -> Collected:
    size = sum(item.bytes for item in removed)
    return Collected(dry_run=dry_run, removed=tuple(removed), left=tuple(left), bytes=size)


def _look(settings: Settings, store: Store, now: float) -> Iterator[Garbage]:
    home = settings.home.resolve()
    snapshots, blobs = _files(home / "snapshots"), _files(store.blobs.root)
    folders = find_folders(scratch_prefix(settings))
    states = [store.journal.state(session) for session in store.journal.sessions()]
    yield from _snapshots(snapshots, states, now)
    yield from _checkpoints(blobs, states, _named(store), now)
    for file in blobs:
        if file.name.startswith(UNFINISHED) and _age(file, now) > STALE_S:
            yield _garbage("half-written blob", file, "its writer ended a day ago or more")
    for folder in folders:
        if store.leases.is_over(experiment_lease(_key_of(settings, folder))):
            yield _garbage("temporary folder", folder, "its experiment is not running")
    yield from _builds(settings.bundles, now)


def _snapshots(files: Iterable[Path], states: list[SessionState], now: float) -> Iterator[Garbage]:
    """A snapshot is a cache for a plan that has not ended; a draft is one that somebody did not finish writing."""
    asleep = {
        snapshot_name(state.id, state.turns[-1].number)
        for state in states
        if state.turns and state.turns[-1].finished is None
    }
    for file in files:
        if file.suffix == SUFFIX and file.name not in asleep:
            yield _garbage("snapshot", file, "its plan has ended")
        elif f"{SUFFIX}." in file.name and _age(file, now) > STALE_S:
            yield _garbage("snapshot", file, "its writer ended a day ago or more")


def _checkpoints(
    blobs: Iterable[Path], states: list[SessionState], named: frozenset[Digest], now: float
) -> Iterator[Garbage]:
    ours = {digest for state in states for digest in _checkpoints_of(state)}
    kept = {digest for state in states for digest in _kept(state)}
    for file in blobs:
        digest = Digest(file.name)
        if not NAME.fullmatch(digest) or digest in kept:
            continue
        if digest in ours:
            if _age(file, now) > CHECKPOINT_MIN_AGE_S:
                yield _garbage("checkpoint", file, f"neither the best nor among the newest {KEPT_CHECKPOINTS}")
        elif digest not in named and _age(file, now) > STALE_S and _is_checkpoint(file):
            yield _garbage("checkpoint", file, "of no session: an evaluation, a reproduction, a killed attempt")


def _checkpoints_of(state: SessionState) -> list[Digest]:
    """Return the checkpoints of a session's results, the oldest result first."""
    done = [item for item in state.everything.values() if item.result is not None and item.result.checkpoint]
    done.sort(key=lambda item: item.finished_at or item.planned_at)
    return [item.result.checkpoint for item in done if item.result is not None and item.result.checkpoint]


def _kept(state: SessionState) -> set[Digest]:
    """Return the checkpoints of a session that may be wanted again."""
    pending = {planned.key for planned in state.pending.planned} if state.pending else set[str]()
    top = lowest(state)
    wanted = [
        item
        for item in state.experiments.values()
        if item is top or item.planned.key in pending or (item.result and item.result.standing in KEPT_STANDINGS)
    ]
    kept = {item.result.checkpoint for item in wanted if item.result is not None and item.result.checkpoint}
    return kept | set(_checkpoints_of(state)[-KEPT_CHECKPOINTS:])


def _named(store: Store) -> frozenset[Digest]:
    """Return every blob that some session names otherwise than as a checkpoint."""

    def receipt(digest: Digest) -> bytes:
        try:
            return store.blobs.get(digest)
        except StoreUnavailable:
            return b""  # a damaged one names nothing; what it named begins with no zip header

    found = frozenset[Digest]()
    for session in store.journal.sessions():
        named = named_blobs(store.journal.events(session), receipt)
        found |= named.needed | named.mentioned - named.checkpoints
    return found


def _is_checkpoint(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(len(ZIP)) == ZIP
    except OSError:
        return False


def _builds(bundles: Path, now: float) -> Iterator[Garbage]:
    """Only what an interrupted build left: finished folders are named by sessions, and cost hours to make."""
    old = "nobody went on with it for a week"
    for folder in [*bundles.glob("*/.*.tmp"), *bundles.glob("tokenized/[!.]*")]:
        if _age(folder, now) > STALE_BUILD_S:
            yield _garbage("interrupted build", folder, old)
    for file in bundles.glob("downloads/*/*/*.part"):
        if _age(file, now) > STALE_BUILD_S:
            yield _garbage("interrupted build", file, old)


def _remove(settings: Settings, store: Store, item: Garbage) -> bool:
    """Remove one thing unless somebody is at it now; whether it is gone."""
    match item.kind:
        case "temporary folder":
            with suppress(StoreConflict), _lease_of(settings, store, item.path):
                remove_tree(item.path)
        case "interrupted build":
            with suppress(Timeout, OSError), FileLock(_lock_of(item.path), timeout=0):
                remove_tree(item.path)
        case "checkpoint" | "snapshot" | "half-written blob":
            with suppress(OSError):
                item.path.unlink()
    return not item.path.exists()


def _lease_of(settings: Settings, store: Store, folder: Path) -> AbstractContextManager[Lease]:
    return store.leases.hold(experiment_lease(_key_of(settings, folder)), this_process())


def _lock_of(path: Path) -> Path:
    """Return the lock file that whoever builds or downloads this holds meanwhile."""
    if path.suffix == ".part":
        return path.parent / LOCK
    name = path.name.split(".")[1] if path.name.startswith(".") else path.name
    return path.parent / f".{name}.lock"


def _key_of(settings: Settings, folder: Path) -> str:
    return folder.name.removeprefix(scratch_prefix(settings)).rpartition("-")[0]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _age(path: Path, now: float) -> float:
    """Seconds since anything in it changed; 0 for what is gone."""
    try:
        return now - max(item.lstat().st_mtime for item in (path, *path.rglob("*")))
    except OSError:
        return 0.0


def _garbage(kind: Kind, path: Path, why: str) -> Garbage:
    return Garbage(kind=kind, path=path, bytes=_size(path), why=why)


def _size(path: Path) -> int:
    """Bytes that removing it frees; a file with another name frees nothing."""
    size = 0
    for item in (path, *path.rglob("*")):
        with suppress(OSError):
            found = item.lstat()
            size += found.st_size if item.is_file() and found.st_nlink == 1 else 0
    return size
