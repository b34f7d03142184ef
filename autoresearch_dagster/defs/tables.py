"""Tables and links on the pages of assets and runs."""

from collections.abc import Iterable, Sequence

import dagster as dg


def table(columns: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> dg.MetadataValue:
    """Show rows as a table."""
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in columns]))


def partition_link(key: str) -> str:
    """Write a key as a link, in Markdown, to what its partition shows; keys need no escaping."""
    return f"[{key}](/assets/experiment?view=partitions&partition={key})"
