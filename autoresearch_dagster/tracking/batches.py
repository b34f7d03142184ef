"""Writing to a run of MLflow in as few calls as it allows: each call is a dozen transactions of its database."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

METRICS_AT_ONCE, PARAMS_AT_ONCE, TAGS_AT_ONCE = 1000, 100, 100
"""What one call may hold (MLflow refuses more), and together no more than the first of them."""


def milliseconds(at: datetime) -> int:
    """Return a time as MLflow writes it."""
    return int(at.timestamp() * 1000)


def log_all(
    client: MlflowClient,
    run_id: str,
    metrics: Sequence[Metric] = (),
    params: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Log any number of values; nothing is called where there are none.  What is there already stays once."""
    for some in _in_calls(metrics, params or {}, tags or {}):
        client.log_batch(run_id, metrics=some[0], params=some[1], tags=some[2])


Call = tuple[list[Metric], list[Param], list[RunTag]]


def _in_calls(metrics: Sequence[Metric], params: Mapping[str, str], tags: Mapping[str, str]) -> Iterator[Call]:
    points = list(metrics)
    settings = [Param(name, value) for name, value in params.items()]
    marks = [RunTag(name, value) for name, value in tags.items()]
    while points or settings or marks:
        some_settings, settings = settings[:PARAMS_AT_ONCE], settings[PARAMS_AT_ONCE:]
        some_marks, marks = marks[:TAGS_AT_ONCE], marks[TAGS_AT_ONCE:]
        room = METRICS_AT_ONCE - len(some_settings) - len(some_marks)
        some_points, points = points[:room], points[room:]
        yield some_points, some_settings, some_marks
