"""Look at what research has found: `status` and `leaderboard`."""

from rich.table import Table

from autoresearch_dagster.commands.console import DONE, Json, out, print_json
from autoresearch_dagster.core.settings import load_settings


def status(*, json: Json = False) -> int:
    """Show every session: its state, how far it is, its best score."""
    from autoresearch_dagster.experiments.overview import overview

    sessions = overview(load_settings())
    if json:
        print_json(sessions)
        return DONE
    if not sessions:
        out.print("No session yet; `autoresearch demo` runs one in a few minutes.")
        return DONE
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("session", "memory key", "state", "experiments", "best val_bpb", "waits for, or ended by"):
        table.add_column(heading)
    for row in sessions:
        best = f"{row.best_val_bpb:.4f}" if row.best_val_bpb is not None else "–"
        table.add_row(row.session, row.memory_key, row.status, f"{row.finished}/{row.planned}", best, row.waits_for)
    out.print(table)
    return DONE


def leaderboard(memory_key: str = "", *, json: Json = False) -> int:
    """Rank the experiments of a session (the latest one, if none is named); lower val_bpb is better."""
    from autoresearch_dagster.experiments.overview import ranking_of
    from autoresearch_dagster.reports.tables import leaderboard_table

    found = ranking_of(load_settings(), memory_key)
    if found is None:
        if json:
            print_json([])
        else:
            out.print("No session yet; `autoresearch demo` runs one in a few minutes.")
        return DONE
    if json:
        print_json(list(found.rows))
    else:
        out.print(leaderboard_table(found.rows, f"{found.session.memory_key} ({found.session.session})"))
    return DONE
