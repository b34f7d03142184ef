"""How a training ended is decided from evidence, not from words: every case from a scripted job."""

import json
import os
import stat

import pytest

from autoresearch_dagster.containers.protocol import JobLimits, JobStatus
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.limits import MIB
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.training.job import Halt
from autoresearch_dagster.training.watch import written_bytes
from tests.fakes import RUNNING, ScriptedRunner
from tests.training_jobs import run, training_job


def ended(code, *, oom=False, cpu_s=0.0):
    return JobStatus(exit_code=code, oom=oom, cpu_s=cpu_s, memory_peak_bytes=7)


def running(cpu_s):
    return JobStatus(exit_code=None, oom=False, cpu_s=cpu_s, memory_peak_bytes=5)


def hands_over(out):
    (out / "ready").touch()
    (out / "checkpoint.pt").write_bytes(b"weights")


def is_ready(out):
    (out / "ready").touch()


def says(error):
    def write(out):
        is_ready(out)
        (out / "outcome.json").write_text(json.dumps({"kind": "finished", "error": error}))

    return write


@pytest.fixture
def judged(bundle, tmp_path):
    def judged(*statuses, write=None, log="", halt=lambda: Halt.NO, **changes):
        runner = ScriptedRunner(*statuses, write=write, log=log)
        report = run(training_job(b"", bundle, **changes), runner, tmp_path / "work", halt=halt)
        assert [job.removed for _, job in runner.started] == [True]
        return report

    return judged


def test_finished_with_a_checkpoint_is_trained(judged):
    report = judged(RUNNING, ended(0, cpu_s=3.0), write=hands_over)
    assert report.outcome is Outcome.TRAINED
    assert report.checkpoint.read_bytes() == b"weights"
    assert (report.cpu_s, report.peak_memory_bytes) == (3.0, 7)


def test_the_kernels_word_is_host_oom_even_with_a_checkpoint(judged):
    report = judged(ended(137, oom=True), write=hands_over)
    assert report.outcome is Outcome.HOST_OOM
    assert report.checkpoint is None


def test_words_about_memory_are_only_a_crash(judged):
    report = judged(ended(1), write=says("OOMKilled: CUDA out of memory"), log="oom-kill")
    assert report.outcome is Outcome.CRASHED


def test_exit_code_86_is_device_oom_where_a_device_was_leased_and_else_a_crash(bundle, tmp_path):
    for slot, outcome in ((Slot((0,), "GPU-1"), Outcome.DEVICE_OOM), (Slot((0,)), Outcome.CRASHED)):
        runner, limits = ScriptedRunner(ended(86), write=hands_over), JobLimits(lim.GIB, slot)
        report = run(training_job(b"", bundle, limits=limits), runner, tmp_path / f"on {slot}")
        assert report.outcome is outcome


def test_a_refusal_keeps_its_sentence_with_control_characters_escaped(judged):
    report = judged(ended(87), write=says("use\x1b[2J module level"))
    assert report.outcome is Outcome.REFUSED
    assert report.error == "use\\x1b[2J module level"


def test_cpu_time_before_ready_is_not_charged(judged):
    late = [running(100.0), running(100.5), ended(0, cpu_s=101.0)]
    report = judged(*late, write=hands_over, time_budget_sec=2)
    assert report.outcome is Outcome.TRAINED
    assert report.cpu_s == 1.0


def test_the_cpu_budget_with_its_slack_ends_it(judged):
    report = judged(running(0.0), running(11.01), write=is_ready, time_budget_sec=10)
    assert report.outcome is Outcome.TIMED_OUT
    assert report.error == "Its budget of 10 s was used up and no model was handed over."


def test_within_the_slack_it_goes_on(judged):
    report = judged(running(0.0), running(10.9), ended(0, cpu_s=10.9), write=hands_over, time_budget_sec=10)
    assert report.outcome is Outcome.TRAINED


def test_a_checkpoint_from_before_the_deadline_counts(judged):
    report = judged(running(0.0), running(99.0), write=hands_over, time_budget_sec=10)
    assert report.outcome is Outcome.TRAINED


def test_an_unfinished_checkpoint_does_not_count(judged):
    def write(out):
        is_ready(out)
        (out / "checkpoint.tmp").write_bytes(b"half")

    assert judged(running(0.0), running(99.0), write=write, time_budget_sec=10).outcome is Outcome.TIMED_OUT


def test_stop_wins_over_everything(judged):
    report = judged(RUNNING, write=hands_over, halt=lambda: Halt.KILL)
    assert report.outcome is Outcome.STOPPED
    assert report.checkpoint is None


def test_output_beyond_the_cap_is_refused_even_if_the_job_ended_first(judged):
    report = judged(ended(0), write=hands_over, output_bytes=lim.OUTPUT_FILE_BYTES)
    assert report.outcome is Outcome.REFUSED
    assert "wrote more than" in report.error


def test_progress_reaches_the_watcher_with_the_time_left(bundle, tmp_path):
    def write(out):
        is_ready(out)
        (out / "progress.jsonl").write_text('{"step": 4, "loss": 2.0, "elapsed_s": 1.0}\n')

    seen = []
    runner = ScriptedRunner(running(1.0), running(3.0), ended(1), write=write)
    job = training_job(b"", bundle, time_budget_sec=10)
    run(job, runner, tmp_path / "work", progress=lambda *look: seen.append(look))
    assert [(point.step, used, left) for point, used, left in seen] == [(4, 0.0, 11.0), (4, 2.0, 9.0)]


def test_a_runner_that_cannot_start_raises_our_error(bundle, tmp_path):
    with pytest.raises(ContainerError):
        run(training_job(b"", bundle), ScriptedRunner(), tmp_path / "work")


def test_only_the_candidates_own_folder_is_writable_and_its_parent_is_private(bundle, tmp_path):
    runner = ScriptedRunner(ended(1))
    run(training_job(b"pass", bundle), runner, tmp_path / "work")
    mounts = {mount.name: mount for mount in runner.started[0][0].mounts}
    assert {name for name, mount in mounts.items() if not mount.read_only} == {"OUT"}
    assert mounts["BUNDLE"].source == bundle.candidate_folder
    assert stat.S_IMODE(mounts["OUT"].source.stat().st_mode) == 0o777
    assert stat.S_IMODE(mounts["OUT"].source.parent.stat().st_mode) == 0o700
    config = json.loads((mounts["CANDIDATE"].source / "config.json").read_text())
    assert (config["title"], config["seed"], config["n_embd"]) == ("test", 0, 16)
    assert (mounts["CANDIDATE"].source / "train.py").read_bytes() == b"pass"


def test_written_bytes_counts_files_in_folders_and_not_behind_links(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "big").write_bytes(bytes(MIB))
    (tmp_path / "link").symlink_to("/usr")
    assert MIB < written_bytes(tmp_path, 10 * MIB) < MIB + 4 * 2 * lim.OUTPUT_FILE_BYTES


def test_empty_files_count_so_that_they_cannot_fill_the_disk(tmp_path):
    for number in range(20):
        (tmp_path / str(number)).touch()
    assert written_bytes(tmp_path, 10 * lim.OUTPUT_FILE_BYTES) > 10 * lim.OUTPUT_FILE_BYTES


def test_folders_too_deep_to_look_into_count_as_too_much(tmp_path):
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(lim.OUTPUT_DEPTH + 2):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    assert written_bytes(tmp_path, 512 * MIB) > 512 * MIB
