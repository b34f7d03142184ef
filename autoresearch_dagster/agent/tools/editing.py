"""Tools that write: hypotheses, batch plans, edits of train.py."""

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.axes.judge import axes_of
from autoresearch_dagster.agent.rules import edit_rules
from autoresearch_dagster.agent.tools.signatures import ToolContext
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import title_key
from autoresearch_dagster.store import events as ev


def record_hypothesis(
    ctx: ToolContext, title: str, hypothesis: str, expected_effect: str, memory_key: str = ""
) -> history.Row:
    """Write a claim and its predicted change of val_bpb down before training."""
    if not title.strip() or not hypothesis.strip():
        return {
            "title": title,
            "error": "A hypothesis needs the title of its edit and a claim; nothing was written.",
        }
    ctx.tx.append(ev.HypothesisRecorded(title=title, hypothesis=hypothesis, expected_effect=expected_effect))
    _, at = ctx.state.hypotheses[-1]
    return {
        "title": title,
        "hypothesis": hypothesis,
        "expected_effect": expected_effect,
        "recorded_at": at.isoformat(timespec="seconds"),
    }


def record_batch_hypotheses(ctx: ToolContext, experiments: list[dict[str, Any]], memory_key: str = "") -> JsonValue:
    """Write the hypotheses of a batch down; each needs title, hypothesis, expected_effect."""
    answers = [
        record_hypothesis(
            ctx,
            str(row.get("title") or ""),
            str(row.get("hypothesis") or ""),
            str(row.get("expected_effect") or ""),
        )
        for row in experiments
    ]
    entries = [answer for answer in answers if "error" not in answer]
    errors = [answer for answer in answers if "error" in answer]
    return {"recorded": len(entries), "entries": [*entries], **({"errors": [*errors]} if errors else {})}


def record_batch_plan(
    ctx: ToolContext, batch_id: str, experiments: list[dict[str, Any]], memory_key: str = ""
) -> JsonValue:
    """Keep the plan of a batch: experiments with at least title and hypothesis."""
    if not batch_id.strip():
        return {"error": "batch_id is empty; name the batch, for example 'batch-1'."}
    ctx.tx.append(ev.BatchPlanned(batch_id=batch_id, experiments=tuple(experiments)))
    _, at = ctx.state.batches[batch_id]
    return {
        "batch_id": batch_id,
        "experiments": list(experiments),
        "count": len(experiments),
        "status": "planned",
        "created_at": at.isoformat(timespec="seconds"),
    }


def edit_train_code(
    ctx: ToolContext,
    title: str,
    train_py: str = "",
    change_summary: str = "",
    memory_key: str = "",
    config_overrides: dict[str, Any] | None = None,
    parent_title: str | None = None,
) -> JsonValue:
    """Save an edit: a whole train_py, or config_overrides, or both; parent_title forks an earlier edit.

    The fork starts from the parent's code and overrides. Answers saved=false and an error when refused.
    """
    return _save(
        ctx,
        {
            "title": title,
            "train_py": train_py,
            "change_summary": change_summary,
            "config_overrides": config_overrides,
            "parent_title": parent_title,
        },
    )


def edit_train_code_batch(ctx: ToolContext, edits: list[dict[str, Any]], memory_key: str = "") -> JsonValue:
    """Save several edits at once, dicts with the arguments of edit_train_code; errors names the refused."""
    answers = [_save(ctx, spec) for spec in edits]
    saved = [answer for answer in answers if answer["saved"]]
    errors: list[JsonValue] = [answer for answer in answers if not answer["saved"]]
    if not edits:
        errors = [{"error": "edits is empty; pass at least one edit."}]
    return {
        "count": len(saved),
        "titles": [answer["title"] for answer in saved],
        "edits": [*saved],
        "errors": errors,
    }


def _save(ctx: ToolContext, spec: dict[str, Any]) -> history.Row:
    title = str(spec.get("title") or "").strip()
    checked = _check(ctx, title, spec)
    if isinstance(checked, str):
        return {"title": title or "(missing)", "saved": False, "error": checked}
    source, overrides, parent = checked
    earlier = ctx.state.latest_edit(title)
    event = ev.EditSaved(
        title=title,
        slug=edit_rules.slugify(title),
        revision=earlier.saved.revision + 1 if earlier else 1,
        train_py=ctx.blobs.put(source.encode()),
        lines=len(source.splitlines()),
        config_overrides=overrides.values,
        adjusted=overrides.adjusted,
        change_summary=str(spec.get("change_summary") or ""),
        parent_title=parent,
        signature=edit_rules.signature(source, overrides.values),
        axes=_axes(ctx, source, overrides.values, parent),
    )
    ctx.tx.append(event)
    shown: history.Row = {"saved": True, **event.model_dump(mode="json", exclude={"kind", "signature"})}
    return shown | {"train_py": source}


def _axes(
    ctx: ToolContext, source: str, overrides: Mapping[str, float | int], parent: str | None
) -> tuple[str, ...]:
    """What an edit touches relative to its parent, else to the baseline."""
    edit = ctx.state.latest_edit(parent) if parent else None
    base = ctx.blobs.get(edit.saved.train_py).decode() if edit else ctx.baseline
    touched = axes_of(source, overrides, base, edit.saved.config_overrides if edit else {})
    return tuple(sorted(axis.value for axis in touched))


def _check(
    ctx: ToolContext, title: str, spec: dict[str, Any]
) -> tuple[str, edit_rules.Overrides, str | None] | str:
    """Return source, overrides and parent of an acceptable edit, else what is wrong with it."""
    if not title:
        return "title is required; give the edit a short name."
    if len(title) > limits.TITLE_CHARS:
        return f"The title has {len(title)} characters; {limits.TITLE_CHARS} are permitted."
    if title_key(title) == "baseline":
        return "The title 'baseline' is taken by the baseline itself; choose another."
    base, inherited, parent = ctx.baseline, dict[str, float | int](), None
    if wanted := str(spec.get("parent_title") or "").strip():
        edit = ctx.state.latest_edit(wanted)
        if edit is None and title_key(wanted) != "baseline":
            return f"parent_title {wanted!r} is unknown; there is {history.near_titles(ctx.state, wanted)}."
        if edit is not None:
            base = ctx.blobs.get(edit.saved.train_py).decode()
            inherited, parent = dict(edit.saved.config_overrides), edit.saved.title
    asked = spec.get("config_overrides") or spec.get("config") or {}
    if not isinstance(asked, dict):
        return "config_overrides must be a dict of field and number."
    budget_s = edit_rules.session_budget_s(ctx.state, ctx.preset)
    overrides = edit_rules.clamp(asked, inherited, ctx.preset, budget_s)
    given = spec.get("train_py")
    given = given if isinstance(given, str) and given.strip() else ""
    if not given and not asked:
        return "Pass train_py or config_overrides; this edit changes nothing."
    source = (given or base).replace("\r\n", "\n")
    problem = edit_rules.source_problem(source) or _unchanged(ctx, source, base, overrides)
    problem = problem or edit_rules.plateau_problem(ctx.state, source, base, ctx.baseline)
    return problem or _duplicate(ctx, title, source, overrides) or (source, overrides, parent)


def _unchanged(ctx: ToolContext, source: str, base: str, overrides: edit_rules.Overrides) -> str | None:
    same = edit_rules.normalised(source)
    as_baseline = same == edit_rules.normalised(ctx.baseline)
    if as_baseline and not overrides.values:
        notes = "".join(f" {name}: {text}." for name, text in overrides.adjusted.items())
        return f"This equals the baseline and has no usable override; change train_py or a field.{notes}"
    limit = edit_rules.override_limit(ctx.state)
    if (as_baseline or same == edit_rules.normalised(base)) and len(ctx.state.edits) >= limit:
        return (
            f"After {limit} saved edits, config_overrides alone are refused; change train_py itself "
            "(schedule, optimizer, loss, architecture)."
        )
    return None


def _duplicate(ctx: ToolContext, title: str, source: str, overrides: edit_rules.Overrides) -> str | None:
    twin = edit_rules.trained_twin(ctx.state, edit_rules.signature(source, overrides.values))
    if twin is None or title_key(twin.planned.title) == title_key(title):
        return None
    return f"Duplicate of {twin.planned.title!r}, which is already trained; change train_py or the overrides."
