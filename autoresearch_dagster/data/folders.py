"""Content-addressed folders: built once, whole or not at all, never changed."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import JsonValue, TypeAdapter

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Digest, canonical_json, digest_of
from autoresearch_dagster.core.folders import sync
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.resources import BUNDLE, within
from autoresearch_dagster.data.digests import file_digest
from autoresearch_dagster.data.disk import disk_faults

Kind = Literal["shards", "tokenizer", "packed_rows", "tokenized"]
Fill = Callable[[Path, Digest], Mapping[str, JsonValue]]
"""Writes the files of a folder and returns what its manifest shall say besides; is told the digest.

Where it links to files of others, it says `files` itself: the digest of every file by its relative path."""

CODE_VERSION: Mapping[Kind, str] = {"shards": "1", "tokenizer": "1", "tokenized": "1", "packed_rows": "2"}
"""Grows whenever a change to this package alters a byte of what is built; by kind, so that a new packing does
not fetch the corpus again."""
MANIFEST = "manifest.json"
SHORT = 16
_MANIFEST: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


@dataclass(frozen=True, slots=True)
class Made:
    """A finished folder, and whether it was built now or found."""

    path: Path
    built: bool


def publish(
    root: Path,
    kind: Kind,
    inputs: Mapping[str, JsonValue],
    fill: Fill,
    report: Report,
    private: tuple[str, ...] = (),
) -> Made:
    """Return the folder that belongs to these inputs, building it first where it does not exist.

    A second builder waits for the first and uses its folder.  A builder that dies leaves only a hidden
    temporary folder, which the next one removes.  Subfolders named in `private` are for the owner alone,
    everything else may be read by any user, because candidates run under another uid.

    Raises:
        BundleError: the disk is full or closed, or something else stands where the folder belongs.
    """
    digest = name_of(kind, inputs)
    home = root / kind
    folder = home / digest[:SHORT]
    with disk_faults(home):
        found = _finished(folder, kind, digest)
    if found:
        report(f"{kind} {folder.name}: already built")
        return Made(folder, built=False)
    with disk_faults(home), one_at_a_time(home, f".{folder.name}.lock", f"{kind} {folder.name}", report):
        if _finished(folder, kind, digest):
            report(f"{kind} {folder.name}: built meanwhile by another process")
            return Made(folder, built=False)
        for stale in home.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(stale, ignore_errors=True)
        with within(BUNDLE, "use fewer shards (num_shards), or a smaller corpus"):
            _build(folder, kind, digest, inputs, fill, private)
    report(f"{kind} {folder.name}: built")
    return Made(folder, built=True)


def name_of(kind: Kind, inputs: Mapping[str, JsonValue]) -> Digest:
    """Name the folder that belongs to these inputs; its first 16 characters are the folder's."""
    return digest_of(canonical_json({"kind": kind, "code_version": CODE_VERSION[kind], **inputs}))


def is_built(root: Path, kind: Kind, inputs: Mapping[str, JsonValue]) -> bool:
    """Whether `publish` would find the folder of these inputs."""
    return (root / kind / name_of(kind, inputs)[:SHORT] / MANIFEST).is_file()


def _finished(folder: Path, kind: Kind, digest: Digest) -> bool:
    """Whether the folder is there and ours; what is not ours is never overwritten or deleted."""
    if not os.path.lexists(folder):
        return False
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} is no folder of ours, it has no {MANIFEST}; move it away and start again.")
    written = read_manifest(folder)
    if written.get("kind") != kind or written.get("digest") != digest:
        raise BundleError(
            f"The manifest of {folder} describes something else ({written.get('kind')} "
            f"{str(written.get('digest'))[:SHORT]}); move that folder away and start again."
        )
    return True


@contextmanager
def one_at_a_time(folder: Path, name: str, task: str, report: Report) -> Iterator[None]:
    """Hold a lock file in a folder, which is made; whoever has to wait says so.  A dead holder holds nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / name)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(f"{task}: another process is at it; waiting for what it makes")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _build(
    folder: Path,
    kind: Kind,
    digest: Digest,
    inputs: Mapping[str, JsonValue],
    fill: Fill,
    private: tuple[str, ...],
) -> None:
    building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
    try:
        told = fill(building, digest)
        manifest: dict[str, JsonValue] = {
            "kind": kind,
            "digest": digest,
            "code_version": CODE_VERSION[kind],
            "inputs": dict(inputs),
            **told,
        }
        if "files" not in told:
            manifest["files"] = dict(file_digests(building))
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        (building / MANIFEST).write_text(text + "\n", encoding="utf-8")
        _settle(building, private)
        try:
            building.rename(folder)
        except OSError:
            # A builder that does not see our lock (another machine on a shared disk) may have won.
            if not (folder / MANIFEST).is_file():
                raise
        sync(folder.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _settle(folder: Path, private: tuple[str, ...]) -> None:
    """Fix the permissions and bring every byte to the disk before the folder gets its name."""
    for path in [*folder.rglob("*"), folder]:
        if path.is_symlink():
            continue  # somebody else's file
        hidden = bool(set(path.relative_to(folder).parts) & set(private))
        if path.is_dir():
            path.chmod(0o700 if hidden else 0o755)
        else:
            path.chmod(0o600 if hidden else 0o644)
        sync(path)


def file_digests(folder: Path, digest: Callable[[Path], Digest] = file_digest) -> dict[str, Digest]:
    """Hash every file of a folder except its manifest, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): digest(path) for path in files}


def read_manifest(folder: Path) -> dict[str, JsonValue]:
    """Read what a finished folder says of itself.

    Raises:
        BundleError: the folder is missing or damaged.
    """
    try:
        return _MANIFEST.validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValueError) as fault:
        raise BundleError(
            f"The folder {folder} is not readable ({type(fault).__name__}); delete it and build it again."
        ) from fault
