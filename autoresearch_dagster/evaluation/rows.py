"""Which rows are scored, with their identity; how they are sent in batches of one size."""

import json
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import Data, Digest, digest_of
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.layout import Bundle, Rows
from autoresearch_dagster.evaluation.receipt import Rowset

Tokens = npt.NDArray[np.uint16]


def choose_rows(bundle: Bundle, rowset: Rowset, n_rows: int) -> Rows:
    """Return the rows that are scored, the same for every candidate: tokens uint16 [n, T+1].

    Raises:
        EvaluationFault: the bundle holds fewer rows than asked for.
    """
    if rowset == "upstream":
        return _upstream(bundle)
    found = bundle.rows(rowset)
    if len(found.tokens) < n_rows:
        raise EvaluationFault(
            f"The bundle has {counted(len(found.tokens), f'{rowset} row')} and the preset scores {n_rows}; use a "
            "larger source."
        )
    return Rows(np.asarray(found.tokens[:n_rows]), np.asarray(found.documents[:n_rows]))


def _upstream(bundle: Bundle) -> Rows:
    """The tutorial's own rows with their documents, which are found where `selection` holds them."""
    tokens, selection = bundle.upstream_rows(), bundle.rows("selection")
    places = {row.tobytes(): place for place, row in enumerate(np.asarray(selection.tokens))}
    return Rows(tokens, np.asarray(selection.documents)[[places[row.tobytes()] for row in tokens]])


def rows_digest(rows: Rows) -> Digest:
    """Name rows by their tokens, in order."""
    return digest_of(np.ascontiguousarray(rows.tokens, dtype="<u2").tobytes())


class Vocabulary(Data):
    """The digests of what turns tokens into text and bytes, under the receipt's names."""

    tokenizer: Digest
    token_bytes_seed: Digest
    token_bytes_exact: Digest


def vocabulary_of(bundle: Bundle) -> Vocabulary:
    """Name the tokenizer and the byte tables of a bundle."""
    described = (bundle.tokenizer / name for name in (tokenizer.DESCRIPTION, tokenizer.RANKS))
    return Vocabulary(
        tokenizer=digest_of(b"".join(path.read_bytes() for path in described)),
        token_bytes_seed=digest_of(bundle.token_bytes("seed").tobytes()),
        token_bytes_exact=digest_of(bundle.token_bytes("exact").tobytes()),
    )


def bos_token(bundle: Bundle) -> int:
    """Id of the token that begins every document."""
    meta = json.loads((bundle.candidate_folder / "meta.json").read_text(encoding="utf-8"))
    return int(meta["bos_token_id"])


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one request: `index` says which rows of the evaluation come first; the others only fill it up.

    Shapes: index int [k], k <= B.
    """

    index: npt.NDArray[np.intp]

    def fill(self, rows: Tokens, filler: Tokens) -> Tokens:
        """Return its rows, uint16 [B, T+1]; `filler` are rows that are no secret and no scored row."""
        missing = lim.ANSWER_BATCH_ROWS - len(self.index)
        return np.concatenate([rows[self.index], filler[:missing]]) if missing else rows[self.index]


def in_batches(order: npt.NDArray[np.intp]) -> list[Batch]:
    """Divide rows in a given order into batches."""
    size = lim.ANSWER_BATCH_ROWS
    return [Batch(order[start : start + size]) for start in range(0, len(order), size)]
