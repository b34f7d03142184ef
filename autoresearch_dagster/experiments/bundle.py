"""A bundle as a person asks for it: built or found, and what it holds."""

from pathlib import Path

from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.build import DatasetProfile, build_bundle, profile
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


def find_built(
    settings: Settings, source: str, num_shards: int, sequence_length: int, report: Report
) -> Path | None:
    """Return the packed rows of a bundle that is already built; nothing is built or created.

    Raises:
        UserError: the source is unknown, or has not that many shards.
    """
    root = settings.bundles
    shards = name_of("shards", open_source(source, num_shards, root, report).inputs)[:SHORT]
    for folder in _folders(root):
        if folder.parent.name == "packed_rows":
            told = read_manifest(folder)
            made_from = (told.get("shards"), told.get("sequence_length"))
            parts = (root / "shards" / shards, root / "tokenizer" / str(told.get("tokenizer")))
            if made_from == (shards, sequence_length) and all((part / MANIFEST).is_file() for part in parts):
                return folder
    return None


def folder_bytes(folder: Path) -> int:
    """Count the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _folders(root: Path) -> list[Path]:
    """Every finished folder under `bundles`; unfinished ones have hidden names."""
    return [path.parent for path in root.glob(f"*/[!.]*/{MANIFEST}")]
