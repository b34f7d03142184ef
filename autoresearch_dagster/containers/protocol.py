"""What every runner promises.  Training and evaluation know only these names."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.slot import Slot


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a runner keeps a candidate from doing; receipts carry it.  What nobody claims is False."""

    network_off: bool
    filesystem_sealed: bool
    memory_capped: bool
    pids_capped: bool
    unprivileged: bool
    cpu_pinned: bool
    syscalls_filtered: bool = False
    """Whether the kernel refuses the calls that Docker's default profile refuses."""
    memory_by_kernel: bool = False
    """Whether the kernel enforces the memory limit and says so; else a watcher looks several times a second."""
    output_capped: bool = False
    """Whether all that a job can write is watched: nothing but its output folder and a scratch of fixed size."""

    @property
    def sandboxed(self) -> bool:
        """Whether code that nobody has read may run here."""
        return self.network_off and self.filesystem_sealed and self.unprivileged


@dataclass(frozen=True, slots=True)
class Mount:
    """A host folder that the job sees; its path inside is in the environment as `AUTORESEARCH_<NAME>`."""

    name: Literal["BUNDLE", "CANDIDATE", "OUT", "CHECKPOINT", "CHANNEL"]
    source: Path
    read_only: bool = True


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Resources of one job: memory, and the processors and the device that it has for itself."""

    memory_bytes: int
    slot: Slot


@dataclass(frozen=True, slots=True)
class JobSpec:
    """One process to run in the trainer image: the harness in mode `train`, `answer` or `convert`."""

    name: str
    mode: Literal["train", "answer", "convert"]
    mounts: tuple[Mount, ...]
    limits: JobLimits
    labels: Mapping[str, str] = field(default_factory=dict[str, str])


SIGNALLED = 128
"""Added to a signal's number, as a shell and a container do: 137 is SIGKILL."""
KILLED = (SIGNALLED + signal.SIGKILL, SIGNALLED + signal.SIGTERM)
"""How a job ends that somebody kills or stops, itself included."""


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known of a job now.

    `exit_code` is None while it runs; `oom` is the kernel's word; `ended_outside` says that somebody else than the
    job itself or its driver ended it: a daemon that shuts down, a person.
    """

    exit_code: int | None
    oom: bool
    cpu_s: float
    memory_peak_bytes: int
    ended_outside: bool = False


class Job(Protocol):
    """A started process or container.  Every method may be called again after it has ended."""

    @property
    def id(self) -> str:
        """Container id or process id, for people and logs."""
        ...

    def status(self) -> JobStatus:
        """Look at it once, without waiting."""
        ...

    def ran_s(self) -> float | None:
        """Return the wall seconds from its start to its end; None while it runs or where nobody knows."""
        ...

    def log(self) -> str:
        """Return the last part of what it printed; untrusted, control characters escaped."""
        ...

    def remove(self) -> None:
        """Kill it if it runs and leave nothing of it behind: no process, no container."""
        ...


class Runner(Protocol):
    """Starts jobs."""

    @property
    def name(self) -> str:
        """`docker`, `bubblewrap`, or `local` for plain processes."""
        ...

    @property
    def outlives_driver(self) -> bool:
        """Whether its jobs run on when their driver ends, for `attach` to find."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it keeps a candidate from doing."""
        ...

    def prepare(self, report: Report) -> str:
        """Make the trainer image ready, building it if needed, and return its identity (digest).

        Raises:
            ContainerError: the image cannot be built or the daemon does not answer.
        """
        ...

    def start(self, spec: JobSpec) -> Job:
        """Start a job and return at once.

        Raises:
            RunnerGone: what runs containers does not answer.
            ContainerError: it could not be started; nothing is left behind.
        """
        ...

    def answers(self) -> bool:
        """Whether it can start jobs now."""
        ...

    def attach(self, spec: JobSpec) -> Job | None:
        """Return the job that another driver started under this spec, running or ended; None: there is none.

        It is moved to the processors of the spec's slot.  A runner whose jobs end with their driver has none.
        """
        ...

    def reap(self, labels: Mapping[str, str]) -> int:
        """Remove every job, running or not, that carries all of `labels`; return how many there were."""
        ...

    def labelled(self, name: str) -> set[str]:
        """Return the values that the label `name` has among all jobs of this installation, running or not."""
        ...
