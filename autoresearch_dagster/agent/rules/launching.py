"""Decides, inside the transaction of a durable call, what is trained and what is answered at once."""

from dataclasses import dataclass, field

from pydantic import JsonValue

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.axes.judge import Axis
from autoresearch_dagster.agent.rules import edit_rules
from autoresearch_dagster.agent.tools.signatures import Launch, ToolContext
from autoresearch_dagster.core.errors import BudgetExceeded
from autoresearch_dagster.core.experiment import Digest, ExperimentKey, Outcome, PlannedExperiment, title_key
from autoresearch_dagster.core.presets import gpu_reserve_s
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.ledger import ensure_gpu
from autoresearch_dagster.store.state import Edit, Experiment


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
    """Judge every title in order and allot keys to those that need training.

    A batch that touches one axis only, earlier calls of the turn included, is sent back once, in the transaction of
    this call.
    """
    ceiling = max(1, min(ctx.slots, ctx.state.config.concurrency))
    asked = launch.concurrency if launch.concurrency is not None else ceiling
    used = max(1, min(asked, ceiling))
    dispatch = Dispatch(number=ctx.state.dispatches + 1, concurrency=used)
    if used != asked:
        dispatch.adjusted["concurrency"] = f"{asked} became {used}; this session has {ceiling} slot(s)"
    for title, budget_s in zip(launch.titles, launch.budgets, strict=True):
        dispatch.answers.append(_judge(ctx, dispatch, title, budget_s))
    axis = _only_axis(ctx, dispatch)
    if axis is not None:
        _send_back(ctx, dispatch, axis)
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
        if title_key(other) == title_key(title):
            return history.experiment_row(twin) | {"cached": True}
        return _refused(title, f"Duplicate of {other!r}; change train_py or the overrides.", duplicate_of=other)
    if wanted in dispatch.signatures:
        other = dispatch.signatures[wanted]
        return _refused(title, f"Duplicate of {other!r} in this call; launch it once.", duplicate_of=other)
    if problem := _plateau(ctx, edit):
        return _refused(title, problem)
    planned = _allot(ctx, dispatch, edit, budget_s)
    if problem := _no_room(ctx, dispatch, planned):
        return _refused(title, problem)
    dispatch.planned.append(planned)
    dispatch.signatures[wanted] = planned.title
    return planned.key


def _plateau(ctx: ToolContext, edit: Edit) -> str | None:
    parent = edit_rules.parent_of(ctx.state, edit)
    known = {"baseline": ctx.baseline}
    if parent is not None:
        known[parent.saved.title] = _source(ctx, parent.saved.train_py)
    source = _source(ctx, edit.saved.train_py)
    return edit_rules.plateau_problem(ctx.state, ctx.blobs, source, edit.saved.title, known, edit)


def _source(ctx: ToolContext, digest: Digest) -> str:
    return ctx.blobs.get(digest).decode()


def _no_room(ctx: ToolContext, dispatch: Dispatch, planned: PlannedExperiment) -> str | None:
    """Say which ceiling one more experiment would pass, or None."""
    state, size = ctx.state, ctx.state.config.batch_size
    if len(dispatch.planned) >= state.remaining:
        return "n_experiments reached; finish with a plain-text summary."
    launched = sum(experiment.turn == state.turns[-1].number for experiment in state.experiments.values())
    if launched + len(dispatch.planned) >= size:
        return f"batch_size={size} reached in this turn; run it in your next turn."
    try:  # for one attempt: most of what others reserve is free again when they have ended
        ensure_gpu(state.ledger, state.config, gpu_reserve_s(planned.config, ctx.preset))
    except BudgetExceeded as refusal:
        return str(refusal)
    return None


def _only_axis(ctx: ToolContext, dispatch: Dispatch) -> Axis | None:
    """Return the one axis that the batch of the turn touches with this call.

    None: there are more, nothing is launched, or it was sent back before.
    """
    known = {signature for event in ctx.state.sent_back for signature in event.signatures}
    earlier = _launched_before(ctx, dispatch)
    if not dispatch.planned or len(dispatch.planned) + len(earlier) < 2 or known & dispatch.signatures.keys():
        return None
    touched = {_axes(edit_rules.edit_of(ctx.state, one)) for one in earlier}
    touched |= {_axes(ctx.state.latest_edit(planned.title)) for planned in dispatch.planned}
    first, *others = touched
    return next(iter(first)) if not others and len(first) == 1 else None


def _launched_before(ctx: ToolContext, dispatch: Dispatch) -> list[Experiment]:
    """Return what this turn has launched and trained: a batch is everything that one turn launches.

    What failed says nothing of its axis, and an edit that is launched again after it was mended is one edit.
    """
    turn, again = ctx.state.turns[-1].number, {title_key(planned.title) for planned in dispatch.planned}
    return [
        one
        for one in ctx.state.experiments.values()
        if one.turn == turn
        and one.result is not None
        and one.result.outcome is Outcome.TRAINED
        and title_key(one.planned.title) not in again
    ]


def _axes(edit: Edit | None) -> frozenset[Axis]:
    return edit_rules.axes_of_edit(edit) if edit is not None else frozenset()


def _send_back(ctx: ToolContext, dispatch: Dispatch, axis: Axis) -> None:
    n_before = len(_launched_before(ctx, dispatch))
    number = n_before + len(dispatch.planned)
    where = "turn, those before this call included," if n_before else "call"
    what = f"all {counted(number, 'edit')} of this {where} touch"
    reason = (
        f"Not launched: {what} the same axis, {axis.value}. Spread the batch over different axes; if it is meant, "
        "send the same batch again and it will run."
    )
    titles = {planned.key: planned.title for planned in dispatch.planned}
    dispatch.answers = [
        _refused(titles[ExperimentKey(answer)], reason) if isinstance(answer, str) else answer
        for answer in dispatch.answers
    ]
    signatures = tuple(dispatch.signatures)
    ctx.tx.append(ev.BatchSentBack(turn=ctx.state.turns[-1].number, axis=axis.value, signatures=signatures))
    dispatch.planned, dispatch.signatures = [], {}


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
