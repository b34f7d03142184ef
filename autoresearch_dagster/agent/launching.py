"""Decides, inside the transaction of a durable call, what is trained and what is answered at once."""

from dataclasses import dataclass, field

from pydantic import JsonValue

from autoresearch_dagster.agent import edit_rules, history
from autoresearch_dagster.agent.signatures import Launch, ToolContext
from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.store.state import Edit


@dataclass(slots=True)
class Dispatch:
    """What becomes of a launch: `answers` has one entry a title, the key of an experiment or an object."""

    number: int
    concurrency: int
    planned: list[PlannedExperiment] = field(default_factory=list[PlannedExperiment])
    answers: list[JsonValue] = field(default_factory=list[JsonValue])
    adjusted: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    signatures: dict[str, str] = field(default_factory=dict[str, str])
    """Signature of what this call has planned so far, with its title."""


def plan_dispatch(ctx: ToolContext, launch: Launch) -> Dispatch:
    """Judge every title in order and allot keys to those that need training."""
    ceiling = max(1, min(ctx.slots, ctx.state.config.concurrency))
    asked = launch.concurrency if launch.concurrency is not None else ceiling
    used = max(1, min(asked, ceiling))
    dispatch = Dispatch(number=ctx.state.dispatches + 1, concurrency=used)
    if used != asked:
        dispatch.adjusted["concurrency"] = f"{asked} became {used}; this session has {ceiling} slot(s)"
    for title, budget_s in zip(launch.titles, launch.budgets, strict=True):
        dispatch.answers.append(_judge(ctx, dispatch, title, budget_s))
    return dispatch


def _judge(ctx: ToolContext, dispatch: Dispatch, title: str, budget_s: int | None) -> JsonValue:
    edit = ctx.state.latest_edit(title)
    if edit is None:
        near = history.near_titles(ctx.state, title)
        return _refused(title, f"No edit called {title!r} is saved; save it first, or choose of {near}.")
    wanted = edit.saved.signature
    twin = edit_rules.trained_twin(ctx.state, wanted)
    if twin is not None:
        other = twin.planned.title
        if history.title_key(other) == history.title_key(title):
            return history.experiment_row(twin) | {"cached": True}
        return _refused(title, f"Duplicate of {other!r}; change train_py or the overrides.", duplicate_of=other)
    if wanted in dispatch.signatures:
        other = dispatch.signatures[wanted]
        return _refused(title, f"Duplicate of {other!r} in this call; launch it once.", duplicate_of=other)
    if len(dispatch.planned) >= ctx.state.remaining:
        return _refused(title, "n_experiments reached; finish with a plain-text summary.")
    planned = _allot(ctx, dispatch, edit, budget_s)
    dispatch.planned.append(planned)
    dispatch.signatures[wanted] = planned.title
    return planned.key


def _allot(ctx: ToolContext, dispatch: Dispatch, edit: Edit, budget_s: int | None) -> PlannedExperiment:
    number = len(ctx.state.experiments) + len(dispatch.planned) + 1
    overrides = edit.saved.config_overrides
    ceiling = edit_rules.session_budget_s(ctx.state, ctx.preset)
    own = int(overrides.get("time_budget_sec", ceiling))
    asked = own if budget_s is None else budget_s
    used = max(1, min(asked, own, ceiling))
    if used != asked:
        dispatch.adjusted["time_budget_sec"] = f"{asked} became {used}; allowed is 1 to {min(own, ceiling)}"
    config = ctx.preset.config.model_copy(update={**overrides, "time_budget_sec": used})
    return PlannedExperiment(
        key=ExperimentKey(f"s{ctx.state.number:02d}_d{dispatch.number:02d}_e{number:02d}"),
        title=edit.saved.title,
        revision=edit.saved.revision,
        train_py=edit.saved.train_py,
        config=config,
        parent_title=edit.saved.parent_title,
    )


def _refused(title: str, error: str, **more: JsonValue) -> JsonValue:
    return {"title": title, "success": False, "val_bpb": None, "error": error, "outcome": "not_run", **more}


def plateau_of(state: object) -> int:
    return 0
