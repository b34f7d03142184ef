"""What hypotheses foretold against what was measured."""

from collections.abc import Sequence

from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.page.charts.drawing import (
    ACCENT,
    MUTED,
    TICKS,
    Chart,
    drawn_of,
    finished,
    named,
    thinned,
)
from autoresearch_dagster.reports.page.predictions import Prediction


def calibration_chart(predictions: Sequence[Prediction]) -> Chart | None:
    """Draw what was foretold against what was measured; None where nobody foretold a size."""
    import altair as alt

    sized = [one for one in predictions if one.predicted_bpb is not None]
    if not sized:
        return None
    shown = thinned(sized)
    points = [
        {
            "predicted": one.predicted_bpb,
            "measured": round(one.measured_bpb, 5),
            "title": named(one.title),
            "kind": "kept" if one.kept else "not kept",
        }
        for one in shown
    ]
    ends = [0.0, *(one.predicted_bpb or 0.0 for one in sized), *(one.measured_bpb for one in sized)]
    line = [{"predicted": value, "measured": value} for value in (min(ends), max(ends))]
    diagonal = (
        alt.Chart(alt.NamedData("diagonal"))
        .mark_line(color=MUTED, strokeDash=[4, 4])
        .encode(x="predicted:Q", y="measured:Q")
    )
    dots = (
        alt.Chart(alt.NamedData("points"))
        .mark_point(size=70, strokeWidth=2, opacity=1)
        .encode(
            x=alt.X("predicted:Q", title="predicted change, bpb", axis=alt.Axis(tickCount=TICKS)),
            y=alt.Y("measured:Q", title="measured change, bpb"),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=["kept", "not kept"], range=["diamond", "circle"])),
            color=alt.Color("kind:N", scale=alt.Scale(domain=["kept", "not kept"], range=[ACCENT, MUTED])),
            tooltip=[
                alt.Tooltip("title:N"),
                alt.Tooltip("predicted:Q"),
                alt.Tooltip("measured:Q"),
                alt.Tooltip("kind:N"),
            ],
        )
    )
    caption = (
        f"{counted(len(sized), 'hypothesis')} that foretold a size{drawn_of(shown, sized)}; negative is "
        "better. On the dashed line it came as foretold, below it better. The figures are in the table."
    )
    spec = finished(alt.layer(diagonal, dots), {"points": points, "diagonal": line})
    return Chart("calibration", "Predicted and measured", caption, spec)
