"""What every runner promises, tried on each one with real processes and containers."""

import errno
import os
import platform
import signal
import socket
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from autoresearch_dagster.containers.protocol import Mount
from autoresearch_dagster.containers.seccomp import REFUSED
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import LOG_BYTES, MIB
from tests.contract.jobs import PATIENCE_S, ended, gone, told, tree, until


@pytest.mark.parametrize("code", [0, 1, 86, 87])
def test_the_exit_code_is_the_programs(bench, code):
    job, _ = bench.start("exit_with", code)

    assert ended(job).exit_code == code


def test_death_by_a_signal_is_128_and_its_number(bench):
    job, _ = bench.start("signal_self", signal.SIGKILL)

    status = ended(job)

    assert (status.exit_code, status.oom) == (128 + signal.SIGKILL, False)


def test_a_job_gets_its_mode_its_mounts_and_nothing_of_our_environment(bench, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    job, out = bench.start("look")
    ended(job)

    seen = told(out)

    assert seen["argv"] == ["train"]
    assert "ANTHROPIC_API_KEY" not in seen["environment"]
    assert seen["environment"]["PYTHONHASHSEED"] == "0"
    assert seen["environment"]["OMP_NUM_THREADS"] == "1"
    assert {"AUTORESEARCH_CANDIDATE", "AUTORESEARCH_OUT"} <= seen["environment"].keys()


def test_a_job_runs_on_its_core_only(bench):
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system does not pin")
    job, out = bench.start("look")
    ended(job)

    assert told(out)["cpus"] == [bench.core]


def test_status_does_not_wait(bench):
    job, out = bench.start("wait")
    told(out)

    assert job.status().exit_code is None


def test_cpu_time_grows_and_stays_after_the_end(bench):
    job, _ = bench.start("burn_then_wait", 1.0)
    until(job, lambda status: status.cpu_s >= 1.0)

    job.remove()

    assert job.status().cpu_s >= 1.0
    assert job.status().exit_code == 128 + signal.SIGKILL


def test_cpu_time_of_a_child_that_has_ended_counts(bench):
    job, _ = bench.start("burn_in_child", 1.0)

    assert ended(job).cpu_s >= 0.9  # a container is asked shortly before its end, not after


def test_sleeping_costs_no_cpu_time(bench):
    job, out = bench.start("wait")
    told(out)
    first = job.status().cpu_s

    later = [job.status().cpu_s for _ in range(20)][-1]

    assert later - first < 0.2


@pytest.mark.parametrize("order", ["allocate", "allocate_in_child"])
def test_memory_beyond_the_limit_is_oom(bench, order):
    job, _ = bench.start(order, 400, memory_mib=128)

    status = until(job, lambda status: status.oom)

    assert status.oom
    assert status.memory_peak_bytes > 64 * MIB


def test_memory_within_the_limit_is_not_oom(bench):
    job, _ = bench.start("allocate", 64, memory_mib=256)

    status = until(job, lambda status: status.memory_peak_bytes > 64 * MIB)

    assert (status.exit_code, status.oom) == (None, False)


def test_words_about_memory_are_not_oom(bench):
    job, _ = bench.start("speak_of_memory")

    status = ended(job)

    assert (status.exit_code, status.oom) == (1, False)
    assert "out of memory" in job.log()


def test_the_log_is_escaped(bench):
    job, _ = bench.start("say", "fine\x1b[31mred\x07\xff\xfe\nnext")
    ended(job)

    log = job.log()

    assert "fine\\x1b[31mred\\x07" in log
    assert "\nnext" in log
    assert "\x1b" not in log


def test_the_log_keeps_its_end_and_no_more_than_its_limit(bench):
    job, _ = bench.start("flood", 20)
    ended(job)

    assert len(job.log()) <= LOG_BYTES + 2
    assert "the end" in job.log()


def test_the_log_can_be_read_after_removal(bench):
    job, _ = bench.start("say", "last words")
    ended(job)
    before = job.log()

    job.remove()

    assert job.log() == before == "last words"


def test_a_model_servers_output_is_discarded(bench):
    job, _ = bench.start("say", "a validation row", mode="answer")
    ended(job)

    assert job.log() == ""


def test_removing_ends_a_job_that_ignores_signals_and_may_be_repeated(bench):
    job, out = bench.start("ignore_sigterm")
    told(out)

    job.remove()
    job.remove()

    assert job.status().exit_code is not None
    assert bench.runner.reap({}) == 0


def test_no_child_outlives_its_job(bench):
    if bench.runner.name == "docker":
        pytest.skip("process ids of a container are its own")
    job, out = bench.start("spawn")
    told(out)
    processes = tree(job)
    assert len(processes) >= 2

    job.remove()

    for process in processes:
        gone(process)


def test_a_child_that_lost_its_parent_does_not_outlive_its_job(bench):
    job, out = bench.start("orphan")
    name = told(out)
    ended(job)

    job.remove()

    deadline = time.monotonic() + PATIENCE_S
    while any(name in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_removing_leaves_no_folder_behind(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    job, _ = bench.start("exit_with", 0)
    ended(job)

    job.remove()

    assert list((tmp_path / "temporary").iterdir()) == []
    assert not list((tmp_path / "home").rglob("*.json"))


def test_reaping_takes_exactly_the_jobs_with_all_labels(bench):
    running, out = bench.start("wait", labels={"key": "a", "attempt": "1"})
    finished, _ = bench.start("exit_with", 0, labels={"key": "a", "attempt": "1"})
    other, other_out = bench.start("wait", labels={"key": "b", "attempt": "1"})
    told(out)
    told(other_out)
    ended(finished)

    assert bench.runner.reap({"key": "a", "attempt": "1"}) == 2

    assert bench.runner.reap({"key": "a"}) == 0
    assert other.status().exit_code is None
    running.remove()


def test_a_program_that_cannot_be_mounted_leaves_nothing_behind(bench):
    if bench.runner.name == "local":
        pytest.skip("nothing is mounted")
    spec = bench.spec("wait", extra=(Mount("BUNDLE", Path("relative\0path")),))

    with pytest.raises(ContainerError):
        bench.runner.start(spec)

    assert bench.runner.reap({}) == 0


def test_a_job_reaches_the_socket_in_its_channel(bench):
    # Not tmp_path: the name of a Unix socket holds 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ar-test-") as name, socket.socket(socket.AF_UNIX) as listener:
        folder = Path(name)
        folder.chmod(0o755)
        listener.bind(str(folder / "channel.sock"))
        (folder / "channel.sock").chmod(0o777)
        listener.listen(1)
        listener.settimeout(60)
        job, _ = bench.start("connect", mode="answer", extra=(Mount("CHANNEL", folder),))
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(5) == b"hello"
            connection.sendall(b"reply")

        assert ended(job).exit_code == 0


def test_out_is_writable(bench):
    job, out = bench.start("write", "$AUTORESEARCH_OUT/x")
    ended(job)

    assert told(out) == 0
    assert (out / "x").read_text() == "x"


@pytest.mark.parametrize("path", ["$AUTORESEARCH_CANDIDATE/x", "/etc/x", "/opt/trainer/harness.py"])
def test_nothing_else_is_writable_in_a_sandbox(sealed, path):
    job, out = sealed.start("write", path)
    ended(job)

    assert told(out) != 0


def test_a_sandbox_has_no_network(sealed):
    job, out = sealed.start("reach_out")
    ended(job)

    interfaces, error = told(out)

    assert interfaces == ["lo"]
    assert error is not None


def test_a_sandbox_has_no_privileges(sealed):
    job, out = sealed.start("privileges")
    ended(job)

    assert told(out) == {
        "CapEff": "0" * 16,
        "CapBnd": "0" * 16,
        "NoNewPrivs": "1",
        "Seccomp": "2",
        "Uid": "65534",
    }


@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of x86_64")
def test_a_sandbox_refuses_the_systems_rare_calls(sealed):
    if not sealed.runner.capabilities.syscalls_filtered:
        pytest.skip("does not claim to filter system calls")
    names = ["add_key", "bpf", "keyctl", "mount", "perf_event_open", "setns", "swapon", "umount2", "userfaultfd"]
    if sealed.runner.name == "bubblewrap":  # newer than some Docker daemons know, or our own
        names += ["io_uring_setup", "mount_setattr", "ptrace", "sched_setaffinity", "open_by_handle_at"]
    job, out = sealed.start("call", [REFUSED[name][0] for name in names])
    ended(job)

    assert dict(zip(names, told(out), strict=True)) == dict.fromkeys(names, errno.EPERM)


def test_a_sandbox_makes_no_namespaces(sealed):
    job, out = sealed.start("make_namespaces")
    ended(job)

    assert set(told(out)) == {errno.EPERM}


def test_a_fork_bomb_stops_at_the_limit(sealed):
    if not sealed.runner.capabilities.pids_capped:
        pytest.skip("does not claim to count processes")
    job, out = sealed.start("fork_bomb")

    assert told(out) < 128
    job.remove()
    assert sealed.runner.reap({}) == 0


def test_the_driver_is_not_the_jobs_user_in_a_sandbox(sealed):
    job, out = sealed.start("look")
    ended(job)

    assert told(out)["uid"] not in (0, os.getuid())
