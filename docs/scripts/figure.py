"""The README's figure: bits per byte against experiments, with what luck makes and who was promoted."""

from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from autoresearch_dagster.core.experiment import Standing
from autoresearch_dagster.store.state import SessionState

WIDTH, HEIGHT, SCALE = 760, 300, 1.6
COLOURS = {"champion": "#1b7f4d", "screened": "#3566b8", "within_noise": "#8a8f98", "regression": "#c0392b"}
NAMES = {
    "champion": "confirmed at fresh seeds",
    "screened": "worth more seeds, not confirmed",
    "within_noise": "within the noise",
    "regression": "worse",
}


def rows_of(state: SessionState) -> list[dict[str, Any]]:
    """Return one row for each decided experiment: its score, and where luck alone could have put it."""
    rows: list[dict[str, Any]] = []
    done = [one for one in state.experiments.values() if one.finished_at is not None]
    for number, one in enumerate(sorted(done, key=lambda one: (one.finished_at, one.planned.key)), 1):
        result, screening = one.result, one.screening
        if result is None or result.val_bpb is None or screening is None:
            continue
        against = result.val_bpb + screening.gain_bpb
        standing = result.standing or Standing.SCREENED
        champion = standing in (Standing.CHAMPION, Standing.CONFIRMED)
        rows.append(
            {
                "number": number,
                "title": one.planned.title,
                "val_bpb": result.val_bpb,
                "standing": NAMES["champion" if champion else standing.value],
                "against": against,
                "low": against - screening.noise_bpb,
                "high": against + screening.noise_bpb,
                "left": number - 0.5,
                "right": number + 0.5,
            }
        )
    return rows


def chart(state: SessionState) -> str:
    """Describe the figure of a session in Vega-Lite."""
    rows = rows_of(state)
    scores = [value for row in rows for value in (row["val_bpb"], row["low"], row["high"])]
    y = alt.Scale(domain=[min(scores) - 0.08, max(scores) + 0.03], nice=False, zero=False)
    x = alt.Scale(domain=[0.5, len(rows) + 0.5])
    base = alt.Chart(alt.Data(values=rows))
    ticks = alt.Axis(
        values=[row["number"] for row in rows], format="d", title="experiments in order of finishing", grid=False
    )
    band = base.mark_rect(color="#d9dde3").encode(
        x=alt.X("left:Q", scale=x, axis=ticks),
        x2="right:Q",
        y=alt.Y("low:Q", scale=y, title="val_bpb (lower is better)"),
        y2="high:Q",
    )
    line = base.mark_rule(color="#6b7280", strokeDash=[5, 3], strokeWidth=1.5).encode(
        x=alt.X("left:Q", scale=x, axis=ticks), x2="right:Q", y="against:Q"
    )
    seen = [kind for kind in NAMES if any(row["standing"] == NAMES[kind] for row in rows)]
    colour = alt.Color(
        "standing:N",
        scale=alt.Scale(domain=[NAMES[kind] for kind in seen], range=[COLOURS[kind] for kind in seen]),
        legend=alt.Legend(title=None, orient="bottom", labelLimit=320),
    )
    points = base.mark_point(filled=True, size=130, opacity=1).encode(
        x=alt.X("number:Q", scale=x, axis=ticks),
        y="val_bpb:Q",
        color=colour,
        shape=alt.condition(
            alt.datum.standing == NAMES["champion"], alt.value("triangle-down"), alt.value("circle")
        ),
    )
    named = base.transform_filter(alt.datum.standing != NAMES["within_noise"])  # the others would cover each other
    names = named.mark_text(dy=17, fontSize=11, color="#374151").encode(
        x=alt.X("number:Q", scale=x, axis=ticks), y="val_bpb:Q", text="title:N"
    )
    title = f"{state.config.memory_key}: {len(rows)} experiments; dashed: the champion then; grey: what luck makes"
    return (
        alt.layer(band, line, points, names)
        .properties(width=WIDTH, height=HEIGHT, title=alt.TitleParams(title, fontSize=13, anchor="start"))
        .configure_view(stroke=None)
        .configure(background="white")
        .to_json()
    )


def draw(state: SessionState, file: Path) -> None:
    """Write the figure as a PNG."""
    file.write_bytes(vl_convert.vegalite_to_png(chart(state), scale=SCALE))
