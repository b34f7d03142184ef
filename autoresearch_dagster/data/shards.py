"""Parquet shards in climbmix's naming and schema: one `text` column, a pinned validation shard."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data.digests import FileDigests
from autoresearch_dagster.data.faults import shown
from autoresearch_dagster.data.folders import read_manifest


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


@dataclass(frozen=True)
class Shards:
    """The shards of a bundle: files of ours, or links to files of somebody else that may change."""

    folder: Path
    digests: FileDigests

    @cached_property
    def manifest(self) -> dict[str, JsonValue]:
        """What the folder says of itself."""
        return read_manifest(self.folder)

    @cached_property
    def train(self) -> list[Path]:
        """The train shards in the order in which they are read."""
        return train_shards(self.folder)

    @cached_property
    def validation(self) -> Path:
        """The validation shard."""
        return validation_shard(self.folder)

    @property
    def all(self) -> list[Path]:
        """The validation shard, then the train shards: the order in which they are packed."""
        return [self.validation, *self.train]

    def digest(self, shard: Path) -> str:
        """Return the digest that the bundle was named by."""
        files = self.manifest["files"]
        return str(files[shard.name]) if isinstance(files, dict) else ""

    def check_unchanged(self, shard: Path) -> None:
        """Refuse a linked shard that is not the one that was hashed; call it after reading.

        Raises:
            BundleError: it changed.
        """
        if shard.is_symlink() and self.digests.of(shard) != self.digest(shard):
            raise BundleError(
                f"The shard {shown(shard)} changed while it was in use; start again when nobody writes to it."
            )
