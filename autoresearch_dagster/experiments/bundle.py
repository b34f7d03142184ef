"""A bundle as a person asks for it: built or found, and what it holds."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.progress import Report, silent
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.build import DatasetProfile, build_bundle, profile
from autoresearch_dagster.data.climbmix import NAME as CLIMBMIX, recorded_climbmix
from autoresearch_dagster.data.folders import MANIFEST, SHORT, name_of, read_manifest
from autoresearch_dagster.data.sources import open_source


class BundleFacts(Data):
    """Where a bundle is and what it holds; `bytes` counts all three folders."""

    digest: str
    sequence_length: int
    already_built: bool
    shards: Path
    tokenizer: Path
    packed_rows: Path
    bytes: int
    profile: DatasetProfile


def obtain_bundle(
    settings: Settings, source: str, num_shards: int, sequence_length: int, report: Report
) -> BundleFacts:
    """Build or find a bundle and describe it.

    Raises:
        UserError: the source is unknown, or has not that many shards.
        BundleError: it cannot be built or read.
    """
    before = set(_folders(settings.bundles))
    bundle = build_bundle(source, num_shards, sequence_length, settings.bundles, report)
    parts = (bundle.shards, bundle.tokenizer, bundle.packed)
    return BundleFacts(
        digest=bundle.digest,
        sequence_length=bundle.sequence_length,
        already_built=before.issuperset(parts),
        shards=bundle.shards,
        tokenizer=bundle.tokenizer,
        packed_rows=bundle.packed,
        bytes=sum(folder_bytes(part) for part in parts),
        profile=profile(bundle),
    )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is there of a bundle, and what building it takes: bytes of disk and of download, None if not known."""

    packed_rows: Path | None
    disk_bytes: int | None
    download_bytes: int | None


def forecast_bundle(settings: Settings, source: str, num_shards: int, sequence_length: int) -> Forecast:
    """Look for a bundle; nothing is built, fetched, hashed or created.

    A folder of parquet files, which would have to be hashed, is found by what the manifests say.

    Raises:
        UserError: the source is unknown, or has not that many shards.
    """
    root, disk, download = settings.bundles, None, None
    if source.partition("@")[0] == CLIMBMIX:
        recorded = recorded_climbmix(source, num_shards, root)
        shards = {name_of("shards", recorded.inputs)[:SHORT]} if recorded else set[str]()
        if recorded is not None:
            sizes = {name: file.size_bytes for name, file in recorded.files.items()}
            here = sum(size for name, size in sizes.items() if (recorded.downloads / name).is_file())
            download = sum(sizes.values()) - here
            disk = download + round(sum(sizes.values()) * limits.PACKED_PER_SHARD_BYTE)
    elif Path(source).expanduser().is_dir():
        shards = _shards_by_manifest(root, str(Path(source).expanduser().resolve()), num_shards)
        download = 0
    else:
        shards = {name_of("shards", open_source(source, num_shards, root, silent).inputs)[:SHORT]}
        disk, download = limits.SAMPLE_BUNDLE_BYTES, 0
    built = _rows_of(root, shards, sequence_length)
    return Forecast(built, 0, 0) if built else Forecast(None, disk, download)


def _rows_of(root: Path, shards: set[str], sequence_length: int) -> Path | None:
    for folder in _folders(root):
        if folder.parent.name == "packed_rows":
            told = read_manifest(folder)
            parts = (root / "shards" / str(told.get("shards")), root / "tokenizer" / str(told.get("tokenizer")))
            fits = told.get("shards") in shards and told.get("sequence_length") == sequence_length
            if fits and all((part / MANIFEST).is_file() for part in parts):
                return folder
    return None


def _shards_by_manifest(root: Path, source: str, num_shards: int) -> set[str]:
    """Name the finished shard folders that were made from a source."""
    found = [(folder.name, read_manifest(folder)) for folder in _folders(root) if folder.parent.name == "shards"]
    wanted = (source, num_shards)
    return {name for name, told in found if (told.get("source"), told.get("num_shards")) == wanted}


def folder_bytes(folder: Path) -> int:
    """Count the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _folders(root: Path) -> list[Path]:
    """Every finished folder under `bundles`; unfinished ones have hidden names."""
    return [path.parent for path in root.glob(f"*/[!.]*/{MANIFEST}")]
