"""Words for what became of an experiment: how it ended, what its score is worth, what it was for."""

from enum import StrEnum


class Outcome(StrEnum):
    """How an experiment ended."""

    TRAINED = "Trained"
    """It handed a model over within its budget."""
    HOST_OOM = "HostOom"
    """It needed more host memory than its last try had."""
    DEVICE_OOM = "DeviceOom"
    """It needed more of the GPU's memory than there was."""
    TIMED_OUT = "TimedOut"
    """It used its budget up, hung or did not start in time, and no model was handed over."""
    CRASHED = "Crashed"
    """It ended in an error of its own."""
    REFUSED = "Refused"
    """What it left cannot be scored, or broke a limit."""
    STOPPED = "Stopped"
    """It was ended from outside: by a person, by the session's end, or early, because it was far behind."""
    LOST = "Lost"
    """What ran it failed again and again; nothing is known of the candidate."""


class Verdict(StrEnum):
    """What the trusted evaluator says of a score."""

    UNAUDITED = "unaudited"
    """There is no score, so nothing was audited."""
    ACCEPTED = "accepted"
    """The audit agrees: it is a score of record."""
    REJECTED = "rejected"
    """The audit does not agree; the claimed figure stands in the receipt alone."""


class Standing(StrEnum):
    """What a score means beside the champion's."""

    SCREENED = "screened"
    """It has a score and no decision yet, or is worth more seeds."""
    WITHIN_NOISE = "within_noise"
    """Luck can explain the difference."""
    REGRESSION = "regression"
    """Worse than luck can explain."""
    CONFIRMED = "confirmed"
    """Better than luck can explain, and another is champion, or is by now."""
    CHAMPION = "champion"
    """What the others are compared with."""


class Label(StrEnum):
    """What a reader must know to compare an experiment with others."""

    STARVED = "starved"
    """Its budget was used up before it made `max_steps` steps."""
    HEALED = "healed"
    """It ran with a smaller micro-batch and more of them in a step, because a device's memory did not suffice."""
    SMALL_BUDGET = "small_budget"
    """It had less time than the session's experiments have."""
    UNSANDBOXED = "unsandboxed"
    """It ran without a sandbox."""
    REPRODUCTION = "reproduction"
    """It was trained again to check a score, outside any session."""
    EARLY_STOPPED = "early_stopped"
    """Its reported loss was far behind, so it was not trained to the end."""


class Purpose(StrEnum):
    """What a training is for; only a candidate's counts as one of the session's experiments."""

    CANDIDATE = "candidate"
    """An experiment that the agent asked for."""
    NOISE_FLOOR = "noise_floor"
    """The baseline at one seed, to measure the noise."""
    CONFIRMATION = "confirmation"
    """A candidate or the champion at a fresh seed."""
    SCALE_TRANSFER = "scale_transfer"
    """A champion at twice the width or depth."""
