"""Records of jobs: whatever a driver was doing when it was killed, the next one finds what it left."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.process_runner import GATE
from autoresearch_dagster.containers.process_tree import is_running
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec
from autoresearch_dagster.containers.registry import Registry
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.slot import Slot


def test_a_job_is_on_record_before_anything_of_it_is_there(tmp_path):
    entry = Registry(tmp_path / "jobs").begin({"key": "a"})
    later = Registry(tmp_path / "jobs")

    assert later.labelled("key") == {"a"}
    assert entry.folder.is_dir()
    assert later.reap({"key": "b"}) == 0
    assert later.reap({"key": "a"}) == 1
    assert not entry.folder.exists()
    assert list((tmp_path / "jobs").iterdir()) == []


def test_a_record_without_its_folder_is_reaped_too(tmp_path):
    entry = Registry(tmp_path).begin({})
    entry.folder.rmdir()

    assert Registry(tmp_path).reap({}) == 1
    assert Registry(tmp_path).reap({}) == 0


def test_a_reused_process_id_is_not_ended(tmp_path):
    with subprocess.Popen(["sleep", "600"]) as stranger:
        entry = Registry(tmp_path).begin({})
        entry.note(stranger.pid)
        record = json.loads(entry.path.read_text())
        assert record["process"]
        entry.path.write_text(json.dumps({**record, "process": "another boot:1"}))

        assert Registry(tmp_path).reap({}) == 1

        assert is_running(stranger.pid)
        stranger.kill()


def test_a_record_of_an_earlier_version_is_understood(tmp_path):
    (tmp_path / "1.json").write_text('{"pid":0,"created":0.0,"folder":"/nowhere/ar-job-1","labels":{"key":"old"}}')

    assert Registry(tmp_path).labelled("key") == {"old"}
    assert Registry(tmp_path).reap({"key": "old"}) == 1


def test_a_process_at_the_gate_ends_with_its_driver_and_never_runs(tmp_path):
    done = tmp_path / "done"
    code = (
        "import subprocess, sys, time\n"
        f"job = subprocess.Popen([*{GATE!r}, 'touch', {str(done)!r}], stdin=subprocess.PIPE)\n"
        "print(job.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        job = int(driver.stdout.readline())
        assert is_running(job)
        os.kill(driver.pid, signal.SIGKILL)

    deadline = time.monotonic() + 60
    while is_running(job):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not done.exists()


def test_what_cannot_be_started_leaves_no_record_and_no_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    runner = LocalRunner(tmp_path / "program.py", tmp_path / "jobs")

    with pytest.raises(ContainerError, match="could not be started"):
        runner.start(JobSpec("a", "train", (), JobLimits(GIB, Slot((0,)))))

    assert runner.reap({}) == 0
