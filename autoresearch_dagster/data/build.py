"""Builds bundles: shards, tokenizer, packed rows; each step is done once and found again afterwards."""

import json
import shutil
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import tiktoken
from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError, UserError
from autoresearch_dagster.core.experiment import Data, Digest, digest_of
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.data import shards, tokenizer
from autoresearch_dagster.data.checks import check_digests, check_disjoint, check_round_trip
from autoresearch_dagster.data.folders import SHORT, publish, read_manifest
from autoresearch_dagster.data.layout import CANDIDATE_FOLDER, TRUSTED_FOLDER, Bundle, Rows
from autoresearch_dagster.data.packing import pack
from autoresearch_dagster.data.sources import open_source
from autoresearch_dagster.data.splits import split_rows, write_splits

__all__ = [
    "DatasetProfile",
    "build_bundle",
    "build_packed_rows",
    "build_shards",
    "build_tokenizer",
    "check_digests",
    "check_disjoint",
    "check_round_trip",
    "find_bundle",
    "profile",
]

META = "meta.json"
_PRIVATE = (TRUSTED_FOLDER,)


class DatasetProfile(Data):
    """A bundle in numbers, for the agent and for people."""

    source: str
    n_parquet_files: int
    parquet_files: tuple[str, ...]
    data_bytes: int
    vocab_size: int
    tokenizer_bytes: int
    sequence_length: int
    rows: dict[str, int]
    tokens_per_byte: float


def build_bundle(source: str, num_shards: int, sequence_length: int, root: Path, report: Report) -> Bundle:
    """Build or find everything that training and evaluation need."""
    made = build_shards(source, num_shards, root, report)
    trained = build_tokenizer(made, root, report)
    return Bundle(made, trained, build_packed_rows(made, trained, sequence_length, root, report))


def build_shards(source: str, num_shards: int, root: Path, report: Report) -> Path:
    """Build or find the parquet shards of a source.

    Raises:
        UserError: the source is unknown, or the number of shards is out of range.
    """
    found = open_source(source, num_shards, root, report)
    folder = publish(root, "shards", found.inputs, found.fill, report)
    found.tidy(folder)
    return folder


def build_tokenizer(shards_folder: Path, root: Path, report: Report) -> Path:
    """Build or find the tokenizer that is trained on the train shards."""
    inputs: dict[str, JsonValue] = {
        "shards": read_manifest(shards_folder)["files"],
        "vocab_size": limits.VOCAB_SIZE,
        "rustbpe": version("rustbpe"),
    }

    def fill(folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        report(f"tokenizer: training {limits.VOCAB_SIZE} tokens")
        groups = shards.row_groups(shards.train_shards(shards_folder))
        encoding = tokenizer.train(text for group in groups for text in group)
        tokenizer.save(encoding, folder)
        return {"vocab_size": encoding.n_vocab, "shards": shards_folder.name}

    return publish(root, "tokenizer", inputs, fill, report)


def build_packed_rows(
    shards_folder: Path, tokenizer_folder: Path, sequence_length: int, root: Path, report: Report
) -> Path:
    """Build or find the packed rows of one sequence length.

    Raises:
        UserError: the sequence length is not positive.
        BundleError: the shards give too few rows.
    """
    if sequence_length < 2:
        raise UserError(f"A row needs at least 2 targets; sequence_length={sequence_length} is too short.")
    made_from = read_manifest(shards_folder)
    inputs: dict[str, JsonValue] = {
        "shards": made_from["files"],
        "tokenizer": read_manifest(tokenizer_folder)["files"],
        "sequence_length": sequence_length,
    }

    def fill(folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        report(f"packed_rows: packing rows of {sequence_length} targets")
        encoding = tokenizer.load(tokenizer_folder)
        packer = _Packing(encoding, sequence_length + 1)
        validation = packer.rows(shards.row_groups([shards.validation_shard(shards_folder)]), frozenset())
        train = packer.rows(shards.row_groups(shards.train_shards(shards_folder)), frozenset(packer.seen))
        splits = split_rows(train, validation)
        write_splits(folder, splits)
        _write_candidate_extras(folder, tokenizer_folder, encoding, sequence_length, digest)
        return {
            "source": made_from["source"],
            "num_shards": made_from["num_shards"],
            "shards": shards_folder.name,
            "tokenizer": tokenizer_folder.name,
            "sequence_length": sequence_length,
            "vocab_size": encoding.n_vocab,
            "rows": {split: len(rows.tokens) for split, rows in splits.rows.items()},
            "text_tokens": packer.text_tokens,
            "text_bytes": packer.text_bytes,
            "shared_documents_dropped": packer.dropped,
        }

    return publish(root, "packed_rows", inputs, fill, report, _PRIVATE)


class _Packing:
    """Packs one corpus after the other; document numbers run on, so that they are unique in a bundle."""

    def __init__(self, encoding: tiktoken.Encoding, capacity: int) -> None:
        self._encoding = encoding
        self._capacity = capacity
        self.documents = 0
        self.seen: set[Digest] = set()
        self.text_tokens = 0
        self.text_bytes = 0
        self.dropped = 0

    def rows(self, groups: Iterator[list[str]], refused: frozenset[Digest]) -> Rows:
        """Pack one epoch; a document whose exact text is in `refused` is left out.

        With nothing to refuse it is the validation corpus, whose texts are remembered in `seen`.
        """
        packed = list(pack(self._encoded(groups, refused), self._capacity, self.documents))
        if not packed:
            raise BundleError(
                f"The shards hold fewer than {limits.PACKING_BUFFER_DOCUMENTS} documents, too few to pack "
                "one row; use a larger corpus."
            )
        return Rows(np.stack([row.tokens for row in packed]), np.stack([row.documents for row in packed]))

    def _encoded(self, groups: Iterator[list[str]], refused: frozenset[Digest]) -> Iterator[list[list[int]]]:
        for texts in shards.batches(self._allowed(group, refused) for group in groups):
            encoded = tokenizer.encode_batch(self._encoding, texts)
            self.documents += len(texts)
            self.text_tokens += sum(len(tokens) - 1 for tokens in encoded)
            self.text_bytes += sum(len(text.encode()) for text in texts)
            yield encoded

    def _allowed(self, group: list[str], refused: frozenset[Digest]) -> list[str]:
        named = [(digest_of(text.encode()), text) for text in group]
        if not refused:
            self.seen.update(digest for digest, _ in named)
            return group
        kept = [text for digest, text in named if digest not in refused]
        self.dropped += len(group) - len(kept)
        return kept


def _write_candidate_extras(
    folder: Path, tokenizer_folder: Path, encoding: tiktoken.Encoding, sequence_length: int, digest: Digest
) -> None:
    """Put what `prepare` needs beside the candidate's rows, so that one folder is enough to mount."""
    candidate = folder / CANDIDATE_FOLDER
    for name in (tokenizer.DESCRIPTION, tokenizer.RANKS):
        shutil.copyfile(tokenizer_folder / name, candidate / name)
    shutil.copyfile(tokenizer_folder / "token_bytes_seed.npy", candidate / "token_bytes.npy")
    meta = {
        "sequence_length": sequence_length,
        "vocab_size": encoding.n_vocab,
        "bos_token_id": tokenizer.bos_token_id(encoding),
        "bundle": digest,
    }
    (candidate / META).write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")


def find_bundle(digest: str, root: Path) -> Bundle:
    """Find a finished bundle by the digest of its packed rows, or the first 16 characters of it.

    Raises:
        BundleError: it is not in `root`, or its shards or tokenizer were deleted.
    """
    folder = root / "packed_rows" / digest[:SHORT]
    if len(digest) < SHORT or not folder.is_dir():
        raise BundleError(f"There is no bundle {digest!r} in {root}; build it again with the job `bundle`.")
    manifest = read_manifest(folder)
    if not str(manifest["digest"]).startswith(digest):
        raise BundleError(f"There is no bundle {digest!r} in {root}; build it again with the job `bundle`.")
    bundle = Bundle(
        root / "shards" / str(manifest["shards"]), root / "tokenizer" / str(manifest["tokenizer"]), folder
    )
    for part in (bundle.shards, bundle.tokenizer):
        if not part.is_dir():
            raise BundleError(f"The folder {part} is missing; build the bundle again with the job `bundle`.")
    return bundle


def profile(bundle: Bundle) -> DatasetProfile:
    """Describe a bundle."""
    manifest = read_manifest(bundle.packed)
    parquet = sorted(bundle.shards.glob("*.parquet"))
    return DatasetProfile.model_validate(
        {
            "source": manifest["source"],
            "n_parquet_files": len(parquet),
            "parquet_files": tuple(path.name for path in parquet),
            "data_bytes": sum(path.stat().st_size for path in parquet),
            "vocab_size": manifest["vocab_size"],
            "tokenizer_bytes": sum(path.stat().st_size for path in bundle.tokenizer.iterdir()),
            "sequence_length": manifest["sequence_length"],
            "rows": manifest["rows"],
            "tokens_per_byte": float(str(manifest["text_tokens"])) / float(str(manifest["text_bytes"])),
        }
    )
