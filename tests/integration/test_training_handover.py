"""What the real harness makes of candidates that keep the contract in unusual ways, or almost keep it."""

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.experiment import Outcome
from tests.training_jobs import candidate, run, training_job


@pytest.fixture
def trained(bundle, tmp_path):
    def trained(name, **changes):
        runner = LocalRunner(HARNESS, tmp_path / "jobs")
        return run(training_job(candidate(name), bundle, **changes), runner, tmp_path / "workspace")

    return trained


def test_a_train_py_that_reports_no_steps_shows_its_batches(trained):
    report = trained("logits_only")

    assert report.outcome is Outcome.TRAINED
    assert report.curve == ()
    assert report.batches == 1  # the count is taken at once and then once a second
    assert report.claims.model_name == "table"
    assert report.startup_s > 0


def test_a_compiled_model_is_unwrapped(trained):
    report = trained("compiled")

    assert report.outcome is Outcome.TRAINED
    assert b"OptimizedModule" not in report.checkpoint.read_bytes()


@pytest.mark.parametrize(
    ("name", "outcome", "words"),
    [
        ("lambda_attribute", Outcome.REFUSED, "its attribute 0.squash"),
        ("wrong_type", Outcome.REFUSED, "return autoresearch_types.ExperimentResult"),
        ("leaves_by_sys_exit", Outcome.CRASHED, "SystemExit: 0"),
        ("device_oom", Outcome.CRASHED, "Tried to allocate 20.00 GiB"),  # on a CPU there is no such memory
    ],
)
def test_an_end_is_named_with_its_cause(trained, name, outcome, words):
    report = trained(name)

    assert report.outcome is outcome
    assert words in report.error
    assert report.checkpoint is None


def test_a_flood_of_progress_keeps_its_good_points_and_harms_nobody(trained):
    report = trained("floods_progress", cpu_metered=False, time_budget_sec=4)

    assert report.outcome is Outcome.TIMED_OUT
    assert [point.step for point in report.curve] == [3]


def test_one_that_hangs_without_using_its_cpu_time_is_killed_at_the_hard_stop(trained):
    report = trained("hangs", time_budget_sec=60, hard_stop_extra_s=-60.0, hard_stop_min_s=8.0)

    assert report.outcome is Outcome.TIMED_OUT
    assert report.error == "It hung and was killed and no model was handed over."
    assert report.log_tail == "about to hang\n"
