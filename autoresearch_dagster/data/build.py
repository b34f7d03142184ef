"""Builds bundles: shards, tokenizer, packed rows; each step is done once and found again afterwards."""

from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import Meter, Report
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.bundle import DatasetProfile, find_bundle, profile
from autoresearch_dagster.data.checks import check_digests, check_disjoint, check_no_duplicates, check_round_trip
from autoresearch_dagster.data.digests import FileDigests
from autoresearch_dagster.data.folders import Made, publish, read_manifest
from autoresearch_dagster.data.layout import TRUSTED_FOLDER, Bundle
from autoresearch_dagster.data.reading import documents_in, read_texts, strings
from autoresearch_dagster.data.rows import META, RowsBuilder
from autoresearch_dagster.data.shards import Shards
from autoresearch_dagster.data.sources import open_source
from autoresearch_dagster.data.tokenized import TokenizedShards

__all__ = [
    "META",
    "DatasetProfile",
    "Made",
    "build_bundle",
    "build_packed_rows",
    "build_shards",
    "build_tokenizer",
    "check_digests",
    "check_disjoint",
    "check_no_duplicates",
    "check_round_trip",
    "find_bundle",
    "profile",
]

_PRIVATE = (TRUSTED_FOLDER,)


def build_bundle(source: str, num_shards: int, sequence_length: int, root: Path, report: Report) -> Bundle:
    """Build or find everything that training and evaluation need."""
    made = build_shards(source, num_shards, root, report).path
    trained = build_tokenizer(made, root, report).path
    return Bundle(made, trained, build_packed_rows(made, trained, sequence_length, root, report).path)


def build_shards(source: str, num_shards: int, root: Path, report: Report) -> Made:
    """Build or find the parquet shards of a source.

    Raises:
        UserError: the source is unknown, or the number of shards is out of range.
        BundleError: a shard of a folder is not one, or the disk refuses.
    """
    found = open_source(source, num_shards, root, report)
    made = publish(root, "shards", found.inputs, found.fill, report)
    found.tidy(made.path)
    return made


def build_tokenizer(shards_folder: Path, root: Path, report: Report) -> Made:
    """Build or find the tokenizer that is trained on the train shards.

    Raises:
        BundleError: a shard is damaged, or holds too little text for the vocabulary.
    """
    shards = Shards(shards_folder, FileDigests(root, report))
    inputs: dict[str, JsonValue] = {
        "shards": shards.manifest["files"],
        "vocab_size": limits.VOCAB_SIZE,
        "rustbpe": version("rustbpe"),
    }

    def fill(folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        report(f"tokenizer: training {limits.VOCAB_SIZE} tokens")
        encoding = tokenizer.train(_beginnings(shards, report))
        tokenizer.save(encoding, folder)
        return {"vocab_size": encoding.n_vocab, "shards": shards_folder.name}

    return publish(root, "tokenizer", inputs, fill, report)


def _beginnings(shards: Shards, report: Report) -> Iterator[str]:
    """Yield as much of every train document as the tokenizer is trained on, counting the documents."""
    total = sum(documents_in(path) for path in shards.train)
    meter = Meter("tokenizer", total, "documents", report)
    try:
        for path in shards.train:
            for texts in read_texts(path):
                yield from strings(texts, path, limits.TOKENIZER_DOCUMENT_CHARS)
                meter.add(len(texts.edges) - 1 + texts.nulls)
            shards.check_unchanged(path)
    except GeneratorExit:
        meter.add(total - meter.done)  # the cap is reached: the others are not needed
        raise


def build_packed_rows(
    shards_folder: Path, tokenizer_folder: Path, sequence_length: int, root: Path, report: Report
) -> Made:
    """Build or find the packed rows of one sequence length.

    Shards that are tokenised are kept until the rows are published: a build that was killed goes on with the
    shard it was at.

    Raises:
        UserError: the sequence length is not positive.
        BundleError: a shard is damaged, or the shards give too few rows.
    """
    if sequence_length < 2:
        raise UserError(f"A row needs at least 2 targets; sequence_length={sequence_length} is too short.")
    shards = Shards(shards_folder, FileDigests(root, report))
    inputs: dict[str, JsonValue] = {
        "shards": shards.manifest["files"],
        "tokenizer": read_manifest(tokenizer_folder)["files"],
        "sequence_length": sequence_length,
    }
    tokenized = TokenizedShards(root, shards, tokenizer_folder, sequence_length + 1, report)

    def fill(folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        report(f"packed_rows: packing rows of {sequence_length} targets")
        return {
            "source": shards.manifest["source"],
            "num_shards": shards.manifest["num_shards"],
            "shards": shards_folder.name,
            "tokenizer": tokenizer_folder.name,
            **RowsBuilder(tokenized, folder).build(digest),
        }

    made = publish(root, "packed_rows", inputs, fill, report, _PRIVATE)
    tokenized.remove_all()
    return made
