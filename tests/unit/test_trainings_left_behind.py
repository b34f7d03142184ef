"""A training whose driver died, or whose Docker went away: when it goes on, and when nobody knows how long."""

import dataclasses
import time

import pytest

from autoresearch_dagster.containers.protocol import JobStatus
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.boot import boot_id
from autoresearch_dagster.core.errors import RunnerGone
from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.training.job import Halt, Hooks, Ready
from autoresearch_dagster.training.run import Left, take_over, train
from tests.fakes import RUNNING, ScriptedJob, ScriptedRunner
from tests.training_jobs import training_job

BUDGET_S = 10
DEADLINE_S = BUDGET_S * lim.DEADLINE_SLACK
STARTUP_S, STARTUP_CPU_S = 3.0, 2.0


def running(cpu_s):
    return JobStatus(None, oom=False, cpu_s=cpu_s, memory_peak_bytes=5)


def ended(code=0, *, oom=False, cpu_s=0.0, outside=False):
    return JobStatus(code, oom, cpu_s, 7, outside)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(lim, "RUNNER_LOOK_S", 0.0)
    monkeypatch.setattr(lim, "POLL_S", 0.0)


@pytest.fixture
def job(bundle):
    return training_job(b"", bundle, time_budget_sec=BUDGET_S)


@pytest.fixture
def workspace(tmp_path):
    """What a driver left that saw the harness become ready."""
    out = tmp_path / "work" / "out"
    out.mkdir(parents=True)
    (tmp_path / "work" / "candidate").mkdir()
    (out / "ready").touch()
    (out / "checkpoint.pt").write_bytes(b"weights")
    return tmp_path / "work"


def hooks(halt=Halt.NO, on_ready=lambda _ready: None):
    return Hooks(lambda *_: None, lambda: halt, on_ready=on_ready)


def was_ready(trained_s=0.0, **changes):
    """What the other driver saw: the harness was ready `trained_s` seconds ago."""
    at = time.monotonic() - trained_s
    known = Ready(boot=boot_id(), started_at=at - STARTUP_S, at=at, cpu_s=STARTUP_CPU_S)
    return known.model_copy(update=changes)


def taken_over(job, workspace, *statuses, ready=None, ran_s=None, halt=Halt.NO):
    left = ScriptedJob(statuses, "", ran_s)
    report = take_over(job, ScriptedRunner(left=left), workspace, ready, hooks(halt))
    return report, left


def test_a_running_one_goes_on_and_is_charged_from_when_it_was_ready(job, workspace):
    report, left = taken_over(job, workspace, running(5.0), running(6.0), ended(cpu_s=8.0), ready=was_ready())

    assert report.outcome is Outcome.TRAINED
    assert report.cpu_s == 8.0 - STARTUP_CPU_S
    assert report.startup_s == pytest.approx(STARTUP_S)
    assert left.removed


def test_the_budget_goes_on_counting(job, workspace):
    over = STARTUP_CPU_S + DEADLINE_S + 0.1
    report, _ = taken_over(job, workspace, running(5.0), running(over), ready=was_ready())

    assert report.outcome is Outcome.TRAINED  # of the checkpoint from before its deadline
    assert report.cpu_s == pytest.approx(DEADLINE_S + 0.1)


def test_one_that_passed_its_deadline_unseen_is_not_used(job, workspace):
    report, left = taken_over(job, workspace, running(STARTUP_CPU_S + DEADLINE_S + 0.1), ready=was_ready())

    assert report is None
    assert left.removed


def test_one_that_ended_within_its_budget_is_collected_and_charged_all_the_time_that_it_ran(job, workspace):
    report, left = taken_over(job, workspace, ended(), ready=was_ready(60.0), ran_s=STARTUP_S + 7.0)

    assert report.outcome is Outcome.TRAINED
    assert report.cpu_s == pytest.approx(7.0)  # its CPU time cannot be read any more, and was no more than that
    assert report.wall_s == pytest.approx(7.0)
    assert left.removed


@pytest.mark.parametrize(
    ("status", "ran_s"),
    [
        (ended(), STARTUP_S + DEADLINE_S + 1.0),  # it ran longer than it may have trained
        (ended(137), STARTUP_S + 1.0),  # something killed it, and not the kernel for its memory
        (ended(143), STARTUP_S + 1.0),
        (ended(1, outside=True), STARTUP_S + 1.0),
    ],
)
def test_one_that_ended_otherwise_is_not_used(job, workspace, status, ran_s):
    report, left = taken_over(job, workspace, status, ready=was_ready(60.0), ran_s=ran_s)

    assert report is None
    assert left.removed


def test_a_crash_within_the_budget_is_a_result(job, workspace):
    report, _ = taken_over(job, workspace, ended(1), ready=was_ready(60.0), ran_s=STARTUP_S + 1.0)

    assert report.outcome is Outcome.CRASHED


def test_the_kernels_word_outlives_the_driver(job, workspace):
    killed = ended(137, oom=True)
    report, _ = taken_over(job, workspace, killed, ready=was_ready(60.0), ran_s=STARTUP_S + 1.0)

    assert report.outcome is Outcome.HOST_OOM


def test_one_that_was_let_go_and_not_taken_down_is_not_used(job, workspace):
    (workspace / "candidate" / "go").touch()
    report, left = taken_over(job, workspace, running(5.0), ready=None)

    assert report is None
    assert left.removed


def test_one_that_is_not_ready_yet_starts_counting_when_it_is(job, workspace):
    (workspace / "out" / "ready").unlink()

    def becomes_ready(*_):
        (workspace / "out" / "ready").touch()

    left = ScriptedJob([running(1.0), running(2.0), running(3.0), ended(cpu_s=4.0)], "")
    seen = []
    watching = dataclasses.replace(hooks(on_ready=seen.append), on_progress=becomes_ready)
    report = take_over(job, ScriptedRunner(left=left), workspace, None, watching)

    assert report.outcome is Outcome.TRAINED
    assert report.cpu_s == 4.0 - 3.0
    assert [one.cpu_s for one in seen] == [3.0]


def test_another_boot_of_the_machine_has_another_clock(job, workspace):
    report, _ = taken_over(job, workspace, running(5.0), ready=was_ready(boot="another"))

    assert report is None


def test_a_container_that_is_gone_leaves_nothing_to_take_over(job, workspace):
    assert take_over(job, ScriptedRunner(), workspace, was_ready(), hooks()) is None


def test_a_driver_that_leaves_does_not_remove_it(job, workspace):
    left = ScriptedJob([running(5.0)], "")
    with pytest.raises(Left):
        take_over(job, ScriptedRunner(left=left), workspace, was_ready(), hooks(Halt.LEAVE))
    assert not left.removed


GONE = RunnerGone("Docker does not answer.")


def test_one_that_is_ready_waits_to_be_let_go_however_long_nobody_was_there(job, workspace):
    report, _ = taken_over(job, workspace, running(5.0), running(5.0), ended(cpu_s=8.0), ready=None)

    assert report.cpu_s == 8.0 - 5.0
    assert (workspace / "candidate" / "go").exists()


def test_one_whose_driver_died_before_letting_it_go_is_let_go(job, workspace):
    taken_over(job, workspace, running(5.0), running(6.0), ended(cpu_s=8.0), ready=was_ready())

    assert (workspace / "candidate" / "go").exists()


def trained(job, tmp_path, *statuses, halt=Halt.NO):
    def write(out):
        (out / "ready").touch()
        (out / "checkpoint.pt").write_bytes(b"weights")

    (tmp_path / "fresh").mkdir(parents=True)
    runner = ScriptedRunner(*statuses, write=write)
    try:
        return train(job, runner, tmp_path / "fresh", hooks(halt))
    finally:
        assert [left.removed for _, left in runner.started] == [True]


def test_a_daemon_that_is_silent_for_a_while_changes_nothing(job, tmp_path):
    report = trained(job, tmp_path, RUNNING, GONE, GONE, running(1.0), ended(cpu_s=2.0))

    assert report.outcome is Outcome.TRAINED


def test_a_daemon_that_was_started_anew_took_the_container_with_it(job, tmp_path):
    with pytest.raises(RunnerGone, match="started anew"):
        trained(job, tmp_path, RUNNING, GONE, ended(137))


def test_a_training_that_nobody_could_stop_at_its_deadline_is_made_again(job, tmp_path):
    with pytest.raises(RunnerGone, match="trained on"):
        trained(job, tmp_path, RUNNING, running(1.0), GONE, running(DEADLINE_S + 0.1))


def test_a_training_that_ended_beyond_its_deadline_while_nobody_looked_is_made_again(job, tmp_path):
    with pytest.raises(RunnerGone, match="while nobody looked"):
        trained(job, tmp_path, RUNNING, GONE, ended(0, cpu_s=DEADLINE_S + 0.1))


def test_a_driver_that_stood_still_has_not_looked(job, tmp_path, monkeypatch):
    monkeypatch.setattr(lim, "UNSEEN_S", -1.0)  # every look counts as one after a long time
    with pytest.raises(RunnerGone, match="while nobody looked"):
        trained(job, tmp_path, RUNNING, running(1.0), ended(0, cpu_s=DEADLINE_S + 0.1))
    with pytest.raises(RunnerGone, match="trained on"):
        trained(job, tmp_path / "again", RUNNING, running(1.0), running(DEADLINE_S + 0.1))


def test_a_container_that_somebody_else_ended_is_nobodys_fault(job, tmp_path):
    with pytest.raises(RunnerGone, match="from outside"):
        trained(job, tmp_path, RUNNING, ended(137, outside=True))


def test_a_candidate_that_kills_itself_has_crashed(job, tmp_path):
    assert trained(job, tmp_path, RUNNING, ended(137)).outcome is Outcome.CRASHED


def test_a_daemon_that_stays_silent_is_given_up(job, tmp_path, monkeypatch):
    monkeypatch.setattr(lim, "RUNNER_PATIENCE_S", 0.0)
    with pytest.raises(RunnerGone, match="does not answer"):
        trained(job, tmp_path, RUNNING, GONE)
