"""Tools that save edits of train.py."""

from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.axes.judge import axes_of
from autoresearch_dagster.agent.rules import edit_rules
from autoresearch_dagster.agent.rules.sources import Origin, forms_of, nearest
from autoresearch_dagster.agent.tools.claims import kept, kept_title
from autoresearch_dagster.agent.tools.signatures import ToolContext
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import title_key
from autoresearch_dagster.store import events as ev


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
    title, adjusted = kept_title(spec.get("title"))
    summary = kept(spec.get("change_summary"), "change_summary", limits.SUMMARY_CHARS, adjusted)
    checked = _check(ctx, title, spec)
    if isinstance(checked, str):
        return {"title": title or "(missing)", "saved": False, "error": checked}
    earlier = ctx.state.latest_edit(title)
    source, overrides = checked.source, checked.overrides
    forms = forms_of(source)
    event = ev.EditSaved(
        title=title,
        slug=edit_rules.slugify(title),
        revision=earlier.saved.revision + 1 if earlier else 1,
        train_py=ctx.blobs.put(source.encode()),
        lines=len(source.splitlines()),
        config_overrides=overrides.values,
        adjusted=overrides.adjusted | adjusted,
        change_summary=summary,
        parent_title=checked.parent,
        signature=edit_rules.signature(source, overrides.values),
        axes=_axes(ctx, title, checked),
        form=forms.form,
        shape=forms.shape,
    )
    ctx.tx.append(event)
    shown: history.Row = {
        "saved": True,
        **event.model_dump(mode="json", exclude={"kind", "signature", "form", "shape"}),
    }
    return shown | {"train_py": source}


@dataclass(frozen=True, slots=True)
class _Checked:
    """An acceptable edit; `base` is what it forks by its own account, whose title is `parent` if it names one."""

    source: str
    overrides: edit_rules.Overrides
    base: Origin
    parent: str | None
    pasted: bool
    """Whether it brings its own train_py."""


def _axes(ctx: ToolContext, title: str, edit: _Checked) -> tuple[str, ...]:
    """What an edit touches relative to its parent, or where it brings a whole train_py, to the nearest source."""
    base, values = edit.base, edit.overrides.values
    if edit.pasted:
        known = [base, Origin("baseline", ctx.baseline, {})]
        base = nearest(ctx.state, ctx.blobs, edit.source, values, title, known)
    touched = axes_of(edit.source, values, base.source, base.overrides)
    return tuple(sorted(axis.value for axis in touched))


def _check(ctx: ToolContext, title: str, spec: dict[str, Any]) -> _Checked | str:
    """Return an acceptable edit, else what is wrong with it."""
    if not title:
        return "title is required; give the edit a short name."
    if len(title) > limits.TITLE_CHARS:
        return f"The title has {len(title)} characters; {limits.TITLE_CHARS} are permitted."
    if title_key(title) == "baseline":
        return "The title 'baseline' is taken by the baseline itself; choose another."
    base, parent = Origin("baseline", ctx.baseline, {}), None
    if wanted := str(spec.get("parent_title") or "").strip():
        edit = ctx.state.latest_edit(wanted)
        if edit is None and title_key(wanted) != "baseline":
            return f"parent_title {wanted!r} is unknown; there is {history.near_titles(ctx.state, wanted)}."
        if edit is not None:
            parent, code = edit.saved.title, ctx.blobs.get(edit.saved.train_py).decode()
            base = Origin(parent, code, edit.saved.config_overrides)
    asked = spec.get("config_overrides") or spec.get("config") or {}
    if not isinstance(asked, dict):
        return "config_overrides must be a dict of field and number."
    budget_s = edit_rules.session_budget_s(ctx.state, ctx.preset)
    overrides = edit_rules.clamp(asked, base.overrides, ctx.preset, budget_s)
    given = spec.get("train_py")
    given = given if isinstance(given, str) and given.strip() else ""
    if not given and not asked:
        return "Pass train_py or config_overrides; this edit changes nothing."
    source = (given or base.source).replace("\r\n", "\n")
    found = _Checked(source, overrides, base, parent, pasted=bool(given))
    return edit_rules.source_problem(source) or _refused(ctx, title, found) or found


def _refused(ctx: ToolContext, title: str, edit: _Checked) -> str | None:
    """Say by which rule of research an edit that could be trained is refused, or None."""
    source, overrides = edit.source, edit.overrides
    if not overrides.values and edit_rules.normalised(source) == edit_rules.normalised(ctx.baseline):
        notes = "".join(f" {name}: {text}." for name, text in overrides.adjusted.items())
        return f"This equals the baseline and has no usable override; change train_py or a field.{notes}"
    known = {edit.base.title: edit.base.source, "baseline": ctx.baseline}
    signature = edit_rules.signature(source, overrides.values)
    return (
        edit_rules.override_problem(ctx.state, ctx.blobs, source, title, known, signature)
        or edit_rules.plateau_problem(ctx.state, ctx.blobs, source, title, known)
        or _duplicate(ctx, title, signature)
    )


def _duplicate(ctx: ToolContext, title: str, signature: str) -> str | None:
    twin = edit_rules.trained_twin(ctx.state, signature)
    if twin is None or title_key(twin.planned.title) == title_key(title):
        return None
    return f"Duplicate of {twin.planned.title!r}, which is already trained; change train_py or the overrides."
