"""What the partition of an experiment shows: always the result of record, and apart from it a reproduction."""

import dagster as dg

from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult
from autoresearch_dagster.core.figures import EXACT, bpb, change, exact, rounded
from autoresearch_dagster.core.limits import DIFF_SHOWN_LINES, GIB, MIB
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.data.folders import SHORT
from autoresearch_dagster.defs.tables import table as rows_table
from autoresearch_dagster.defs.versions import provenance
from autoresearch_dagster.experiments.dossier import Dossier, dossier_of
from autoresearch_dagster.reports.live import sparkline
from autoresearch_dagster.reports.markdown import fenced
from autoresearch_dagster.reports.single import difference
from autoresearch_dagster.reports.text import block
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.curves import UNREADABLE
from autoresearch_dagster.store.state import Experiment, SessionState

CURVE_WIDTH = 40  # characters of a curve
BLANK = Dossier()


def partition_event(state: SessionState, key: ExperimentKey, blobs: Blobs) -> dg.AssetMaterialization:
    """Fill the partition of a finished experiment with all that its session knows of it."""
    return experiment_event(state.everything[key], dossier_of(state, key, blobs), state.bundle)


def experiment_event(experiment: Experiment, dossier: Dossier = BLANK, bundle: str = "") -> dg.AssetMaterialization:
    """Fill the partition of a finished experiment that was trained on a bundle."""
    return dg.AssetMaterialization(
        asset_key="experiment",
        partition=experiment.planned.key,
        description=headline(experiment),
        metadata=record_metadata(experiment, dossier, bundle),
        tags=provenance("experiment", data_version(experiment)),
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
    score = f"val_bpb {bpb(result.val_bpb)}" if result.val_bpb is not None else "no score"
    return f"{title}: {result.ending}, {score}"


def record_metadata(
    experiment: Experiment, dossier: Dossier = BLANK, bundle: str = ""
) -> dict[str, dg.MetadataValue]:
    """Describe the result of record; numbers are drawn over the partitions."""
    result, planned = experiment.result, experiment.planned
    found: dict[str, dg.MetadataValue] = {
        "title": dg.MetadataValue.text(planned.shown_as),
        "purpose": dg.MetadataValue.text(planned.purpose.value),
    }
    if result is None:
        return found
    found |= _numbers(experiment, result)
    found |= _facts(result)
    if experiment.judgement:
        found["judgement"] = dg.MetadataValue.text(experiment.judgement)
    if experiment.slot:
        found["slot"] = dg.MetadataValue.text(experiment.slot)
    if bundle:
        found["bundle"] = dg.MetadataValue.text(bundle[:SHORT])  # as the page of `packed_rows` names it
    found["config"] = dg.MetadataValue.json(planned.config.model_dump())
    if planned.parent_title:
        found["parent"] = dg.MetadataValue.text(planned.parent_title)
    return found | _from_dossier(dossier)


def _numbers(experiment: Experiment, result: ExperimentResult) -> dict[str, dg.MetadataValue]:
    decided = experiment.decision
    values = {
        "val_bpb": result.val_bpb,
        "gain_bpb": decided.gain_bpb if decided else None,
        "train_seconds": round(result.duration_sec, 1),
        "cpu_seconds": round(result.cpu_sec, 1) or None,
        "gpu_seconds": round(result.gpu_sec, 1) or None,
        "peak_memory_mib": round(result.peak_memory_bytes / MIB, 1) or None,
        "tokens_per_second": result.tokens_per_second,
    }
    return {name: dg.MetadataValue.float(rounded(value)) for name, value in values.items() if value is not None}


def _from_dossier(dossier: Dossier) -> dict[str, dg.MetadataValue]:
    """Show what was changed and why; what others wrote is text, never markup."""
    found: dict[str, dg.MetadataValue] = {}
    if dossier.hypothesis:
        found["hypothesis"] = dg.MetadataValue.text(dossier.hypothesis)
    if dossier.expected_effect:
        found["expected_effect"] = dg.MetadataValue.text(dossier.expected_effect)
    if dossier.curve is None:
        found["train_loss"] = dg.MetadataValue.text(f"The curve is {UNREADABLE}.")
    elif dossier.curve:
        losses = tuple(point.loss for point in dossier.curve)
        drawn = f"{losses[0]:.3f} {sparkline(losses, CURVE_WIDTH)} {losses[-1]:.3f}"
        found["train_loss"] = dg.MetadataValue.text(f"{drawn}, as the candidate reported it")
    if dossier.diff:
        found["change"] = dg.MetadataValue.md(fenced(block(dossier.diff, DIFF_SHOWN_LINES), "diff"))
    if dossier.findings:
        rows = [(one.line, one.rule, one.text, one.why) for one in dossier.findings]
        found["review"] = rows_table(("line", "about", "text", "why"), rows)
    return found


def _facts(result: ExperimentResult) -> dict[str, dg.MetadataValue]:
    found: dict[str, dg.MetadataValue] = {
        "outcome": dg.MetadataValue.text(result.outcome.value),
        "verdict": dg.MetadataValue.text(result.verdict.value),
        "labels": dg.MetadataValue.text(_labels(result)),
        "runner": dg.MetadataValue.text(f"{result.runner}: {result.resources}" if result.resources else "none"),
    }
    if result.out_of_memory:
        given = [f"{one.memory_bytes / GIB:.0f} GiB" for one in result.out_of_memory]
        found["out_of_memory"] = dg.MetadataValue.text(f"{counted(len(given), 'try')}, with {', '.join(given)}")
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
        (
            "val_bpb",
            exact(recorded.val_bpb, "none"),
            exact(again.val_bpb, "none"),
            change(difference(recorded, again), "", EXACT),
        ),
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
        found["reproduction_val_bpb"] = dg.MetadataValue.float(rounded(again.val_bpb))
        if recorded.val_bpb is not None:
            found["reproduction_difference"] = dg.MetadataValue.float(rounded(again.val_bpb - recorded.val_bpb))
    if again.receipt is not None:
        found["reproduction_receipt"] = dg.MetadataValue.text(str(again.receipt))
    if again.error:
        found["reproduction_error"] = dg.MetadataValue.text(again.error)
    return found


def _short(result: ExperimentResult) -> str:
    return f"`{result.receipt[:12]}`" if result.receipt else "none"
