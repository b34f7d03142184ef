"""Training curves as they are kept: what a candidate reported of its loss, as a blob beside the journal.

A curve is a claim and no score depends on it, so one that is gone or damaged stops nothing: it is left out, and
whoever shows a training says `UNREADABLE` of it.
"""

from collections.abc import Callable
from typing import Final

from pydantic import TypeAdapter, ValidationError

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import CurvePoint, Digest, ExperimentResult

Curve = tuple[CurvePoint, ...]
UNREADABLE: Final = "no longer kept, or damaged"
_POINTS: Final[TypeAdapter[Curve]] = TypeAdapter(Curve)


def kept_curve(result: ExperimentResult | None, read: Callable[[Digest], bytes | str | None]) -> Curve | None:
    """Return what a candidate reported, without points that nothing can draw.

    Args:
        result: of a training.
        read: returns a blob; raises StoreUnavailable or returns None where it is not kept.

    Returns:
        () where nothing was reported; None where what was reported is no longer kept, or damaged.
    """
    if result is None or result.curve is None:
        return ()
    try:
        kept = read(result.curve)
        return None if kept is None else tuple(point for point in _POINTS.validate_json(kept) if point.plausible)
    except (StoreUnavailable, ValidationError):
        return None
