"""What is particular to sandboxes of bubblewrap."""

import shutil
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_dagster.containers.bubblewrap_runner import BubblewrapRunner
from autoresearch_dagster.containers.job_group import plan_group
from autoresearch_dagster.containers.registry import KnownJob
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.contract.jobs import PROGRAM, Bench, ended, told


@pytest.fixture
def bench(sandbox_host, tmp_path):
    (tmp_path / "jobs").mkdir()
    made = Bench(BubblewrapRunner(PROGRAM, tmp_path / "home", sandbox_host), tmp_path / "jobs", 0, [])
    yield made
    for job in made.started:
        job.remove()


def test_a_sandbox_that_cannot_be_made_is_our_fault_and_not_the_programs(sandbox_host, tmp_path, bench):
    broken = replace(sandbox_host, binds=(*sandbox_host.binds, "/nowhere/at/all"))
    job = BubblewrapRunner(PROGRAM, tmp_path / "home", broken).start(bench.spec("exit_with", 0))
    bench.started.append(job)

    with pytest.raises(ContainerError, match="/nowhere/at/all"):
        ended(job)


def test_nothing_of_the_host_is_visible_but_what_a_job_needs(bench):
    hidden = [
        "/etc/shadow",
        "/etc/hostname",
        "/var",
        "/sys",
        str(PROJECT_ROOT / "README.md"),
        str(Path.home() / ".bashrc"),
    ]
    job, out = bench.start("see", hidden)
    ended(job)

    assert told(out) == [[], ["nobody"]]


def test_a_job_outlives_the_thread_that_started_it(bench):
    def start_and_look():
        _, out = bench.start("count")
        told(out)

    thread = threading.Thread(target=start_and_look)
    thread.start()
    thread.join()
    while Path(f"/proc/self/task/{thread.native_id}").exists():
        time.sleep(0.02)
    [job] = bench.started
    out = next(bench.folder.glob("*/out"))
    counted = told(out)

    while told(out) < counted + 5:
        assert job.status().exit_code is None
        time.sleep(0.02)


def test_scratch_folders_have_a_fixed_size(bench):
    job, out = bench.start("fill", ["/tmp/a", "/dev/shm/b"])
    ended(job)

    assert told(out) == [64, 64]


def test_an_end_for_memory_is_the_kernels_word(bench):
    if not bench.runner.capabilities.memory_by_kernel:
        pytest.skip("no control group can be made here")
    job, _ = bench.start("allocate", 400, memory_mib=128)

    status = ended(job)

    assert (status.exit_code, status.oom) == (137, True)


def test_no_control_group_is_left_by_a_job_that_ends_and_by_one_that_is_reaped(bench):
    place = plan_group("any")
    if not bench.runner.capabilities.memory_by_kernel or place is None:
        pytest.skip("no control group can be made here")
    ending, _ = bench.start("exit_with", 0)
    running, out = bench.start("wait")
    told(out)
    records = [KnownJob.model_validate_json(path.read_bytes()) for path in (bench.folder.parent / "home").iterdir()]
    groups = [Path(group) for record in records for group in record.groups]
    assert len(groups) == 2 * len(place.folders)
    assert all(group.is_dir() for group in groups)
    ended(ending)

    ending.remove()
    assert bench.runner.reap({}) == 1

    assert not [group for group in groups if group.exists()]
    assert running.status().exit_code == 137


def test_an_environment_below_tmp_is_visible_although_tmp_is_the_jobs_own(sandbox_host, tmp_path, bench):
    link = Path(tempfile.mkdtemp(prefix="ar-test-", dir="/tmp"))
    try:
        (link / "venv").symlink_to(sys.prefix)
        host = replace(sandbox_host, python=f"{link}/venv/bin/python")
        parts = [f"{link}/venv/{part}" for part in ("bin", "lib", "pyvenv.cfg")]
        host = replace(host, binds=(*host.binds, *(part for part in parts if Path(part).exists())))
        job = BubblewrapRunner(PROGRAM, tmp_path / "home", host).start(bench.spec("exit_with", 3))
        bench.started.append(job)

        assert ended(job).exit_code == 3, job.log()
    finally:
        shutil.rmtree(link)
