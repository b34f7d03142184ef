"""Where shards come from: one entry for each kind of source, told apart by name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.data import sample
from autoresearch_dagster.data.climbmix import NAME, open_climbmix
from autoresearch_dagster.data.folders import Fill
from autoresearch_dagster.data.own_corpus import folder_of, open_own_corpus


@dataclass(frozen=True, slots=True)
class Source:
    """Shards that can be had: what they are named by, and how they are put into a folder."""

    inputs: Mapping[str, JsonValue]
    """Identity: the same inputs give the same bytes."""
    fill: Fill
    tidy: Callable[[Path], object] = lambda published: None
    """Called with the finished folder, also where it was there before."""


def open_source(source: str, num_shards: int, root: Path, report: Report) -> Source:
    """Find a source: `sample`, `climbmix`, `climbmix@REVISION`, or the path of a folder of parquet shards.

    Raises:
        UserError: there is no such source, or it has not that many shards.
    """
    if source == "sample":
        return _sample(num_shards, report)
    if source.partition("@")[0] == NAME:
        shards = open_climbmix(source, num_shards, root, report)
        return Source(shards.inputs, shards.fill, shards.tidy)
    if folder_of(source).is_dir():
        corpus = open_own_corpus(source, num_shards, root, report)
        return Source(corpus.inputs, corpus.fill)
    raise UserError(
        f"There is no source {source!r} and no folder {folder_of(source)}; use source='sample', source='climbmix' "
        "or the path of a folder of parquet shards."
    )


def absolute_source(source: str) -> str:
    """Name a source in a way that means the same from every working directory: folders by their whole path."""
    if source == "sample" or source.partition("@")[0] == NAME:
        return source
    folder = folder_of(source)
    return str(folder) if folder.is_dir() else source


def _sample(num_shards: int, report: Report) -> Source:
    if not 1 <= num_shards <= limits.MAX_SAMPLE_SHARDS:
        raise UserError(
            f"num_shards={num_shards} is out of range; the sample corpus has 1 to "
            f"{limits.MAX_SAMPLE_SHARDS} train shards."
        )
    files = sample.source_files()

    def fill(folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        report(f"shards: cutting {len(files)} source files into documents")
        documents = sample.write_sample(folder, num_shards, files)
        return {"source": "sample", "num_shards": num_shards, "documents": documents}

    inputs: dict[str, JsonValue] = {
        "source": "sample",
        "num_shards": num_shards,
        "text": sample.sources_digest(files),
        "pyarrow": version("pyarrow"),
    }
    return Source(inputs, fill)
