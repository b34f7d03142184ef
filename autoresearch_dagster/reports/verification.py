"""A verified receipt as a person reads it: what was checked, both scores, the verdict."""

from rich.console import Console
from rich.text import Text

from autoresearch_dagster.core.figures import EXACT, change, exact
from autoresearch_dagster.core.limits import HISTORY_TEXT_CHARS, LOG_TAIL_CHARS
from autoresearch_dagster.evaluation.reproduction import Verification
from autoresearch_dagster.reports.text import one_line

MARKS = {"fits": "ok", "differs": "differs", "missing": "missing", "contradiction": "WRONG"}


def tell_verification(found: Verification, out: Console) -> None:
    """Print one line for each check, then the scores and the verdict."""
    said = found.reproduction
    lines = [f"receipt {found.receipt} of {one_line(found.key, HISTORY_TEXT_CHARS)}"]
    lines += [f"  {MARKS[one.finding]:8} {one.about}: {one_line(one.said, LOG_TAIL_CHARS)}" for one in found.checks]
    lines.append(f"recorded    val_bpb {exact(found.recorded_bpb)}")
    if found.again is not None:
        score = found.again.val_bpb
        ended = f"val_bpb {exact(score)}" if score is not None else found.again.ending
        lines.append(f"again       {ended}  receipt {found.again.receipt or 'none'}")
    if said.difference_bpb is not None and said.allowed_bpb is not None:
        lines.append(
            f"difference  {change(said.difference_bpb, decimals=EXACT)} bpb, allowed {exact(said.allowed_bpb)}"
        )
    lines.append(f"{said.verdict}: {one_line(said.reason, LOG_TAIL_CHARS)}")
    for line in lines:
        out.print(Text(line), soft_wrap=True)
