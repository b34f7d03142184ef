"""Build the report page: a pure function of a session's journal."""

from autoresearch_dagster.agent.hypotheses.calibration import by_axis, scores_by_key
from autoresearch_dagster.core import limits
from autoresearch_dagster.reports.page.activity import chapters
from autoresearch_dagster.reports.page.charts.calibration import calibration_chart
from autoresearch_dagster.reports.page.charts.costs import cost_charts
from autoresearch_dagster.reports.page.charts.curves import curves_chart
from autoresearch_dagster.reports.page.charts.drawing import Chart
from autoresearch_dagster.reports.page.charts.progress import progress_chart
from autoresearch_dagster.reports.page.charts.still import still
from autoresearch_dagster.reports.page.costs import costs_of
from autoresearch_dagster.reports.page.edits import edits_of
from autoresearch_dagster.reports.page.figures import clock
from autoresearch_dagster.reports.page.leaderboard import leaderboard_of
from autoresearch_dagster.reports.page.markup import environment, short
from autoresearch_dagster.reports.page.memory import memory_of
from autoresearch_dagster.reports.page.page_files import page_files
from autoresearch_dagster.reports.page.predictions import predictions
from autoresearch_dagster.reports.page.summary import summary_of
from autoresearch_dagster.reports.page.view import ReportView

TABS = (
    ("summary", "Summary"),
    ("activity", "Activity"),
    ("leaderboard", "Leaderboard"),
    ("edits", "Code edits"),
    ("memory", "Memory"),
    ("costs", "Costs"),
)


def report_html(view: ReportView, *, charts: bool = True) -> str:
    """Return the page as one HTML document.

    Args:
        view: the session.
        charts: whether the drawing library is included; without it the tables speak alone.
    """
    scores, costs = scores_by_key(view.state), costs_of(view)
    foretold, axes = list(predictions(view.state, scores)), by_axis(list(scores.values()))
    drawn: dict[str, Chart] = {}
    if charts:
        found = (
            progress_chart(view.state),
            curves_chart(view),
            calibration_chart(foretold),
            *cost_charts(costs.over_time),
        )
        drawn = {chart.name: chart for chart in found if chart is not None}
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            tabs=TABS,
            title=short(view.state.config.memory_key),
            state=view.state,
            live=view.live,
            refresh_s=limits.REPORT_REFRESH_S,
            as_of=clock(view.now, view.zone),
            zone=f"{view.now.astimezone(view.zone):UTC%z}",
            now=view.now.isoformat(timespec="seconds"),
            files=page_files(charts=bool(drawn)),
            charts=drawn,
            picture=still(drawn["progress"]) if "progress" in drawn else "",
            summary=summary_of(view, axes, foretold),
            chapters=chapters(view),
            leaderboard=leaderboard_of(view),
            edits=edits_of(view),
            memory=memory_of(view, foretold),
            costs=costs,
        )
    )
