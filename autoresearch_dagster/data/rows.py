"""Packs the tokenised shards of a bundle into its rows and counts what becomes of every document."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import Meter
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.arrays import ArrayWriter
from autoresearch_dagster.data.faults import shown
from autoresearch_dagster.data.layout import CANDIDATE_FOLDER, DOCUMENT_HASHES, TRUSTED_FOLDER, Split
from autoresearch_dagster.data.packing import Batch, PackedRow, pack
from autoresearch_dagster.data.splits import make_folders, write_train, write_validation
from autoresearch_dagster.data.statistics import Tally
from autoresearch_dagster.data.tokenized import Hashes, TokenizedShards

META = "meta.json"


@dataclass
class RowsBuilder:
    """Writes `packed_rows`; document numbers run on from one corpus to the other, so that they are unique."""

    tokenized: TokenizedShards
    folder: Path
    tally: Tally = field(default_factory=Tally)

    def build(self, digest: Digest) -> Mapping[str, JsonValue]:
        """Tokenise, pack and split; returns what the manifest shall say.

        Raises:
            BundleError: a shard is damaged, or the corpus gives too few rows.
        """
        contents = self.tokenized.make_all()
        meter = Meter("packing", contents.documents, "documents", self.tokenized.report)
        shards, capacity = self.tokenized.shards, self.tokenized.head
        make_folders(self.folder)
        with ArrayWriter(self.folder / TRUSTED_FOLDER / DOCUMENT_HASHES, np.uint64) as hashes:
            validation = _Packing(self.tokenized, [shards.validation], _NOTHING, hashes, self.tally, meter)
            rows: dict[Split, int] = write_validation(self.folder, validation.rows(), capacity)
            held_back = self.tally.documents
            train = _Packing(self.tokenized, shards.train, validation.seen(), hashes, self.tally, meter)
            rows |= write_train(self.folder, train.rows(), capacity)
        return {
            "sequence_length": capacity - 1,
            "vocab_size": self._write_candidate_extras(digest),
            "rows": {str(split): count for split, count in rows.items()},
            "validation_documents": held_back,
            "statistics": self.tally.statistics(rows, contents.nulls).model_dump(mode="json"),
        }

    def _write_candidate_extras(self, digest: Digest) -> int:
        """Put what `prepare` needs beside the candidate's rows, so that one folder is enough to mount."""
        candidate, source = self.folder / CANDIDATE_FOLDER, self.tokenized.tokenizer
        described, _ = tokenizer.read(source)
        for name in (tokenizer.DESCRIPTION, tokenizer.RANKS):
            shutil.copyfile(source / name, candidate / name)
        shutil.copyfile(source / "token_bytes_seed.npy", candidate / "token_bytes.npy")
        meta = {
            "sequence_length": self.tokenized.head - 1,
            "vocab_size": described.vocab_size,
            "bos_token_id": described.bos_token_id,
            "bundle": digest,
        }
        (candidate / META).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
        return described.vocab_size


_NOTHING: Hashes = np.empty(0, dtype=np.uint64)


@dataclass
class _Packing:
    """Packs one epoch of some shards; documents whose hash is in `refused` are left out."""

    tokenized: TokenizedShards
    shards: Sequence[Path]
    refused: Hashes
    hashes: ArrayWriter
    tally: Tally
    meter: Meter
    _hashes: list[Hashes] = field(default_factory=list[Hashes])

    def rows(self) -> Iterator[PackedRow]:
        """Yield the rows.

        Raises:
            BundleError: there are too few documents for one row.
        """
        found = False
        for row in pack(self._batches(), self.tokenized.head, self.tally.documents):
            found = True
            self.tally.used += row.used
            self.tally.cropped += row.cropped
            yield row
        if not found:
            names = ", ".join(str(shown(path)) for path in self.shards[:2])
            more = ", ..." if len(self.shards) > 2 else ""
            raise BundleError(
                f"{names}{more}: these hold fewer than {limits.PACKING_BUFFER_DOCUMENTS} documents, too few to "
                "pack one row; use a larger corpus."
            )

    def _batches(self) -> Iterator[Batch]:
        for documents, left_out in self.tokenized.batches(self.shards, self.refused):
            self.hashes.append(documents.hashes)
            if not len(self.refused):
                self._hashes.append(documents.hashes)
            self.tally.add(documents.counts, documents.sizes)
            self.tally.duplicates += left_out
            self.meter.add(len(documents.counts) + left_out)
            yield documents.batch()

    def seen(self) -> Hashes:
        """Return the hashes of all documents that were packed with nothing refused: uint64, ascending."""
        return np.unique(np.concatenate(self._hashes))
