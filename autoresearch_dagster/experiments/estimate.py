"""What a launch would start and take: pure functions of its configuration and of what is there."""

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.presets import Preset, preset
from autoresearch_dagster.core.progress import counted, in_time, in_unit
from autoresearch_dagster.evaluation.spending import FLOOR_SEEDS, PLANS
from autoresearch_dagster.experiments.bundle import Forecast
from autoresearch_dagster.experiments.confirmations import granted, spent
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.state import SessionState

FLOAT_BYTES = 4
BLOCK_MATRICES = 12  # of a transformer block, each n_embd x n_embd: 4 of attention, 8 of its MLP


class Estimate(Data):
    """What a launch would start and take.

    Units: seconds of wall time, bytes of disk, US dollars; None where nobody knows.
    """

    memory_key: str
    session: str
    """Id of the session that would go on, or '' for a new one."""
    status: str
    runner: str
    runner_note: str
    image: str
    """`ready`, `to be built`, or `none needed`."""
    slots: int
    source: str
    bundle: Path | None
    """Packed rows that are already built."""
    bundle_bytes: int | None
    """Disk that building the bundle takes; 0 if it is built."""
    download_bytes: int | None
    experiments: int
    batches: int
    floor_trainings: int
    """Of the baseline, before the first batch; none where an earlier session on the same terms had them."""
    confirmation_trainings: int
    """At most: as many as the session's budget of confirmations allows."""
    transfer_trainings: int
    """At most, if each confirmation crowns a champion; none unless scale transfers were asked for."""
    seconds_per_experiment: float
    seconds_from: str
    wall_seconds: float
    """At most, of all trainings; a bundle or an image to be built comes first."""
    model_usd: float | None
    disk_bytes: int | None
    disk_free_bytes: int

    def __str__(self) -> str:
        """Say it in one line."""
        first = [
            *(["the bundle"] if self.bundle is None else []),
            *(["the trainer image"] if self.image == "to be built" else []),
        ]
        opening = f"Builds {' and '.join(first)}, then takes" if first else "Takes"
        cost = f"US$ {self.model_usd:.2f}" if self.model_usd is not None else "not known"
        disk = in_unit(self.disk_bytes, "bytes") if self.disk_bytes is not None else "not known"
        scaled = f" and {self.transfer_trainings} for scale transfers" if self.transfer_trainings else ""
        return (
            f"{opening} about {in_time(self.wall_seconds)} for {counted(self.experiments, 'experiment')} in "
            f"{counted(self.batches, 'batch')}, {counted(self.floor_trainings, 'training')} for the noise floor "
            f"and up to {self.confirmation_trainings} for confirmations{scaled}, at {counted(self.slots, 'slot')} "
            f"({in_time(self.seconds_per_experiment)} each, {self.seconds_from}); model cost {cost}; disk {disk}."
        )


@dataclass(frozen=True, slots=True)
class Past:
    """What experiments of the same preset and runner took."""

    seconds: tuple[float, ...] = ()
    checkpoint_bytes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Machine:
    """What is there before the launch."""

    runner: str
    runner_note: str
    image: str
    slots: int
    bundle: Forecast
    disk_free_bytes: int
    session: SessionState | None
    past: Past


def estimate(config: SessionConfig, machine: Machine) -> Estimate:
    """Say what a launch on this machine would start and take; a pure function."""
    chosen, state = preset(config.preset), machine.session
    experiments = experiments_of(config, state)
    slots = max(1, min(config.concurrency, machine.slots))
    seconds, source = _seconds(chosen, config, machine.past, machine.runner)
    bundle = machine.bundle
    image_bytes = limits.TRAINER_IMAGE_BYTES if machine.image == "to be built" else 0
    floor = 0 if state is not None and state.floor is not None else FLOOR_SEEDS[chosen.name]
    confirmations = confirmations_of(config, chosen, state)
    transfers = transfers_of(config, chosen, confirmations)
    checkpoints = experiments + floor + confirmations + transfers * limits.SCALE_FACTOR**2
    trainings = experiments + floor + confirmations + transfers
    results = checkpoints * _checkpoint(chosen, machine.past) + trainings * limits.RESULT_BYTES
    longer = -(-transfers // slots) * limits.WIDTH_BUDGET_TIMES
    return Estimate(
        memory_key=config.memory_key,
        session=state.id if state else "",
        status=state.status if state else "new",
        runner=machine.runner,
        runner_note=machine.runner_note,
        image=machine.image,
        slots=slots,
        source=config.source,
        bundle=bundle.packed_rows,
        bundle_bytes=bundle.disk_bytes,
        download_bytes=bundle.download_bytes,
        experiments=experiments,
        batches=-(-experiments // config.batch_size),
        floor_trainings=floor,
        confirmation_trainings=confirmations,
        transfer_trainings=transfers,
        seconds_per_experiment=round(seconds, 1),
        seconds_from=source,
        wall_seconds=round(
            (
                rounds(experiments, config.batch_size, slots)
                + -(-floor // slots)
                + -(-confirmations // slots)
                + longer
            )
            * seconds,
            1,
        ),
        model_usd=0.0 if config.researcher == "scripted" else None,
        disk_bytes=None if bundle.disk_bytes is None else results + image_bytes + bundle.disk_bytes,
        disk_free_bytes=machine.disk_free_bytes,
    )


def experiments_of(config: SessionConfig, state: SessionState | None) -> int:
    """Count what this launch may train: a new allotment, or what an unfinished session has left."""
    if state is None or state.status == "finished":
        return config.n_experiments
    return state.remaining + len(state.unfinished)


def confirmations_of(config: SessionConfig, chosen: Preset, state: SessionState | None) -> int:
    """Count the trainings that confirmations of this launch may take."""
    if state is None:
        return granted(chosen, config.n_experiments)
    allotted = len(state.experiments) + config.n_experiments if state.status == "finished" else state.allotted
    return max(0, granted(chosen, allotted) - spent(state))


def transfers_of(config: SessionConfig, chosen: Preset, confirmations: int) -> int:
    """Count the trainings that scale transfers may take, if every confirmation that can be afforded crowns one."""
    seeds = PLANS[chosen.name].seeds[0]
    champions = confirmations // (2 * seeds)
    return champions * (2 * seeds + 1) if config.scale_transfer else 0  # and one that width may not be honoured in


def rounds(experiments: int, batch_size: int, slots: int) -> int:
    """Count how often all slots are filled: a batch begins when the one before it is finished."""
    full, rest = divmod(experiments, batch_size)
    return full * -(-batch_size // slots) + -(-rest // slots)


def _seconds(chosen: Preset, config: SessionConfig, past: Past, runner: str) -> tuple[float, str]:
    if past.seconds:
        results = counted(len(past.seconds), "result")
        return median(past.seconds), f"median of {results} of {chosen.name} on {runner}"
    budget = min(config.time_budget_sec, chosen.config.time_budget_sec)
    overhead = limits.EXPERIMENT_OVERHEAD_S
    return budget + overhead, f"at most: budget {budget} s, start-up and scoring {overhead:.0f} s"


def _checkpoint(chosen: Preset, past: Past) -> int:
    """Bytes of a checkpoint: as earlier ones, else from the parameters of the preset's own model."""
    if past.checkpoint_bytes:
        return round(median(past.checkpoint_bytes))
    width = chosen.config.n_embd
    blocks = chosen.config.n_layer * BLOCK_MATRICES * width * width
    return FLOAT_BYTES * (2 * limits.VOCAB_SIZE * width + blocks)
