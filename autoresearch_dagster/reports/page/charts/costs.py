"""What was spent over time."""

import math
from collections.abc import Sequence
from decimal import Decimal

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import HOUR_S, MINUTE_S, in_time
from autoresearch_dagster.reports.bill import dollars
from autoresearch_dagster.reports.page.charts.drawing import ACCENT, TICKS, Chart, finished
from autoresearch_dagster.reports.page.costs import Point

COST_HEIGHT = 180


def cost_charts(points: Sequence[Point]) -> list[Chart]:
    """Draw what was spent over time, one chart for each thing that was spent."""
    if not points:
        return []
    every = max(1, math.ceil(len(points) / limits.REPORT_CHART_POINTS))
    kept = [*points[:-1:every], points[-1]]
    times = [(one.at - points[0].at).total_seconds() for one in kept]
    last = kept[-1]
    series = (
        ("cost-usd", "US$ for the model", [one.usd for one in kept], dollars(Decimal(str(last.usd)))),
        ("cost-gpu", "{} of GPU time", [one.gpu_s for one in kept], in_time(last.gpu_s)),
        ("cost-cpu", "{} of CPU time", [one.cpu_s for one in kept], in_time(last.cpu_s)),
    )
    return [_cost_chart(name, what, times, spent, total) for name, what, spent, total in series if spent[-1]]


def _cost_chart(name: str, what: str, times: Sequence[float], spent: Sequence[float], total: str) -> Chart:
    import altair as alt

    unit, unit_s = _unit(times[-1])
    spent_unit, size = _unit(spent[-1]) if "{}" in what else ("", 1.0)
    title = what.format(spent_unit)
    steps = [
        {"time": round(time / unit_s, 4), "spent": round(value / size, 6)}
        for time, value in zip(times, spent, strict=True)
    ]
    chart = (
        alt.Chart(alt.NamedData("steps"))
        .mark_area(interpolate="step-after", color=ACCENT, opacity=0.14, line={"color": ACCENT})
        .encode(
            x=alt.X("time:Q", title=f"{unit} since the start", axis=alt.Axis(tickCount=TICKS, grid=False)),
            y=alt.Y("spent:Q", title=title, stack=None, axis=alt.Axis(tickCount=4)),
        )
    )
    name_of_it = f"{title[0].upper()}{title[1:]}"
    caption = f"{total} in all; the sums are in the tables."
    return Chart(name, f"{name_of_it} since the start", caption, finished(chart, {"steps": steps}, COST_HEIGHT))


def _unit(seconds: float) -> tuple[str, float]:
    """Choose the unit in which so many seconds read well."""
    if seconds < 2 * MINUTE_S:
        return "seconds", 1.0
    return ("minutes", float(MINUTE_S)) if seconds < 2 * HOUR_S else ("hours", float(HOUR_S))
