"""What one experiment has for itself while it runs."""

from dataclasses import dataclass

GPU_SHOWN_CHARS = 8  # of a UUID: what tells two devices of a machine apart


@dataclass(frozen=True, slots=True)
class Slot:
    """Whole processors and, where the preset needs one, an accelerator: a GPU or a MIG instance by its UUID."""

    cores: tuple[int, ...]
    gpu: str = ""

    def __str__(self) -> str:
        if self.gpu:
            kind, _dash, rest = self.gpu.partition("-")
            return f"{kind} {rest[:GPU_SHOWN_CHARS]}"
        return f"core {', '.join(map(str, self.cores))}"


NO_SLOT = Slot(())
"""Before a slot is leased."""
