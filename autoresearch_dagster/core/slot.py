"""What one experiment has for itself while it runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autoresearch_dagster.core.limits import GPU_CORES

GPU_SHOWN_CHARS = 8  # of a UUID: what tells two devices of a machine apart
SlotKind = Literal["core", "gpu"]
"""What a preset needs: a core, or an accelerator with some cores beside it."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """Whole processors and, where the preset needs one, an accelerator: a GPU or a MIG instance by its UUID."""

    cores: tuple[int, ...]
    gpu: str = ""

    @property
    def kind(self) -> SlotKind:
        """Whether there is an accelerator in it."""
        return "gpu" if self.gpu else "core"

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of everything in it; slots that share a part are never held at the same time."""
        return (*([f"gpu:{self.gpu}"] if self.gpu else []), *(f"core:{core}" for core in self.cores))

    @property
    def text(self) -> str:
        """Write it down: `3`, or `GPU-1a2b@4+5`."""
        cores = "+".join(map(str, self.cores))
        return f"{self.gpu}@{cores}" if self.gpu else cores

    def __str__(self) -> str:
        if self.gpu:
            kind, _dash, rest = self.gpu.partition("-")
            return f"{kind} {rest[:GPU_SHOWN_CHARS]}"
        return f"core {', '.join(map(str, self.cores))}"


NO_SLOT = Slot(())
"""Before a slot is leased."""


def slot_of(text: str) -> Slot:
    """Read what `Slot.text` wrote."""
    gpu, _at, cores = text.rpartition("@")
    return Slot(tuple(map(int, cores.split("+"))), gpu)


def divide(cores: Sequence[int], gpus: Sequence[str]) -> tuple[tuple[Slot, ...], tuple[Slot, ...]]:
    """Divide a machine into slots of one core and slots of one GPU; no core is in two of them.

    The last cores are set apart for the GPUs, alike for each, and are no CPU slots even while a GPU is idle: a
    GPU experiment then never waits for the core of a CPU experiment, which would hold up a device that costs a
    hundred times as much, and never shares one, which would slow both.  A GPU has at least one core and CPU
    presets keep at least one, so of n cores at most n - 1 GPUs are slots.

    Returns:
        The slots without a GPU, the lowest core first, and those with one, in the order of `gpus`.
    """
    served = gpus[: max(0, len(cores) - 1)]
    each = min(GPU_CORES, (len(cores) - 1) // len(served)) if served else 0
    first = len(cores) - each * len(served)
    apart = [tuple(cores[first + each * number : first + each * (number + 1)]) for number in range(len(served))]
    return (
        tuple(Slot((core,)) for core in cores[:first]),
        tuple(Slot(beside, gpu) for beside, gpu in zip(apart, served, strict=True)),
    )
