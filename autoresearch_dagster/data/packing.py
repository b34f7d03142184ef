"""Best-fit packing of documents into rows of T+1 tokens, row for row as the tutorial's loader does it.

The first epoch: all rows that are complete before the loader would need a document for the second
time.  It tops its buffer up to 1,000 documents before every single choice, so the first top-up that
finds the source empty ends the epoch: the row in work is dropped, and the documents still in the
buffer are never used.  Each document is in one row at most; what does not fit is cropped and dropped.
"""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits

Tokens = Sequence[int]


@dataclass(frozen=True, slots=True)
class PackedRow:
    """One row.

    Shapes: tokens uint16 [capacity]; documents int32 [capacity - 1], the owner of each target.
    """

    tokens: npt.NDArray[np.uint16]
    documents: npt.NDArray[np.int32]


class _Buffer:
    """Documents by length; within a length the oldest first, as a scan from the front would find them."""

    def __init__(self) -> None:
        self.count = 0
        self._lengths: list[int] = []
        self._waiting: dict[int, deque[tuple[int, Tokens]]] = {}

    def add(self, number: int, tokens: Tokens) -> None:
        length = len(tokens)
        if length not in self._waiting:
            self._waiting[length] = deque()
            insort(self._lengths, length)
        self._waiting[length].append((number, tokens))
        self.count += 1

    def take(self, room: int) -> tuple[int, Tokens]:
        """Remove the longest document that fits, or the shortest where none does; the oldest of equals."""
        place = max(bisect_right(self._lengths, room) - 1, 0)
        length = self._lengths[place]
        waiting = self._waiting[length]
        found = waiting.popleft()
        if not waiting:
            del self._waiting[length]
            del self._lengths[place]
        self.count -= 1
        return found


def pack(
    batches: Iterable[Sequence[Tokens]],
    capacity: int,
    first_document: int = 0,
    buffer_documents: int = limits.PACKING_BUFFER_DOCUMENTS,
) -> Iterator[PackedRow]:
    """Pack one epoch of encoded documents, each beginning with BOS, into rows.

    Documents are numbered in the order in which they come, from `first_document`.
    """
    source = iter(batches)
    buffer = _Buffer()
    number = first_document
    while True:
        tokens: list[int] = []
        owners: list[int] = []
        lengths: list[int] = []
        while len(tokens) < capacity:
            while buffer.count < buffer_documents:
                batch = next(source, None)
                if batch is None:
                    return
                for document in batch:
                    buffer.add(number, document)
                    number += 1
            owner, document = buffer.take(capacity - len(tokens))
            part = document[: capacity - len(tokens)]
            tokens.extend(part)
            owners.append(owner)
            lengths.append(len(part))
        yield PackedRow(
            tokens=np.array(tokens, dtype=np.uint16),
            documents=np.repeat(np.array(owners, dtype=np.int32), lengths)[1:],
        )
