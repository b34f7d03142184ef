"""Times as the page writes them."""

from datetime import datetime, timedelta, tzinfo

from autoresearch_dagster.core.progress import in_time


def clock(at: datetime, zone: tzinfo | None) -> str:
    """Write date and time."""
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}"


def span(first: datetime, last: datetime) -> str:
    """Write how long something took."""
    return in_time(max(timedelta(0), last - first).total_seconds())
