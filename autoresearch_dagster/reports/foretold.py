"""How well hypotheses foretold what was measured, for a terminal."""

from collections.abc import Sequence

from rich.table import Table

from autoresearch_dagster.agent.hypotheses.calibration import AxisCalibration
from autoresearch_dagster.core.figures import change


def calibration_table(rows: Sequence[AxisCalibration]) -> Table:
    """Make the table; changes are in bpb, negative is better."""
    made = Table(title="Hypotheses by axis", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("axis", "tried", "direction right", "predicted", "measured", "kept"):
        made.add_column(heading, justify="left" if heading == "axis" else "right")
    for row in rows:
        right = f"{row.direction_right} of {row.directed}" if row.directed else "–"
        predicted = change(row.mean_predicted_bpb)
        cells = (
            row.axis.value,
            str(row.n),
            right,
            predicted,
            change(row.mean_measured_bpb),
            str(row.kept),
        )
        made.add_row(*cells)
    return made
