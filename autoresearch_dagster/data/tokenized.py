"""Tokenised shards: kept until the rows made from them are published, so that a killed build loses one at most."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import Meter, Report, counted
from autoresearch_dagster.data.arrays import ArrayReader
from autoresearch_dagster.data.encoding import Encoder
from autoresearch_dagster.data.folders import SHORT, is_built, name_of, publish, read_manifest
from autoresearch_dagster.data.packing import Batch
from autoresearch_dagster.data.reading import documents_in
from autoresearch_dagster.data.shards import Shards
from autoresearch_dagster.data.tokenizing import COUNTS, GROUPS, HASHES, HEADS, SIZES, tokenize_shard

Hashes = npt.NDArray[np.uint64]
_BLOCK_DOCUMENTS = 16 * limits.PACKING_BATCH_DOCUMENTS


@dataclass(frozen=True, slots=True)
class Documents:
    """Tokenised documents of one row group.

    Shapes: counts and sizes int64 [documents], in tokens with BOS and in bytes; hashes uint64 [documents];
    heads uint16 [sum of min(count, head)].
    """

    counts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    hashes: Hashes
    heads: npt.NDArray[np.uint16]

    def batch(self) -> Batch:
        """Return what the packer needs of them."""
        return Batch(self.counts, self.heads)


@dataclass(frozen=True, slots=True)
class Contents:
    """What shards hold: documents, and rows without a text."""

    documents: int
    nulls: int


@dataclass(frozen=True)
class TokenizedShards:
    """All shards of a bundle under one tokenizer, for rows of one length."""

    root: Path
    shards: Shards
    tokenizer: Path
    head: int
    report: Report

    def make_all(self) -> Contents:
        """Tokenise what is not tokenised yet; returns what all of them hold.

        Raises:
            BundleError: a shard is damaged, or changed since it was hashed.
        """
        paths = self.shards.all
        documents = {path: documents_in(path) for path in paths}
        found = [path for path in paths if is_built(self.root, "tokenized", self._inputs(path))]
        if found:
            self.report(f"tokenizing: found {len(found)} of {len(paths)} shards tokenised already")
        before = sum(documents[path] for path in found)
        total = sum(documents.values())
        meter = Meter("tokenizing", total, "documents", self.report, done_before=before)
        encoder = Encoder(self.tokenizer, self.head)
        made = [self._make(path, encoder, meter) for path in paths]
        meter.add(total - meter.done)  # a shard twice in the corpus, or tokenised by another process meanwhile
        contents = Contents(sum(one.documents for one in made), sum(one.nulls for one in made))
        if contents.nulls:
            self.report(f"tokenizing: skipped {counted(contents.nulls, 'row')} of the shards without text (null)")
        return contents

    def _make(self, path: Path, encoder: Encoder, meter: Meter) -> Contents:
        def fill(folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
            told = tokenize_shard(path, encoder, folder, meter)
            self.shards.check_unchanged(path)
            return {**told, "files": {}}  # read once and deleted: not worth hashing

        made = publish(self.root, "tokenized", self._inputs(path), fill, self.report)
        told = read_manifest(made.path)
        return Contents(int(str(told["documents"])), int(str(told["nulls"])))

    def _inputs(self, path: Path) -> dict[str, JsonValue]:
        return {
            "shard": self.shards.digest(path),
            "tokenizer": read_manifest(self.tokenizer)["files"],
            "head": self.head,
        }

    def _folder(self, path: Path) -> Path:
        return self.root / "tokenized" / name_of("tokenized", self._inputs(path))[:SHORT]

    def remove_all(self) -> None:
        """Delete them; whoever else is reading one goes on reading, and a disk that is read-only keeps them."""
        for path in self.shards.all:
            folder = self._folder(path)
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):
                (folder.parent / f".{folder.name}.lock").unlink()

    def batches(self, paths: Sequence[Path], refused: Hashes) -> Iterator[tuple[Documents, int]]:
        """Yield the batches that the tutorial reads, without the documents whose hashes are refused.

        A batch never spans two row groups; with each comes how many documents were left out since the last.

        Shapes: refused uint64, ascending.
        """
        for path in paths:
            with ExitStack() as stack:
                files = [
                    stack.enter_context(ArrayReader(self._folder(path) / name))
                    for name in (COUNTS, SIZES, HASHES, HEADS)
                ]
                groups = stack.enter_context(ArrayReader(self._folder(path) / GROUPS))
                for documents in groups.read(groups.left).tolist():
                    yield from self._group(files, documents, refused)

    def _group(self, files: list[ArrayReader], documents: int, refused: Hashes) -> Iterator[tuple[Documents, int]]:
        """Yield the batches of one row group."""
        size = limits.PACKING_BATCH_DOCUMENTS
        held, left_out = _NONE, 0
        while documents or len(held.counts):
            count = min(documents, _BLOCK_DOCUMENTS)
            documents -= count
            block = self._read(files, count)
            kept = ~_among(block.hashes, refused)
            left_out += count - int(kept.sum())
            held = _joined(held, self._only(block, kept))
            whole = len(held.counts) if not documents else len(held.counts) // size * size
            edges = np.cumsum(np.minimum(held.counts, self.head))
            for start in range(0, whole, size):
                yield _part(held, start, min(start + size, whole), edges), left_out
                left_out = 0
            held = _part(held, whole, len(held.counts), edges)
        if left_out:
            yield _NONE, left_out

    def _read(self, files: list[ArrayReader], count: int) -> Documents:
        counts, sizes, hashes = (file.read(count) for file in files[:3])
        return Documents(counts, sizes, hashes, files[3].read(int(np.minimum(counts, self.head).sum())))

    def _only(self, block: Documents, kept: npt.NDArray[np.bool_]) -> Documents:
        if kept.all():
            return block
        heads = block.heads[np.repeat(kept, np.minimum(block.counts, self.head))]
        return Documents(block.counts[kept], block.sizes[kept], block.hashes[kept], heads)


_NONE = Documents(
    counts=np.empty(0, dtype=np.int64),
    sizes=np.empty(0, dtype=np.int64),
    hashes=np.empty(0, dtype=np.uint64),
    heads=np.empty(0, dtype=np.uint16),
)


def _among(hashes: Hashes, refused: Hashes) -> npt.NDArray[np.bool_]:
    if not len(refused):
        return np.zeros(len(hashes), dtype=np.bool_)
    place = np.minimum(np.searchsorted(refused, hashes), len(refused) - 1)
    return refused[place] == hashes


def _joined(one: Documents, other: Documents) -> Documents:
    if not len(one.counts):
        return other
    return Documents(
        np.concatenate([one.counts, other.counts]),
        np.concatenate([one.sizes, other.sizes]),
        np.concatenate([one.hashes, other.hashes]),
        np.concatenate([one.heads, other.heads]),
    )


def _part(all_: Documents, start: int, stop: int, edges: npt.NDArray[np.int64]) -> Documents:
    first, last = (int(edges[at - 1]) if at else 0 for at in (start, stop))
    return Documents(
        all_.counts[start:stop], all_.sizes[start:stop], all_.hashes[start:stop], all_.heads[first:last]
    )
