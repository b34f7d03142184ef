"""Checks of a finished bundle, each an answer and one sentence for a person."""

from collections.abc import Callable
from itertools import combinations, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import counted, silent
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.arrays import open_array
from autoresearch_dagster.data.digests import FileDigests, file_digest
from autoresearch_dagster.data.folders import file_digests, read_manifest
from autoresearch_dagster.data.layout import (
    CANDIDATE_SPLITS,
    DOCUMENT_HASHES,
    TRUSTED_FOLDER,
    TRUSTED_SPLITS,
    Bundle,
    Split,
)
from autoresearch_dagster.data.reading import read_strings
from autoresearch_dagster.data.shards import validation_shard

_PROBES = (
    "Hello, world: 123 4567.",
    "Grüße, 你好, Привет, 🙂",
    "<|reserved_0|> is only text here",
    "\t\r\n  x",
)
_ROUND_TRIP_DOCUMENTS = 200
_BLOCK_ROWS = 16_384


def check_round_trip(bundle: Bundle) -> tuple[bool, str]:
    """Whether decoding an encoded text gives the same text, on real documents and on awkward ones."""
    encoding = tokenizer.load(bundle.tokenizer)
    found = read_strings([validation_shard(bundle.shards)])
    texts = [*_PROBES, *islice(found, _ROUND_TRIP_DOCUMENTS)]
    for text in texts:
        if encoding.decode(encoding.encode_ordinary(text)) != text:
            return False, f"The tokenizer does not give back {text[:60]!r}."
    return True, f"Unchanged after encoding and decoding: {counted(len(texts), 'text')}."


def check_digests(bundle: Bundle) -> tuple[bool, str]:
    """Whether every file is still the one that was built; a linked shard is hashed only if it was touched."""
    linked = FileDigests(bundle.shards.parents[1], silent)

    def digest(path: Path) -> Digest:
        return linked.peek(path) if path.is_symlink() else file_digest(path)

    folders = (bundle.shards, bundle.tokenizer, bundle.packed)
    faults = [fault for folder in folders for fault in _changed(folder, digest)]
    if faults:
        return False, f"{', '.join(faults)}: changed or missing; delete the folder and build it again."
    return True, f"All files match their digests; packed rows {bundle.digest[:16]}."


def _changed(folder: Path, digest: Callable[[Path], Digest]) -> list[str]:
    try:
        written = read_manifest(folder)["files"]
    except BundleError:
        return [str(folder / "manifest.json")]
    found = file_digests(folder, digest)
    expected = written if isinstance(written, dict) else {}
    return [str(folder / name) for name in sorted({*found, *expected}) if found.get(name) != expected.get(name)]


def check_disjoint(bundle: Bundle) -> tuple[bool, str]:
    """Whether no document stands in two splits."""
    owners = {split: _documents(bundle, split) for split in (*CANDIDATE_SPLITS, *TRUSTED_SPLITS)}
    for one, other in combinations(owners, 2):
        if shared := len(np.intersect1d(owners[one], owners[other], assume_unique=True)):
            return False, f"Both {one} and {other} have {counted(shared, 'document')}."
    return True, f"{counted(sum(map(len, owners.values())), 'document')}, each in one split."


def _documents(bundle: Bundle, split: Split) -> npt.NDArray[np.int32]:
    """Return the numbers of all documents of a split, ascending; block by block, as rows take much more room."""
    rows = bundle.rows(split).documents
    found = [np.unique(rows[start : start + _BLOCK_ROWS]) for start in range(0, len(rows), _BLOCK_ROWS)]
    return np.unique(np.concatenate(found)) if found else np.empty(0, dtype=np.int32)


def check_no_duplicates(bundle: Bundle) -> tuple[bool, str]:
    """Whether no train document has exactly the text of a validation document."""
    path = bundle.packed / TRUSTED_FOLDER / DOCUMENT_HASHES
    if not path.is_file():
        return False, f"{path} is missing; delete {bundle.packed} and build the bundle again."
    hashes = open_array(path)
    train, validation = (
        np.unique(hashes[np.concatenate([_documents(bundle, split) for split in splits])])
        for splits in (CANDIDATE_SPLITS, TRUSTED_SPLITS)
    )
    if shared := len(np.intersect1d(train, validation, assume_unique=True)):
        return False, f"Both train and validation rows have {counted(shared, 'text')}; build the bundle again."
    texts = counted(len(train), "text")
    return True, f"{texts} of train rows, none of them among {len(validation):,} of validation rows."
