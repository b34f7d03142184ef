"""Tools that launch experiments, and the one that ranks what came back."""

from typing import Any, Literal

from pydantic import JsonValue

from autoresearch_dagster.agent.tools import answers
from autoresearch_dagster.agent.tools.signatures import Launch, ToolContext

Confirm = Literal["now", "deferred"]
"""When candidates that look better are confirmed; `store.state` reads it from the recorded call."""


def run_experiment(
    ctx: ToolContext,
    title: str,
    time_budget_sec: int | None = None,
    memory_key: str = "",
    confirm: Confirm = "now",
) -> Launch:
    """Train one saved edit and return its result; the plan sleeps meanwhile. Call it without await.

    confirm="deferred" answers before a gain is confirmed (standing "screened"); that is done when the plan ends.
    """
    return Launch((title,), (time_budget_sec,))


def run_experiment_batch(
    ctx: ToolContext,
    titles: list[str],
    time_budget_sec: int | None = None,
    memory_key: str = "",
    concurrency: int | None = None,
    batch_id: str = "",
    confirm: Confirm = "now",
) -> JsonValue | Launch:
    """Train saved edits in parallel: batch_size, titles, results (in the order of titles), evaluation.

    One turn launches batch_size experiments at most. A batch whose edits all touch one axis is sent back once.
    """
    return Launch(tuple(titles), (time_budget_sec,) * len(titles), concurrency)


def flyte_map(
    ctx: ToolContext,
    name: str,
    *iterables: list[Any],
    concurrency: int | None = None,
    group_name: str = "",
    return_exceptions: bool = True,
    confirm: Confirm = "now",
) -> JsonValue | Launch:
    """Map "run_experiment" over titles, budgets and keys; a list of results in the order of the titles."""
    return _map(ctx, name, iterables, concurrency)


def map_experiments(
    ctx: ToolContext,
    name: str,
    *iterables: list[Any],
    concurrency: int | None = None,
    group_name: str = "",
    return_exceptions: bool = True,
    confirm: Confirm = "now",
) -> JsonValue | Launch:
    """Do the same as flyte_map."""
    return _map(ctx, name, iterables, concurrency)


def _map(
    ctx: ToolContext, name: str, iterables: tuple[list[Any], ...], concurrency: int | None
) -> JsonValue | Launch:
    if name != "run_experiment":
        return {"error": f"Only 'run_experiment' can be mapped, not {name!r}."}
    if not iterables:
        return {"error": "Pass the list of titles: flyte_map('run_experiment', titles)."}
    titles = tuple(str(title) for title in iterables[0])
    budgets = iterables[1] if len(iterables) > 1 else [None] * len(titles)
    keys = iterables[2] if len(iterables) > 2 else [""] * len(titles)
    if not len(titles) == len(budgets) == len(keys):
        return {"error": "titles, budgets and keys must be equally long."}
    if any(isinstance(budget, bool) or not isinstance(budget, int | float | None) for budget in budgets):
        return {"error": "Every budget must be a number of seconds, or None."}
    if any(key not in ("", None, *ctx.state.memory_keys) for key in keys):
        return {"error": f"This session's memory_key is {ctx.state.config.memory_key!r}; use no other."}
    whole = tuple(None if budget is None else int(budget) for budget in budgets)
    return Launch(titles, whole, concurrency)


def evaluate_batch_results(
    ctx: ToolContext, results: list[Any], batch_id: str = "", memory_key: str = ""
) -> JsonValue:
    """Rank results of a batch by val_bpb and list its failures."""
    return answers.evaluate(results, batch_id)
