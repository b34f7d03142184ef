"""A chart as a picture in the page, for readers without scripts: an e-mail, a strict viewer."""

import json
from typing import Any

from markupsafe import Markup

from autoresearch_dagster.reports.page.charts.drawing import Chart

WIDTH = 900
"""Of the drawing; the page scales it to the room that there is."""
DRAWN = ("place", "shown", "kind", "low", "high")
"""Fields of the data that the picture needs: nothing that somebody else wrote is among them."""


def still(chart: Chart) -> Markup:
    """Draw the chart of progress once and for all, in the page's colours."""
    import vl_convert

    spec: dict[str, Any] = {**chart.spec, "width": WIDTH}
    spec["config"] = {**chart.spec["config"], "aria": False}
    spec["datasets"] = {
        name: [{field: value for field, value in row.items() if field in DRAWN} for row in rows]
        for name, rows in chart.spec["datasets"].items()
    }
    return Markup(vl_convert.vegalite_to_svg(json.dumps(spec)))
