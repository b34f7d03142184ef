"""What an experiment needs to run on this machine: the bundle, the runner with its image, the store."""

from dataclasses import dataclass

from autoresearch_dagster.containers.machine_slots import chosen_gpus, machine_slots
from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.containers.select import Selection, every_runner, select_runner
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.folders import find_folders, remove_tree
from autoresearch_dagster.core.presets import Preset, preset
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.store.store import Store, open_store

KEY_LABEL = "autoresearch.key"
"""Label of every job: the key of its experiment."""
BASELINE_FILE = PROJECT_ROOT / "trainer_image" / "train.py"


@dataclass(frozen=True, slots=True)
class Laboratory:
    """Everything that stays the same over the experiments of a session."""

    settings: Settings
    store: Store
    runner: Runner
    image: str
    """Identity of the trainer image, recorded in every receipt."""
    runner_note: str
    """One sentence for a person: which runner, and what that means."""
    bundle: Bundle
    preset: Preset
    baseline: bytes
    """The train.py that research starts from."""

    def slots(self) -> tuple[Slot, ...]:
        """Return what experiments of its preset may run on now; asks the machine.

        Raises:
            NoSlot: there is nothing; the text says what to do.
        """
        return machine_slots(self.settings, self.preset.slot_kind, self.preset.name)

    def accelerators(self) -> list[str]:
        """Name the kinds of GPU that its preset runs on; none for a preset that needs cores alone."""
        if self.preset.slot_kind == "core":
            return []
        return sorted({gpu.name for gpu in chosen_gpus(self.settings)})

    def scratch_prefix(self, key: ExperimentKey) -> str:
        """Begin the names of an experiment's temporary folders, so that a later driver finds them."""
        return scratch_prefix(self.settings, key)

    def sweep(self, key: ExperimentKey) -> None:
        """Remove what a dead driver left of an experiment: its jobs, then its temporary folders."""
        self.runner.reap({KEY_LABEL: key})
        for folder in find_folders(self.scratch_prefix(key)):
            remove_tree(folder)


def scratch_prefix(settings: Settings, key: str = "") -> str:
    """Begin the names of the temporary folders of one experiment, or of all experiments of this home."""
    return f"ar-{settings.home_id}-{f'{key}-' if key else ''}"


def experiment_lease(key: str) -> str:
    """Name of the lease that whoever runs an experiment holds while it runs."""
    return f"experiment:{key}"


def open_laboratory(
    settings: Settings,
    *,
    preset_name: str,
    source: str,
    num_shards: int,
    report: Report,
    trusted_code: bool = True,
) -> Laboratory:
    """Build what is missing (bundle, image) and return the laboratory.

    Args:
        settings: of this machine.
        preset_name: `demo`, `workshop` or `gpu`.
        source: `sample`, `climbmix` or a folder.
        num_shards: training shards.
        report: receives progress lines.
        trusted_code: whether every train.py ships with the project or is the user's own.

    Raises:
        UserError: model-written code would run without a sandbox, or there is nothing to run it on.
    """
    chosen = preset(preset_name)
    machine_slots(settings, chosen.slot_kind, chosen.name)  # refuses before anything is built
    store, selection = _store_and_runner(settings, trusted_code)
    bundle = build_bundle(source, num_shards, chosen.sequence_length, settings.bundles, report)
    return _laboratory(settings, store, selection, bundle, chosen, report)


def laboratory_on(
    bundle: Bundle, terms: Preset, settings: Settings, report: Report, *, trusted_code: bool
) -> Laboratory:
    """Return a laboratory on a bundle that is here, under terms that no preset needs to have.

    Raises:
        UserError: the code is not trusted and there is no sandbox for it, or there is nothing to run it on.
    """
    machine_slots(settings, terms.slot_kind, terms.name)
    store, selection = _store_and_runner(settings, trusted_code)
    return _laboratory(settings, store, selection, bundle, terms, report)


def _store_and_runner(settings: Settings, trusted_code: bool) -> tuple[Store, Selection]:
    store = open_store(settings)
    selection = select_runner(settings)
    if not (trusted_code or selection.runner.capabilities.sandboxed or settings.allow_unsandboxed):
        raise UserError(
            "Code written by a model runs only in a sandbox, and there is none here: start Docker or install "
            "bubblewrap (`autoresearch doctor` says what is missing), or set AUTORESEARCH_ALLOW_UNSANDBOXED=true "
            "to accept the risk."
        )
    return store, selection


def _laboratory(
    settings: Settings, store: Store, selection: Selection, bundle: Bundle, terms: Preset, report: Report
) -> Laboratory:
    return Laboratory(
        settings=settings,
        store=store,
        runner=selection.runner,
        image=selection.runner.prepare(report),
        runner_note=selection.reason,
        bundle=bundle,
        preset=terms,
        baseline=BASELINE_FILE.read_bytes(),
    )


def running_on(session: str, settings: Settings) -> int:
    """Count the experiments of a session whose jobs run on without a driver."""
    runners = [runner for runner in every_runner(settings) if runner.outlives_driver]
    return sum(key.startswith(f"{session}_") for runner in runners for key in runner.labelled(KEY_LABEL))
