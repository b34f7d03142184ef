"""Doctor tries the seals: with each runner as it is, and with a seal removed on purpose, which must show."""

import socket

import pytest

from autoresearch_dagster.containers import bubblewrap_runner, docker_runner as docker_module
from autoresearch_dagster.containers.bubblewrap_runner import BubblewrapRunner, find_sandbox
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import SCRATCH_BYTES
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.experiments.doctor import examine
from autoresearch_dagster.experiments.seals import PROBE, SEALS, try_seals
from tests.daemon import require_daemon

EVERY_JOB = {"environment", "file size", "memory"}
"""Kept by plain processes too."""


@pytest.fixture
def settings(tmp_path):
    return load_settings().model_copy(update={"home": tmp_path / "home"})


@pytest.fixture
def docker_runner(settings):
    require_daemon()
    image = DockerRunner(load_settings()).prepare(print)
    return DockerRunner(settings, image, PROBE)


@pytest.fixture
def sandbox_host(settings):
    found = find_sandbox()
    if found.host is None:
        say = pytest.fail if settings.require_bubblewrap else pytest.skip
        say(found.problem)
    return found.host


def states(runner, settings):
    tried = try_seals(runner, settings)
    assert [one.name for one in tried] == list(SEALS)
    assert runner.reap({}) == 0
    assert not list(settings.home.glob("doctor-*"))
    return {one.name: one for one in tried}


def open_ones(tried):
    return {name for name, one in tried.items() if one.state == "open"}


def promised_and_open(tried):
    return {name for name in open_ones(tried) if tried[name].promised}


@pytest.mark.docker
def test_a_container_keeps_every_seal(docker_runner, settings):
    tried = states(docker_runner, settings)

    assert open_ones(tried) == set(), tried
    assert {name for name, one in tried.items() if one.state == "untried"} <= {"cores"}  # a machine may have one


@pytest.mark.docker
@pytest.mark.parametrize(
    ("removed", "shows"),
    [
        ("read_only", {"root"}),
        ("network_mode", {"network"}),
        ("pids_limit", {"process count"}),
        ("security_opt", {"privileges"}),
        ("mem_limit", {"memory"}),
    ],
)
def test_a_seal_that_a_container_lacks_shows(docker_runner, settings, monkeypatch, removed, shows):
    complete = docker_module.container_arguments

    def without(*arguments):
        made = complete(*arguments)
        del made[removed]
        made.pop("memswap_limit" if removed == "mem_limit" else "", None)
        if removed == "network_mode":
            made["network_mode"] = "host"
        return made

    monkeypatch.setattr(docker_module, "container_arguments", without)

    assert shows <= promised_and_open(states(docker_runner, settings))


def test_a_sandbox_keeps_every_seal_but_execution(sandbox_host, settings):
    tried = states(BubblewrapRunner(PROBE, settings.home / "jobs", sandbox_host), settings)

    assert promised_and_open(tried) == set(), tried
    assert open_ones(tried) - {"process count"} == {"execution"}


@pytest.mark.parametrize(
    ("removed", "instead", "shows"),
    [
        (["--unshare-net"], [], {"network"}),
        (["--unshare-pid"], [], {"processes"}),
        (["--seccomp"], ["--sync-fd"], {"calls"}),
        (
            ["--size", str(SCRATCH_BYTES), "--perms", "1777", "--tmpfs", "/tmp"],
            ["--perms", "1777", "--tmpfs", "/tmp"],
            {"scratch"},
        ),
    ],
)
def test_a_seal_that_a_sandbox_lacks_shows(sandbox_host, settings, monkeypatch, removed, instead, shows):
    if not sandbox_host.changes_user and removed[0].startswith("--unshare"):
        pytest.skip("one flag makes all namespaces")
    complete = bubblewrap_runner.bubblewrap_arguments

    def without(*arguments):
        words = complete(*arguments)
        [at] = [at for at in range(len(words)) if words[at : at + len(removed)] == removed]
        return [*words[:at], *instead, *words[at + len(removed) :]]

    monkeypatch.setattr(bubblewrap_runner, "bubblewrap_arguments", without)

    assert shows <= promised_and_open(
        states(BubblewrapRunner(PROBE, settings.home / "jobs", sandbox_host), settings)
    )


def test_plain_processes_show_what_is_open_and_promise_none_of_it(settings):
    tried = states(LocalRunner(PROBE, settings.home / "jobs"), settings)

    assert {"inputs", "files", "processes", "privileges", "execution", "scratch"} <= open_ones(tried)
    assert {name for name, one in tried.items() if one.state == "sealed"} >= EVERY_JOB
    assert promised_and_open(tried) == set()


def test_a_probe_that_tells_nothing_is_an_error_and_not_a_seal(settings, tmp_path):
    silent = tmp_path / "silent.py"
    silent.write_text("raise SystemExit('no such thing')")

    with pytest.raises(ContainerError, match="no such thing"):
        try_seals(LocalRunner(silent, settings.home / "jobs"), settings)


def test_a_probe_that_answers_with_a_link_is_not_followed(settings, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text('{"network": ["sealed", "as it says"]}')
    linking = tmp_path / "linking.py"
    linking.write_text(f"import os\nos.symlink({str(secret)!r}, os.environ['AUTORESEARCH_OUT'] + '/seals.json')")

    with pytest.raises(ContainerError, match="told nothing"):
        try_seals(LocalRunner(linking, settings.home / "jobs"), settings)


def test_doctor_lists_each_seal_and_an_open_one_that_nobody_promised_is_no_fault(settings):
    findings = examine(settings.model_copy(update={"runner": "plain"}))

    seals = {
        finding.what.removeprefix("seal "): finding for finding in findings if finding.what.startswith("seal ")
    }
    assert list(seals) == list(SEALS)
    assert seals["files"].found.startswith("not sealed")
    assert (seals["files"].ok, seals["files"].needed) == (False, False)
    assert "Docker" in seals["files"].advice


def test_doctor_fails_where_a_promised_seal_is_open(sandbox_host, settings, monkeypatch):
    complete = bubblewrap_runner.bubblewrap_arguments
    open_calls = {"--seccomp": "--sync-fd"}
    monkeypatch.setattr(
        bubblewrap_runner,
        "bubblewrap_arguments",
        lambda *arguments: [open_calls.get(word, word) for word in complete(*arguments)],
    )

    findings = examine(settings.model_copy(update={"runner": "local"}))

    [calls] = [finding for finding in findings if finding.what == "seal calls"]
    assert (calls.ok, calls.needed) == (False, True)
    assert calls.found.startswith("not sealed")


@pytest.mark.docker
def test_doctor_builds_no_image(docker_runner, settings):
    missing = settings.model_copy(update={"runner": "docker", "image": f"autoresearch/none:{socket.gethostname()}"})

    [runner] = [finding for finding in examine(missing) if finding.what == "runner"]

    assert "`autoresearch image`" in runner.advice
    assert not DockerRunner(missing).has_image()
