"""What all charts share: they follow the page's colours, and each has its figures in a table, too."""

from dataclasses import dataclass
from typing import Any

ACCENT, INK, MUTED, RULE = "var(--accent)", "var(--ink)", "var(--muted)", "var(--rule)"
"""The page's colours, by name: a chart changes with them and is not drawn again."""
HEIGHT = 300
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
        "titlePadding": 10,
    },
    "legend": {
        "title": None,
        "orient": "bottom",
        "labelColor": INK,
        "labelFontSize": 12,
        "labelLimit": 260,
        "symbolStrokeWidth": 2,
        "columnPadding": 24,
        "columns": {"expr": "width < 480 ? 1 : 3"},
    },
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart, and what it shows in words."""

    name: str
    title: str
    caption: str
    spec: dict[str, Any]


def finished(chart: Any, datasets: dict[str, Any], height: int = HEIGHT) -> dict[str, Any]:
    """Return the specification of a chart as wide as its place, with its data under their names."""
    spec: dict[str, Any] = chart.properties(width="container", height=height).to_dict()
    spec["config"] = CONFIG
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    spec["datasets"] = datasets
    return spec
