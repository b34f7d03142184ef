"""Tokenises a shard into a folder, in parallel.

The documents are cut into chunks of about a mebibyte, long documents into pieces, and several threads tokenise
them: tiktoken works outside Python's lock.
"""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.progress import Meter
from autoresearch_dagster.data.arrays import ArrayWriter
from autoresearch_dagster.data.chunks import Chunk, chunks
from autoresearch_dagster.data.encoding import Encoded, Encoder
from autoresearch_dagster.data.faults import shown
from autoresearch_dagster.data.reading import not_utf8

HEADS, COUNTS, SIZES, HASHES = "heads.npy", "counts.npy", "sizes.npy", "hashes.npy"
"""Of every document: its first tokens, its exact length in tokens, its bytes, 8 bytes of its SHA-256."""
GROUPS = "groups.npy"
"""Documents of every row group that has any."""


def tokenize_shard(shard: Path, encoder: Encoder, folder: Path, meter: Meter) -> dict[str, JsonValue]:
    """Tokenise a shard into files in a folder; returns counts of what was in it.

    Raises:
        BundleError: the shard is damaged, a text is not UTF-8, or there is no text at all.
    """
    threads = _threads()
    with _Writer(folder, encoder.head) as writer, ThreadPoolExecutor(threads, "tokenize") as pool:
        waiting: deque[tuple[Chunk, Future[Encoded]]] = deque()
        for chunk in chunks(shard):
            waiting.append((chunk, pool.submit(encoder.encode, chunk.text, chunk.edges, continues=chunk.continues)))
            if len(waiting) > 2 * threads:
                writer.take(*_done(*waiting.popleft(), shard), meter)
        while waiting:
            writer.take(*_done(*waiting.popleft(), shard), meter)
        writer.finish()
    if not writer.documents:
        raise BundleError(f"Every text of {shown(shard)} is null; replace that shard or take it out of the folder.")
    return {"documents": writer.documents, "nulls": writer.nulls}


def _threads() -> int:
    """Count the processors that this thread may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _done(chunk: Chunk, future: Future[Encoded], shard: Path) -> tuple[Chunk, Encoded]:
    try:
        return chunk, future.result()
    except UnicodeDecodeError as fault:
        raise not_utf8(shard, chunk.group, fault) from fault


class _Writer(ExitStack):
    """Puts the pieces of documents together again and appends them to the files of a tokenised shard."""

    def __init__(self, folder: Path, head: int) -> None:
        super().__init__()
        self._head = head
        self._heads = self.enter_context(ArrayWriter(folder / HEADS, np.uint16))
        self._counts = self.enter_context(ArrayWriter(folder / COUNTS, np.int64))
        self._sizes = self.enter_context(ArrayWriter(folder / SIZES, np.int64))
        self._hashes = self.enter_context(ArrayWriter(folder / HASHES, np.uint64))
        self._groups = self.enter_context(ArrayWriter(folder / GROUPS, np.int64))
        self._pending = np.empty(0, dtype=np.int64)
        """Length so far of the last document, which the next chunk may go on with."""
        self._group = 0
        self._in_group = 0
        self.documents = 0
        self.nulls = 0

    def take(self, chunk: Chunk, encoded: Encoded, meter: Meter) -> None:
        """Append a chunk."""
        counts, heads = encoded.counts, encoded.heads
        if chunk.continues:
            heads = heads[: max(0, self._head - int(self._pending[0]))]
            counts = self._pending + counts
        else:
            self._counts.append(self._pending)
        self._heads.append(heads)
        self._counts.append(counts[:-1])
        self._pending = counts[-1:]
        self._sizes.append(chunk.sizes)
        self._hashes.append(chunk.hashes)
        self._count(chunk.group, len(chunk.hashes))
        self.nulls += chunk.nulls
        meter.add(len(chunk.hashes) + chunk.nulls)

    def _count(self, group: int, documents: int) -> None:
        if group != self._group and self._in_group:
            self._groups.append(np.array([self._in_group]))
            self._in_group = 0
        self._group = group
        self._in_group += documents
        self.documents += documents

    def finish(self) -> None:
        """Append what is known only after the last document."""
        self._counts.append(self._pending)
        self._groups.append(np.array([self._in_group] if self._in_group else [], dtype=np.int64))
