"""Every runner, real, behind one fixture."""

import os

import pytest

from autoresearch_dagster.containers.docker_runner import DockerRunner, ping
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.core.settings import load_settings
from tests.contract.jobs import PROGRAM, Bench


@pytest.fixture(scope="session")
def trainer_image() -> str:
    """The real trainer image, built if it is missing; without a daemon the test is skipped, or fails in CI."""
    settings = load_settings()
    if not ping():
        say = pytest.fail if settings.require_docker else pytest.skip
        say("no Docker daemon answers")
    return DockerRunner(settings).prepare(print)


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request, tmp_path):
    if request.param == "docker":
        settings = load_settings().model_copy(update={"home": tmp_path / "home"})
        runner = DockerRunner(settings, request.getfixturevalue("trainer_image"), PROGRAM)
    else:
        runner = LocalRunner(PROGRAM, tmp_path / "home" / "jobs")
    (tmp_path / "jobs").mkdir()
    core = sorted(os.sched_getaffinity(0))[-1] if hasattr(os, "sched_getaffinity") else 0
    made = Bench(runner, tmp_path / "jobs", core, [])
    yield made
    for job in made.started:
        job.remove()


@pytest.fixture
def sealed(bench):
    """Only the runners that claim to be a sandbox."""
    if not bench.runner.capabilities.sandboxed:
        pytest.skip("does not claim to be a sandbox")
    return bench
