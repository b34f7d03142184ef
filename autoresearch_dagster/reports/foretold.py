"""How well hypotheses foretold what was measured, for a terminal."""

from collections.abc import Sequence

from rich.table import Table

from autoresearch_dagster.agent.hypotheses.calibration import AxisCalibration


def calibration_table(rows: Sequence[AxisCalibration]) -> Table:
    """Make the table; changes are in bpb, negative is better."""
    made = Table(title="Hypotheses by axis", title_justify="left", box=None, padding=(0, 1, 0, 0))
    for heading in ("axis", "tried", "direction right", "predicted", "measured", "kept"):
        made.add_column(heading, justify="left" if heading == "axis" else "right")
    for row in rows:
        made.add_row(row.axis.value, *row.figures)
    return made
