"""A research session as a person watches it in the terminal."""

from rich.console import Console

from autoresearch_dagster.core.progress import Report, in_lines
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.drive import drive
from autoresearch_dagster.experiments.session import pause
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.live import LiveView
from autoresearch_dagster.reports.tables import leaderboard_table
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.leaderboard import best, leaderboard
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store


def research_in_terminal(config: SessionConfig, settings: Settings, out: Console) -> bool:
    """Drive a session to its end and show it; whether there is a score of record.

    Raises:
        AutoresearchError: it could not be driven; the text is one sentence.
        KeyboardInterrupt: the person stopped it; they were told how to go on.
    """
    board = Board()
    out.print(
        f"Research [bold]{config.memory_key}[/bold]: {config.n_experiments} experiments in batches of "
        f"{config.batch_size}, preset {config.preset}, researcher {config.researcher}."
    )
    try:
        with LiveView(board, out):
            state = drive(config, settings, board, _report(out), lambda state: _tell_batch(state, out))
    except KeyboardInterrupt:
        store = open_store(settings)
        found = store.journal.find(config.memory_key)
        if found is not None:
            pause(found.id, store, "stopped from the keyboard")
        out.print(
            f"Paused; nothing is lost. `autoresearch run --memory-key {config.memory_key} "
            f"--preset {config.preset}` goes on.",
            soft_wrap=True,
        )
        raise
    _conclude(state, settings, out)
    return best(state) is not None


def _report(out: Console) -> Report:
    return in_lines(lambda line: out.print(f"  {line}", markup=False, soft_wrap=True, style="dim"))


def _tell_batch(state: SessionState, out: Console) -> None:
    top = best(state)
    if state.status != "finished" and top is not None:
        done = sum(experiment.result is not None for experiment in state.experiments.values())
        out.print(f"Dispatch {state.dispatches}: {done} results, best val_bpb {top.val_bpb:.4f} ({top.title}).")


def _conclude(state: SessionState, settings: Settings, out: Console) -> None:
    out.print()
    out.print(leaderboard_table(leaderboard(state), "Leaderboard (val_bpb: bits per byte, lower is better)"))
    top = best(state)
    out.print()
    if top is not None:
        out.print(
            f"Best candidate: [bold]{top.title}[/bold], val_bpb {top.val_bpb:.4f}, screened on one seed: "
            "differences of a few thousandths are noise.",
            soft_wrap=True,
        )
    else:
        out.print("No candidate has a score of record; the column state says why.")
    report = settings.home.resolve() / "reports" / f"{state.id}.md"
    out.print(f"\nReport   {report}", soft_wrap=True)
    out.print("Look     `autoresearch dev` opens Dagster (runs, partitions) and MLflow (code, curves, lineage)")
    out.print(f"Go on    `autoresearch run --memory-key {state.config.memory_key} --preset {state.config.preset}`")
