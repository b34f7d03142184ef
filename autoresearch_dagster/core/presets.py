"""The three sizes that the system runs at, and what an edit may change within them."""

from dataclasses import dataclass
from typing import Literal

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import TrainConfig
from autoresearch_dagster.core.slot import SlotKind

PresetName = Literal["demo", "workshop", "gpu"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One size: defaults of the training config, rows that are scored, what it runs on, how time is metered."""

    name: PresetName
    config: TrainConfig
    sequence_length: int
    scored_rows: int
    cpu_metered: bool
    confirmation_rows: int
    """Rows of a confirmation, at most: what the bundle has of them."""
    confirmation_share: float
    """Trainings that confirmations may take for each experiment that a session was granted."""
    memory_bytes: int = limits.MEMORY_FLOOR_BYTES
    slot_kind: SlotKind = "core"
    early_stop: bool = False
    """Whether trainings that are far behind are stopped before their time, unless a session says otherwise."""


PRESETS: dict[str, Preset] = {
    "demo": Preset(
        name="demo",
        config=TrainConfig(n_layer=2, n_head=2, n_embd=64, max_steps=50, time_budget_sec=20),
        sequence_length=256,
        scored_rows=16,
        cpu_metered=True,
        confirmation_rows=64,
        confirmation_share=0.5,
    ),
    "workshop": Preset(
        name="workshop",
        config=TrainConfig(),
        sequence_length=512,
        scored_rows=64,
        cpu_metered=True,
        confirmation_rows=128,
        confirmation_share=2.0,
    ),
    "gpu": Preset(
        name="gpu",
        config=TrainConfig(
            n_layer=6, n_head=8, n_embd=256, device_batch_size=4, max_steps=500, time_budget_sec=300
        ),
        sequence_length=2048,
        scored_rows=1024,
        cpu_metered=False,
        confirmation_rows=1024,
        confirmation_share=2.0,
        memory_bytes=limits.GPU_MEMORY_BYTES,
        slot_kind="gpu",
        early_stop=True,
    ),
}

RANGES: dict[str, tuple[float, float]] = {
    "n_layer": (1, limits.MAX_N_LAYER),
    "n_head": (1, limits.MAX_N_HEAD),
    "n_embd": (8, limits.MAX_N_EMBD),
    "dropout": (0.0, limits.MAX_DROPOUT),
    "device_batch_size": (1, limits.MAX_DEVICE_BATCH_SIZE),
    "learning_rate": (limits.MIN_LEARNING_RATE, limits.MAX_LEARNING_RATE),
    "time_budget_sec": (1, limits.DEFAULT_TIME_BUDGET_S),
    "max_steps": (1, limits.MAX_MAX_STEPS),
}
"""Override fields an agent may set, with the lowest and highest value; others are unknown."""


def preset(name: str) -> Preset:
    """Look a preset up by name."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UserError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.") from None


def gpu_reserve_s(config: TrainConfig, chosen: Preset) -> float:
    """Return the GPU time that one attempt reserves, in seconds; 0 where it runs on cores.

    Three hard stops: it may run out of device memory and be tried again, and it is scored on the same GPU.
    """
    if chosen.slot_kind == "core":
        return 0.0
    hard_stop_s = max(config.time_budget_sec + limits.HARD_STOP_EXTRA_S, limits.HARD_STOP_MIN_S)
    return limits.GPU_RESERVE_STOPS * hard_stop_s


def may_be_tried_again(config: TrainConfig, chosen: Preset, used_s: float) -> bool:
    """Whether what an attempt reserved of a GPU suffices for one more try and for scoring; always on cores.

    Args:
        config: of the training.
        chosen: its preset.
        used_s: seconds that the tries before took.
    """
    reserve_s = gpu_reserve_s(config, chosen)
    return not reserve_s or used_s + 2 * reserve_s / limits.GPU_RESERVE_STOPS <= reserve_s
