"""What two journals of the same research have in common, whatever was killed and repeated on the way."""

from typing import Any

from autoresearch_dagster.store import events as ev

OPERATIONAL = (
    ev.AttemptStarted,
    ev.AttemptResumed,
    ev.SessionPaused,
    ev.SessionResumed,
    ev.SessionArchived,
    ev.SessionRestored,
    ev.SessionImported,
    ev.ModelAsked,
    ev.ModelAnswered,
    ev.ModelFailed,
    ev.SessionSlept,
)
VOLATILE = frozenset(
    {
        "duration_s",
        "duration_sec",
        "cpu_sec",
        "gpu_sec",
        "tokens_per_second",
        "peak_memory_bytes",
        "peak_memory_mib",
        "memory_bytes",
        "oom_retries",
        "out_of_memory",
        "resources",
        "log_tail",
        "run_id",
        "receipt",
        "curve",
        "started_at",
        "recorded_at",
        "created_at",
        "edited_at",
        "call",
        "observation",
        "status",
        "input_tokens",
        "tokens",
        "usd_used",
        "usd_left",
        "gpu_seconds_used",
        "gpu_seconds_left",
        "cpu_seconds_used",
        "budget_s",
        "terms",
    }
)
"""Fields that tell of times, machines, speeds and caches of the model's provider, not of decisions.

`call` names a call by its arguments and `observation` quotes answers: both repeat, in a form that cannot be
stripped, measured times that stand beside them, and follow from what is kept.
"""


def normal_form(recorded: list[ev.Recorded]) -> list[dict[str, Any]]:
    """Return the events without times, ids of containers and runs, and without operational events.

    Results of one dispatch finish in any order, so they are sorted by key.
    """
    plain = [
        _stripped(record.event.model_dump(mode="json"))
        for record in recorded
        if not isinstance(record.event, OPERATIONAL)
    ]
    return _results_in_key_order(plain)


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if key not in VOLATILE}
    if isinstance(value, list):
        return [_stripped(item) for item in value]
    return value


def _results_in_key_order(plain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    ordered: list[dict[str, Any]] = []
    group: list[dict[str, Any]] = []
    for event in plain:
        if event["kind"] == "experiment_finished":
            group.append(event)
            continue
        ordered += [*sorted(group, key=lambda item: item["key"]), event]
        group = []
    return [*ordered, *sorted(group, key=lambda item: item["key"])]
