"""Reads the texts of parquet shards in small pieces, whatever the size of a row group or a document."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data.cutting import Bytes, Places
from autoresearch_dagster.data.faults import shard_unreadable, shown

COLUMN = "text"
_READ_AHEAD_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Texts:
    """Some documents of one row group, one after the other in UTF-8.

    Shapes: data uint8 [bytes]; edges int64 [documents + 1], where each begins and the last one ends.
    """

    group: int
    data: Bytes
    edges: Places
    nulls: int
    """Rows without a text that stood among them and are left out."""


def documents_in(shard: Path) -> int:
    """Count the rows of a shard, which is quick: the count stands in the file's footer.

    Raises:
        BundleError: the file is not a parquet shard with a text column that holds documents.
    """
    with _open(shard) as file:
        return file.metadata.num_rows


def read_texts(shard: Path) -> Iterator[Texts]:
    """Yield the documents of a shard, a few at a time, never of two row groups together.

    Raises:
        BundleError: the file is damaged, or has no text column; the message names file and row group.
    """
    with _open(shard) as file:
        for group in range(file.num_row_groups):
            try:
                batches = file.iter_batches(
                    limits.READ_DOCUMENTS, row_groups=[group], columns=[COLUMN], use_threads=False
                )
                for batch in batches:
                    yield _texts(batch.column(0), group)
            except (pa.ArrowException, OSError) as fault:
                raise shard_unreadable(shard, fault, f" in row group {group}") from fault


def read_strings(shards: Iterable[Path]) -> Iterator[str]:
    """Yield the documents of some shards as strings, one at a time.

    Raises:
        BundleError: as of `read_texts`, and where a text is not UTF-8.
    """
    for shard in shards:
        for texts in read_texts(shard):
            yield from strings(texts, shard)


def strings(texts: Texts, shard: Path, characters: int | None = None) -> Iterator[str]:
    """Decode documents, each up to a number of characters.

    Raises:
        BundleError: a text is not UTF-8.
    """
    data = texts.data.data
    edges = texts.edges.tolist()
    for start, stop in pairwise(edges):
        if characters is None or stop - start <= 4 * characters:
            part, errors = data[start:stop], "strict"
        else:
            part, errors = data[start : start + 4 * characters], "ignore"  # its end may halve a character
        try:
            yield str(part, "utf-8", errors)[:characters]
        except UnicodeDecodeError as fault:
            raise not_utf8(shard, texts.group, fault) from fault


def not_utf8(shard: Path, group: int, fault: UnicodeDecodeError) -> BundleError:
    """Say that a text is not UTF-8."""
    return BundleError(
        f"A text in row group {group} of {shown(shard)} is not UTF-8 ({fault.reason}); repair that shard: "
        "a replaced character would be trained on and scored."
    )


def _open(shard: Path) -> pq.ParquetFile:
    """Open a shard; without `pre_buffer=False` and a buffer, pyarrow would hold a whole row group."""
    try:
        if shard.stat().st_size == 0:
            raise BundleError(f"The shard {shown(shard)} is empty; replace it or take it out of the folder.")
        file = pq.ParquetFile(
            shard, pre_buffer=False, buffer_size=_READ_AHEAD_BYTES, page_checksum_verification=True
        )
    except (pa.ArrowException, OSError) as fault:
        raise shard_unreadable(shard, fault) from fault
    try:
        _check_schema(shard, file)
    except BaseException:
        file.close()
        raise
    return file


def _check_schema(shard: Path, file: pq.ParquetFile) -> None:
    schema = file.schema_arrow
    if COLUMN not in schema.names:
        raise BundleError(
            f"The shard {shown(shard)} has no column {COLUMN!r} but {', '.join(map(repr, schema.names))}; rename "
            f"the column that holds the documents to {COLUMN!r}."
        )
    kind = schema.field(COLUMN).type
    if not _is_text(kind):
        raise BundleError(
            f"The column {COLUMN!r} of {shown(shard)} holds {kind}, not text; write the documents as strings."
        )
    if file.metadata.num_rows == 0:
        raise BundleError(f"The shard {shown(shard)} holds no documents; replace it or take it out of the folder.")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _texts(column: pa.Array, group: int) -> Texts:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    nulls = column.null_count
    if nulls:
        column = column.drop_null()
    column = column.cast(pa.large_string())
    if not len(column):
        return Texts(group, np.empty(0, dtype=np.uint8), np.zeros(1, dtype=np.int64), nulls)
    _, offsets, data = column.buffers()
    edges = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    held = np.frombuffer(data, dtype=np.uint8) if data is not None and data.size else np.empty(0, dtype=np.uint8)
    return Texts(group, held[edges[0] : edges[-1]], edges - edges[0], nulls)
