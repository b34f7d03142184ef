"""Which runner is chosen, against a daemon that is really not there."""

import pytest

from autoresearch_dagster.containers import select
from autoresearch_dagster.containers.bubblewrap import Host
from autoresearch_dagster.containers.bubblewrap_runner import Sandbox, find_sandbox
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


@pytest.fixture
def no_bubblewrap(monkeypatch):
    """A PATH on which no bubblewrap is."""
    monkeypatch.setenv("PATH", "/nowhere")
    find_sandbox.cache_clear()
    yield
    find_sandbox.cache_clear()


@pytest.mark.parametrize("asked", ["auto", "local"])
def test_without_daemon_and_bubblewrap_processes_run_and_the_reason_says_what_that_means(
    no_daemon, no_bubblewrap, tmp_path, asked
):
    selection = select_runner(Settings(home=tmp_path, runner=asked))

    assert selection.runner.name == "local"
    assert not selection.runner.capabilities.sandboxed
    assert "bubblewrap is not installed" in selection.reason or "bubblewrap needs Linux" in selection.reason
    assert "unsandboxed" in selection.reason


@pytest.mark.parametrize("asked", ["auto", "local"])
def test_without_a_daemon_bubblewrap_is_chosen_where_it_works(no_daemon, tmp_path, asked):
    if find_sandbox().host is None:
        say = pytest.fail if Settings().require_bubblewrap else pytest.skip
        say(find_sandbox().problem)

    selection = select_runner(Settings(home=tmp_path, runner=asked))

    assert selection.runner.name == "bubblewrap"
    assert selection.runner.capabilities.sandboxed
    assert "sandbox" in selection.reason
    assert ("no Docker daemon answers" in selection.reason) == (asked == "auto")


def test_a_sandbox_that_keeps_less_says_so(no_daemon, tmp_path, monkeypatch):
    host = Host("bwrap", "python", (), (), changes_user=False, grouped=False)
    monkeypatch.setattr(select, "find_sandbox", lambda: Sandbox(host))

    reason = select_runner(Settings(home=tmp_path, runner="local")).reason

    assert "the kernel does not limit its memory and its processes are not counted" in reason


def test_plain_processes_run_where_they_are_asked_for(tmp_path):
    selection = select_runner(Settings(home=tmp_path, runner="plain"))

    assert selection.runner.name == "local"
    assert not selection.runner.capabilities.sandboxed
    assert "as asked" in selection.reason
    assert "unsandboxed" in selection.reason


def test_no_daemon_has_no_version(no_daemon):
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
