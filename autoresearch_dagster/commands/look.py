"""Look at what research has found: `status`, `leaderboard` and `history`."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.table import Table

from autoresearch_dagster.commands.console import DONE, Json, out, print_json, tell
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.settings import load_settings

if TYPE_CHECKING:
    from autoresearch_dagster.experiments.history import History
    from autoresearch_dagster.store.events import Recorded

MemoryKey = Annotated[str, Parameter(help="Memory key or id of a session; the latest one, if none is named.")]
NO_SESSION = "No session yet; `autoresearch demo` runs one in a few minutes."


def status(*, json: Json = False) -> int:
    """Show every session: its state, how far it is, its best score.

    Args:
        json: Print JSON for programs.

    Example:
        autoresearch status
    """
    from autoresearch_dagster.experiments.overview import overview
    from autoresearch_dagster.reports.tables import NARROW_CHARS, print_table, width_of
    from autoresearch_dagster.reports.text import cell

    sessions = overview(load_settings())
    if json:
        print_json(sessions)
        return DONE
    if not sessions:
        out.print(NO_SESSION)
        return DONE
    wide = width_of(out) >= NARROW_CHARS
    table = Table(box=None, padding=(0, 2 if wide else 1, 0, 0))
    for heading in ("session", "memory key", "state", "experiments" if wide else "done", "best val_bpb"):
        table.add_column(heading if wide else heading.removesuffix(" val_bpb"), overflow="fold")
    if wide:
        table.add_column("waits for, or ended by")
    for row in sessions:
        cells = (row.session, row.memory_key, row.status, f"{row.finished}/{row.planned}", bpb(row.best_val_bpb))
        table.add_row(*map(cell, (*cells, row.waits_for) if wide else cells))
    print_table(out, table)
    return DONE


def leaderboard(memory_key: MemoryKey = "", *, json: Json = False) -> int:
    """Rank the experiments of a session; lower val_bpb is better.

    Args:
        memory_key: The session.
        json: Print JSON for programs.

    Example:
        autoresearch leaderboard
        autoresearch leaderboard my-research --json
    """
    from autoresearch_dagster.experiments.overview import ranking_of
    from autoresearch_dagster.reports.foretold import calibration_table
    from autoresearch_dagster.reports.tables import leaderboard_table, print_table, width_of

    found = ranking_of(load_settings(), memory_key)
    if found is None:
        if json:
            print_json(None)
        else:
            out.print(NO_SESSION)
        return DONE
    if json:
        print_json(found)
        return DONE
    title = f"{found.session.memory_key} ({found.session.session})"
    print_table(out, leaderboard_table(found.rows, title, width_of(out), found.session.floor))
    if found.session.floor is not None:
        out.print(f"\nNoise floor: {found.session.floor.reason}")
    if found.calibration:
        out.print()
        print_table(out, calibration_table(found.calibration))
    return DONE


def history(memory_key: MemoryKey = "", *, turn: int | None = None, audit: bool = False, json: Json = False) -> int:
    """Tell what happened in a session: plans, edits, launches, results, who did what when.

    Args:
        memory_key: The session.
        turn: Show this turn of the researcher whole: its reply, every call with its answer, every diff.
        audit: Show only what was changed: who, what, when, why, and its digest before and after.
        json: Print the events as JSON for programs.

    Example:
        autoresearch history
        autoresearch history my-research --turn 3
        autoresearch history my-research --audit
    """
    from autoresearch_dagster.experiments.history import open_history
    from autoresearch_dagster.reports.history import Teller

    found = open_history(load_settings(), memory_key)
    if found is None:
        if json:
            print_json([])
        else:
            out.print(NO_SESSION)
        return DONE
    events = found.turn(turn) if turn is not None else found.events
    if audit:
        return _audit(found, events, json=json)
    if json:
        print_json(events)
        return DONE
    for line in Teller(found.baseline, found.code).tell(found.events, turn):
        out.print(line, soft_wrap=True)
    return DONE


def _audit(found: "History", events: "list[Recorded]", *, json: bool) -> int:
    from autoresearch_dagster.reports.audit import audit_lines, audit_trail

    trail = list(audit_trail(events, found.baseline.encode()))
    if json:
        print_json(trail)
        return DONE
    for line in audit_lines(trail):
        tell(line)
    return DONE
