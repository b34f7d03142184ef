"""Which edits of train.py are accepted, and what a configuration is identified by."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoresearch_dagster.agent.axes.judge import Axis
from autoresearch_dagster.agent.rules.plateau import plateau_of
from autoresearch_dagster.agent.rules.sources import twin_of
from autoresearch_dagster.agent.tools.signatures import BlobStore
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Outcome, canonical_json, digest_of, title_key
from autoresearch_dagster.core.presets import RANGES, Preset
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.store.state import Edit, Experiment, SessionState

_AXES = frozenset(axis.value for axis in Axis)


@dataclass(slots=True)
class Overrides:
    """Config fields as they will be used, and in words what was changed about the request."""

    values: dict[str, float | int] = field(default_factory=dict[str, "float | int"])
    adjusted: dict[str, str] = field(default_factory=dict[str, str])


def slugify(title: str) -> str:
    """Return a file-name form of a title, at most 80 characters."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:80] or "experiment"


def clamp(
    asked: Mapping[str, Any], inherited: Mapping[str, float | int], preset: Preset, budget_s: int
) -> Overrides:
    """Bring overrides into their ranges; `adjusted` says what was changed or left out, and why."""
    found = Overrides(values=dict(inherited))
    for name, value in asked.items():
        if name not in RANGES:
            found.adjusted[name] = f"unknown field, ignored; there is {', '.join(RANGES)}"
        elif isinstance(value, bool) or not isinstance(value, int | float):
            found.adjusted[name] = f"{value!r} is not a number, ignored"
        else:
            _set(found, name, value, budget_s)
    _fit_heads(found, preset)
    defaults = preset.config.model_dump()
    for name in [name for name, value in found.values.items() if value == defaults[name]]:
        del found.values[name]
        if name in asked:
            found.adjusted.setdefault(name, f"{defaults[name]} is the preset's own value, so nothing changes")
    return found


def _set(found: Overrides, name: str, value: float, budget_s: int) -> None:
    low, high = RANGES[name]
    if name == "time_budget_sec":
        high = budget_s
    whole = name not in ("learning_rate", "dropout")
    kept = max(low, min(value, high))
    kept = int(kept) if whole else float(kept)
    if kept != value:
        found.adjusted[name] = f"{value} became {kept}; allowed is {low} to {high}"
    found.values[name] = kept


def _fit_heads(found: Overrides, preset: Preset) -> None:
    """Make n_embd a multiple of n_head: attention splits the one by the other."""
    heads = int(found.values.get("n_head", preset.config.n_head))
    width = int(found.values.get("n_embd", preset.config.n_embd))
    if width % heads:
        fitting = max(heads, width // heads * heads)
        found.values["n_embd"] = fitting
        found.adjusted["n_embd"] = f"{width} became {fitting}, a multiple of n_head={heads}"


def normalised(source: str) -> str:
    """Return source without comments and formatting.

    Raises:
        SyntaxError: it does not parse.
    """
    return ast.unparse(ast.parse(source.replace("\r\n", "\n")))


def signature(source: str, overrides: Mapping[str, float | int]) -> str:
    """Return the identity of a configuration: what it does, not how it is written."""
    return digest_of(canonical_json([normalised(source), sorted(overrides.items())]))


def source_problem(source: str) -> str | None:
    """Say why a train.py cannot be accepted, or None."""
    if len(source.encode()) > limits.TRAIN_PY_BYTES:
        return f"train_py is larger than {limits.TRAIN_PY_BYTES} bytes; shorten it."
    try:
        tree = ast.parse(source)
        compile(tree, "train.py", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as fault:
        return f"train_py does not compile: {fault}; correct it and save it again."
    if _depth(tree) > limits.TRAIN_PY_DEPTH:
        return f"train_py nests expressions more than {limits.TRAIN_PY_DEPTH} deep; split them over several lines."
    if not any(isinstance(node, ast.FunctionDef) and node.name == "run_training" for node in tree.body):
        return "train_py must define run_training(config) at module level, as the baseline does."
    return None


def _depth(tree: ast.AST) -> int:
    """Return how deep a tree nests, level by level: recursion would end where it is too deep."""
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def edit_of(state: SessionState, experiment: Experiment) -> Edit | None:
    """Return the revision that an experiment was planned from; None where it was planned without one."""
    wanted = experiment.planned.revision_key
    return next((edit for edit in state.edits if edit.saved.revision_key == wanted), None)


def signature_of(state: SessionState, experiment: Experiment) -> str | None:
    """Return the signature of the revision that an experiment was planned from."""
    edit = edit_of(state, experiment)
    return edit.saved.signature if edit else None


def trained_twin(state: SessionState, wanted: str) -> Experiment | None:
    """Return the trained experiment of a configuration; one that failed may be tried again."""
    for experiment in state.experiments.values():
        trained = experiment.result is not None and experiment.result.outcome is Outcome.TRAINED
        if trained and signature_of(state, experiment) == wanted:
            return experiment
    return None


def parent_of(state: SessionState, edit: Edit) -> Edit | None:
    """Return the revision that an edit was forked from; None: the baseline."""
    if edit.saved.parent_title is None:
        return None
    wanted, found = title_key(edit.saved.parent_title), None
    for other in state.edits:
        if other.saved == edit.saved:
            break
        found = other if title_key(other.saved.title) == wanted else found
    return found


def axes_of_edit(edit: Edit) -> frozenset[Axis]:
    """Return what an edit touches relative to its parent, as it was judged when it was saved."""
    return frozenset(Axis(name) for name in edit.saved.axes if name in _AXES)


def plateau_problem(
    state: SessionState,
    blobs: BlobStore,
    source: str,
    title: str,
    known: Mapping[str, str],
    before: Edit | None = None,
) -> str | None:
    """Say why an edit is refused while the session is on a plateau, or None.

    Refused is what keeps the shape of a source that was there before (arguments as of `sources.twin_of`): overrides
    alone, other literal numbers, or code that cannot change a training.
    """
    batches = plateau_of(state)
    if batches < limits.PLATEAU_BATCHES:
        return None
    twin = twin_of(state, blobs, source, title, known, numbers=False, before=before)
    if twin is None:
        return None
    return (
        f"Plateau: {counted(batches, 'batch')} without a gain beyond the noise; change the training code itself "
        "(schedule, optimizer, loss, architecture), not only numbers or config_overrides. "
        f"This trains as {twin!r} does, but for numbers."
    )


def override_problem(
    state: SessionState, blobs: BlobStore, source: str, title: str, known: Mapping[str, str], wanted: str
) -> str | None:
    """Say why an edit that has the code of another is refused once some edits are saved, or None.

    `wanted` is its signature: what repeats a saved configuration in full is a matter of duplicates.
    """
    limit = override_limit(state)
    if len(state.edits) < limit or any(edit.saved.signature == wanted for edit in state.edits):
        return None
    twin = twin_of(state, blobs, source, title, known, numbers=True)
    if twin is None:
        return None
    return (
        f"After {limit} saved edits, config_overrides alone are refused; train_py trains here as that of {twin!r} "
        "does. Change train_py itself (schedule, optimizer, loss, architecture)."
    )


def override_limit(state: SessionState) -> int:
    """Return after how many saved edits overrides alone are refused."""
    return max(limits.CONFIG_ONLY_EDIT_LIMIT, state.config.batch_size)


def session_budget_s(state: SessionState, preset: Preset) -> int:
    """Return the longest training budget of the session, in seconds."""
    asked = min(state.config.time_budget_sec, preset.config.time_budget_sec)
    return asked if state.floor is None else min(asked, state.floor.budget_s)
