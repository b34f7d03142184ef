"""Best-fit packing of documents into rows of T+1 tokens, row for row as the tutorial's loader does it.

The first epoch: all rows that are complete before the loader would need a document for the second
time.  It tops its buffer up to 1,000 documents before every single choice, so the first top-up that
finds the source empty ends the epoch: the row in work is dropped, and the documents still in the
buffer are never used.  Each document is in one row at most; what does not fit is cropped and dropped.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits

Tokens = npt.NDArray[np.uint16]
_TOKEN_BYTES = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents that are read together, each beginning with BOS.

    Of a document longer than a row only the head is kept, because no row holds more of it; its exact length
    still decides which document is chosen.

    Shapes: counts int64 [documents], the exact lengths in tokens; heads uint16 [sum of min(count, capacity)].
    """

    counts: npt.NDArray[np.int64]
    heads: Tokens


@dataclass(frozen=True, slots=True)
class PackedRow:
    """One row.

    Shapes: tokens uint16 [capacity]; documents int32 [capacity - 1], the owner of each target.
    """

    tokens: Tokens
    documents: npt.NDArray[np.int32]
    used: int
    """Documents that are in the row."""
    cropped: int
    """Tokens that they lost because the row was full."""


class _Buffer:
    """Documents by length; within a length the oldest first, as a scan from the front would find them."""

    def __init__(self) -> None:
        self.count = 0
        self._lengths: list[int] = []
        self._waiting: dict[int, deque[tuple[int, bytes]]] = {}

    def add(self, number: int, length: int, head: bytes) -> None:
        waiting = self._waiting.get(length)
        if waiting is None:
            waiting = self._waiting[length] = deque()
            insort(self._lengths, length)
        waiting.append((number, head))
        self.count += 1

    def take(self, room: int) -> tuple[int, int, bytes]:
        """Remove the longest document that fits, or the shortest where none does; the oldest of equals."""
        place = max(bisect_right(self._lengths, room) - 1, 0)
        length = self._lengths[place]
        waiting = self._waiting[length]
        number, head = waiting.popleft()
        if not waiting:
            del self._waiting[length]
            del self._lengths[place]
        self.count -= 1
        return number, length, head


def pack(
    batches: Iterable[Batch],
    capacity: int,
    first_document: int = 0,
    buffer_documents: int = limits.PACKING_BUFFER_DOCUMENTS,
) -> Iterator[PackedRow]:
    """Pack one epoch of encoded documents into rows of `capacity` tokens.

    Documents are numbered in the order in which they come, from `first_document`.
    """
    source = _numbered(batches, capacity, first_document)
    buffer = _Buffer()
    while True:
        parts: list[bytes] = []
        owners: list[int] = []
        lengths: list[int] = []
        room = capacity
        cropped = 0
        while room:
            while buffer.count < buffer_documents:
                batch = next(source, None)
                if batch is None:
                    return
                for number, length, head in batch:
                    buffer.add(number, length, head)
            owner, length, head = buffer.take(room)
            taken = length
            if length > room:
                taken, head = room, head[: room * _TOKEN_BYTES]
                cropped += length - room
            room -= taken
            parts.append(head)
            owners.append(owner)
            lengths.append(taken)
        tokens = np.frombuffer(b"".join(parts), dtype=np.uint16)
        documents = np.repeat(np.array(owners, dtype=np.int32), lengths)[1:]
        yield PackedRow(tokens, documents, len(owners), cropped)


def _numbered(batches: Iterable[Batch], capacity: int, number: int) -> Iterator[Iterable[tuple[int, int, bytes]]]:
    """Give every document its number, and its head as bytes of its own, so that no batch outlives its use."""
    for batch in batches:
        counts = batch.counts.tolist()
        edges = [0, *(np.cumsum(np.minimum(batch.counts, capacity)) * _TOKEN_BYTES).tolist()]
        heads = batch.heads.tobytes()
        yield zip(
            range(number, number + len(counts)),
            counts,
            [heads[start:stop] for start, stop in pairwise(edges)],
            strict=True,
        )
        number += len(counts)
