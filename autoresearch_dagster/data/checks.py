"""Checks of a finished bundle, each an answer and one sentence for a person."""

from itertools import combinations
from pathlib import Path

import numpy as np

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data import shards, tokenizer
from autoresearch_dagster.data.folders import file_digests, read_manifest
from autoresearch_dagster.data.layout import CANDIDATE_SPLITS, TRUSTED_SPLITS, Bundle

_PROBES = (
    "Hello, world: 123 4567.",
    "Grüße, 你好, Привет, 🙂",
    "<|reserved_0|> is only text here",
    "\t\r\n  x",
)
_ROUND_TRIP_DOCUMENTS = 200


def check_round_trip(bundle: Bundle) -> tuple[bool, str]:
    """Whether decoding an encoded text gives the same text, on real documents and on awkward ones."""
    encoding = tokenizer.load(bundle.tokenizer)
    first = next(shards.row_groups([shards.validation_shard(bundle.shards)]))
    texts = [*_PROBES, *first[:_ROUND_TRIP_DOCUMENTS]]
    for text in texts:
        if encoding.decode(encoding.encode_ordinary(text)) != text:
            return False, f"The tokenizer does not give back {text[:60]!r}."
    return True, f"{len(texts)} texts come back unchanged."


def check_digests(bundle: Bundle) -> tuple[bool, str]:
    """Whether every file is still the one that was built."""
    folders = (bundle.shards, bundle.tokenizer, bundle.packed)
    faults = [fault for folder in folders for fault in _changed(folder)]
    if faults:
        return False, f"{', '.join(faults)}: changed or missing; delete the folder and build it again."
    return True, f"All files match their digests; packed rows {bundle.digest[:16]}."


def _changed(folder: Path) -> list[str]:
    try:
        written = read_manifest(folder)["files"]
    except BundleError:
        return [str(folder / "manifest.json")]
    found = file_digests(folder)
    expected = written if isinstance(written, dict) else {}
    return [str(folder / name) for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]


def check_disjoint(bundle: Bundle) -> tuple[bool, str]:
    """Whether no document stands in two splits."""
    owners = {
        split: set(np.unique(bundle.rows(split).documents).tolist())
        for split in (*CANDIDATE_SPLITS, *TRUSTED_SPLITS)
    }
    for one, other in combinations(owners, 2):
        if shared := owners[one] & owners[other]:
            return False, f"{len(shared)} documents stand in both {one} and {other}."
    return True, f"{sum(map(len, owners.values()))} documents, each in one split."
