"""From packed rows to the five splits: who may see which row, and in which order."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data.layout import CANDIDATE_FOLDER, CANDIDATE_SPLITS, TRUSTED_FOLDER, Rows, Split

_ORDER_SALT = "autoresearch rows 1"
"""Fixes every shuffle for ever; numpy promises no stable order between its versions."""


@dataclass(frozen=True, slots=True)
class Splits:
    """All rows of a bundle by split, and where the tutorial's evaluation rows stand in `selection`."""

    rows: dict[Split, Rows]
    upstream_index: npt.NDArray[np.int32]


def split_rows(train: Rows, validation: Rows) -> Splits:
    """Divide both packings.

    The end of the train packing is the development slice; the rest keeps the packing's order.  The first
    rows of the validation packing, which the tutorial evaluates, belong to `selection`; of the others
    selection gets a half, confirmation and decoy a quarter each.

    Raises:
        BundleError: there are too few rows.
    """
    kept = _train_size(len(train.tokens))
    chosen = _validation_indices(len(validation.tokens))
    development = _shuffled(np.arange(kept, len(train.tokens)), "development")
    selection = chosen["selection"]
    places = {int(row): place for place, row in enumerate(selection)}
    return Splits(
        rows={
            "train": Rows(train.tokens[:kept], train.documents[:kept]),
            "development": _at(train, development),
            **{split: _at(validation, index) for split, index in chosen.items()},
        },
        upstream_index=np.array([places[row] for row in range(limits.UPSTREAM_ROWS)], dtype=np.int32),
    )


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
    def place(row: int) -> bytes:
        return hashlib.sha256(f"{_ORDER_SALT} {purpose} {row}".encode()).digest()

    return np.array(sorted((int(row) for row in index), key=place), dtype=np.int64)


def _at(rows: Rows, index: npt.NDArray[np.int64]) -> Rows:
    return Rows(rows.tokens[index], rows.documents[index])


def write_splits(folder: Path, splits: Splits) -> None:
    """Write tokens of candidate splits to the candidate's folder and everything else to the trusted one."""
    trusted, candidate = folder / TRUSTED_FOLDER, folder / CANDIDATE_FOLDER
    trusted.mkdir()
    candidate.mkdir()
    for split, rows in splits.rows.items():
        home = candidate if split in CANDIDATE_SPLITS else trusted
        np.save(home / f"{split}.npy", rows.tokens, allow_pickle=False)
        np.save(trusted / f"{split}_documents.npy", rows.documents, allow_pickle=False)
    np.save(trusted / "upstream_index.npy", splits.upstream_index, allow_pickle=False)
