"""The first tab: what was found, what it cost, what was learnt, what to try next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_dagster.agent.axes.axis import Axis
from autoresearch_dagster.agent.hypotheses.calibration import AxisCalibration
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import NONE, bpb, change, gain_interval
from autoresearch_dagster.core.progress import HOUR_S, counted, in_time
from autoresearch_dagster.reports.bill import bill
from autoresearch_dagster.reports.climbed import climbed, how_sure
from autoresearch_dagster.reports.page.figures import clock, span
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.reports.page.predictions import Prediction
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.standings import (
    failures,
    floor_interval,
    floor_sentence,
    transfer_sentence,
    verdict,
)
from autoresearch_dagster.store.leaderboard import BASELINE, leader, score
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.summary import summarise


@dataclass(frozen=True, slots=True)
class Fact:
    """A figure with its name and a sentence that says what it means or why it is missing."""

    name: str
    figure: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reign:
    """One champion and the comparison that made it so."""

    key: ExperimentKey
    title: str
    against: str
    since: str
    val_bpb: str
    gain: str
    interval: str
    seeds: str
    transfer: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A candidate that is worth another look, and why."""

    key: ExperimentKey
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """All of the tab."""

    verdict: str
    facts: tuple[Fact, ...]
    floor: str
    reigns: tuple[Reign, ...]
    economy: tuple[Fact, ...]
    bill: str
    axes: tuple[AxisCalibration, ...]
    kept: tuple[Prediction, ...]
    refuted: tuple[Prediction, ...]
    unclear: tuple[Prediction, ...]
    undecided: tuple[Suggestion, ...]
    promising: tuple[Suggestion, ...]
    untried: tuple[str, ...]
    failures: str
    left: str
    conclusion: str


def summary_of(view: ReportView, axes: Sequence[AxisCalibration], predictions: Sequence[Prediction]) -> Summary:
    """Sum the session up."""
    state = view.state
    return Summary(
        verdict=short(verdict(state)),
        facts=tuple(_facts(view)),
        floor=floor_sentence(state),
        reigns=tuple(_reigns(view)),
        economy=tuple(_economy(state)),
        bill=short(bill(state)),
        axes=tuple(axes),
        kept=tuple(one for one in predictions if one.kept),
        refuted=tuple(one for one in predictions if one.refuted),
        unclear=tuple(one for one in predictions if one.unclear),
        undecided=tuple(_undecided(state)),
        promising=tuple(_promising(state)),
        untried=tuple(_untried(state)),
        failures=failures(state),
        left=_left(state),
        conclusion=state.summary,
    )


def _facts(view: ReportView) -> Iterator[Fact]:
    state = view.state
    top = leader(state)
    if top is None:
        yield Fact("Champion", NONE, "no score of record yet")
    elif top.experiment is None:
        yield Fact("Champion", bpb(top.val_bpb), f"still the {BASELINE}: nothing is confirmed against it")
    else:
        unsure = (
            "" if state.champion is not None else ": the lowest score, without a noise floor to confirm it against"
        )
        yield Fact("Champion", bpb(top.val_bpb), f"{short(top.title)}{unsure}")
    if state.floor is not None:
        floor = state.floor.floor
        yield Fact("Baseline", bpb(floor.scores_bpb[0]), f"seed 0; mean over seeds {floor_interval(floor)}")
    else:
        yield Fact("Baseline", NONE, "its noise floor is not measured")
    yield _gain(state)
    done = sum(one.result is not None for one in state.experiments.values())
    scored = sum(score(one) is not None for one in state.experiments.values())
    known = "" if done == scored else f", {done - scored} of them without a score"
    of = f"{done} of {len(state.experiments)}" if done != len(state.experiments) else str(done)
    yield Fact(
        "Experiments",
        of,
        f"finished{known}; {counted(len(state.trainings), 'training')} more for noise and confirmation",
    )
    ended = view.now if view.live else (state.ended_at or state.updated_at or state.started_at)
    yield Fact("Time", span(state.started_at, ended), f"since {clock(state.started_at, view.zone)}, rests included")


def _gain(state: SessionState) -> Fact:
    found = climbed(state)
    if found is None:
        return Fact("Gain", NONE, "no candidate is confirmed better than the baseline")
    sure = how_sure(found, state.steps[0].n_seeds)
    return Fact("Gain", f"{change(found.gain_bpb)} bpb", f"over the baseline; {sure}")


def _reigns(view: ReportView) -> Iterator[Reign]:
    state, before = view.state, BASELINE
    for key, at in state.reigns:
        one = state.experiments[key]
        decided = one.promotion
        title = short(one.planned.title)
        yield Reign(
            key=key,
            title=title,
            against=before,
            since=clock(at, view.zone),
            val_bpb=bpb(score(one)),
            gain=change(decided.gain_bpb) if decided else NONE,
            interval=gain_interval(decided.difference) if decided else NONE,
            seeds=str(decided.n_seeds) if decided else NONE,
            transfer=short(transfer_sentence(one)),
        )
        before = title


def _economy(state: SessionState) -> Iterator[Fact]:
    """What the gain cost; a cost that is not known is said, never taken for zero."""
    found = climbed(state)
    gain = found.gain_bpb if found is not None else 0.0
    none = "there is no confirmed gain" if found is None else ""
    ledger = state.ledger
    usd = float(ledger.usd_committed)
    asked = (
        "no model was asked, so research cost no dollars" if not ledger.calls and not usd else "its price is zero"
    )
    amounts = (
        ("Gain per US$", usd, asked),
        ("Gain per GPU-hour", ledger.gpu_committed_s / HOUR_S, "no GPU was used"),
        ("Gain per CPU-hour", ledger.cpu_s / HOUR_S, "no CPU time was measured"),
    )
    for name, amount, missing in amounts:
        if none or not amount:
            yield Fact(name, NONE, none or missing)
        else:
            yield Fact(name, f"{gain / amount:+.3g} bpb", f"{change(gain)} bpb for {_of(name, amount)}")


def _of(name: str, amount: float) -> str:
    return f"US$ {amount:.4g}, possible charges included" if "US$" in name else in_time(amount * HOUR_S)


def _undecided(state: SessionState) -> Iterator[Suggestion]:
    """Candidates that were worth more seeds and got no decision."""
    for key, one in state.experiments.items():
        deserved = one.screening is not None and one.screening.outcome == "worth_confirming"
        if deserved and (one.undecided or (one.refused and one.promotion is None and score(one) is not None)):
            yield _suggested(key, one)


def _promising(state: SessionState) -> Iterator[Suggestion]:
    """Candidates that were better, but within the noise; the largest gain first."""
    gains = [
        (one.decision.gain_bpb, key, one)
        for key, one in state.experiments.items()
        if one.decision is not None and one.decision.outcome == "within_noise" and one.decision.gain_bpb > 0
    ]
    for _, key, one in sorted(gains, key=lambda found: -found[0]):
        yield _suggested(key, one)


def _suggested(key: ExperimentKey, one: Experiment) -> Suggestion:
    return Suggestion(key, short(one.planned.title), short(one.judgement))


def _untried(state: SessionState) -> Iterator[str]:
    """Directions of research that no saved edit touched; none where edits were not judged yet."""
    touched = {name for edit in state.edits for name in edit.saved.axes}
    if touched:
        yield from (axis.value.replace("_", " ") for axis in Axis if axis.value not in touched)


def _left(state: SessionState) -> str:
    """Say what the session waits for, or has left."""
    told = short(summarise(state).waits_for)
    if state.status == "active":
        return f"The session waits for {told}."
    left = f"Left of what it was granted: {counted(state.remaining, 'experiment')}." if state.remaining else ""
    return f"{state.status.capitalize()}: {told}. {left}".strip()
