"""One experiment outside any session, as a person and as a program read it."""

from collections.abc import Callable
from typing import Any

from rich.console import Console

from autoresearch_dagster.core.experiment import CurvePoint, ExperimentResult

EVERY_STEPS = 10  # steps between two lines of progress


def show_progress(console: Console) -> Callable[[CurvePoint | None, float, float], None]:
    """Tell a watching person of every tenth step; silent without a terminal."""
    seen: list[int] = []

    def show(point: CurvePoint | None, used_s: float, left_s: float) -> None:
        if console.is_terminal and point is not None and (not seen or point.step >= seen[-1] + EVERY_STEPS):
            seen.append(point.step)
            console.print(f"  step {point.step:4}  loss {point.loss:.3f}  {left_s:.0f} s left at most")

    return show


def as_json(result: ExperimentResult) -> dict[str, Any]:
    """Return the result with `accepted` (it has a score of record) and the steps that it claims."""
    shown = result.model_dump(mode="json", exclude={"claims", "log_tail", "checkpoint", "curve"})
    claims = result.claims.model_dump()
    return {**shown, "accepted": result.accepted, "steps": result.claims.steps, "claims": claims}


def tell(result: ExperimentResult, out: Console, err: Console) -> None:
    """Print the score, or why there is none and the last lines of the program's output."""
    if not result.accepted:
        out.print(f"{result.outcome}: {result.error}", markup=False)
        if result.log_tail:
            err.print(f"Last lines it printed:\n{result.log_tail}", markup=False)
        return
    out.print(f"val_bpb {result.val_bpb:.6f}  (true bytes: {result.val_bpb_exact:.6f}; lower is better)")
    out.print(
        f"{result.outcome}, {result.verdict}; {result.claims.steps} steps in {result.duration_sec:.0f} s on "
        f"runner {result.runner}; receipt {result.receipt}",
        soft_wrap=True,
    )
