"""Fetching files side by side: continued where they stopped, verified before they get their names."""

import hashlib
import queue
import stat
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.progress import Meter, Report
from autoresearch_dagster.data.disk import disk_faults
from autoresearch_dagster.data.record import RemoteFile
from autoresearch_dagster.data.retries import KEPT, Passing, Patience, RetryLimits, Stopped

_PART = ".part"


@dataclass(frozen=True, slots=True)
class Body:
    """Bytes of a file as they come, from `start` on."""

    start: int
    chunks: Iterable[bytes]


class RangeRefused(Exception):
    """The other side says that the file is not as long as that."""


class Remote(Protocol):
    """Where files come from."""

    def open(self, commit: str, name: str, start: int) -> AbstractContextManager[Body]:
        """Receive a file from a byte on; `Passing` says that another try may help."""
        ...


def survey(task: str, files: Mapping[str, RemoteFile], folder: Path, report: Report) -> dict[str, int]:
    """Find what is still missing, and how many bytes of it are there; what cannot be used is deleted.

    A file counts only if its SHA-256 is right, whoever put it there.

    Raises:
        BundleError: something that is not a file has the name of one.
    """
    there = {name: _size(folder / name) for name in files}
    meter = Meter(f"{task}: checking", sum(size or 0 for size in there.values()), "bytes", report)
    missing: dict[str, int] = {}
    for name, file in files.items():
        path, part = folder / name, folder / (name + _PART)
        if there[name] is not None:
            right = there[name] == file.size_bytes and sha256_of(path) == file.sha256
            meter.add(there[name] or 0)
            if right:
                continue
            report(f"{task}: {path} is not what the hub has; it is fetched again")
            path.unlink()
        begun = _size(part) or 0
        if begun > file.size_bytes:
            part.unlink()
            begun = 0
        missing[name] = begun
    return missing


def fetch(
    task: str,
    remote: Remote,
    commit: str,
    files: Mapping[str, RemoteFile],
    missing: Mapping[str, int],
    folder: Path,
    numbers: RetryLimits,
    report: Report,
) -> None:
    """Fetch what `survey` found missing.  The first worker that gives up stops the others.

    Workers count bytes and leave messages; this thread alone reports.

    Raises:
        BundleError: a file cannot be had or written; all bytes that came are kept.
    """
    stop = threading.Event()
    total = sum(file.size_bytes for file in files.values())
    absent = sum(files[name].size_bytes - begun for name, begun in missing.items())
    tally = _Tally(task, total, total - absent, report)
    worker = _Worker(task, remote, commit, folder, numbers, stop, tally.told)
    with ThreadPoolExecutor(limits.HUB_WORKERS) as pool:
        pending: set[Future[None]] = {pool.submit(worker.fetch, name, files[name]) for name in missing}
        try:
            while pending:
                done, pending = wait(pending, timeout=limits.PROGRESS_EVERY_S, return_when=FIRST_COMPLETED)
                tally.report()
                for ended in done:
                    ended.result()
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


class _Tally:
    """What the workers tell: lines, bytes that came, and with a minus bytes that were thrown away."""

    def __init__(self, task: str, total: int, done: int, report: Report) -> None:
        self.told: queue.SimpleQueue[str | int] = queue.SimpleQueue()
        self._begin = partial(Meter, task, total, "bytes", report)
        self._meter = self._begin(done_before=done)
        self._report = report

    def report(self) -> None:
        """Report all that was told since the last time."""
        while not self.told.empty():
            told = self.told.get()
            if isinstance(told, str):
                self._report(told)
            elif told < 0:  # a new meter, or the speed would be wrong from here on
                self._meter = self._begin(done_before=self._meter.done + told)
            else:
                self._meter.add(told)


@dataclass(frozen=True, slots=True)
class _Worker:
    """Fetches one file after the other."""

    task: str
    remote: Remote
    commit: str
    folder: Path
    numbers: RetryLimits
    stop: threading.Event
    told: "queue.SimpleQueue[str | int]"

    def fetch(self, name: str, file: RemoteFile) -> None:
        """Fetch a file; once more from the beginning if what came is something else."""
        part = self.folder / (name + _PART)
        with disk_faults(self.folder):
            if self._complete(part, name, file):
                return
            self.told.put(f"{self.task}: {name} came with another content than the hub names; once more")
            if self._complete(part, name, file):
                return
        raise BundleError(
            f"{self.task}: {name} came twice with another content than the hub names (SHA-256 "
            f"{file.sha256[:16]}...); check the proxy and HF_ENDPOINT, {KEPT}."
        )

    def _complete(self, part: Path, name: str, file: RemoteFile) -> bool:
        """Fetch what is missing and give the file its name, or delete it if it is wrong."""
        patience = Patience(f"{self.task}: {name}", self.numbers, self.told.put, self.stop.wait)
        try:
            while (begun := _size(part) or 0) < file.size_bytes:
                try:
                    self._receive(part, name, begun, file.size_bytes, patience)
                except Passing as fault:
                    patience.wait(fault)
        except RangeRefused:
            pass  # the other side has a shorter file: the hash decides
        came = _size(part) or 0
        if came == file.size_bytes and sha256_of(part) == file.sha256:
            part.replace(self.folder / name)
            return True
        part.unlink(missing_ok=True)
        self.told.put(-came)
        return False

    def _receive(self, part: Path, name: str, begun: int, size: int, patience: Patience) -> None:
        with self.remote.open(self.commit, name, begun) as body, part.open("ab") as file:
            if body.start != begun:
                if body.start:
                    raise Passing("sends another part than it was asked for", "come back later")
                file.truncate(0)
                self.told.put(-begun)
                begun = 0
            for chunk in body.chunks:
                if self.stop.is_set():
                    raise Stopped
                kept = chunk[: size - begun]  # the hub names the size; what is longer has another hash
                file.write(kept)
                file.flush()  # what is counted survives a kill
                begun += len(kept)
                self.told.put(len(kept))
                patience.reached(begun)
                if begun == size:
                    return
        raise Passing("ended the file too early", "come back later")


def _size(path: Path) -> int | None:
    """Bytes of a file, None if there is none.

    Raises:
        BundleError: it is a folder, a link or something else.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(f"{path} is not a file but has the name of one; move it away and run this again.")
    return found.st_size


def sha256_of(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
