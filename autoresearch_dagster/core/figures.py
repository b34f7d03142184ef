"""How scores, gains and their intervals are written for a person or a model: in bpb, everywhere alike."""

from typing import Final

from autoresearch_dagster.core.judgement import PairedDifference

NONE: Final = "–"
"""What stands in place of a figure that is not there."""
DECIMALS: Final = 4
"""Of a score among others: noise floors are of the order of 0.01 bpb."""
EXACT: Final = 6
"""Decimals of a score that is held against itself: recorded and trained again."""


def bpb(value: float | None, without: str = NONE, decimals: int = DECIMALS) -> str:
    """Write a score, or the size of a difference; `without` where there is none."""
    return f"{rounded(value, decimals):.{decimals}f}" if value is not None else without


def exact(value: float | None, without: str = NONE) -> str:
    """Write a score so that it can be held against itself."""
    return bpb(value, without, EXACT)


def change(value: float | None, without: str = NONE, decimals: int = DECIMALS) -> str:
    """Write a difference with its sign."""
    return f"{rounded(value, decimals):+.{decimals}f}" if value is not None else without


def rounded(value: float, decimals: int = EXACT) -> float:
    """Round a figure that stays a number, so that it can be plotted and read; never what a receipt records."""
    return round(value, decimals) + 0.0  # nothing reads as minus zero


def interval(low: float, high: float) -> str:
    """Write the 95 % interval of a score or of a spread, as it stands behind that figure."""
    return f"(95 %: {bpb(low)} to {bpb(high)})"


def gain_interval(difference: PairedDifference) -> str:
    """Write the 95 % interval of a gain: what is better is above zero."""
    return change_interval(-difference.high_bpb, -difference.low_bpb)


def change_interval(low: float, high: float) -> str:
    """Write from where to where a change goes."""
    return f"{change(low)} to {change(high)}"
