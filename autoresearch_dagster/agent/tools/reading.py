"""Tools that read: the data, the code, the history, the budget."""

from collections.abc import Sequence
from dataclasses import asdict

from pydantic import JsonValue

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.hypotheses.calibration import calibration, scores_by_key
from autoresearch_dagster.agent.rules.edit_rules import override_limit, session_budget_s
from autoresearch_dagster.agent.tools.signatures import ToolContext
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import canonical_json, title_key
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.ledger import gpu_left_s, usd_left
from autoresearch_dagster.store.state import SessionState


def inspect_dataset(ctx: ToolContext, num_shards: int = 1, memory_key: str = "") -> JsonValue:
    """Profile of the corpus: shards, vocabulary, bytes, sequence length and metric; a session has one corpus."""
    kept = ctx.state.config.num_shards
    adjusted: dict[str, JsonValue] = {}
    if num_shards not in (limits.DEFAULT_NUM_SHARDS, kept):
        adjusted["num_shards"] = f"{num_shards} became {kept}; the corpus of a session does not change"
    return {
        **dict(ctx.profile),
        "max_seq_len": ctx.preset.sequence_length,
        "val_metric": "val_bpb",
        "corpus": ctx.profile.get("corpus", ctx.state.config.source),
        **({"adjusted": adjusted} if adjusted else {}),
    }


def get_baseline_train_code(ctx: ToolContext, memory_key: str = "") -> JsonValue:
    """Source of the baseline train.py, from which edits start."""
    return _code("baseline", ctx.baseline)


def read_train_code(ctx: ToolContext, title: str, memory_key: str = "") -> JsonValue:
    """Source of a saved edit (newest revision), or of "baseline", with its config_overrides."""
    if title_key(title) == "baseline":
        return _code("baseline", ctx.baseline) | {"config_overrides": {}}
    edit = ctx.state.latest_edit(title)
    if edit is None:
        return history.not_found(ctx.state, title, "edit")
    code = ctx.blobs.get(edit.saved.train_py).decode()
    row = _code(edit.saved.title, code)
    row["config_overrides"] = {**edit.saved.config_overrides}
    return row


def _code(title: str, text: str) -> history.Row:
    return {"title": title, "train_py": text, "lines": len(text.splitlines())}


def get_code_edit_history(ctx: ToolContext, memory_key: str = "") -> JsonValue:
    """All saved edits with hypothesis, result and how they stand beside the best.

    Where they do not fit into one answer, trials has the newest, and left_out says how many older ones there are.
    """
    foretold = _foretold(ctx)
    rows = [
        row | foretold.get(edit.saved.revision_key, {})
        for edit, row in zip(ctx.state.edits, history.trials(ctx.state), strict=True)
    ]
    top = leader(ctx.state)
    return {
        "memory_key": ctx.state.config.memory_key,
        "best_val_bpb": top.val_bpb if top else None,
        "best_title": top.title if top else None,
        **_fitting("trials", list(rows), rows[::-1]),
        "count_edits": len(ctx.state.edits),
        "count_runs": sum(1 for run in ctx.state.experiments.values() if run.result),
        "count_regressions": sum(1 for row in rows if row["outcome"] == "regression"),
        "count_new_best": sum(1 for row in rows if row["outcome"] == "new_best"),
    }


def _foretold(ctx: ToolContext) -> dict[tuple[str, int], history.Row]:
    """What was predicted of each scored revision of a title, beside what was measured; bpb, negative is better."""
    scored = scores_by_key(ctx.state)
    found: dict[tuple[str, int], history.Row] = {}
    for key, one in scored.items():
        planned = ctx.state.experiments[key].planned
        found[planned.revision_key] = {
            "predicted_bpb": one.predicted.middle_bpb,
            "measured_bpb": one.measured_bpb,
            "direction_right": one.direction_right,
        }
    return found


def get_promising_code(ctx: ToolContext, memory_key: str = "") -> JsonValue:
    """Edits that have a score, best first; read their source with read_train_code.

    Where they do not fit into one answer, left_out says how many worse ones there are.
    """
    scored = [row for row in history.trials(ctx.state) if isinstance(row["val_bpb"], float)]
    entries = sorted(scored, key=_score)
    return {
        **_fitting("entries", entries, entries),
        "best": entries[0] if entries else None,
        "best_val_bpb": entries[0]["val_bpb"] if entries else None,
        "best_title": entries[0]["title"] if entries else None,
        "count": len(entries),
    }


def _fitting(name: str, rows: Sequence[history.Row], wanted: Sequence[history.Row]) -> history.Row:
    """Return the rows that one answer has room for, in their order, and how many were left out.

    Args:
        name: under which they are answered.
        rows: all, in their order.
        wanted: the same, those first that must not be left out.
    """
    room = limits.CALL_RESULT_BYTES - limits.CALL_FRAME_BYTES
    chosen: set[int] = set()
    for row in wanted:
        room -= len(canonical_json(row)) + 1
        if room < 0:
            break
        chosen.add(id(row))
    shown: list[JsonValue] = [row for row in rows if id(row) in chosen]
    left_out = len(rows) - len(shown)
    return {name: shown, **({"left_out": left_out} if left_out else {})}


def _score(row: history.Row) -> float:
    value = row.get("val_bpb")
    return value if isinstance(value, float) else float("inf")


def get_leaderboard(ctx: ToolContext, memory_key: str = "") -> JsonValue:
    """All decided experiments in planned order, the best of them, and how true hypotheses came by axis.

    Where they do not fit into one answer, entries has the best, and left_out says how many others there are.
    """
    top = leader(ctx.state)
    champion, value = (top.experiment, top.val_bpb) if top else (None, None)
    rows = [
        history.compared(history.experiment_row(run), value) | {"kept": run is champion}
        for run in ctx.state.experiments.values()
        if run.result is not None
    ]
    return {
        **_fitting("entries", rows, sorted(rows, key=_score)),
        "best": next((row for row in rows if row["kept"]), None),
        "best_val_bpb": value,
        "count": len(rows),
        "calibration": [{**asdict(row), "axis": row.axis.value} for row in calibration(ctx.state)],
    }


def get_batch_plan(ctx: ToolContext, batch_id: str, memory_key: str = "") -> JsonValue:
    """A recorded batch plan with found=true, or found=false."""
    wanted = batch_id.strip().lower()
    for planned, at in reversed(ctx.state.batches.values()):
        if planned.batch_id.strip().lower() == wanted:
            return {
                "found": True,
                "batch_id": planned.batch_id,
                "experiments": [dict(row) for row in planned.experiments],
                "count": len(planned.experiments),
                "status": "planned",
                "created_at": at.isoformat(timespec="seconds"),
            }
    return {"found": False, "batch_id": batch_id}


def get_budget(ctx: ToolContext, memory_key: str = "") -> JsonValue:
    """Experiments, tokens, US$ and GPU-seconds used and left, batch size and the limits of this session.

    What is reserved or may have been charged counts as used; left is null where there is no cap. Turns are those
    of this launch.
    """
    state, ledger, config = ctx.state, ctx.state.ledger, ctx.state.config
    usd = usd_left(ledger, config)
    return {
        "experiments_used": len(state.experiments),
        "experiments_left": state.remaining,
        "batch_size": config.batch_size,
        "turns_used": len(state.turns) - state.turns_before,
        "turns_max": config.max_turns,
        "input_tokens": sum(turn.replied.input_tokens for turn in state.turns),
        "output_tokens": sum(turn.replied.output_tokens for turn in state.turns),
        "tokens": {name: int(count) for name, count in ledger.usage.model_dump().items()},
        "usd_used": float(ledger.usd_committed),
        "usd_left": None if usd is None else float(usd),
        "gpu_seconds_used": ledger.gpu_committed_s,
        "gpu_seconds_left": gpu_left_s(ledger, config),
        "cpu_seconds_used": ledger.cpu_s,
        "saved_edits": len(state.edits),
        "time_budget_sec": session_budget_s(state, ctx.preset),
        "noise_floor": _noise_floor(state),
        "override_only_edits": override_limit(state),
    }


def _noise_floor(state: SessionState) -> JsonValue:
    """What the baseline's seeds say, in bpb; None before they were trained."""
    if state.floor is None:
        return None
    floor = state.floor.floor
    return {
        "seeds": floor.n_seeds,
        "baseline_val_bpb": list(floor.scores_bpb),
        "sd_bpb": floor.sd_bpb,
        "smallest_gain_found_bpb": floor.detectable_gain_bpb,
    }
