"""Training curves of the best few, as their programs report them."""

from typing import Any

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.page.charts.drawing import (
    ACCENT,
    INK,
    MUTED,
    TICKS,
    Chart,
    finished,
    named,
    thinned,
)
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.store.curves import UNREADABLE, kept_curve
from autoresearch_dagster.store.leaderboard import BASELINE, score


def curves_chart(view: ReportView) -> Chart | None:
    """Draw the training curves of the best few; None where none is kept."""
    import altair as alt

    state = view.state
    best = sorted((value, key) for key, one in state.experiments.items() if (value := score(one)) is not None)
    chosen = [state.experiments[key] for _, key in best[: limits.REPORT_CURVES]]
    if state.champion is not None and state.champion not in chosen:
        chosen = [state.champion, *chosen[:-1]]
    floor = [one for one in state.trainings.values() if state.floor is not None and one.planned.title == BASELINE]
    names, lost, points = list[str](), list[str](), list[dict[str, Any]]()
    for one in (*chosen, *floor[:1]):
        name = (
            named(one.planned.title)
            if one.planned.title == BASELINE
            else f"{named(one.planned.title)} ({one.planned.key})"
        )
        curve = kept_curve(one.result, view.code)
        if curve is None:
            lost.append(name)
        elif curve:
            names.append(name)
            points += [
                {"run": name, "seconds": round(point.elapsed_s, 2), "loss": round(point.loss, 4)}
                for point in thinned(curve, limits.REPORT_CURVE_POINTS)
            ]
    if not points:
        return None
    dashes = [[1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4], [1, 3], [10, 4]][: len(names)]
    champion = state.champion.planned.key if state.champion is not None else NO_KEY
    colours = [ACCENT if champion in name else MUTED if name == BASELINE else INK for name in names]
    chart = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("seconds:Q", title="seconds of training", axis=alt.Axis(tickCount=TICKS)),
            y=alt.Y("loss:Q", title="training loss, nats", scale=alt.Scale(zero=False)),
            color=alt.Color("run:N", scale=alt.Scale(domain=names, range=colours)),
            strokeDash=alt.StrokeDash("run:N", scale=alt.Scale(domain=names, range=dashes)),
            tooltip=[alt.Tooltip("run:N"), alt.Tooltip("seconds:Q"), alt.Tooltip("loss:Q")],
        )
    )
    caption = (
        f"The {counted(len(chosen), 'lowest score')}{' and the baseline' if BASELINE in names else ''}. The loss "
        "is what their programs report: a claim, not a score. The champion is in colour."
    )
    if lost:
        caption += f" {UNREADABLE[:1].upper()}{UNREADABLE[1:]}: {', '.join(lost)}."
    return Chart("curves", "Training curves of the best", caption, finished(chart, {"points": points}))


NO_KEY = "no key"
