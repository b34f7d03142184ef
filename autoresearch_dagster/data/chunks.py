"""Cuts the documents of a shard into chunks that are worth a thread's while and small enough to hold."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.progress import in_unit
from autoresearch_dagster.data.cutting import Bytes, Places, safe_cuts
from autoresearch_dagster.data.faults import shown
from autoresearch_dagster.data.reading import Texts, read_texts


@dataclass(frozen=True, slots=True)
class Chunk:
    """Documents of one row group, or one piece of a long document.

    Shapes: text uint8 [bytes]; edges int64 [pieces + 1]; of each document that begins here: hashes uint64, the
    beginning of its SHA-256, and sizes int64, its bytes.
    """

    group: int
    text: Bytes
    edges: Places
    hashes: npt.NDArray[np.uint64]
    sizes: npt.NDArray[np.int64]
    continues: bool = False
    """Whether it goes on with the last document of the chunk before."""
    nulls: int = 0


def chunks(
    shard: Path, size: int = limits.CHUNK_BYTES, longest_word: int = limits.MAX_WORD_BYTES
) -> Iterator[Chunk]:
    """Yield the documents of a shard, in order.

    Units: bytes; `size` is about what a chunk holds, `longest_word` how far a place to cut is looked for.

    Raises:
        BundleError: the shard is damaged, or a document has no place to cut it.
    """
    held: list[Texts] = []
    for texts in read_texts(shard):
        if held and (held[0].group != texts.group or _size(held) + len(texts.data) > size):
            yield _together(held)
            held = []
        if len(texts.data) <= size:
            held.append(texts)
        else:
            yield from _one_by_one(texts, _Cutter(shard, texts.group, size, longest_word))
    if held:
        yield _together(held)


def _size(held: list[Texts]) -> int:
    return sum(len(texts.data) for texts in held)


def _together(held: list[Texts]) -> Chunk:
    starts = np.cumsum([0, *(len(texts.data) for texts in held)])
    edges = [texts.edges[:-1] + start for texts, start in zip(held, starts[:-1], strict=True)]
    return Chunk(
        group=held[0].group,
        text=np.concatenate([texts.data for texts in held]),
        edges=np.concatenate([*edges, starts[-1:]]),
        hashes=np.concatenate([_hashes(texts) for texts in held]),
        sizes=np.concatenate([np.diff(texts.edges) for texts in held]),
        nulls=sum(texts.nulls for texts in held),
    )


@dataclass(frozen=True, slots=True)
class _Cutter:
    """Finds where a long document may be cut."""

    shard: Path
    group: int
    size: int
    longest_word: int

    def piece_end(self, document: Bytes, start: int) -> int:
        """Find the last place within a chunk's size where the document may be cut, or the first one after it."""
        size = self.size
        while start + size < len(document):
            if len(cuts := safe_cuts(_whole(document[start : start + size]))):
                return start + int(cuts[-1])
            if size >= self.longest_word:
                raise BundleError(
                    f"A document in row group {self.group} of {shown(self.shard)} goes on for "
                    f"{in_unit(size, 'bytes')} without a place where words part; take it out of the corpus."
                )
            size *= 2
        return len(document)


def _one_by_one(texts: Texts, cutter: _Cutter) -> Iterator[Chunk]:
    """Yield documents of which some are long, each in as many pieces as it needs."""
    hashes, sizes = _hashes(texts), np.diff(texts.edges)
    nulls = texts.nulls
    for number, (begin, end) in enumerate(zip(texts.edges[:-1].tolist(), texts.edges[1:].tolist(), strict=True)):
        document = texts.data[begin:end]
        start = 0
        begins = slice(number, number + 1)
        while start < len(document) or start == 0:
            stop = cutter.piece_end(document, start)
            yield Chunk(
                group=texts.group,
                text=document[start:stop],
                edges=np.array([0, stop - start], dtype=np.int64),
                hashes=hashes[begins],
                sizes=sizes[begins],
                continues=start > 0,
                nulls=nulls,
            )
            start, nulls, begins = max(stop, 1), 0, slice(0, 0)


def _whole(window: Bytes) -> Bytes:
    """Leave out the last character of a window, which may be halved."""
    leads = np.flatnonzero((window[-4:] & 0xC0) != 0x80)
    return window[: max(len(window) - 4, 0) + int(leads[-1])] if len(leads) else window


def _hashes(texts: Texts) -> npt.NDArray[np.uint64]:
    data = texts.data.data
    edges = texts.edges.tolist()
    short = (hashlib.sha256(data[start:stop]).digest()[:8] for start, stop in pairwise(edges))
    return np.frombuffer(b"".join(short), dtype=np.uint64)
