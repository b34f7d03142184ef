"""The command line: `autoresearch demo`, `run`, `evaluate`, and what a person looks at afterwards."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from autoresearch_dagster import __version__
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import AutoresearchError, UserError
from autoresearch_dagster.core.presets import preset as preset_of
from autoresearch_dagster.core.settings import load_settings

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="autoresearch",
    version=__version__,
    help="An agent does machine-learning research; Dagster runs it; a trusted evaluator decides what is real.",
    result_action="return_value",
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Print JSON for programs.")]


def _print_json(value: Any) -> None:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    elif isinstance(value, list):
        value = [item.model_dump(mode="json") if isinstance(item, BaseModel) else item for item in value]
    print(json.dumps(value, indent=2, ensure_ascii=False))


def _say(line: str) -> None:
    err.print(line, markup=False, soft_wrap=True)


@app.command
def demo(*, memory_key: str = "demo") -> int:
    """Run one small research session: 6 experiments in 2 batches, no key, no GPU, a few minutes."""
    return _research(
        memory_key=memory_key,
        n_experiments=limits.DEFAULT_N_EXPERIMENTS,
        batch_size=limits.DEFAULT_BATCH_SIZE,
        preset="demo",
        time_budget_sec=preset_of("demo").config.time_budget_sec,
    )


@app.command
def run(
    *,
    n_experiments: int = limits.DEFAULT_N_EXPERIMENTS,
    batch_size: int = limits.DEFAULT_BATCH_SIZE,
    num_shards: int = limits.DEFAULT_NUM_SHARDS,
    source: str = "sample",
    memory_key: str = "parallelized-autoresearch",
    max_turns: int = limits.DEFAULT_MAX_TURNS,
    time_budget_sec: int | None = None,
    concurrency: int = limits.DEFAULT_CONCURRENCY,
    researcher: str = "scripted",
    preset: str = "workshop",
) -> int:
    """Do research until the experiments are used up; the same memory key goes on where it stopped.

    Parameters
    ----------
    n_experiments: Experiments of this launch.
    batch_size: Experiments planned at a time.
    num_shards: Training shards of the bundle.
    source: The corpus: `sample`.
    memory_key: Name of the research; a known one is resumed.
    max_turns: Replies of the researcher at most.
    time_budget_sec: Resource time of one training, in seconds; the preset's, if none is given.
    concurrency: Experiments at a time, at most one for each core.
    researcher: Who plans; `scripted` needs no key.
    preset: `demo`, `workshop` or `gpu`.
    """
    wanted = dict(locals())
    wanted["time_budget_sec"] = time_budget_sec or preset_of(preset).config.time_budget_sec
    return _research(**wanted)


def _research(**wanted: Any) -> int:
    from autoresearch_dagster.defs.watch import research_in_terminal
    from autoresearch_dagster.store.events import SessionConfig

    return DONE if research_in_terminal(SessionConfig(**wanted), load_settings(), out) else FAILED


@app.command
def status(*, json: Json = False) -> int:
    """Show every session: its state, how far it is, its best score."""
    from autoresearch_dagster.experiments.overview import overview

    sessions = overview(load_settings())
    if json:
        _print_json(sessions)
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


@app.command
def leaderboard(memory_key: str = "", *, json: Json = False) -> int:
    """Rank the experiments of a session (the latest one, if none is named); lower val_bpb is better."""
    from autoresearch_dagster.experiments.overview import session_of
    from autoresearch_dagster.reports.tables import leaderboard_table
    from autoresearch_dagster.store.leaderboard import leaderboard as ranked

    state = session_of(load_settings(), memory_key)
    if state is None:
        if json:
            _print_json([])
        else:
            out.print("No session yet; `autoresearch demo` runs one in a few minutes.")
        return DONE
    rows = ranked(state)
    if json:
        _print_json(rows)
    else:
        out.print(leaderboard_table(rows, f"{state.config.memory_key} ({state.id})"))
    return DONE


@app.command
def evaluate(
    train_py: Path,
    *,
    preset: str = "workshop",
    source: str = "sample",
    seed: int = 0,
    rows: Literal["selection", "upstream"] = "selection",
    json: Json = False,
) -> int:
    """Train one train.py and let the trusted evaluator score it, outside any session.

    Parameters
    ----------
    train_py: The file; it defines `run_training(config)`.
    preset: `demo`, `workshop` or `gpu`.
    source: The corpus: `sample`.
    seed: Seed of weights and data order.
    rows: `upstream`: the tutorial's own 32 validation rows.
    json: Print JSON for programs.
    """
    from autoresearch_dagster.experiments.evaluate_file import evaluate_file
    from autoresearch_dagster.reports.single import as_json, show_progress, tell

    result = evaluate_file(
        train_py,
        load_settings(),
        preset_name=preset,
        source=source,
        seed=seed,
        rowset=rows,
        report=_say,
        on_progress=show_progress(err),
        on_stage=_say,
    )
    if json:
        _print_json(as_json(result))
    else:
        tell(result, out, err)
    return DONE if result.accepted else FAILED


@app.command
def dev(*, host: str = "127.0.0.1", dagster_port: int = 3000, mlflow_port: int = 5000) -> int:
    """Start Dagster and MLflow together and print both addresses."""
    from autoresearch_dagster.core.dagster_home import use_dagster_home
    from autoresearch_dagster.experiments.serve import serve

    settings = load_settings()
    use_dagster_home(settings)
    serve(settings, host, dagster_port, mlflow_port, out.print)
    return DONE


@app.command
def doctor(*, json: Json = False) -> int:
    """Look at Docker, GPU, key, disk, cores and versions, and say what to do about what is missing."""
    from autoresearch_dagster.experiments.doctor import examine

    findings = examine(load_settings())
    if json:
        _print_json(findings)
    else:
        for finding in findings:
            mark = "ok " if finding.ok else ("!! " if finding.needed else "-- ")
            advice = "" if finding.ok else f"  {finding.advice}"
            out.print(f"{mark} {finding.what:15} {finding.found}{advice}", markup=False, soft_wrap=True)
    return FAILED if any(finding.needed and not finding.ok for finding in findings) else DONE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; errors reach a person as one sentence."""
    try:
        code = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as fault:
        _say(f"{fault} See `autoresearch --help`.")
        code = WRONG_USE
    except ValidationError as fault:
        first = fault.errors()[0]
        _say(f"{'.'.join(map(str, first['loc']))}: {first['msg']}. See `autoresearch --help`.")
        code = WRONG_USE
    except UserError as fault:
        _say(str(fault))
        code = WRONG_USE
    except AutoresearchError as fault:
        _say(str(fault))
        code = FAILED
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code if isinstance(code, int) else DONE)


if __name__ == "__main__":
    main()
