"""One experiment outside any session, as a person and as a program read it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.text import Text

from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult
from autoresearch_dagster.core.figures import EXACT, change, exact
from autoresearch_dagster.core.limits import LOG_TAIL_CHARS
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.live import LiveView
from autoresearch_dagster.reports.text import one_line


@dataclass(frozen=True, slots=True)
class Watching:
    """Where one experiment tells how far it is."""

    report: Report
    on_progress: Callable[[CurvePoint | None, float, float], None]
    on_stage: Callable[[str], None]


@contextmanager
def watched(console: Console, name: str, title: str) -> Iterator[Watching]:
    """Show one experiment until the block ends."""
    board, key = Board(), ExperimentKey(name)
    with LiveView(board, console) as view:

        def on_stage(stage: str) -> None:
            board.add(key, title)
            board.stage(key, stage)

        def on_progress(point: CurvePoint | None, used_s: float, left_s: float) -> None:
            board.progress(key, point, used_s, left_s)

        yield Watching(view.report, on_progress, on_stage)


def as_json(result: ExperimentResult) -> dict[str, Any]:
    """Return the result with `accepted` (it has a score of record) and the steps that it claims."""
    shown = result.model_dump(mode="json", exclude={"claims", "log_tail", "checkpoint", "curve"})
    claims = result.claims.model_dump()
    return {**shown, "accepted": result.accepted, "steps": result.claims.steps, "claims": claims}


def tell(result: ExperimentResult, out: Console, err: Console) -> None:
    """Print the score, or why there is none and the last lines of the program's output."""
    if not result.accepted:
        _tell_failure(result, out, err)
        return
    out.print(f"val_bpb {exact(result.val_bpb)}  (true bytes: {exact(result.val_bpb_exact)}; lower is better)")
    out.print(
        f"{result.outcome}, {result.verdict}; {result.claims.steps} steps in {result.duration_sec:.0f} s on "
        f"runner {result.runner}; receipt {result.receipt}",
        soft_wrap=True,
    )


def _tell_failure(result: ExperimentResult, out: Console, err: Console) -> None:
    out.print(Text(f"{result.ending}: {one_line(result.error, LOG_TAIL_CHARS)}"), soft_wrap=True)
    if result.log_tail:
        err.print(Text(f"Last lines it printed:\n{printable(result.log_tail, LOG_TAIL_CHARS)}"), soft_wrap=True)


def difference(recorded: ExperimentResult, again: ExperimentResult) -> float | None:
    """Return reproduced minus recorded val_bpb, where both have a score."""
    if recorded.val_bpb is None or again.val_bpb is None:
        return None
    return again.val_bpb - recorded.val_bpb


def tell_reproduction(
    key: str, recorded: ExperimentResult, again: ExperimentResult, out: Console, err: Console
) -> None:
    """Print the recorded score beside the reproduced one; the record stays as it is."""
    out.print(Text(f"{key}: trained again, for information; the score of record does not change."), soft_wrap=True)
    for name, result in (("recorded", recorded), ("reproduced", again)):
        score = f"val_bpb {exact(result.val_bpb)}" if result.val_bpb is not None else result.ending
        steps = result.claims.steps if result.claims.steps is not None else "–"
        line = f"{name:10}  {score}  {steps} steps  {result.duration_sec:.0f} s  receipt {result.receipt or 'none'}"
        out.print(Text(line), soft_wrap=True)
    apart = difference(recorded, again)
    if apart is not None:
        out.print(f"difference  {change(apart, decimals=EXACT)} bpb")
    if not again.accepted:
        _tell_failure(again, out, err)
