"""Which runner is chosen, against a daemon that is really not there."""

import pytest

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec
from autoresearch_dagster.containers.select import daemon_version, select_runner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot


@pytest.fixture
def no_daemon(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")


def test_without_a_daemon_processes_run_and_the_reason_says_what_that_means(no_daemon, tmp_path):
    selection = select_runner(Settings(home=tmp_path, runner="auto"))

    assert selection.runner.name == "local"
    assert not selection.runner.capabilities.sandboxed
    assert "unsandboxed" in selection.reason
    assert daemon_version() == ""


def test_docker_asked_for_without_a_daemon_is_an_error_with_advice(no_daemon, tmp_path):
    with pytest.raises(ContainerError, match="AUTORESEARCH_RUNNER=local"):
        select_runner(Settings(home=tmp_path, runner="docker"))


def test_a_daemon_that_vanished_is_our_fault_not_the_candidates(no_daemon, tmp_path):
    runner = DockerRunner(Settings(home=tmp_path), image="any")

    with pytest.raises(ContainerError, match="start the daemon"):
        runner.start(JobSpec("a", "train", (), JobLimits(GIB, Slot((0,)))))
    with pytest.raises(ContainerError, match="start the daemon"):
        runner.reap({})
