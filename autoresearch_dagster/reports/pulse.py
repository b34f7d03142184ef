"""One line on how far a session is: experiments, best score, costs of this launch, time left."""

from decimal import Decimal

from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.progress import HOUR_S, counted, in_time
from autoresearch_dagster.reports.bill import dollars
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.state import SessionState

TITLE_CHARS = 28


def pulse(state: SessionState, left_s: float | None) -> str:
    """Say it; `left_s` is the wall time that the rest will take, in seconds, None where nobody knows."""
    done = sum(one.result is not None for one in state.experiments.values())
    parts = [f"{state.id}: {done} of {counted(state.allotted, 'experiment')}"]
    if waits := sum(one.planned.key not in state.experiments for one in state.unfinished):
        parts.append(f"{counted(waits, 'training')} to judge them by")
    if (top := leader(state)) is not None:
        who = "champion" if state.champion is not None else one_line(top.title, TITLE_CHARS)
        parts.append(f"{who} {bpb(top.val_bpb)}")
    parts += _costs(state)
    if left_s and state.status == "active":
        parts.append(f"about {in_time(left_s)} left")
    return ", ".join(parts)


def _costs(state: SessionState) -> list[str]:
    ledger, config = state.ledger, state.config
    found: list[str] = []
    if usd := ledger.usd_committed - ledger.granted_at_usd:
        cap = f" of {Decimal(str(config.max_usd)):.2f}" if config.max_usd is not None else ""
        found.append(f"{dollars(usd)}{cap}")
    if gpu_s := ledger.gpu_committed_s - ledger.granted_at_gpu_s:
        cap = f" of {config.max_gpu_hours:g}" if config.max_gpu_hours is not None else ""
        found.append(f"{gpu_s / HOUR_S:.2f}{cap} GPU-hours")
    if ledger.cpu_s:
        found.append(f"{in_time(ledger.cpu_s)} of CPU time")
    return found
