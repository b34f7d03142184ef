"""Build the report page: a pure function of a session's journal."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from autoresearch_dagster.agent.hypotheses.calibration import by_axis, scores_by_key
from autoresearch_dagster.core import limits
from autoresearch_dagster.reports.page.activity import chapters
from autoresearch_dagster.reports.page.charts.calibration import calibration_chart
from autoresearch_dagster.reports.page.charts.costs import cost_charts
from autoresearch_dagster.reports.page.charts.curves import curves_chart
from autoresearch_dagster.reports.page.charts.drawing import Chart
from autoresearch_dagster.reports.page.charts.progress import progress_chart
from autoresearch_dagster.reports.page.charts.still import still
from autoresearch_dagster.reports.page.costs import Point, costs_of
from autoresearch_dagster.reports.page.edits import edits_of
from autoresearch_dagster.reports.page.figures import clock
from autoresearch_dagster.reports.page.leaderboard import leaderboard_of
from autoresearch_dagster.reports.page.markup import environment, short
from autoresearch_dagster.reports.page.memory import memory_of
from autoresearch_dagster.reports.page.page_files import page_files
from autoresearch_dagster.reports.page.predictions import Prediction, predictions
from autoresearch_dagster.reports.page.room import Room, Write
from autoresearch_dagster.reports.page.summary import summary_of
from autoresearch_dagster.reports.page.tree import Lineage, lineage
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.review import EXPLAINS

TABS = (
    ("summary", "Summary"),
    ("activity", "Activity"),
    ("leaderboard", "Leaderboard"),
    ("edits", "Code edits"),
    ("memory", "Memory"),
    ("costs", "Costs"),
)


def report_html(view: ReportView, *, charts: bool = True) -> str:
    """Return the page as one HTML document, below `limits.REPORT_BYTES` whatever the session holds.

    Args:
        view: the session.
        charts: whether the drawing library is included; without it the tables speak alone.
    """
    scores, costs = scores_by_key(view.state), costs_of(view)
    foretold, axes = list(predictions(view.state, scores)), by_axis(list(scores.values()))
    drawn = _charts(view, foretold, costs.over_time) if charts else {}
    edits, room = edits_of(view), Room(view.state.id)

    def written(write: Write) -> Lineage:
        found = lineage(edits.revisions, edits.parents, edits.first, write)
        room.lack("lineage", len(edits.revisions), found.left_out)
        return found

    given: dict[str, Any] = {
        "state": view.state,
        "zone": f"{view.now.astimezone(view.zone):UTC%z}",
        "charts": drawn,
        "picture": _picture(drawn),
        "summary": summary_of(view, axes, foretold),
        "chapters": chapters(view),
        "leaderboard": leaderboard_of(view),
        "edits": edits,
        "lineage": written,
        "memory": memory_of(view, foretold),
        "costs": costs,
        "room": room,
        "explains": EXPLAINS,
        "most": limits.REPORT_SUGGESTIONS,
    }
    parts, lacking = dict[str, Markup](), list[tuple[str, str]]()
    for name, label in TABS:
        before = len(room.missing)
        parts[name] = Markup(environment().get_template(f"{name}.html.j2").render(given))
        if len(room.missing) > before or (name == "edits" and edits.diffs_left_out):
            lacking.append((name, label))
    page = (
        environment()
        .get_template("page.html.j2")
        .render(
            given,
            tabs=TABS,
            parts=parts,
            missing=lacking,
            title=short(view.state.config.memory_key),
            live=view.live,
            refresh_s=limits.REPORT_REFRESH_S,
            as_of=clock(view.now, view.zone),
            now=view.now.isoformat(timespec="seconds"),
            files=page_files(charts=bool(drawn)),
            specs={name: chart.json for name, chart in drawn.items()},
        )
    )
    return without_dead_links(page) if lacking else page


def _charts(view: ReportView, foretold: Sequence[Prediction], spent: Sequence[Point]) -> dict[str, Chart]:
    """Draw what has room; what is drawn stands in tables, too."""
    found = (progress_chart(view.state), curves_chart(view), calibration_chart(foretold), *cost_charts(spent))
    drawn, room = dict[str, Chart](), limits.REPORT_CHARTS_BYTES
    for chart in found:
        size = len(chart.json.encode()) if chart is not None else 0
        if chart is not None and size <= room:
            drawn[chart.name], room = chart, room - size
    return drawn


def _picture(drawn: Mapping[str, Chart]) -> Markup:
    picture = still(drawn["progress"]) if "progress" in drawn else Markup()
    return picture if len(picture.encode()) <= limits.REPORT_PICTURE_BYTES else Markup()


LINK = re.compile(r'<a href="#([\w-]+)">(.*?)</a>', re.DOTALL)
"""As the templates write it; in what others wrote no tag is left."""


def without_dead_links(page: str) -> str:
    """Leave the words of links to what has no room on the page."""
    known = set(re.findall(r' id="([\w-]+)"', page))
    return LINK.sub(lambda link: link[0] if link[1] in known else link[2], page)
