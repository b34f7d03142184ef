"""What MLflow is told of an experiment: pure functions from the journal to parameters, metrics and tags."""

from collections.abc import Mapping
from datetime import datetime

from autoresearch_dagster.core.experiment import Digest, ExperimentKey, ExperimentResult, title_key
from autoresearch_dagster.evaluation.review import Finding, new_findings, review
from autoresearch_dagster.reports.comparing import unified
from autoresearch_dagster.reports.lineage import parents
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.state import Experiment, SessionState

TAG = "autoresearch."


def run_name(experiment: Experiment) -> str:
    """Name a run as a person looks for it: number within the session, and title."""
    return f"{experiment.planned.key} {experiment.planned.shown_as}"


def parameters(experiment: Experiment) -> dict[str, str]:
    """Return the effective training config."""
    return {name: str(value) for name, value in experiment.planned.config.model_dump().items()}


def metrics(experiment: Experiment, result: ExperimentResult) -> dict[str, float]:
    """Return the figures of a result; val_bpb only where the evaluator gave one.

    `claimed_dev_bpb` is the candidate's own word, on the development rows; it is never a score.
    """
    decided = experiment.decision
    found = {
        "val_bpb": result.val_bpb,
        "val_bpb_exact": result.val_bpb_exact,
        "train_seconds": result.duration_sec,
        "train_cpu_seconds": result.cpu_sec,
        "total_cpu_seconds": result.cpu_sec + sum(tried.cpu_sec for tried in result.out_of_memory),
        "gpu_seconds": result.gpu_sec or None,
        "claimed_dev_bpb": result.claims.dev_bpb if result.claims.dev_bpb is not None else result.claims.val_bpb,
        "peak_memory_mib": result.peak_memory_bytes / 2**20,
        "oom_retries": result.oom_retries or None,
        "tokens_per_second": result.tokens_per_second,
        "steps": result.claims.steps,
        "n_params": result.claims.n_params,
        "gain_bpb": decided.gain_bpb if decided else None,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def subject(state: SessionState, name: str) -> str:
    """Name what a run shows; another journal's session of the same number has another start."""
    return f"{name} {state.started_at.isoformat()}"


def tags(
    state: SessionState,
    experiment: Experiment,
    session_run: str,
    fork_run: str,
    parents: Mapping[ExperimentKey, ExperimentKey] | None = None,
) -> dict[str, str]:
    """Return outcome, verdict, standing, lineage and digests.

    Args:
        state: the session.
        experiment: one of its experiments.
        session_run: id of the run that shows the session.
        fork_run: id of the run that shows the experiment it was forked from, or ''.
        parents: what `parent_keys` returns, where the caller has asked already.
    """
    planned, result = experiment.planned, experiment.result
    parents = parent_keys(state) if parents is None else parents
    found = {
        "key": planned.key,
        "session": state.id,
        "dispatch": str(experiment.dispatch),
        "title": planned.title,
        "purpose": planned.purpose,
        "judgement": experiment.judgement,
        "scale_transfer": experiment.transfer.outcome if experiment.transfer else "",
        "revision": str(planned.revision),
        "candidate": planned.candidate,
        "train_py": planned.train_py,
        "bundle": state.bundle,
        "parent_title": planned.parent_title or "",
        "parent_key": parents.get(planned.key, ""),
        "parent_run": fork_run,
        "subject": subject(state, planned.key),
        "attempts": str(experiment.attempts),
        "dagster_run": experiment.run_id,
    }
    if result is not None:
        found |= {
            "outcome": result.outcome,
            "verdict": result.verdict,
            "standing": result.standing or "",
            "labels": ", ".join(result.labels),
            "receipt": result.receipt or "",
            "checkpoint": result.checkpoint or "",
            "runner": result.runner,
            "error": result.error,
        }
    return {
        **{TAG + name: value for name, value in found.items() if value},
        "mlflow.parentRunId": session_run,
        "mlflow.runName": run_name(experiment),
    }


def parent_keys(state: SessionState) -> dict[ExperimentKey, ExperimentKey]:
    """Return for each training the experiment whose code it was forked from: the last one planned before it."""
    newest: dict[str, ExperimentKey] = {}
    found: dict[ExperimentKey, ExperimentKey] = {}
    for key, experiment in state.everything.items():  # candidates first: a confirmation's parent is the newest
        title = title_key(experiment.planned.parent_title or "")
        if title and (parent := newest.get(title)) is not None:
            found[key] = parent
        if key in state.experiments:
            newest[title_key(experiment.planned.title)] = key
    return found


def parent_key(state: SessionState, experiment: Experiment) -> ExperimentKey | None:
    """Return the key of the experiment whose code this one was forked from."""
    return parent_keys(state).get(experiment.planned.key)


def parent_code(state: SessionState, experiment: Experiment, blobs: Blobs, baseline: str) -> tuple[str, str]:
    """Return the title and the train.py of the revision that this one was made from, or of the baseline."""
    edits, planned = [edit.saved for edit in state.edits], experiment.planned
    own = next((place for place, one in enumerate(edits) if one.revision_key == planned.revision_key), None)
    if own is None:  # planned without a saved edit, as in archives of other programs
        key = parent_key(state, experiment)
        found = state.experiments[key].planned if key is not None else None
    else:
        parent = parents(edits)[own]
        found = edits[parent] if parent is not None else None
    if found is None:
        return "baseline", baseline
    return found.title, _code(found.train_py, blobs)


def _code(train_py: Digest, blobs: Blobs) -> str:
    return blobs.get(train_py).decode(errors="replace")


def diff_against_parent(state: SessionState, experiment: Experiment, blobs: Blobs, baseline: str) -> str:
    """Return the unified diff of train.py against the parent's, or the baseline's."""
    name, before = parent_code(state, experiment, blobs, baseline)
    after = _code(experiment.planned.train_py, blobs)
    if before == after:
        return "train.py is the parent's; only the config differs.\n"
    lines = unified(before, after, (f"{name}/train.py", f"{experiment.planned.title}/train.py"))
    return "\n".join(lines or ["Only the ends of lines differ."]) + "\n"


def review_against_parent(
    state: SessionState, experiment: Experiment, blobs: Blobs, baseline: str
) -> tuple[Finding, ...]:
    """Return what a person should look at in train.py and did not stand in the parent's, or the baseline's.

    Raises:
        StoreUnavailable: one of the two is not kept any more.
    """
    _, before = parent_code(state, experiment, blobs, baseline)
    after = _code(experiment.planned.train_py, blobs)
    return new_findings(review(after, before))


def reigns(state: SessionState) -> list[tuple[datetime, int, float]]:
    """Return the champions one after the other: since when, candidates finished by then, val_bpb.

    The first is the baseline; a session without a noise floor has none.
    """
    if state.floor is None:
        return []
    done = sorted(one.finished_at for one in state.experiments.values() if one.finished_at is not None)
    found = [(state.started_at, 0, state.floor.floor.scores_bpb[0])]
    for key, at in state.reigns:
        result = state.experiments[key].result
        if result is not None and result.val_bpb is not None:
            found.append((at, sum(one <= at for one in done), result.val_bpb))
    return found


def floor_metrics(state: SessionState) -> dict[str, float]:
    """Return the noise floor of a session, in bpb, and how often the confirmation rows were looked at."""
    if state.floor is None:
        return {}
    floor = state.floor.floor
    found = {
        "noise_sd_bpb": floor.sd_bpb,
        "noise_sd_bound_bpb": floor.sd_bound_bpb,
        "baseline_mean_bpb": floor.mean_bpb,
        "detectable_gain_bpb": floor.detectable_gain_bpb,
        "budget_s": float(state.floor.budget_s),
        "looks_at_confirmation_rows": float(state.looks),
    }
    return {name: value for name, value in found.items() if value is not None}


def cost_metrics(state: SessionState) -> dict[str, float]:
    """Return what a session spent so far; dollars only where a model was asked.

    `usd_possible` was reserved for requests that failed and may have been charged all the same.
    """
    ledger, usage = state.ledger, state.ledger.usage
    found = {"cpu_seconds": ledger.cpu_s, "gpu_seconds": ledger.gpu_s}
    if ledger.calls or ledger.usd_committed:
        found |= {
            "usd": float(ledger.usd),
            "usd_possible": float(ledger.usd_committed - ledger.usd),
            "model_calls": float(ledger.calls),
            "read_tokens": float(usage.read_tokens),
            "written_tokens": float(usage.output_tokens),
        }
    return {name: value for name, value in found.items() if value or name == "usd"}
