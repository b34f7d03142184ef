"""A research session as a person watches it in the terminal."""

import shlex

from rich.console import Console
from rich.text import Text

from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.drive import drive
from autoresearch_dagster.experiments.look_ahead import estimate_launch
from autoresearch_dagster.experiments.session import pause
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.live import LiveView
from autoresearch_dagster.reports.tables import leaderboard_table, print_table, width_of
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.leaderboard import best, leaderboard
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store

NAME_CHARS = 200  # of a title or memory key in a line


def research_in_terminal(config: SessionConfig, settings: Settings, out: Console) -> bool:
    """Drive a session to its end and show it; whether there is a score of record.

    Raises:
        AutoresearchError: it could not be driven; the text is one sentence.
        KeyboardInterrupt: the person stopped it; they were told how to go on.
    """
    board = Board()
    line = f"preset {config.preset}, source {config.source}, researcher {config.researcher}."
    try:
        forecast = estimate_launch(config, settings)
        _say(out, f"Research {config.memory_key}: {line}")
        _say(out, str(forecast))
        with LiveView(board, out) as view:
            state = drive(config, settings, board, view.report, lambda state: _tell_batch(state, out))
    except KeyboardInterrupt:
        store = open_store(settings)
        found = store.journal.find(config.memory_key)
        if found is not None:
            pause(found.id, store, "stopped from the keyboard")
        _say(out, f"Paused; nothing is lost. `{go_on(found.config if found else config)}` goes on.")
        raise
    _conclude(state, settings, out)
    return best(state) is not None


def go_on(config: SessionConfig) -> str:
    """Return the command that goes on with a session: its name, its terms, and what is not the default."""
    given = config.model_dump(mode="json", exclude_none=True)
    usual = {name: field.default for name, field in SessionConfig.model_fields.items()}
    usual["time_budget_sec"] = preset(config.preset).config.time_budget_sec
    unusual = {name: value for name, value in given.items() if value != usual[name]}
    flags = {"memory_key": config.memory_key, "preset": config.preset, **unusual}
    words = [word for name, value in flags.items() for word in ("--" + name.replace("_", "-"), str(value))]
    return shlex.join(["autoresearch", "run", *words])


def _say(out: Console, line: str) -> None:
    """Print a line that may hold what others wrote; a terminal gets it wrapped between words."""
    out.print(Text(line), soft_wrap=not out.is_terminal)


def _tell_batch(state: SessionState, out: Console) -> None:
    top = best(state)
    if state.status != "finished" and top is not None:
        done = sum(experiment.result is not None for experiment in state.experiments.values())
        title = one_line(top.title, NAME_CHARS)
        _say(out, f"Dispatch {state.dispatches}: {done} results, best val_bpb {top.val_bpb:.4f} ({title}).")


def _conclude(state: SessionState, settings: Settings, out: Console) -> None:
    out.print()
    heading = "Leaderboard (val_bpb: bits per byte, lower is better)"
    print_table(out, leaderboard_table(leaderboard(state), heading, width_of(out)))
    top = best(state)
    out.print()
    if top is not None:
        title = one_line(top.title, NAME_CHARS)
        _say(
            out,
            f"Best candidate: {title}, val_bpb {top.val_bpb:.4f}, screened on one seed: "
            "differences of a few thousandths are noise.",
        )
    else:
        _say(out, "No candidate has a score of record; the column state says why.")
    report = settings.home.resolve() / "reports" / f"{state.id}.md"
    _say(out, f"\nReport   {report}")
    _say(out, "Look     `autoresearch dev` opens Dagster (runs, partitions) and MLflow (code, curves, lineage)")
    _say(out, f"History  `{shlex.join(['autoresearch', 'history', state.config.memory_key])}`")
    _say(out, f"Go on    `{go_on(state.config)}`")
