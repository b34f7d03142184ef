"""What the agent is told of the past: pure functions of the session state."""

import difflib

from pydantic import JsonValue

from autoresearch_dagster.agent.tools.untrusted import fenced, identifier
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome, Standing, Verdict, title_key
from autoresearch_dagster.store.leaderboard import Leader, leader, score
from autoresearch_dagster.store.state import Edit, Experiment, SessionState

Row = dict[str, JsonValue]


_IN_ITS_OWN_WORDS = frozenset({Outcome.CRASHED, Outcome.REFUSED, Outcome.DEVICE_OOM})
"""Endings whose error the candidate may have worded; all other errors are sentences of ours."""


def told_error(result: ExperimentResult) -> str | None:
    """Return why a run has no score, in a fence where a stranger may have said it; None: it has no error."""
    if result.error and result.outcome in _IN_ITS_OWN_WORDS:
        return fenced(result.error, "train.py", limits.UNTRUSTED_ERROR_CHARS)
    return result.error or None


def result_fields(result: ExperimentResult) -> Row:
    """Return a result in the words of the tools; `val_bpb` is the trusted evaluator's, or None."""
    claims = result.claims
    return {
        "success": result.accepted,
        "val_bpb": result.val_bpb if result.accepted else None,
        "model_name": identifier(claims.model_name) or None,
        "n_params": claims.n_params,
        "steps": claims.steps,
        "device": identifier(claims.device) or None,
        "resources": result.resources,
        "oom_retries": result.oom_retries,
        "error": told_error(result),
        "duration_sec": result.duration_sec,
        "outcome": result.outcome.value,
        "verdict": result.verdict.value,
        "standing": result.standing.value if result.standing else None,
        "labels": [label.value for label in result.labels],
        "peak_memory_mib": round(result.peak_memory_bytes / 2**20, 1),
        "tokens_per_second": result.tokens_per_second,
        "receipt": result.receipt,
        "oom": result.outcome in (Outcome.HOST_OOM, Outcome.DEVICE_OOM),
    }


def experiment_row(experiment: Experiment) -> Row:
    """Return one experiment with its title and key."""
    row: Row = {"title": experiment.planned.title, "key": experiment.planned.key}
    if experiment.result is None:
        return row | {"success": False, "val_bpb": None, "error": "still running", "outcome": "not_run"}
    return row | result_fields(experiment.result) | judgement_fields(experiment)


def judgement_fields(experiment: Experiment) -> Row:
    """Return how a result stands beside the champion's: the gain in bpb, and the sentence that explains it.

    A champion whose gain was looked at in twice the size has that, too, as `scale_transfer`.
    """
    decided = experiment.decision
    told: Row = {"gain_bpb": decided.gain_bpb if decided else None, "judgement": experiment.judgement or None}
    transfer = experiment.transfer
    return told | ({"scale_transfer": f"{transfer.outcome}: {transfer.reason}"} if transfer else {})


def best(state: SessionState) -> Experiment | None:
    """Return the champion; None where that is the baseline, or nothing has a score."""
    found = leader(state)
    return found.experiment if found else None


def latest_run(state: SessionState, title: str) -> Experiment | None:
    """Return the newest decided experiment of a title."""
    runs = [run for run in state.experiments.values() if title_key(run.planned.title) == title_key(title)]
    return next((run for run in reversed(runs) if run.result is not None), None)


def outcome_word(experiment: Experiment | None, champion: Experiment | None) -> str:
    """Return the word of the history table for what became of a trial."""
    if experiment is None or experiment.result is None:
        return "not_run"
    result = experiment.result
    if result.verdict is Verdict.REJECTED:
        return "rejected"
    if not result.accepted:
        return "failed"
    match result.standing:
        case Standing.CHAMPION:
            return "new_best"
        case Standing.CONFIRMED | Standing.REGRESSION | Standing.WITHIN_NOISE:
            return result.standing.value
        case _:
            return "new_best" if experiment is champion else "regression"


def compared(row: Row, best_val: float | None) -> Row:
    """Add to a row how it stands beside the best score."""
    value = row.get("val_bpb")
    delta = value - best_val if isinstance(value, float) and best_val is not None else None
    text = "–" if delta is None else f"{delta:+.6g} ({'worse' if delta > 0 else 'ties the best'})"
    return row | {"beat_best": delta is not None and delta <= 0, "delta_vs_best": delta, "vs_best": text}


def trial(state: SessionState, edit: Edit, top: Leader | None) -> Row:
    """Return one line of the edit history: the edit, its hypothesis and its newest result."""
    saved, champion = edit.saved, top.experiment if top else None
    key = title_key(saved.title)
    run = latest_run(state, saved.title)
    if run is not None and run.planned.revision != saved.revision:
        run = next(
            (
                other
                for other in state.experiments.values()
                if title_key(other.planned.title) == key and other.planned.revision == saved.revision
            ),
            None,
        )
    claim = next((h for h, _ in reversed(state.hypotheses) if title_key(h.title) == key), None)
    result = run.result if run else None
    row: Row = {
        "title": saved.title,
        "revision": saved.revision,
        "parent_title": saved.parent_title,
        "change_summary": saved.change_summary,
        "edited_at": edit.at.isoformat(timespec="seconds"),
        "val_bpb": score(run) if run else None,
        "model_name": (identifier(result.claims.model_name) or None) if result else None,
        "success": result.accepted if result else None,
        "error": told_error(result) if result else None,
        "hypothesis": claim.hypothesis if claim else None,
        "expected_effect": claim.expected_effect if claim else None,
        "outcome": outcome_word(run, champion),
        "kept": run is not None and run is champion,
    }
    return compared(row, top.val_bpb if top else None)


def trials(state: SessionState) -> list[Row]:
    """Return the edit history in the order in which edits were saved."""
    top = leader(state)
    return [trial(state, edit, top) for edit in state.edits]


def near_titles(state: SessionState, title: str) -> str:
    """Return the saved titles that look like a wrong one, for an error text."""
    titles = {title_key(edit.saved.title): edit.saved.title for edit in state.edits} | {"baseline": "baseline"}
    wanted = title_key(title)[: limits.TITLE_SHOWN_CHARS]
    near = difflib.get_close_matches(wanted, titles, n=5, cutoff=0.4) or list(titles)[-5:]
    return ", ".join(repr(titles[key]) for key in near)


def not_found(state: SessionState, title: str, what: str) -> Row:
    """Return the answer for a title that has no `what`; it says what there is instead."""
    shown = title if len(title) <= limits.TITLE_SHOWN_CHARS else f"{title[: limits.TITLE_SHOWN_CHARS]}..."
    if what != "edit" and state.latest_edit(title) is not None:
        return {"title": shown, "error": f"{shown!r} is saved and has no decided {what} yet; run it first."}
    return {"title": shown, "error": f"No {what} is called {shown!r}; saved are {near_titles(state, title)}."}
