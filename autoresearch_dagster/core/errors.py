"""The faults that are ours.  A candidate that fails is data, never an exception.

AutoresearchError
├── UserError               what the person asked for cannot be done; the text says what to do
│   ├── ContractViolation   a train.py that breaks the candidate contract
│   └── NoSlot              this machine has nothing that experiments of this preset could run on
├── BundleError             shards, tokenizer or packed rows cannot be built or read
├── ResourcesExceeded       work of our own needed more memory than its environment has
├── ContainerError          a container or process could not be started or reached
│   └── RunnerGone          Docker does not answer or was started anew: nobody's fault, worth another try
│       └── DeviceLost      the GPU of a slot failed and was taken out: worth another try, on another slot
├── DiskFull                less space is free than launching something takes
├── ModelFault              the language model gave no usable answer; says whether to ask again, and when
├── BudgetExceeded          a request or a training could pass a cap of the session; nothing was spent
├── StoreConflict           somebody else holds the lease, or wrote first
├── StoreUnavailable        the database cannot be opened or stays locked
├── PlanDiverged            a replayed plan made another call than the journal holds
└── EvaluationFault         the trusted side failed; the score is refused, never guessed
"""

from typing import Literal


class AutoresearchError(Exception):
    """Base of every fault that this project raises on purpose; `str()` is one sentence for a person."""


class UserError(AutoresearchError):
    """The request cannot be carried out as it stands; the text says what to do instead."""


class ContractViolation(UserError):
    """A train.py does not keep the candidate contract."""


class NoSlot(UserError):
    """No slot of the kind that a preset needs is there, or every one has failed."""


class BundleError(AutoresearchError):
    """The corpus, the tokenizer or the packed rows cannot be built or read."""


class ResourcesExceeded(AutoresearchError):
    """A build of the bundle, or the agent's thinking, needed more memory than its environment has."""


class ContainerError(AutoresearchError):
    """A container or process could not be started, reached or removed."""


class RunnerGone(ContainerError):
    """What runs containers does not answer, or was started anew under a running one; another try may succeed."""


class DeviceLost(RunnerGone):
    """The GPU of a slot failed and was taken out; another try succeeds on another slot only."""


class DiskFull(AutoresearchError):
    """Less space is free than the next launch may need, with the reserve."""


class ModelFault(AutoresearchError):
    """A request to the language model has no usable answer.

    Args:
        message: one sentence; nothing of the key stands in it.
        kind: `busy`: it was not begun, ask again later; `cut`: it was begun and not finished, ask again; `fatal`:
            asking again would not help; `too_long`: nor would it, but a shorter conversation would.
        retry_after_s: seconds that the server wants to be left alone; None: it named none.
        possibly_charged: whether it may have been paid for.
    """

    def __init__(
        self,
        message: str,
        kind: Literal["busy", "cut", "fatal", "too_long"],
        *,
        retry_after_s: float | None = None,
        possibly_charged: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind: Literal["busy", "cut", "fatal", "too_long"] = kind
        self.retry_after_s = retry_after_s
        self.possibly_charged = possibly_charged


class BudgetExceeded(AutoresearchError):
    """Something could pass a cap of the session; it was not begun."""


class StoreConflict(AutoresearchError):
    """Another process holds the lease, or committed first."""


class StoreUnavailable(AutoresearchError):
    """The database cannot be opened, is locked beyond the busy timeout, or is damaged."""


class PlanDiverged(AutoresearchError):
    """A replayed plan made another call than the journal recorded; nothing is launched."""


class EvaluationFault(AutoresearchError):
    """The trusted side of the evaluation failed; no score is given."""
