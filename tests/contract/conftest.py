"""Every runner, real, behind one fixture."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_dagster.containers.bubblewrap import Host
from autoresearch_dagster.containers.bubblewrap_runner import BubblewrapRunner, find_sandbox
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.settings import load_settings
from tests.contract.jobs import PROGRAM, Bench
from tests.daemon import require_daemon


@pytest.fixture(scope="session")
def trainer_image() -> str:
    """The real trainer image, built if it is missing; without a daemon the test is skipped, or fails in CI."""
    settings = load_settings()
    require_daemon()
    return DockerRunner(settings).prepare(print)


@pytest.fixture(scope="session")
def sandbox_host() -> Host:
    """What bubblewrap can do here; where it does nothing the test is skipped, or fails in CI."""
    found = find_sandbox()
    if found.host is None:
        say = pytest.fail if load_settings().require_bubblewrap else pytest.skip
        say(found.problem)
    return found.host


def make_runner(kind: str, home: Path, request: pytest.FixtureRequest) -> Runner:
    """A runner of the kind, which runs the contract's program."""
    if kind == "docker":
        settings = load_settings().model_copy(update={"home": home})
        return DockerRunner(settings, request.getfixturevalue("trainer_image"), PROGRAM)
    if kind == "local":
        return LocalRunner(PROGRAM, home / "jobs")
    host = request.getfixturevalue("sandbox_host")
    if kind == "least_bubblewrap":  # what is left where we are not root and may make no control group
        host = replace(host, changes_user=False, grouped=False)
    return BubblewrapRunner(PROGRAM, home / "jobs", host)


@pytest.fixture(
    params=["local", "bubblewrap", "least_bubblewrap", pytest.param("docker", marks=pytest.mark.docker)]
)
def bench(request, tmp_path):
    runner = make_runner(request.param, tmp_path / "home", request)
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
