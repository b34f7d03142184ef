"""One train.py through training and the trusted evaluator, outside any session."""

from collections.abc import Callable
from pathlib import Path

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import ExperimentResult, PlannedExperiment
from autoresearch_dagster.core.limits import TRAIN_PY_BYTES
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.receipt import Rowset
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.experiments.outside import outside_key, run_outside
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.training.job import OnProgress


def read_candidate(path: Path) -> bytes:
    """Read a train.py that a person names.

    Raises:
        UserError: it is not a readable file of a sensible size.
    """
    try:
        data = path.read_bytes()
    except OSError as fault:
        raise UserError(f"{path} cannot be read ({fault.strerror}); name a train.py file.") from fault
    if len(data) > TRAIN_PY_BYTES:
        raise UserError(f"{path} has {len(data)} bytes and a train.py may have {TRAIN_PY_BYTES}.")
    return data


def evaluate_file(
    path: Path,
    settings: Settings,
    *,
    preset_name: str,
    source: str,
    seed: int,
    rowset: Rowset,
    report: Report,
    on_progress: OnProgress,
    on_stage: Callable[[str], None],
) -> ExperimentResult:
    """Train one file with the preset's config and score it.

    Raises:
        UserError: the file cannot be read, or the preset does not exist.
    """
    code = read_candidate(path)
    lab = open_laboratory(settings, preset_name=preset_name, source=source, num_shards=1, report=report)
    report(lab.runner_note)
    return _run(code, path.stem, lab, seed, rowset, on_progress, on_stage)


def _run(
    code: bytes,
    title: str,
    lab: Laboratory,
    seed: int,
    rowset: Rowset,
    on_progress: OnProgress,
    on_stage: Callable[[str], None],
) -> ExperimentResult:
    planned = PlannedExperiment(
        key=outside_key(),
        title=title,
        revision=1,
        train_py=lab.store.blobs.put(code),
        config=lab.preset.config.model_copy(update={"seed": seed}),
    )
    return run_outside(planned, lab, Attempt(number=1, rowset=rowset), on_progress, on_stage)
