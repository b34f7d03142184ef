"""Try the seals of a runner: one probe job that attempts every way out, and what its attempts say.

What is covered: the runner as it is, with its daemon, kernel and configuration; a promise that does not hold here.
What is not covered: faults of the kernel that let a skilled attacker out; they show by no honest try.
"""

import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import psutil
from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from autoresearch_dagster.containers.escape import printable_line
from autoresearch_dagster.containers.protocol import Capabilities, Job, JobLimits, JobSpec, JobStatus, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings, whole_environment
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.training.safe_read import Unreadable, read_regular

PROBE = PROJECT_ROOT / "trainer_image" / "probe.py"
PROBE_LABEL = "autoresearch.probe"
HOME_FILES = 20
"""Files of the user's own that a job should not see; so many are looked for."""
EVERY, SANDBOX, DOCKER = "every runner", "sandboxed", "docker"
IMAGE_VARIABLES = ("PYTHON", "GPG_KEY", "LANG", "LC_", "PATH")
"""Beginnings of names that an image or a runner sets by itself, perhaps to the value that they have here."""

State = Literal["sealed", "open", "untried"]
ANSWERS = TypeAdapter(dict[str, tuple[State, str]])


@dataclass(frozen=True, slots=True)
class Seal:
    """One way out: who promises that it is shut, and what to do if it is not.

    `promised_by`: the capability of a runner, the name of the only one, or EVERY one.
    """

    promised_by: str
    advice: str


PLAIN = "Start Docker, or install bubblewrap: plain processes cannot shut it."
SEALS: Mapping[str, Seal] = {
    "network": Seal("network_off", PLAIN),
    "root": Seal("filesystem_sealed", PLAIN),
    "inputs": Seal("filesystem_sealed", PLAIN),
    "files": Seal("filesystem_sealed", PLAIN),
    "environment": Seal(EVERY, "Report this: no job should inherit anything."),
    "processes": Seal(SANDBOX, PLAIN),
    "privileges": Seal("unprivileged", PLAIN),
    "namespaces": Seal(SANDBOX, PLAIN),
    "calls": Seal("syscalls_filtered", "Start Docker with its default seccomp profile, or install bubblewrap."),
    "devices": Seal(SANDBOX, PLAIN),
    "execution": Seal(DOCKER, "Only Docker forbids it; it gives nothing that Python cannot do anyway."),
    "scratch": Seal("output_capped", PLAIN),
    "file size": Seal(EVERY, "This system has no RLIMIT_FSIZE; watch the disk."),
    "process count": Seal("pids_capped", "It needs Docker, or control groups that this process may make."),
    "cores": Seal("cpu_pinned", "It needs Docker or bubblewrap; until then neighbours may disturb each other."),
    "memory": Seal("memory_capped", "It needs Docker, or control groups that this process may make."),
}


class Tried(Data):
    """What came of one seal.  `promised`: whether the runner claims it, so that an open one is a fault."""

    name: str
    state: State
    found: str
    promised: bool
    advice: str


def try_seals(runner: Runner, settings: Settings) -> list[Tried]:
    """Start the probe through a runner that runs it as its program, and judge what it tells.

    Raises:
        ContainerError: the probe could not be started, or told nothing that can be read.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "doctor.lock"), _staged(settings) as (spec, out):
        runner.reap({PROBE_LABEL: "doctor"})  # of a doctor that was killed
        job = runner.start(spec)
        try:
            status = _ended(job)
            log = job.log()
        finally:
            job.remove()
        answers = _answers(out, status, log)
    return [_judge(name, answers, status, runner) for name in SEALS]


def _judge(name: str, answers: dict[str, tuple[State, str]], status: JobStatus, runner: Runner) -> Tried:
    state, found = answers.get(name, ("untried", "the probe said nothing of it"))
    if name == "memory" and state == "untried" and status.oom:
        state, found = "sealed", f"the job was ended beyond {lim.PROBE_MEMORY_BYTES // lim.MIB} MiB"
    return Tried(
        name=name,
        state=state,
        found=printable_line(found, lim.ERROR_MESSAGE_BYTES),
        promised=_promised(SEALS[name].promised_by, runner.name, runner.capabilities),
        advice="" if state == "sealed" else SEALS[name].advice,
    )


def _promised(by: str, name: str, capabilities: Capabilities) -> bool:
    return by in (EVERY, name) or bool(getattr(capabilities, by, False))


def _ended(job: Job) -> JobStatus:
    deadline = time.monotonic() + lim.PROBE_S
    while (status := job.status()).exit_code is None and time.monotonic() < deadline:
        time.sleep(lim.PROBE_POLL_S)
    return status


def _answers(out: Path, status: JobStatus, log: str) -> dict[str, tuple[State, str]]:
    try:
        return ANSWERS.validate_json(read_regular(out, "seals.json", lim.PROGRESS_BYTES))
    except (Unreadable, OSError, ValidationError):
        last = printable_line(log[-lim.ERROR_MESSAGE_BYTES :], lim.ERROR_MESSAGE_BYTES) or "nothing printed"
        raise ContainerError(f"The probe told nothing (exit code {status.exit_code}; {last}).") from None


@contextmanager
def _staged(settings: Settings) -> Iterator[tuple[JobSpec, Path]]:
    """Prepare what the probe is given, and what it must not find: a service, a file, this process."""
    place = Path(tempfile.mkdtemp(prefix="ar-doctor-"))
    canary = settings.home.resolve() / f"doctor-{place.name}"
    try:
        with socket.create_server(("127.0.0.1", 0)) as service:
            canary.touch()
            bundle, out = place / "bundle", place / "out"
            for folder in (bundle, out):
                folder.mkdir()
                folder.chmod(0o777)  # so that only the seal can keep the probe from writing there
            wanted = _wanted(settings, canary, service.getsockname()[1])
            (bundle / "probe.json").write_text(json.dumps(wanted), encoding="utf-8")
            (bundle / "probe.json").chmod(0o644)
            mounts = (Mount("BUNDLE", bundle), Mount("OUT", out, read_only=False))
            limits = JobLimits(lim.PROBE_MEMORY_BYTES, Slot(settings.cores[:1]))
            yield JobSpec("doctor", "train", mounts, limits, {PROBE_LABEL: "doctor"}), out
    finally:
        canary.unlink(missing_ok=True)
        shutil.rmtree(place, ignore_errors=True)


def _wanted(settings: Settings, canary: Path, port: int) -> dict[str, Any]:
    own = [str(path) for path in Path.home().glob("*") if path.is_file()][:HOME_FILES]
    others = [str(path) for path in (PROJECT_ROOT / ".env", PROJECT_ROOT / "README.md") if path.exists()]
    variables = [
        hashlib.sha256(f"{name}={value}".encode(errors="replace")).hexdigest()
        for name, value in whole_environment().items()
        if not name.startswith(IMAGE_VARIABLES)
    ]
    return {
        "port": port,
        "files": [str(canary), *own, *others],
        "variables": variables,
        "pid": os.getpid(),
        "command": "".join(f"{word}\0" for word in psutil.Process().cmdline()),
        "cores": 1,
        "all_cores": os.cpu_count() or 1,
        "memory_bytes": lim.PROBE_MEMORY_BYTES,
        "pids": lim.PIDS_LIMIT,
        "file_bytes": lim.OUTPUT_BYTES,
        "scratch_bytes": lim.SCRATCH_BYTES,
    }
