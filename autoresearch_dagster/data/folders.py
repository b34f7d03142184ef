"""Content-addressed folders: built once, whole or not at all, never changed."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from pydantic import JsonValue, TypeAdapter

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Digest, canonical_json, digest_of
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.resources import BUNDLE, within
from autoresearch_dagster.data.disk import disk_faults

Kind = Literal["shards", "tokenizer", "packed_rows"]
Fill = Callable[[Path, Digest], Mapping[str, JsonValue]]
"""Writes the files of a folder and returns what its manifest shall say besides; is told the digest."""

CODE_VERSION = "1"
"""Grows whenever a change to this package alters a byte of what is built."""
MANIFEST = "manifest.json"
SHORT = 16
_READ_BYTES = 1 << 20
_MANIFEST: TypeAdapter[dict[str, JsonValue]] = TypeAdapter(dict[str, JsonValue])


def name_of(kind: Kind, inputs: Mapping[str, JsonValue]) -> Digest:
    """Name the folder that belongs to these inputs; its first 16 characters are the folder's."""
    return digest_of(canonical_json({"kind": kind, "code_version": CODE_VERSION, **inputs}))


def publish(
    root: Path,
    kind: Kind,
    inputs: Mapping[str, JsonValue],
    fill: Fill,
    report: Report,
    private: tuple[str, ...] = (),
) -> Path:
    """Return the folder that belongs to these inputs, building it first where it does not exist.

    A second builder waits for the first and uses its folder.  A builder that dies leaves only a hidden
    temporary folder, which the next one removes.  Subfolders named in `private` are for the owner alone,
    everything else may be read by any user, because candidates run under another uid.
    """
    digest = name_of(kind, inputs)
    home = root / kind
    folder = home / digest[:SHORT]
    if (folder / MANIFEST).is_file():
        report(f"{kind} {folder.name}: already built")
        return folder
    with disk_faults(home), one_at_a_time(home, f".{folder.name}.lock", f"{kind} {folder.name}", report):
        if (folder / MANIFEST).is_file():
            report(f"{kind} {folder.name}: built meanwhile by another process")
            return folder
        for stale in home.glob(f".{folder.name}.*.tmp"):
            shutil.rmtree(stale, ignore_errors=True)
        with within(BUNDLE, "use fewer shards (num_shards), or a smaller corpus"):
            _build(folder, kind, digest, inputs, fill, private)
    report(f"{kind} {folder.name}: built")
    return folder


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
            "code_version": CODE_VERSION,
            "inputs": dict(inputs),
            "files": dict(file_digests(building)),
            **told,
        }
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        (building / MANIFEST).write_text(text + "\n", encoding="utf-8")
        _settle(building, private)
        try:
            building.rename(folder)
        except OSError:
            # A builder that does not see our lock (another machine on a shared disk) may have won.
            if not (folder / MANIFEST).is_file():
                raise
        _sync(folder.parent)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _settle(folder: Path, private: tuple[str, ...]) -> None:
    """Fix the permissions and bring every byte to the disk before the folder gets its name."""
    for path in [*folder.rglob("*"), folder]:
        hidden = bool(set(path.relative_to(folder).parts) & set(private))
        if path.is_dir():
            path.chmod(0o700 if hidden else 0o755)
        else:
            path.chmod(0o600 if hidden else 0o644)
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_digests(folder: Path) -> dict[str, Digest]:
    """Hash every file of a folder except its manifest, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): _file_digest(path) for path in files}


def _file_digest(path: Path) -> Digest:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            state.update(block)
    return Digest(state.hexdigest())


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
