"""What the partition of an experiment shows: always the result of record, and apart from it a reproduction."""

from collections.abc import Sequence

import dagster as dg

from autoresearch_dagster.core.experiment import ExperimentResult
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.defs.tables import table as rows_table
from autoresearch_dagster.evaluation.review import Finding
from autoresearch_dagster.store.state import Experiment

DATA_VERSION_TAG = "dagster/data_version"


def experiment_event(experiment: Experiment, findings: Sequence[Finding] = ()) -> dg.AssetMaterialization:
    """Fill the partition of a finished experiment; `findings` of its review are shown and change nothing."""
    return dg.AssetMaterialization(
        asset_key="experiment",
        partition=experiment.planned.key,
        description=headline(experiment),
        metadata=record_metadata(experiment, findings),
        tags={DATA_VERSION_TAG: data_version(experiment)},
    )


def data_version(experiment: Experiment) -> str:
    """Name the result of record: a reproduction does not change it, so nothing below becomes stale."""
    result = experiment.result
    return str(result.receipt or experiment.planned.candidate) if result else str(experiment.planned.candidate)


def headline(experiment: Experiment) -> str:
    """Say in a line what became of an experiment."""
    result, title = experiment.result, experiment.planned.shown_as
    if result is None:
        return f"{title}: no result yet"
    score = f"val_bpb {result.val_bpb:.4f}" if result.val_bpb is not None else "no score"
    return f"{title}: {result.ending}, {score}"


def record_metadata(experiment: Experiment, findings: Sequence[Finding] = ()) -> dict[str, dg.MetadataValue]:
    """Describe the result of record; `val_bpb` is drawn over the partitions."""
    result, planned = experiment.result, experiment.planned
    found: dict[str, dg.MetadataValue] = {
        "title": dg.MetadataValue.text(planned.shown_as),
        "purpose": dg.MetadataValue.text(planned.purpose.value),
    }
    if result is None:
        return found
    if result.val_bpb is not None:
        found["val_bpb"] = dg.MetadataValue.float(result.val_bpb)
    found |= _facts(result)
    if experiment.judgement:
        found["judgement"] = dg.MetadataValue.text(experiment.judgement)
    found["config"] = dg.MetadataValue.json(planned.config.model_dump())
    if planned.parent_title:
        found["parent"] = dg.MetadataValue.text(planned.parent_title)
    if findings:
        rows = [(one.line, one.rule, one.text, one.why) for one in findings]
        found["review"] = rows_table(("line", "about", "text", "why"), rows)
    return found


def _facts(result: ExperimentResult) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text(result.outcome.value),
        "verdict": dg.MetadataValue.text(result.verdict.value),
        "labels": dg.MetadataValue.text(_labels(result)),
        "train_seconds": dg.MetadataValue.float(round(result.duration_sec, 1)),
        "runner": dg.MetadataValue.text(f"{result.runner}: {result.resources}" if result.resources else "none"),
    }
    if result.out_of_memory:
        given = [f"{one.memory_bytes / GIB:.0f} GiB" for one in result.out_of_memory]
        found["out_of_memory"] = dg.MetadataValue.text(f"{len(given)} tries, with {', '.join(given)}")
    if result.standing is not None:
        found["standing"] = dg.MetadataValue.text(result.standing.value)
    if result.receipt is not None:
        found["receipt"] = dg.MetadataValue.text(str(result.receipt))
    if result.error:
        found["error"] = dg.MetadataValue.text(result.error)
    return found


def _labels(result: ExperimentResult) -> str:
    return ", ".join(label.value for label in result.labels) or "none"


def reproduction_metadata(recorded: ExperimentResult, again: ExperimentResult) -> dict[str, dg.MetadataValue]:
    """Set a reproduction beside the record, under names of its own."""
    rows = [
        ("outcome", recorded.outcome.value, again.outcome.value, ""),
        ("val_bpb", _bpb(recorded.val_bpb), _bpb(again.val_bpb), _difference(recorded.val_bpb, again.val_bpb)),
        ("labels", _labels(recorded), _labels(again), ""),
        ("training", f"{recorded.duration_sec:.1f} s", f"{again.duration_sec:.1f} s", ""),
        ("runner", recorded.runner, again.runner, ""),
        ("receipt", _short(recorded), _short(again), ""),
    ]
    head = "|  | of record | reproduced | difference |\n|---|---|---|---|\n"
    table = head + "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
    said = "For information: the score of record stays as it is."
    found: dict[str, dg.MetadataValue] = {"reproduction": dg.MetadataValue.md(f"{table}\n\n{said}")}
    if again.val_bpb is not None:
        found["reproduction_val_bpb"] = dg.MetadataValue.float(again.val_bpb)
        if recorded.val_bpb is not None:
            found["reproduction_difference"] = dg.MetadataValue.float(again.val_bpb - recorded.val_bpb)
    if again.receipt is not None:
        found["reproduction_receipt"] = dg.MetadataValue.text(str(again.receipt))
    if again.error:
        found["reproduction_error"] = dg.MetadataValue.text(again.error)
    return found


def _bpb(value: float | None) -> str:
    return f"{value:.6f}" if value is not None else "none"


def _difference(recorded: float | None, again: float | None) -> str:
    return f"{again - recorded:+.6f}" if recorded is not None and again is not None else ""


def _short(result: ExperimentResult) -> str:
    return f"`{result.receipt[:12]}`" if result.receipt else "none"
