"""Out of memory in real containers: the evidence, what the next try is given, what result and receipt say."""

import dataclasses
import time

import pytest

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.protocol import JobSpec
from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    TrainConfig,
)
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE, KEY_LABEL, Laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import Halt
from tests.bundles import tiny_bundle
from tests.daemon import require_daemon

pytestmark = [pytest.mark.docker, pytest.mark.slow]
CONFIG = TrainConfig(n_layer=1, n_head=2, n_embd=16, max_steps=4, device_batch_size=4, time_budget_sec=20)
TRAINS = "    tokenizer = prepare.Tokenizer.from_directory()\n"
DEVICE_OOM = """    if config.device_batch_size > 1:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
"""
HOST_OOM = "    kept = bytearray(b'x') * (1536 * 2**20)\n"


class WithoutDevice(DockerRunner):
    """Starts the containers of a GPU slot without their GPU: everything else is as with one."""

    def start(self, spec: JobSpec):
        limits = dataclasses.replace(spec.limits, slot=Slot(spec.limits.slot.cores))
        return super().start(dataclasses.replace(spec, limits=limits))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    require_daemon()
    settings = load_settings().model_copy(update={"home": tmp_path_factory.mktemp("home")})
    bundle = tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")
    for path in [bundle.packed, *bundle.packed.parents[:2], *bundle.candidate_folder.rglob("*")]:
        path.chmod(0o755)  # as the builders leave it: candidates run under another uid
    preset = dataclasses.replace(
        PRESETS["demo"], config=CONFIG, sequence_length=32, scored_rows=16, memory_bytes=1 * GIB
    )
    runner = WithoutDevice(settings)
    return Laboratory(settings, open_store(settings), runner, runner.prepare(print), "", bundle, preset, b"")


def result_of(lab: Laboratory, name: str, fails: str, slot: Slot) -> tuple[ExperimentResult, Receipt | None]:
    code = BASELINE_FILE.read_text().replace(TRAINS, fails + TRAINS)
    assert fails in code
    planned = PlannedExperiment(
        key=ExperimentKey(f"x_{name}_{time.time_ns()}"),
        title=name,
        revision=1,
        train_py=lab.store.blobs.put(code.encode()),
        config=CONFIG,
    )
    result = run_planned(planned, lab, Attempt(1, slot), lambda *_: None, lambda _: None, lambda: Halt.NO)
    assert planned.key not in lab.runner.labelled(KEY_LABEL)
    lab.sweep(planned.key)
    receipt = Receipt.model_validate_json(lab.store.blobs.get(result.receipt)) if result.receipt else None
    return result, receipt


def test_a_device_out_of_memory_trains_fewer_rows_at_a_time_and_as_many_in_a_step(lab):
    core = lab.settings.cores[0]
    result, receipt = result_of(lab, "device_oom", DEVICE_OOM, Slot((core,), "GPU-none"))

    assert result.outcome is Outcome.TRAINED, result.error
    assert Label.HEALED in result.labels
    assert result.oom_retries == 2
    failed = [(one.outcome, one.device_batch_size, one.grad_accum_steps) for one in result.out_of_memory]
    assert failed == [(Outcome.DEVICE_OOM, 4, 1), (Outcome.DEVICE_OOM, 2, 2)]
    ran_as = CONFIG.model_copy(update={"device_batch_size": 1, "grad_accum_steps": 4})
    assert result.ran_as == ran_as
    assert receipt is not None
    assert (receipt.config, receipt.ran_as) == (CONFIG, ran_as)


def test_the_same_exception_without_a_device_is_a_crash(lab):
    result, receipt = result_of(lab, "no_device", DEVICE_OOM, Slot((lab.settings.cores[0],)))

    assert (result.outcome, result.oom_retries, receipt) == (Outcome.CRASHED, 0, None)
    assert "Tried to allocate 20.00 GiB" in result.error


def test_a_host_out_of_memory_is_given_more_and_says_what_it_needed(lab):
    result, receipt = result_of(lab, "host_oom", HOST_OOM, Slot((lab.settings.cores[0],)))

    assert result.outcome is Outcome.TRAINED, result.error
    assert Label.HEALED not in result.labels  # its recipe is the planned one
    assert [(one.outcome, one.memory_bytes) for one in result.out_of_memory] == [(Outcome.HOST_OOM, 1 * GIB)]
    assert (result.oom_retries, result.memory_bytes, result.ran_as) == (1, 3 * GIB, None)
    assert 1536 * 2**20 < result.peak_memory_bytes <= 3 * GIB
    assert receipt is not None
    assert receipt.memory_bytes == 3 * GIB
    assert receipt.answer_memory_bytes >= receipt.memory_bytes
