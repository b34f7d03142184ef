"""Tables, links and blocks of text on the pages of assets and runs."""

import re
from collections.abc import Iterable, Sequence

import dagster as dg

from autoresearch_dagster.containers.escape import readable


def table(columns: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> dg.MetadataValue:
    """Show rows as a table."""
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(name) for name in columns]))


def partition_link(key: str) -> str:
    """Write a key as a link, in Markdown, to what its partition shows; keys need no escaping."""
    return f"[{key}](/assets/experiment?view=partitions&partition={key})"


def fenced(text: str, language: str = "text") -> str:
    """Show text as it is, in a fence of Markdown that it cannot close."""
    text = readable(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 3)
    return f"{fence}{language}\n{text}\n{fence}"
