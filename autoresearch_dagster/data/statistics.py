"""A bundle in numbers, for people: recorded when the rows are packed, read without opening them."""

from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.layout import Bundle, Split

_LARGEST_POWER: Final = 20  # lengths above 2**20 tokens share one bin
_BINS: Final = _LARGEST_POWER + 2


class LengthBin(Data):
    """How many documents have at most so many tokens, and more than the bin before; None: all longer ones."""

    up_to_tokens: int | None
    documents: int


class BundleStatistics(Data):
    """What a corpus holds and what became of it.

    Units: lengths in the histogram are tokens with BOS, as packed; `text_tokens` has no BOS.
    """

    documents: int
    """Of the validation shard and of the train shards, without dropped ones."""
    text_bytes: int
    text_tokens: int
    tokens_per_byte: float
    length_histogram: tuple[LengthBin, ...]
    """Powers of two, from the shortest document's bin to the longest one's."""
    rows: dict[Split, int]
    cropped_tokens: int
    """Ends of documents that did not fit into their row."""
    unused_documents: int
    """Still in the packer's buffer when the epoch ended."""
    duplicates_dropped: int
    """Train documents whose exact text is in the validation shard."""
    nulls_skipped: int
    """Rows of the shards that had no text."""


class Tally:
    """Counts documents while they are packed."""

    def __init__(self) -> None:
        self._bins: npt.NDArray[np.int64] = np.zeros(_BINS, dtype=np.int64)
        self.documents = 0
        self.text_bytes = 0
        self.text_tokens = 0
        self.duplicates = 0
        self.used = 0
        self.cropped = 0

    def add(self, counts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> None:
        """Count documents: int64 [documents], tokens with BOS and bytes."""
        self.documents += len(counts)
        self.text_tokens += int(counts.sum()) - len(counts)
        self.text_bytes += int(sizes.sum())
        edges = 2 ** np.arange(_LARGEST_POWER + 1)
        self._bins += np.bincount(np.searchsorted(edges, counts), minlength=_BINS)

    def statistics(self, rows: dict[Split, int], nulls: int) -> BundleStatistics:
        """Return what was counted."""
        return BundleStatistics(
            documents=self.documents,
            text_bytes=self.text_bytes,
            text_tokens=self.text_tokens,
            tokens_per_byte=self.text_tokens / max(1, self.text_bytes),
            length_histogram=self._histogram(),
            rows=rows,
            cropped_tokens=self.cropped,
            unused_documents=self.documents - self.used,
            duplicates_dropped=self.duplicates,
            nulls_skipped=nulls,
        )

    def _histogram(self) -> tuple[LengthBin, ...]:
        present = np.flatnonzero(self._bins)
        if not len(present):
            return ()
        return tuple(
            LengthBin(up_to_tokens=2**power if power <= _LARGEST_POWER else None, documents=int(self._bins[power]))
            for power in range(int(present[0]), int(present[-1]) + 1)
        )


def statistics(bundle: Bundle) -> BundleStatistics:
    """Read the statistics of a bundle.

    Raises:
        BundleError: the bundle records none, or is damaged.
    """
    try:
        return BundleStatistics.model_validate(bundle.manifest.get("statistics"))
    except ValidationError as fault:
        raise BundleError(f"The bundle {bundle.packed} has no statistics; delete it and build it again.") from fault


def sample_rows(bundle: Bundle, count: int) -> list[str]:
    """Decode some train rows, evenly spread, as a person can read them; never validation rows."""
    encoding = tokenizer.load(bundle.tokenizer)
    rows = bundle.rows("train").tokens
    chosen = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)
    return [encoding.decode(rows[place].tolist()) for place in chosen]
