"""A driver that dies leaves its jobs running; the next one finds them by their labels."""

import os
import signal
import time

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from tests.contract.jobs import PROGRAM, appears, gone, told, tree


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_jobs_of_a_killed_driver_are_found_and_ended(bench):
    spec = bench.spec("spawn", labels={"key": "orphan"})
    out = next(mount.source for mount in spec.mounts if mount.name == "OUT")
    driver = os.fork()
    if driver == 0:
        job = bench.runner.start(spec)
        told(out)
        (out / "tree").write_text("\n".join(map(str, [] if bench.runner.name == "docker" else tree(job))))
        (out / "followed").touch()
        time.sleep(600)
        os._exit(0)
    appears(out / "followed")
    processes = [int(pid) for pid in (out / "tree").read_text().split()]
    os.kill(driver, signal.SIGKILL)
    os.waitpid(driver, 0)
    if bench.runner.name == "bubblewrap":
        for process in processes:
            gone(process)

    assert bench.runner.reap({"key": "another"}) == 0
    assert bench.runner.reap({"key": "orphan"}) == 1

    assert bench.runner.reap({}) == 0
    for process in processes:
        gone(process)


def test_a_job_left_by_a_dead_driver_makes_way_for_its_successor(bench):
    spec = bench.spec("wait", labels={"key": "again"})
    bench.started.append(bench.runner.start(spec))

    successor = bench.runner.start(spec)
    bench.started.append(successor)

    assert successor.status().exit_code is None


def test_another_installation_is_left_alone(bench, tmp_path):
    job, out = bench.start("wait", labels={"key": "s01_d01_e01"})
    told(out)
    if bench.runner.name != "docker":
        stranger = LocalRunner(PROGRAM, tmp_path / "elsewhere" / "jobs")
    else:
        elsewhere = bench.runner._settings.model_copy(update={"home": tmp_path / "elsewhere"})
        stranger = type(bench.runner)(elsewhere, bench.runner._image)

    assert stranger.reap({"key": "s01_d01_e01"}) == 0

    assert job.status().exit_code is None
