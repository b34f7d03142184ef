"""Events of the trainings themselves, and what people say to a session while it runs."""

from typing import Literal

from autoresearch_dagster.core.experiment import Data, ExperimentKey, ExperimentResult

SessionEnd = Literal["pause", "stop"]
"""What a person may ask for: a session that goes on later, or one that is finished."""


class _Attempt(Data):
    """Who runs an experiment where; operational, not part of a journal's normal form."""

    key: ExperimentKey
    """The experiment."""
    attempt: int
    """From 1."""
    owner: str
    """Machine, process and its start."""
    run_id: str = ""
    """Dagster's run."""
    slot: str = ""
    """Core, or GPU with its cores."""


class AttemptStarted(_Attempt):
    """Somebody began to run an experiment."""

    kind: Literal["attempt_started"] = "attempt_started"
    gpu_reserve_s: float = 0.0
    """The most GPU time that it can take, in seconds; 0 on the CPU."""


class AttemptResumed(_Attempt):
    """Another driver goes on with an attempt that its own left under way."""

    kind: Literal["attempt_resumed"] = "attempt_resumed"


class ExperimentFinished(Data):
    """An experiment has its result; at most one per key."""

    kind: Literal["experiment_finished"] = "experiment_finished"
    key: ExperimentKey
    """The experiment."""
    result: ExperimentResult
    """Outcome, score, and what it took."""
    run_id: str = ""
    """Dagster's run."""


class Steered(Data):
    """A human's note; the agent reads it in its next turn."""

    kind: Literal["steered"] = "steered"
    note: str
    """What the agent is told."""
    by: str = ""
    """Who wrote it."""


class HaltAsked(Data):
    """A human asked that the session is paused, or ended, at its next step.

    `kill`: experiments that run now are ended without a result; else they finish first.
    """

    kind: Literal["halt_asked"] = "halt_asked"
    end: SessionEnd
    """Whether it goes on later."""
    kill: bool = False
    """Whether running experiments are ended."""
    by: str = ""
    """Who asked."""
