"""Small answers of core and evaluation that nothing else asks for."""

import os

import psutil
import pytest

from autoresearch_dagster.core import boot, dagster_home, presets, settings as settings_module
from autoresearch_dagster.core.errors import EvaluationFault, UserError
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome, OutOfMemory
from autoresearch_dagster.core.limits import GIB, MIB, TOLERANCE_MIN_NATS
from autoresearch_dagster.core.progress import in_unit
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.spending import candidate_error_rate
from autoresearch_dagster.evaluation.tolerance import Tolerance


def test_the_start_of_a_process_tells_it_from_a_later_one_and_a_dead_one_has_none() -> None:
    assert boot.start_of(os.getpid()) == boot.start_of(os.getpid()) != boot.start_of(1)
    with pytest.raises(psutil.NoSuchProcess):
        boot.start_of(2**22 + 1)


def test_the_boot_has_the_kernels_name_and_none_where_it_gives_none(tmp_path, monkeypatch) -> None:
    file = tmp_path / "boot_id"
    monkeypatch.setattr(boot, "BOOT_ID", file)
    asked_now = boot.boot_id.__wrapped__

    assert asked_now() == ""
    file.write_bytes(b"\xff\xfe")
    assert asked_now() == ""
    file.write_text("5f2c9a3e-77\n")
    assert asked_now() == "5f2c9a3e-77"


def test_where_a_process_cannot_be_kept_to_some_cores_it_may_use_all(monkeypatch) -> None:
    asked_now = settings_module.available_cores.__wrapped__
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)

    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert asked_now() == (0, 1, 2)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert asked_now() == (0,)


def test_the_instance_of_dagster_is_written_once_and_an_own_one_is_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))

    home = dagster_home.use_dagster_home(Settings(home=tmp_path / "home"))
    (home / "dagster.yaml").write_text("telemetry: {enabled: true}\n")

    assert home == tmp_path / "mine"
    assert dagster_home.use_dagster_home(Settings(home=tmp_path / "home")) == home
    assert "true" in (home / "dagster.yaml").read_text()
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]


def test_make_install_tells_dagster_where_its_instance_is(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "mine"))
    monkeypatch.setattr(dagster_home, "PROJECT_ROOT", tmp_path)

    dagster_home.main()

    assert (tmp_path / ".env").read_text() == f"DAGSTER_HOME={tmp_path / 'mine'}\n"


def test_a_preset_that_is_not_there_is_one_sentence_with_those_that_are() -> None:
    with pytest.raises(UserError, match="demo, workshop, gpu"):
        presets.preset("huge")


def test_gpu_time_is_reserved_for_three_hard_stops_and_on_cores_none() -> None:
    gpu, demo = presets.preset("gpu"), presets.preset("demo")

    assert presets.gpu_reserve_s(gpu.config, gpu) == 3 * (300 + 180)
    assert presets.gpu_reserve_s(demo.config, gpu) == 3 * 300
    assert presets.gpu_reserve_s(demo.config, demo) == 0


def test_a_training_may_be_tried_again_while_time_is_left_for_it_and_for_scoring_and_on_cores_always() -> None:
    gpu, demo = presets.preset("gpu"), presets.preset("demo")

    assert presets.may_be_tried_again(gpu.config, gpu, 480.0)
    assert not presets.may_be_tried_again(gpu.config, gpu, 481.0)
    assert presets.may_be_tried_again(demo.config, demo, 1e6)


@pytest.mark.parametrize(
    ("value", "said"), [(3 * GIB, "3.0 GiB"), (5 * MIB, "5 MiB"), (2048, "2 KiB"), (1.5 * GIB, "1.5 GiB")]
)
def test_bytes_are_told_in_the_unit_that_a_person_reads(value: float, said: str) -> None:
    assert in_unit(value, "bytes") == said


def test_a_setting_that_cannot_be_used_is_one_sentence_with_its_name(monkeypatch) -> None:
    monkeypatch.setenv("AUTORESEARCH_SLOTS", "many")

    with pytest.raises(UserError, match="AUTORESEARCH_SLOTS=many cannot be used"):
        settings_module.load_settings()


def test_the_journal_is_sqlite_in_the_home_unless_an_address_is_given(tmp_path) -> None:
    assert Settings(home=tmp_path, database_url="").journal_url == f"sqlite:///{tmp_path / 'journal.db'}"
    assert Settings(home=tmp_path, database_url="postgresql://x").journal_url == "postgresql://x"


def test_a_gpu_is_paid_for_while_any_try_ran_also_those_that_ran_out_of_memory() -> None:
    tried = OutOfMemory(
        outcome=Outcome.DEVICE_OOM,
        memory_bytes=2 * GIB,
        device_batch_size=8,
        grad_accum_steps=1,
        cpu_sec=1.0,
        duration_sec=7.0,
    )
    result = ExperimentResult(outcome=Outcome.TRAINED, duration_sec=30.0, out_of_memory=(tried, tried))

    assert result.containers_s == 30 + 2 * 7


def test_candidates_are_counted_from_one() -> None:
    with pytest.raises(ValueError, match="from 1"):
        candidate_error_rate(0)


def test_a_device_that_hardly_repeats_itself_cannot_be_audited_on() -> None:
    steady = Tolerance(
        image="", device="cpu", wire="fp32", rows=1, targets=1, vocab=1, evaluator_version="3", deviation=0.0
    )

    assert steady.nats == TOLERANCE_MIN_NATS["fp32"]
    with pytest.raises(EvaluationFault, match="another device"):
        _ = steady.model_copy(update={"deviation": 0.5}).nats
