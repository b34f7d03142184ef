"""Parquet shards in climbmix's naming and schema: one `text` column, a pinned validation shard."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError


def shard_name(index: int) -> str:
    """Name a shard as climbmix does."""
    return f"shard_{index:05d}.parquet"


def write_shard(path: Path, texts: list[str]) -> None:
    """Write one shard of several row groups."""
    table = pa.table({"text": pa.array(texts, pa.string())})
    pq.write_table(table, path, row_group_size=limits.SAMPLE_ROW_GROUP)


def train_shards(folder: Path) -> list[Path]:
    """List the train shards in the order in which they are read."""
    found = sorted(folder.glob("*.parquet"))
    train = [path for path in found if path.name != shard_name(limits.VALIDATION_SHARD)]
    if not train:
        raise BundleError(f"There is no train shard in {folder}; delete that folder and build it again.")
    return train


def validation_shard(folder: Path) -> Path:
    """Return the pinned validation shard."""
    path = folder / shard_name(limits.VALIDATION_SHARD)
    if not path.is_file():
        raise BundleError(f"There is no {path.name} in {folder}; delete that folder and build it again.")
    return path


def row_groups(paths: Iterable[Path]) -> Iterator[list[str]]:
    """Yield the texts of one row group after the other."""
    for path in paths:
        file = pq.ParquetFile(path)
        for index in range(file.num_row_groups):
            yield file.read_row_group(index, columns=["text"]).column("text").to_pylist()


def batches(groups: Iterable[list[str]]) -> Iterator[list[str]]:
    """Cut row groups into the batches that the tutorial reads; a batch never spans two row groups."""
    size = limits.PACKING_BATCH_DOCUMENTS
    for group in groups:
        for start in range(0, len(group), size):
            yield group[start : start + size]
