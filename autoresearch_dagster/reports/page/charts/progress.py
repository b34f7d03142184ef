"""val_bpb over experiments, with the champion's line and the band of noise around it."""

import math
from collections.abc import Sequence
from statistics import median
from typing import Any

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Standing
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.page.charts.drawing import (
    ACCENT,
    INK,
    MUTED,
    TICKS,
    Chart,
    drawn_of,
    finished,
    named,
    thinned,
)
from autoresearch_dagster.store.leaderboard import score
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.tracking.describe import reigns

OUTLIER_SPREADS = 3.0
"""Times the spread of the middle half above it: what is worse is drawn at the chart's upper edge."""
CONFIRMED = "confirmed or champion"
FEW = 150
"""Points that are drawn large."""
KINDS = {
    CONFIRMED: ("diamond", ACCENT),
    "screened": ("circle", INK),
    "within noise": ("circle", MUTED),
    "regression": ("cross", MUTED),
}


def progress_chart(state: SessionState) -> Chart | None:
    """Draw val_bpb over experiments in the order in which they finished; None before there is a score."""
    import altair as alt

    scored = _scored(state)
    if not scored:
        return None
    top = _upper_edge([value for _, _, value in scored], state)
    found = [_point(place, one, value, top) for place, one, value in scored]
    crowned = thinned([point for point in found if point["kind"] == CONFIRMED], limits.REPORT_CHART_POINTS // 2)
    others = [point for point in found if point["kind"] != CONFIRMED]
    points = [
        *thinned(others, limits.REPORT_CHART_POINTS - len(crowned)),
        *crowned,
    ]  # what is drawn last lies on top
    few = len(points) <= FEW
    total = max(place for place, _, _ in scored)
    steps = _steps(state, total)
    kinds = [kind for kind in KINDS if any(point["kind"] == kind for point in points)]
    y = alt.Y("shown:Q", title="val_bpb (lower is better)", scale=alt.Scale(zero=False, nice=True))
    x = alt.X(
        "place:Q",
        title="experiments in order of finishing",
        axis=alt.Axis(tickMinStep=1, tickCount=TICKS, grid=False, format="d"),
    )
    x = x.scale(domain=[0, total + 1], nice=False)
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(size=70 if few else 22, strokeWidth=2 if few else 1.2, opacity=1)
        .encode(
            x=x,
            y=y,
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=[KINDS[kind][0] for kind in kinds])),
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=[KINDS[kind][1] for kind in kinds])),
            tooltip=[alt.Tooltip("title:N"), alt.Tooltip("val_bpb:N"), alt.Tooltip("kind:N"), alt.Tooltip("key:N")],
        )
    )
    layers: list[Any] = [dots]
    if steps:
        line = (
            alt.Chart(alt.NamedData("reigns"))
            .mark_line(interpolate="step-after", color=ACCENT, strokeWidth=2)
            .encode(x="place:Q", y=alt.Y("shown:Q"))
        )
        band = (
            alt.Chart(alt.NamedData("reigns"))
            .mark_area(interpolate="step-after", color=ACCENT, opacity=0.14, line=False)
            .encode(x="place:Q", y=alt.Y("low:Q"), y2="high:Q")
        )
        layers = [band, line, dots]
    spec = finished(alt.layer(*layers), {"points": points, "reigns": steps})
    return Chart(
        "progress", "val_bpb over experiments", _progress_caption(state, scored, points, bool(steps)), spec
    )


def _scored(state: SessionState) -> list[tuple[int, Experiment, float]]:
    """Candidates with a score and their places in the order of finishing, those without a score counted."""
    done = sorted(
        (one for one in state.experiments.values() if one.finished_at is not None),
        key=lambda one: (one.finished_at, one.planned.key),
    )
    return [(place, one, value) for place, one in enumerate(done, 1) if (value := score(one)) is not None]


def _upper_edge(scores: Sequence[float], state: SessionState) -> float:
    ordered = sorted(scores)
    low, high = ordered[len(ordered) // 4], ordered[(3 * len(ordered)) // 4]
    edge = high + OUTLIER_SPREADS * (high - low)
    if state.floor is not None:
        edge = max(edge, max(state.floor.floor.scores_bpb) + luck_bpb(state, state.floor.floor))
    return edge if any(value <= edge for value in scores) else ordered[-1]


def luck_bpb(state: SessionState, floor: NoiseFloor) -> float:
    """Return what luck makes of a difference, as the middle one of the screenings took it; it varies a little."""
    taken = [one.screening.noise_bpb for one in state.experiments.values() if one.screening is not None]
    return median(taken) if taken else math.sqrt(2) * floor.sd_bound_bpb


def _point(place: int, one: Experiment, value: float, top: float) -> dict[str, Any]:
    standing = one.result.standing if one.result is not None else None
    kind = {
        Standing.CHAMPION: CONFIRMED,
        Standing.CONFIRMED: CONFIRMED,
        Standing.WITHIN_NOISE: "within noise",
        Standing.REGRESSION: "regression",
    }.get(standing or Standing.SCREENED, "screened")
    return {
        "place": place,
        "shown": round(min(value, top), 5),
        "val_bpb": bpb(value),
        "title": named(one.planned.title),
        "kind": kind,
        "key": one.planned.key,
        "beyond": value > top,
    }


def _steps(state: SessionState, total: int) -> list[dict[str, float]]:
    """Champions one after the other, each with its band of noise; the first is the baseline."""
    found = reigns(state)
    if not found or state.floor is None:
        return []
    half = luck_bpb(state, state.floor.floor)
    ends = [(place, value) for _, place, value in thinned(found)]
    ends.append((total + 1, ends[-1][1]))
    return [
        {"place": place, "shown": round(value, 5), "low": round(value - half, 5), "high": round(value + half, 5)}
        for place, value in ends
    ]


def _progress_caption(
    state: SessionState,
    scored: Sequence[tuple[int, Experiment, float]],
    points: Sequence[dict[str, Any]],
    line: bool,
) -> str:
    missing = sum(one.finished_at is not None for one in state.experiments.values()) - len(scored)
    beyond = sum(point["beyond"] for point in points)
    parts = [f"{counted(len(scored), 'candidate')} with a score{drawn_of(points, scored)}."]
    if line:
        parts.append(
            "The line is the champion's score, from the baseline's on; the band is what luck alone makes of a "
            "difference between two trainings, as screening takes it: a point in it may be luck."
        )
    if missing:
        parts.append(f"{missing} without a score {'is' if missing == 1 else 'are'} not drawn.")
    if beyond:
        parts.append(
            f"{beyond} worse than the scale shows {'is' if beyond == 1 else 'are'} drawn at its upper edge."
        )
    return " ".join([*parts, "The figures are in the table of the leaderboard."])
