"""What the pages of the bundle's assets tell: numbers to plot, a histogram, rows to read."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import dagster as dg

from autoresearch_dagster.core.figures import rounded
from autoresearch_dagster.data.bundle import DatasetProfile
from autoresearch_dagster.data.folders import SHORT, Made, read_manifest
from autoresearch_dagster.data.layout import CANDIDATE_SPLITS, Bundle
from autoresearch_dagster.data.statistics import BundleStatistics, LengthBin, sample_rows, statistics
from autoresearch_dagster.defs.tables import table
from autoresearch_dagster.reports.markdown import fenced

Metadata = dict[str, dg.MetadataValue]
SAMPLE_ROWS = 3
SAMPLE_CHARS = 600  # of one row
BAR_CHARS = 40  # of the longest bar
SHARDS_SHOWN = 50


def folder_story(made: Made) -> Metadata:
    """Say where a folder is, what it is called by its content, and whether there was work to do."""
    manifest = read_manifest(made.path)
    size = sum(file.stat().st_size for file in made.path.rglob("*") if file.is_file())
    return {
        "work": dg.MetadataValue.text("built now" if made.built else "already built: no work done"),
        "folder": dg.MetadataValue.path(made.path),
        "digest": dg.MetadataValue.text(str(manifest["digest"])[:SHORT]),
        "bytes": dg.MetadataValue.int(size),
    }


def shards_story(made: Made, source: str) -> Metadata:
    """Describe the shards; the last one is the validation shard."""
    shards = sorted(made.path.glob("*.parquet"))
    rows = [(shard.name, shard.stat().st_size, _use(place, len(shards))) for place, shard in enumerate(shards)]
    return {
        **folder_story(made),
        "source": dg.MetadataValue.text(source),
        "train_shards": dg.MetadataValue.int(len(shards) - 1),
        "shards": table(("shard", "bytes", "used for"), rows[-SHARDS_SHOWN:]),
    }


def _use(place: int, count: int) -> str:
    return "validation" if place == count - 1 else "training"


def tokenizer_story(made: Made) -> Metadata:
    """Describe the tokenizer."""
    return {
        **folder_story(made),
        "vocabulary": dg.MetadataValue.int(int(str(read_manifest(made.path)["vocab_size"]))),
    }


def rows_story(made: Made, bundle: Bundle) -> Metadata:
    """Describe the packed rows: what went in, what was left out, and three rows to read."""
    told = statistics(bundle)
    shown = [
        (split, count, "candidate" if split in CANDIDATE_SPLITS else "evaluator alone")
        for split, count in told.rows.items()
    ]
    return {
        **folder_story(made),
        "sequence_length": dg.MetadataValue.int(bundle.sequence_length),
        "rows": table(("split", "rows", "who reads it"), shown),
        "train_rows": dg.MetadataValue.int(told.rows["train"]),
        **_numbers(told),
        "document_lengths": dg.MetadataValue.md(histogram(told.length_histogram)),
        "sample_rows": dg.MetadataValue.md(readable(sample_rows(bundle, SAMPLE_ROWS))),
    }


def _numbers(told: BundleStatistics) -> Metadata:
    return {
        "documents": dg.MetadataValue.int(told.documents),
        "text_bytes": dg.MetadataValue.int(told.text_bytes),
        "text_tokens": dg.MetadataValue.int(told.text_tokens),
        "tokens_per_byte": dg.MetadataValue.float(rounded(told.tokens_per_byte)),
        "cropped_tokens": dg.MetadataValue.int(told.cropped_tokens),
        "unused_documents": dg.MetadataValue.int(told.unused_documents),
        "duplicates_dropped": dg.MetadataValue.int(told.duplicates_dropped),
    }


def profile_story(profile: DatasetProfile, bundle: Bundle) -> Metadata:
    """Show what the agent is told of which packed rows."""
    plain = profile.model_dump(mode="json")
    return {
        "digest": dg.MetadataValue.text(bundle.digest[:SHORT]),
        "tokens_per_byte": dg.MetadataValue.float(rounded(profile.tokens_per_byte)),
        "data_bytes": dg.MetadataValue.int(profile.data_bytes),
        "profile": dg.MetadataValue.json(plain),
    }


def histogram(bins: Sequence[LengthBin]) -> str:
    """Draw how long the documents are, in Markdown; the longest bar has a fixed width."""
    most = max((one.documents for one in bins), default=0)
    lines = [f"| {_up_to(one)} | {one.documents:,} | {_bar(one.documents, most)} |" for one in bins]
    return "\n".join(["| tokens up to | documents | |", "|---:|---:|:---|", *lines])


def _up_to(one: LengthBin) -> str:
    return f"{one.up_to_tokens:,}" if one.up_to_tokens is not None else "more"


def _bar(count: int, most: int) -> str:
    return "█" * max(count > 0, round(BAR_CHARS * count / most)) if most else ""


def readable(rows: Iterable[str]) -> str:
    """Show rows as text in fences that no row can close."""
    return "\n\n".join(fenced(row[:SAMPLE_CHARS] + (" …" if len(row) > SAMPLE_CHARS else "")) for row in rows)


def check_story(bundle: Bundle, folders: Iterable[Path] = ()) -> Mapping[str, dg.MetadataValue]:
    """Say how much a check looked at."""
    told = statistics(bundle)
    files = [read_manifest(folder).get("files") for folder in folders]
    found: Metadata = {
        "documents": dg.MetadataValue.int(told.documents),
        "rows": dg.MetadataValue.int(sum(told.rows.values())),
        "duplicates_dropped": dg.MetadataValue.int(told.duplicates_dropped),
    }
    if files:
        found["files"] = dg.MetadataValue.int(sum(len(one) for one in files if isinstance(one, dict)))
    return found
