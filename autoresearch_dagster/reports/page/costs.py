"""The tab of what it cost: money, tokens, processors, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from autoresearch_dagster.core.experiment import ExperimentResult, Purpose
from autoresearch_dagster.core.figures import NONE
from autoresearch_dagster.core.progress import counted, in_time
from autoresearch_dagster.reports.bill import bill, dollars
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.ledger import gpu_left_s, usd_left
from autoresearch_dagster.store.state import Experiment, SessionState

PURPOSES = {
    Purpose.CANDIDATE: "candidates",
    Purpose.NOISE_FLOOR: "noise floor",
    Purpose.CONFIRMATION: "confirmations",
    Purpose.SCALE_TRANSFER: "scale transfers",
}
TOKENS = {
    "input_tokens": "read, at the full price",
    "cache_read_tokens": "read from the cache",
    "cache_write_5m_tokens": "written to the cache for 5 minutes",
    "cache_write_1h_tokens": "written to the cache for an hour",
    "output_tokens": "written",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One cost and what is to be known of it."""

    name: str
    amount: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """What the trainings of one purpose took."""

    name: str
    planned: int
    finished: int
    cpu: str
    gpu: str
    wall: str


@dataclass(frozen=True, slots=True)
class TurnCost:
    """What one turn's answers cost."""

    turn: int
    answers: int
    read: str
    written: str
    usd: str
    waited: str


@dataclass(frozen=True, slots=True)
class Point:
    """What was spent up to some time.  Units: US$, seconds."""

    at: datetime
    usd: float
    cpu_s: float
    gpu_s: float


@dataclass(frozen=True, slots=True)
class Costs:
    """All of the tab but its charts."""

    bill: str
    lines: tuple[Line, ...]
    tokens: tuple[Line, ...]
    shares: tuple[Share, ...]
    turns: tuple[TurnCost, ...]
    over_time: tuple[Point, ...]


def costs_of(view: ReportView) -> Costs:
    """Sum up what the session used."""
    state = view.state
    usage = state.ledger.usage.model_dump()
    tokens = (Line(name, f"{usage[field]:,}") for field, name in TOKENS.items() if usage[field])
    return Costs(
        bill=short(bill(state)),
        lines=tuple(_lines(state)),
        tokens=tuple(tokens),
        shares=tuple(_shares(state)),
        turns=tuple(_turns(view.events)),
        over_time=tuple(_over_time(view.events)),
    )


def _lines(state: SessionState) -> Iterator[Line]:
    ledger, config = state.ledger, state.config
    if ledger.calls or ledger.usd_committed:
        yield Line(
            "Model, answered requests",
            dollars(ledger.usd),
            f"{counted(ledger.calls, 'answer')} of {short(config.model)}",
        )
        reserved = sum((one.reserved_usd for one in ledger.asked.values()), Decimal(0))
        if ledger.usd_possible:
            yield Line("Model, possibly charged", dollars(ledger.usd_possible), "requests that failed on the way")
        if reserved:
            yield Line("Model, reserved", dollars(reserved), "requests without an answer yet")
    else:
        yield Line("Model", NONE, f"none was asked: the researcher is {short(config.researcher)}")
    left = usd_left(ledger, config)
    yield Line(
        "Cap for the model",
        *_cap(dollars(Decimal(str(config.max_usd or 0))), dollars(left) if left is not None else None),
    )
    yield Line("CPU time", in_time(ledger.cpu_s) if ledger.cpu_s else NONE, "of trainings that have a result")
    if ledger.gpu_committed_s:
        possible = ledger.gpu_committed_s - ledger.gpu_s
        note = f"{in_time(possible)} more may have been used" if possible else "of trainings that have a result"
        yield Line("GPU time", in_time(ledger.gpu_s), note)
    else:
        yield Line("GPU time", NONE, "no GPU was used")
    left_s = gpu_left_s(ledger, config)
    yield Line(
        "Cap for GPUs",
        *_cap(f"{config.max_gpu_hours or 0:g} h", in_time(max(0.0, left_s)) if left_s is not None else None),
    )


def _cap(amount: str, left: str | None) -> tuple[str, str]:
    return (amount, f"for this launch; {left} left") if left is not None else (NONE, "there is none")


def _shares(state: SessionState) -> Iterator[Share]:
    for purpose, name in PURPOSES.items():
        some = [one for one in state.everything.values() if one.planned.purpose is purpose]
        if some:
            yield _share(name, some)


def _share(name: str, some: Sequence[Experiment]) -> Share:
    results = [one.result for one in some if one.result is not None]
    cpu, gpu = sum(map(cpu_of, results)), sum(result.gpu_sec for result in results)
    wall = sum(result.duration_sec for result in results)
    return Share(name, len(some), len(results), *(in_time(value) if value else NONE for value in (cpu, gpu, wall)))


def cpu_of(result: ExperimentResult) -> float:
    """Seconds of CPU time of a training, tries that ran out of memory included, as the ledger counts them."""
    return result.cpu_sec + sum(one.cpu_sec for one in result.out_of_memory)


def _turns(events: Sequence[ev.Recorded]) -> Iterator[TurnCost]:
    """Add up the answers of each turn; an answer belongs to the turn that its request named."""
    turn_of = {one.event.ticket: one.event.turn for one in events if isinstance(one.event, ev.ModelAsked)}
    answers: dict[int, list[ev.ModelAnswered]] = {}
    for one in events:
        if isinstance(one.event, ev.ModelAnswered):
            answers.setdefault(turn_of.get(one.event.ticket, 0), []).append(one.event)
    for turn, some in answers.items():
        yield TurnCost(
            turn=turn,
            answers=len(some),
            read=f"{sum(one.usage.read_tokens for one in some):,}",
            written=f"{sum(one.usage.output_tokens for one in some):,}",
            usd=dollars(sum((one.usd for one in some), Decimal(0))),
            waited=in_time(sum(one.duration_s for one in some)),
        )


def _over_time(events: Sequence[ev.Recorded]) -> Iterator[Point]:
    usd = cpu_s = gpu_s = 0.0
    for one in events:
        match one.event:
            case ev.ModelAnswered():
                usd += float(one.event.usd)
            case ev.ExperimentFinished():
                cpu_s, gpu_s = cpu_s + cpu_of(one.event.result), gpu_s + one.event.result.gpu_sec
            case ev.SessionStarted():
                pass
            case _:
                continue
        yield Point(one.at, usd, cpu_s, gpu_s)
