"""The three folders of a bundle and how to read them.  Written by the builders, read by everybody else."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core.errors import BundleError

Split = Literal["train", "development", "selection", "confirmation", "decoy"]
CANDIDATE_SPLITS: tuple[Split, ...] = ("train", "development")
TRUSTED_SPLITS: tuple[Split, ...] = ("selection", "confirmation", "decoy")
CANDIDATE_FOLDER = "candidate"
TRUSTED_FOLDER = "trusted"
"""`packed_rows/candidate` is all that a candidate ever sees; `packed_rows/trusted` is the evaluator's."""
DOCUMENT_HASHES = "document_hashes.npy"
"""In the trusted folder: 8 bytes of the SHA-256 of every document, by its number; uint64 [documents]."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed rows with the document of every target.

    Shapes: tokens uint16 [n, T+1]; documents int32 [n, T], where documents[i, t] owns tokens[i, t+1].
    """

    tokens: npt.NDArray[np.uint16]
    documents: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Bundle:
    """A finished bundle: shards, tokenizer and packed rows, each a content-addressed folder."""

    shards: Path
    tokenizer: Path
    packed: Path

    @cached_property
    def manifest(self) -> dict[str, object]:
        """What `packed_rows` was made from and holds: digests, counts, T, vocabulary, source."""
        path = self.packed / "manifest.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as fault:
            raise BundleError(
                f"The bundle {self.packed} is not readable ({fault}); delete that folder and build it again."
            ) from fault

    @property
    def digest(self) -> str:
        """Identity of the packed rows, 64 hexadecimal characters."""
        return str(self.manifest["digest"])

    @property
    def sequence_length(self) -> int:
        """T: targets in a row."""
        return int(str(self.manifest["sequence_length"]))

    @property
    def vocab_size(self) -> int:
        """Tokens in the vocabulary, special ones included."""
        return int(str(self.manifest["vocab_size"]))

    @property
    def candidate_folder(self) -> Path:
        """The only folder that is mounted into a trainer container."""
        return self.packed / CANDIDATE_FOLDER

    def rows(self, split: Split) -> Rows:
        """Open one split, memory-mapped and read-only."""
        folder = self.packed / (CANDIDATE_FOLDER if split in CANDIDATE_SPLITS else TRUSTED_FOLDER)
        documents = self.packed / TRUSTED_FOLDER
        return Rows(
            tokens=np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False),
            documents=np.load(documents / f"{split}_documents.npy", mmap_mode="r", allow_pickle=False),
        )

    def upstream_rows(self) -> npt.NDArray[np.uint16]:
        """Return the rows of the tutorial's own evaluation, in its order: uint16 [32, T+1]."""
        index = np.load(self.packed / TRUSTED_FOLDER / "upstream_index.npy", allow_pickle=False)
        return np.asarray(self.rows("selection").tokens[index])

    def token_bytes(self, table: Literal["seed", "exact"]) -> npt.NDArray[np.int32]:
        """Bytes of each token, int32 [vocab]: the tutorial's table, or the true lengths; special tokens 0."""
        return np.load(self.tokenizer / f"token_bytes_{table}.npy", allow_pickle=False)
