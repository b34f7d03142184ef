"""Numbers and times as the page writes them."""

from datetime import datetime, timedelta, tzinfo

from autoresearch_dagster.core.judgement import PairedDifference
from autoresearch_dagster.core.progress import in_time

NONE = "–"


def bpb(value: float | None) -> str:
    """Write a score."""
    return f"{value:.4f}" if value is not None else NONE


def change(value: float | None) -> str:
    """Write a difference with its sign; nothing reads as minus zero."""
    return f"{round(value, 4) + 0.0:+.4f}" if value is not None else NONE


def gain_interval(difference: PairedDifference) -> str:
    """Write the 95 % interval of a gain: what is better is above zero."""
    return f"{change(-difference.high_bpb)} to {change(-difference.low_bpb)}"


def clock(at: datetime, zone: tzinfo | None) -> str:
    """Write date and time."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def span(first: datetime, last: datetime) -> str:
    """Write how long something took."""
    return in_time(max(timedelta(0), last - first).total_seconds())
