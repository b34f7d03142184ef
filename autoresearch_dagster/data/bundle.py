"""Finds finished bundles and describes them for the agent."""

from pathlib import Path

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.data.faults import shown
from autoresearch_dagster.data.folders import SHORT, read_manifest
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.data.statistics import statistics


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
    """Describe a bundle.

    Raises:
        BundleError: a shard is gone.
    """
    manifest = read_manifest(bundle.packed)
    parquet = sorted(bundle.shards.glob("*.parquet"))
    return DatasetProfile.model_validate(
        {
            "source": manifest["source"],
            "n_parquet_files": len(parquet),
            "parquet_files": tuple(path.name for path in parquet),
            "data_bytes": sum(map(_size, parquet)),
            "vocab_size": manifest["vocab_size"],
            "tokenizer_bytes": sum(path.stat().st_size for path in bundle.tokenizer.iterdir()),
            "sequence_length": manifest["sequence_length"],
            "rows": manifest["rows"],
            "tokens_per_byte": statistics(bundle).tokens_per_byte,
        }
    )


def _size(shard: Path) -> int:
    try:
        return shard.stat().st_size
    except OSError as fault:
        raise BundleError(f"The shard {shown(shard)} is gone ({fault.strerror}); put it back.") from fault
