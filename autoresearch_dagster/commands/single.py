"""One train.py outside any session: `evaluate`."""

from pathlib import Path
from typing import Literal

from autoresearch_dagster.commands.console import DONE, FAILED, Json, err, out, print_json, say
from autoresearch_dagster.core.progress import in_lines
from autoresearch_dagster.core.settings import load_settings


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
    source: The corpus: `sample`, `climbmix`, `climbmix@REVISION` or a folder of parquet shards.
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
        report=in_lines(say),
        on_progress=show_progress(err),
        on_stage=say,
    )
    if json:
        print_json(as_json(result))
    else:
        tell(result, out, err)
    return DONE if result.accepted else FAILED
