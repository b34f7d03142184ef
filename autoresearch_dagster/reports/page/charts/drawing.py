"""What all charts share: they follow the page's colours, and each has its figures in a table, too."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from autoresearch_dagster.core import limits
from autoresearch_dagster.reports.text import one_line

T = TypeVar("T")

ACCENT, INK, MUTED, RULE = "var(--accent)", "var(--ink)", "var(--muted)", "var(--rule)"
"""The page's colours, by name: a chart changes with them and is not drawn again."""
HEIGHT = 300
LEGEND_PX = 240  # of a name in a legend, which has as many columns as fit
TICKS = 8
CONFIG: dict[str, Any] = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": MUTED,
        "gridColor": RULE,
        "domainColor": RULE,
        "tickColor": RULE,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelPadding": 6,
        "labelOverlap": True,
        "labelSeparation": 8,
        "titlePadding": 10,
    },
    "legend": {
        "title": None,
        "orient": "bottom",
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": LEGEND_PX,
        "symbolStrokeWidth": 2,
        "columnPadding": 12,
        "columns": {"expr": f"max(1, floor(width / {LEGEND_PX + 32}))"},
    },
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and what it shows in words."""

    name: str
    title: str
    caption: str
    spec: dict[str, Any]

    @property
    def json(self) -> Markup:
        """The specification as it stands in the page."""
        return htmlsafe_json_dumps(
            self.spec, dumps=json.dumps, sort_keys=True, ensure_ascii=False, separators=(",", ":")
        )


def named(title: str) -> str:
    """Write a title as a chart shows it."""
    return one_line(title, limits.REPORT_CHART_NAME_CHARS)


def thinned(points: Sequence[T], most: int = limits.REPORT_CHART_POINTS) -> list[T]:
    """Leave out points evenly where there are too many; the last one stays."""
    every = max(1, math.ceil(len(points) / max(1, most)))
    return [*points[:-1:every], *points[-1:]]


def drawn_of(drawn: Sequence[object], found: Sequence[object]) -> str:
    """Say how many of some points are drawn, if not all are."""
    return f" ({len(drawn):,} are drawn)" if len(drawn) < len(found) else ""


def finished(chart: Any, datasets: dict[str, Any], height: int = HEIGHT) -> dict[str, Any]:
    """Return the specification of a chart as wide as its place, with its data under their names."""
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    spec["config"] = CONFIG
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["datasets"] = datasets
    return spec
