"""A bundle as a person asks for it: built or found, and what it holds."""

from pathlib import Path

from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.progress import Report, silent
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


def find_built(settings: Settings, source: str, num_shards: int, sequence_length: int) -> Path | None:
    """Return the packed rows of a bundle that is already built; nothing is built, fetched or created.

    A corpus that would have to be asked for or hashed (climbmix, a folder) is found by what the manifests say.

    Raises:
        UserError: the source is unknown, or has not that many shards.
    """
    root = settings.bundles
    shards = _shards_of(root, source, num_shards)
    for folder in _folders(root):
        if folder.parent.name == "packed_rows":
            told = read_manifest(folder)
            parts = (root / "shards" / str(told.get("shards")), root / "tokenizer" / str(told.get("tokenizer")))
            fits = told.get("shards") in shards and told.get("sequence_length") == sequence_length
            if fits and all((part / MANIFEST).is_file() for part in parts):
                return folder
    return None


def _shards_of(root: Path, source: str, num_shards: int) -> set[str]:
    """Name the finished shard folders of a source."""
    is_folder = Path(source).expanduser().is_dir()
    if not is_folder and source.partition("@")[0] != "climbmix":
        return {name_of("shards", open_source(source, num_shards, root, silent).inputs)[:SHORT]}
    wanted = str(Path(source).expanduser().resolve()) if is_folder else source
    found: set[str] = set()
    for folder in _folders(root):
        if folder.parent.name == "shards":
            told = read_manifest(folder)
            name, revision = str(told.get("source")), f"{wanted}@"  # climbmix is recorded with its commit
            if told.get("num_shards") == num_shards and (name == wanted or name.startswith(revision)):
                found.add(folder.name)
    return found


def folder_bytes(folder: Path) -> int:
    """Count the bytes of a folder's files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _folders(root: Path) -> list[Path]:
    """Every finished folder under `bundles`; unfinished ones have hidden names."""
    return [path.parent for path in root.glob(f"*/[!.]*/{MANIFEST}")]
