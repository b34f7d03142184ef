"""Corpora for tests: folders of parquet shards made from the sample's documents."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_dagster.data import build, sample

TRAIN = ("part-2.parquet", "part-9.parquet", "part-10.parquet")
VALIDATION = "part-11.parquet"


def texts() -> list[str]:
    """Return the sample's documents."""
    return sample.documents(sample.source_files())


def write(path: Path, documents, *, kind=None, row_group_size: int = 300, column: str = "text") -> Path:
    """Write one shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({column: pa.array(documents, kind or pa.string())})
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def write_corpus(folder: Path, documents: list[str], per_shard: int = 1500) -> Path:
    """Write a corpus of three train shards and the validation shard."""
    for number, name in enumerate([*TRAIN, VALIDATION]):
        write(folder / name, documents[number * per_shard : (number + 1) * per_shard])
    return folder


def build_rows(
    corpus: Path, tokenizer: Path, root: Path, *, shards: int = 3, sequence_length: int = 128, report=print
):
    """Build the packed rows of a corpus with a tokenizer that is there already."""
    made = build.build_shards(str(corpus), shards, root, report).path
    return build.build_packed_rows(made, tokenizer, sequence_length, root, report)
