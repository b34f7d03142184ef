"""Looks at this machine and its journal before a launch; nothing is created by looking."""

import shutil
from dataclasses import replace
from pathlib import Path

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.machine_slots import machine_slots
from autoresearch_dagster.containers.select import select_runner
from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.bundle import forecast_bundle
from autoresearch_dagster.experiments.estimate import Estimate, Machine, Past, estimate
from autoresearch_dagster.experiments.researchers import refuse_unknown
from autoresearch_dagster.experiments.session import refuse_other_terms
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.store import Store, find_store


def estimate_launch(config: SessionConfig, settings: Settings) -> Estimate:
    """Look at this machine and estimate a launch on it; nothing is created.

    Raises:
        UserError: the launch would be refused; the text says why.
        ContainerError: Docker was asked for and does not answer.
        StoreUnavailable: the journal cannot be read.
    """
    refuse_unknown(config, settings)
    chosen, selection = preset(config.preset), select_runner(settings)
    runner, image = selection.runner, "none needed"
    if isinstance(runner, DockerRunner):
        image = "ready" if runner.has_image() else "to be built"
    bundle = forecast_bundle(settings, config.source, config.num_shards, chosen.sequence_length)
    machine = Machine(
        runner=runner.name,
        runner_note=selection.reason,
        image=image,
        slots=len(machine_slots(settings, chosen.slot_kind, chosen.name)),
        bundle=bundle,
        disk_free_bytes=shutil.disk_usage(_nearest(settings.home)).free,
        session=None,
        past=Past(),
    )
    store = find_store(settings)
    if store is not None:
        machine = _with_history(machine, store, config)
        store.engine.dispose()
    return estimate(config, machine)


def _with_history(machine: Machine, store: Store, config: SessionConfig) -> Machine:
    found = store.journal.find(config.memory_key)
    if found is not None:
        refuse_other_terms(found, config)
    seconds: list[float] = []
    sizes: list[int] = []
    for session in store.journal.sessions():
        state = store.journal.state(session)
        for item in state.experiments.values() if state.config.preset == config.preset else ():
            result, begun, ended = item.result, item.started_at, item.finished_at
            if result is None or result.outcome is not Outcome.TRAINED or result.runner != machine.runner:
                continue
            if begun is not None and ended is not None:
                seconds.append((ended - begun).total_seconds())
            if result.checkpoint is not None and store.blobs.path(result.checkpoint).is_file():
                sizes.append(store.blobs.path(result.checkpoint).stat().st_size)
    return replace(machine, session=found, past=Past(tuple(seconds), tuple(sizes)))


def _nearest(folder: Path) -> Path:
    """The folder, or the first of its parents that is there."""
    return next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())
