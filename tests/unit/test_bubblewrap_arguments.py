"""The flags of a sandbox of bubblewrap, each one held: a missing flag is a hole."""

from dataclasses import replace
from pathlib import Path

import pytest

from autoresearch_dagster.containers.bubblewrap import Descriptors, Host, bubblewrap_arguments, find_host
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, Mount
from autoresearch_dagster.core.limits import GIB, MIB
from autoresearch_dagster.core.slot import Slot

ROOT = Host("/usr/bin/bwrap", "/v/bin/python", ("/usr/lib", "/v/bin"), (("usr/lib", "/lib"),), changes_user=True)
USER = replace(ROOT, changes_user=False)
MOUNTS = (Mount("BUNDLE", Path("/data/bundle")), Mount("OUT", Path("/data/out"), read_only=False))


def command(host=ROOT, gpu=""):
    spec = JobSpec("job", "train", MOUNTS, JobLimits(2 * GIB, Slot((3,), gpu)))
    return bubblewrap_arguments(spec, Path("/project/trainer_image/harness.py"), host, Descriptors(10, 11, 12))


def test_every_flag_of_a_sandbox():
    scratch = ["--size", str(64 * MIB), "--perms", "1777", "--tmpfs"]
    folders = ["/data", "/etc", "/mnt", "/opt", "/usr", "/v"]
    variables = {
        "PATH": "/bin:/usr/bin",
        "CUDA_VISIBLE_DEVICES": "",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "NUMEXPR_NUM_THREADS": "1",
        "AUTORESEARCH_BUNDLE": "/mnt/bundle",
        "AUTORESEARCH_OUT": "/mnt/out",
    }
    folders.remove("/data")  # where the host keeps it is nothing to the job
    assert command() == [
        "/usr/bin/bwrap",
        *("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try"),
        *("--cap-drop", "ALL"),
        *("--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
        *(word for name, value in variables.items() for word in ("--setenv", name, value)),
        *(*scratch, "/tmp"),
        *(word for folder in folders for word in ("--dir", folder)),
        *("--ro-bind", "/usr/lib", "/usr/lib", "--ro-bind", "/v/bin", "/v/bin"),
        *("--ro-bind", "/project/trainer_image", "/opt/trainer"),
        *("--ro-bind", "/data/bundle", "/mnt/bundle", "--bind", "/data/out", "/mnt/out"),
        *("--symlink", "usr/lib", "/lib"),
        *("--perms", "0644", "--ro-bind-data", "11", "/etc/passwd"),
        *("--proc", "/proc", "--dev", "/dev", *scratch, "/dev/shm", "--remount-ro", "/dev"),
        *("--remount-ro", "/", "--chdir", "/tmp"),
        *("--seccomp", "10", "--json-status-fd", "12", "--"),
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--"),
        *("/v/bin/python", "/opt/trainer/harness.py", "train"),
    ]


def test_without_root_there_is_a_user_namespace_that_is_closed_and_keeps_no_capability():
    words = command(USER)

    assert words[1:11] == [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"),
        *("--cap-drop", "ALL", "--die-with-parent"),
    ]
    assert "--cap-add" not in words
    assert words[words.index("/proc/sys") - 1] == "--ro-bind"
    assert "--disable-userns" not in command(replace(USER, closes_namespaces=False))


def test_processes_are_counted_by_the_kernel_where_no_group_does():
    assert command(replace(USER, grouped=False, counts_processes=True))[-6:-3] == [
        "prlimit",
        "--nproc=128:128",
        "--",
    ]
    assert "prlimit" not in command(replace(USER, counts_processes=True))
    assert replace(USER, grouped=False, counts_processes=True).caps_processes
    assert not replace(USER, grouped=False).caps_processes
    assert not replace(ROOT, grouped=False, counts_processes=True).caps_processes


def test_a_gpu_job_is_told_its_device_and_a_cpu_job_sees_none():
    assert command(gpu="GPU-1")[command().index("CUDA_VISIBLE_DEVICES") + 1] == "GPU-1"
    assert "/sys" not in command()


@pytest.mark.parametrize("hidden", [Path.home(), Path("/etc"), Path("/"), Path("/usr"), Path(__file__).parents[2]])
def test_the_host_is_not_visible_as_a_whole(hidden):
    assert str(hidden) not in find_host("bwrap").binds
