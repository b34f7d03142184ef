"""The leaderboard as a terminal table and as Markdown."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.store.leaderboard import Row


def _score(row: Row) -> str:
    return f"{row.val_bpb:.4f}" if row.val_bpb is not None else "–"


def _delta(row: Row) -> str:
    if row.delta_vs_best is None:
        return ""
    return f"{row.delta_vs_best:+.4f}" if row.delta_vs_best else "best"


def _state(row: Row) -> str:
    """One word for what became of it: its standing if it has one, else its outcome."""
    words = [str(row.standing or (row.outcome or "planned"))]
    words += [str(label) for label in row.labels]
    return ", ".join(words)


def leaderboard_table(rows: Sequence[Row], title: str) -> Table:
    """Draw the leaderboard for a terminal."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right")
    table.add_column("title", no_wrap=True, overflow="ellipsis", min_width=12)
    for heading in ("val_bpb", "vs best", "steps", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state")
    table.add_column("key", no_wrap=True)
    for row in rows:
        style = "bold green" if row.delta_vs_best == 0 else ("" if row.outcome is Outcome.TRAINED else "dim")
        cells = (
            str(row.rank),
            row.title,
            _score(row),
            _delta(row),
            str(row.steps or "–"),
            f"{row.duration_sec:.0f}",
            _state(row),
            row.key,
        )
        table.add_row(*(Text(cell) for cell in cells), style=style)
    return table


def leaderboard_markdown(rows: Sequence[Row]) -> str:
    """Write the leaderboard as a Markdown table."""
    lines = [
        "| # | title | val_bpb | vs best | steps | state | parent | key |",
        "|--:|---|--:|--:|--:|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.rank,
            _plain(row.title),
            _score(row),
            _delta(row),
            row.steps or "–",
            _state(row),
            _plain(row.parent_title or ""),
            row.key,
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Agent text in a table cell: no column breaks, no markup."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
