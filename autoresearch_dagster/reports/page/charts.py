"""The charts, as Vega-Lite: they follow the page's colours, and each has its figures in a table beside it."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import CurvePoint, Standing
from autoresearch_dagster.reports.page.costs import Point
from autoresearch_dagster.reports.page.figures import bpb
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.reports.page.predictions import Prediction
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.store.leaderboard import BASELINE, score
from autoresearch_dagster.store.ledger import HOUR_S
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.tracking.describe import reigns

ACCENT, INK, MUTED, RULE = "var(--accent)", "var(--ink)", "var(--muted)", "var(--rule)"
HEIGHT = 300
COST_HEIGHT = 180
BAND_SDS = 2.0
OUTLIER_SPREADS = 3.0
"""Times the spread of the middle half above it: what is worse is drawn at the chart's upper edge."""
KINDS = {
    "confirmed or champion": ("diamond", ACCENT),
    "screened": ("circle", INK),
    "within noise": ("circle", MUTED),
    "regression": ("cross", MUTED),
}
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        **{"labelColor": MUTED, "titleColor": MUTED, "gridColor": RULE, "domainColor": RULE, "tickColor": RULE},
        **{"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelPadding": 6, "titlePadding": 10},
    },
    "legend": {
        **{"labelColor": INK, "titleColor": MUTED, "labelFontSize": 12, "orient": "bottom", "title": None, "columns": 2},
        **{"labelLimit": 240, "symbolStrokeWidth": 2},
    },
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and what it shows in words."""

    name: str
    title: str
    caption: str
    spec: dict[str, Any]


def progress_chart(view: ReportView) -> Chart | None:
    """Draw val_bpb over experiments in the order in which they finished; None before there is a score."""
    import altair as alt

    state = view.state
    scored = _scored(state)
    if not scored:
        return None
    top = _upper_edge([value for _, _, value in scored], state)
    points = [_point(place, one, value, top) for place, one, value in scored]
    total = max(place for place, _, _ in scored)
    steps = _steps(state, total)
    kinds = [kind for kind in KINDS if any(point["kind"] == kind for point in points)]
    y = alt.Y("shown:Q", title="val_bpb (lower is better)", scale=alt.Scale(zero=False, nice=True))
    x = alt.X("place:Q", title="experiments, in the order in which they finished", axis=alt.Axis(tickMinStep=1, grid=False))
    x = x.scale(domain=[0, total + 1], nice=False)
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(size=70, strokeWidth=2, opacity=1)
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
    spec = _finished(alt.layer(*layers), {"points": points, "reigns": steps})
    return Chart("progress", "val_bpb over experiments", _progress_caption(state, scored, points, bool(steps)), spec)


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
        edge = max(edge, max(state.floor.floor.scores_bpb) + BAND_SDS * state.floor.floor.sd_bpb)
    return edge if any(value <= edge for value in scores) else ordered[-1]


def _point(place: int, one: Experiment, value: float, top: float) -> dict[str, Any]:
    standing = one.result.standing if one.result is not None else None
    kind = {
        Standing.CHAMPION: "confirmed or champion",
        Standing.CONFIRMED: "confirmed or champion",
        Standing.WITHIN_NOISE: "within noise",
        Standing.REGRESSION: "regression",
    }.get(standing or Standing.SCREENED, "screened")
    return {
        "place": place,
        "shown": round(min(value, top), 5),
        "val_bpb": bpb(value),
        "title": short(one.planned.title),
        "kind": kind,
        "key": one.planned.key,
    }


def _steps(state: SessionState, total: int) -> list[dict[str, float]]:
    """Champions one after the other, each with its band of noise; the first is the baseline."""
    found = reigns(state)
    if not found or state.floor is None:
        return []
    half = BAND_SDS * state.floor.floor.sd_bpb
    ends = [(place, value) for _, place, value in found]
    ends.append((total + 1, ends[-1][1]))
    return [
        {"place": place, "shown": round(value, 5), "low": round(value - half, 5), "high": round(value + half, 5)}
        for place, value in ends
    ]


def _progress_caption(
    state: SessionState, scored: Sequence[tuple[int, Experiment, float]], points: Sequence[dict[str, Any]], line: bool
) -> str:
    missing = sum(one.finished_at is not None for one in state.experiments.values()) - len(scored)
    beyond = sum(bpb(point["shown"]) != point["val_bpb"] for point in points)
    parts = [f"{len(scored)} candidates with a score."]
    if line:
        parts.append(
            "The line is the champion's score, from the baseline's on; the band is two standard deviations of the "
            "noise floor to either side: there one and the same code lands from seed to seed."
        )
    if missing:
        parts.append(f"{missing} without a score are not drawn.")
    if beyond:
        parts.append(f"{beyond} worse than the scale are drawn at its upper edge.")
    return " ".join([*parts, "The figures are in the table below."])


def calibration_chart(predictions: Sequence[Prediction]) -> Chart | None:
    """Draw what was foretold against what was measured; None where nobody foretold a size."""
    import altair as alt

    sized = [one for one in predictions if one.predicted_bpb is not None]
    if not sized:
        return None
    points = [
        {
            "predicted": one.predicted_bpb,
            "measured": round(one.measured_bpb, 5),
            "title": one.title,
            "kind": "kept" if one.kept else "not kept",
        }
        for one in sized
    ]
    ends = [value for one in points for value in (one["predicted"], one["measured"])] + [0.0]
    line = [{"predicted": value, "measured": value} for value in (min(ends), max(ends))]
    diagonal = (
        alt.Chart(alt.NamedData("diagonal")).mark_line(color=MUTED, strokeDash=[4, 4]).encode(x="predicted:Q", y="measured:Q")
    )
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(size=70, strokeWidth=2, opacity=1)
        .encode(
            x=alt.X("predicted:Q", title="predicted change, bpb"),
            y=alt.Y("measured:Q", title="measured change, bpb"),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=["kept", "not kept"], range=["diamond", "circle"])),
            color=alt.Color("kind:N", scale=alt.Scale(domain=["kept", "not kept"], range=[ACCENT, MUTED])),
            tooltip=[alt.Tooltip("title:N"), alt.Tooltip("predicted:Q"), alt.Tooltip("measured:Q"), alt.Tooltip("kind:N")],
        )
    )
    caption = (
        f"{len(sized)} hypotheses that foretold a size. Negative is better. On the dashed line it came as foretold; "
        "below it, better. The figures are in the table below."
    )
    spec = _finished(alt.layer(diagonal, dots), {"points": points, "diagonal": line})
    return Chart("calibration", "Predicted and measured", caption, spec)


def curves_chart(view: ReportView) -> Chart | None:
    """Draw the training curves of the best few; None where none is kept."""
    import altair as alt

    state = view.state
    best = sorted((value, key) for key, one in state.experiments.items() if (value := score(one)) is not None)
    chosen = [state.experiments[key] for _, key in best[: limits.REPORT_CURVES]]
    if state.champion is not None and state.champion not in chosen:
        chosen = [state.champion, *chosen[:-1]]
    floor = [one for one in state.trainings.values() if state.floor is not None and one.planned.title == BASELINE]
    names, points = list[str](), list[dict[str, Any]]()
    for one in (*chosen, *floor[:1]):
        name = short(one.planned.title) if one.planned.title == BASELINE else f"{short(one.planned.title)} ({one.planned.key})"
        curve = _curve(view, one)
        if curve:
            names.append(name)
            points += [{"run": name, "seconds": round(point.elapsed_s, 2), "loss": round(point.loss, 4)} for point in curve]
    if not points:
        return None
    dashes = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3], [10, 4]][: len(names)]
    champion = state.champion.planned.key if state.champion is not None else NO_KEY
    colours = [ACCENT if champion in name else MUTED if name == BASELINE else INK for name in names]
    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("seconds:Q", title="seconds of training"),
            y=alt.Y("loss:Q", title="training loss, nats", scale=alt.Scale(zero=False)),
            color=alt.Color("run:N", scale=alt.Scale(domain=names, range=colours)),
            strokeDash=alt.StrokeDash("run:N", scale=alt.Scale(domain=names, range=dashes)),
            tooltip=[alt.Tooltip("run:N"), alt.Tooltip("seconds:Q"), alt.Tooltip("loss:Q")],
        )
    )
    caption = (
        f"Training curves of the {len(names)} lowest scores and the baseline, as the candidates report them: a claim, "
        "not a score."
    )
    return Chart("curves", "Training curves of the best", caption, _finished(chart, {"points": points}))


NO_KEY = "no key"


def _curve(view: ReportView, one: Experiment) -> list[CurvePoint]:
    """Read a curve and thin it out; a blob that is gone or broken is no curve."""
    if one.result is None or one.result.curve is None:
        return []
    text = view.code(one.result.curve)
    if text is None:
        return []
    try:
        points = [CurvePoint.model_validate(point) for point in json.loads(text)]
    except (ValueError, TypeError, AutoresearchError):
        return []
    finite = [point for point in points if math.isfinite(point.loss) and math.isfinite(point.elapsed_s)]
    every = max(1, math.ceil(len(finite) / limits.REPORT_CURVE_POINTS))
    return [*finite[::every], *finite[-1:]]


def cost_charts(points: Sequence[Point]) -> list[Chart]:
    """Draw what was spent over time, one chart for each thing that was spent."""
    if not points:
        return []
    every = max(1, math.ceil(len(points) / limits.REPORT_CHART_POINTS))
    kept = [*points[::every], points[-1]]
    hours = [round((one.at - points[0].at).total_seconds() / HOUR_S, 4) for one in kept]
    series = (
        ("cost-usd", "US$ for the model", [one.usd for one in kept]),
        ("cost-gpu", "hours of GPU time", [one.gpu_s / HOUR_S for one in kept]),
        ("cost-cpu", "hours of CPU time", [one.cpu_s / HOUR_S for one in kept]),
    )
    return [_cost_chart(name, what, hours, spent) for name, what, spent in series if spent[-1]]


def _cost_chart(name: str, what: str, hours: Sequence[float], spent: Sequence[float]) -> Chart:
    import altair as alt

    steps = [{"hours": hour, "spent": round(value, 6)} for hour, value in zip(hours, spent, strict=True)]
    chart = (
        alt.Chart(alt.NamedData("steps"))
        .mark_area(interpolate="step-after", color=ACCENT, opacity=0.14, line={"color": ACCENT})
        .encode(x=alt.X("hours:Q", title="hours since the start"), y=alt.Y("spent:Q", title=what))
    )
    caption = f"{what[0].upper()}{what[1:]} since the start: {spent[-1]:.4g} in all. The sums are in the tables."
    return Chart(name, f"{what[0].upper()}{what[1:]} over time", caption, _finished(chart, {"steps": steps}, COST_HEIGHT))


def _finished(chart: Any, datasets: dict[str, Any], height: int = HEIGHT) -> dict[str, Any]:
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    spec["config"] = CONFIG
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["datasets"] = datasets
    return spec
