"""From packed rows to the five splits: who may see which row, and in which order.

The end of the train packing is the development slice; the rest keeps the packing's order.  The first rows of the
validation packing, which the tutorial evaluates, belong to `selection`; of the others selection gets a half,
confirmation and decoy a quarter each.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data.arrays import ArrayWriter, gather, save_array, shorten
from autoresearch_dagster.data.layout import CANDIDATE_FOLDER, CANDIDATE_SPLITS, TRUSTED_FOLDER, Split
from autoresearch_dagster.data.packing import PackedRow

_ORDER_SALT = "autoresearch rows 1"
"""Fixes every shuffle for ever; numpy promises no stable order between its versions."""
_VALIDATION = "validation"


def make_folders(folder: Path) -> None:
    """Make the candidate's folder and the trusted one."""
    for name in (TRUSTED_FOLDER, CANDIDATE_FOLDER):
        (folder / name).mkdir()


def rows_paths(folder: Path, split: str) -> tuple[Path, Path]:
    """Return where the tokens of a split are and where the documents of its targets are."""
    trusted = folder / TRUSTED_FOLDER
    home = folder / CANDIDATE_FOLDER if split in CANDIDATE_SPLITS else trusted
    return home / f"{split}.npy", trusted / f"{split}_documents.npy"


def write_rows(folder: Path, split: str, rows: Iterable[PackedRow], capacity: int) -> int:
    """Write rows as they come; returns how many."""
    tokens_path, documents_path = rows_paths(folder, split)
    with (
        ArrayWriter(tokens_path, np.uint16, (capacity,)) as tokens,
        ArrayWriter(documents_path, np.int32, (capacity - 1,)) as documents,
    ):
        for row in rows:
            tokens.append(row.tokens[None])
            documents.append(row.documents[None])
        return tokens.count


def write_validation(folder: Path, rows: Iterable[PackedRow], capacity: int) -> dict[Split, int]:
    """Write the rows of the validation shard into its three splits; returns how many each has.

    Raises:
        BundleError: there are too few rows.
    """
    count = write_rows(folder, _VALIDATION, rows, capacity)
    chosen = _validation_indices(count)
    for split, index in chosen.items():
        _gather(folder, _VALIDATION, index, split)
    for path in rows_paths(folder, _VALIDATION):
        path.unlink()
    places = {int(row): place for place, row in enumerate(chosen["selection"]) if row < limits.UPSTREAM_ROWS}
    upstream = np.array([places[row] for row in range(limits.UPSTREAM_ROWS)], dtype=np.int32)
    save_array(folder / TRUSTED_FOLDER / "upstream_index.npy", upstream)
    return {split: len(index) for split, index in chosen.items()}


def write_train(folder: Path, rows: Iterable[PackedRow], capacity: int) -> dict[Split, int]:
    """Write the rows of the train shards into their two splits; returns how many each has.

    Raises:
        BundleError: there are too few rows.
    """
    count = write_rows(folder, "train", rows, capacity)
    kept = _train_size(count)
    _gather(folder, "train", _shuffled(np.arange(kept, count), "development"), "development")
    for path in rows_paths(folder, "train"):
        shorten(path, kept)
    return {"train": kept, "development": count - kept}


def _gather(folder: Path, source: str, index: npt.NDArray[np.int64], split: str) -> None:
    for one, other in zip(rows_paths(folder, source), rows_paths(folder, split), strict=True):
        gather(one, index, other)


def _train_size(rows: int) -> int:
    development = max(limits.DEVELOPMENT_MIN_ROWS, int(rows * limits.DEVELOPMENT_SHARE))
    if rows - development < limits.MIN_TRAIN_ROWS:
        raise BundleError(
            f"The train shards give only {rows} rows, at least {development + limits.MIN_TRAIN_ROWS} are "
            "needed; use more shards or a shorter sequence length."
        )
    return rows - development


def _validation_indices(rows: int) -> dict[Split, npt.NDArray[np.int64]]:
    if rows < limits.MIN_VALIDATION_ROWS:
        raise BundleError(
            f"The validation shard gives only {rows} rows, at least {limits.MIN_VALIDATION_ROWS} are needed; "
            "use a larger corpus or a shorter sequence length."
        )
    others = _shuffled(np.arange(limits.UPSTREAM_ROWS, rows), "validation")
    half, three_quarters = len(others) // 2, len(others) * 3 // 4
    return {
        "selection": _shuffled(np.concatenate([np.arange(limits.UPSTREAM_ROWS), others[:half]]), "selection"),
        "confirmation": _shuffled(others[half:three_quarters], "confirmation"),
        "decoy": _shuffled(others[three_quarters:], "decoy"),
    }


def _shuffled(index: npt.NDArray[np.int64], purpose: str) -> npt.NDArray[np.int64]:
    """Order numbers by the SHA-256 of each; 16 bytes of it, which no two share."""

    def place(row: int) -> bytes:
        return hashlib.sha256(f"{_ORDER_SALT} {purpose} {row}".encode()).digest()[:16]

    places = np.frombuffer(b"".join(place(row) for row in index.tolist()), dtype=">u8").reshape(-1, 2)
    return index[np.lexsort((places[:, 1], places[:, 0]))].astype(np.int64)
