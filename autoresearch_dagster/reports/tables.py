"""The leaderboard as a terminal table and as Markdown."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from autoresearch_dagster.core.experiment import ExperimentKey, Outcome, Standing, Verdict
from autoresearch_dagster.core.figures import bpb, change
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.reports.markdown import plain
from autoresearch_dagster.reports.text import cell
from autoresearch_dagster.store.leaderboard import BASELINE, Row


def score_text(row: Row) -> str:
    """Write the score of record; – where there is none."""
    return bpb(row.val_bpb)


def delta_text(row: Row) -> str:
    """Write how far it is behind the lowest score."""
    if row.delta_vs_best is None:
        return ""
    return change(row.delta_vs_best) if row.delta_vs_best else "best"


def gain_text(row: Row) -> str:
    """Write what it is better than the champion that it was compared with."""
    return change(row.gain_bpb, "")


def standing_word(row: Row) -> str:
    """Name what became of it: its standing if it has one, `rejected`, or else its outcome."""
    ended = row.verdict if row.verdict is Verdict.REJECTED else row.outcome
    return str(row.standing or ended or "planned")


def state_text(row: Row) -> str:
    """Write what became of it, and its labels."""
    words = [standing_word(row)]
    words += [str(label) for label in row.labels]
    return ", ".join(words)


STATE_CHARS = 9  # `screened,` is not broken
TITLE_CHARS = 8  # of a title at least
OTHER_CHARS = 21  # that rank, score and state take on a narrow terminal
NARROW_CHARS = 80  # columns of a terminal below which a table keeps what matters most
FILE_CHARS = 240  # columns of what is no terminal: a file or a pipe, where nothing need be cut


def width_of(console: Console) -> int:
    """How wide a table may be on a console."""
    return console.width if console.is_terminal else max(console.width, FILE_CHARS)


def print_table(console: Console, table: Table) -> None:
    """Print a table as wide as its console lets it be; a file has no width of its own."""
    if not console.is_terminal:
        console = Console(file=console.file, width=width_of(console), highlight=False)
    console.print(table)


def leaderboard_table(
    rows: Sequence[Row], title: str, width: int = FILE_CHARS, floor: NoiseFloor | None = None
) -> Table:
    """Draw the leaderboard for a terminal `width` columns wide; the baseline's seeds stand below it, unranked."""
    table = Table(title=Text(title), title_justify="left", box=None, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right")
    wide = width >= NARROW_CHARS
    title_chars = None if wide else max(TITLE_CHARS, width - OTHER_CHARS)
    table.add_column("title", no_wrap=True, overflow="ellipsis", min_width=TITLE_CHARS, max_width=title_chars)
    for heading in ("val_bpb", "vs best", "gain", "steps", "seconds") if wide else ("val_bpb",):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("state", min_width=STATE_CHARS)
    if wide:
        table.add_column("key", no_wrap=True)
    for row in rows:
        style = "bold green" if leads(row, floor) else ("" if row.outcome is Outcome.TRAINED else "dim")
        figures = (
            score_text(row),
            delta_text(row),
            gain_text(row),
            str(row.steps or "–"),
            f"{row.duration_sec:.0f}",
        )
        cells = (row.rank, row.title, *(figures if wide else figures[:1]), state_text(row))
        table.add_row(*map(cell, (*cells, row.key) if wide else cells), style=style)
    for seed, score in enumerate(floor.scores_bpb if floor else ()):
        blanks = ("",) * 4 if wide else ()
        cells = ("–", f"{BASELINE}, seed {seed}", bpb(score), *blanks, "noise floor")
        table.add_row(*map(cell, (*cells, "") if wide else cells), style="dim")
    return table


def leads(row: Row, floor: NoiseFloor | None) -> bool:
    """Whether a row is the champion's; before noise floors were measured, the lowest score's."""
    return row.standing is Standing.CHAMPION if floor is not None else row.delta_vs_best == 0


def leaderboard_markdown(rows: Sequence[Row], link: Callable[[ExperimentKey], str] = str) -> str:
    """Write the leaderboard as a Markdown table; `link` writes the cell of a key."""
    lines = [
        "| # | title | val_bpb | vs best | gain | steps | state | parent | key |",
        "|--:|---|--:|--:|--:|--:|---|---|---|",
    ]
    for row in rows:
        cells = (
            row.rank,
            plain(row.title),
            score_text(row),
            delta_text(row),
            gain_text(row),
            row.steps or "–",
            state_text(row),
            plain(row.parent_title or ""),
            link(row.key),
        )
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)
