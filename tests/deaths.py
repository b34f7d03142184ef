"""Drivers that are killed: a real process takes leases, starts a real job, and dies by SIGKILL."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings

DRIVER = """
import sys, tempfile, time
from pathlib import Path
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, Mount
from autoresearch_dagster.containers.select import select_runner
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, experiment_lease, scratch_prefix
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.store import open_store
from tests.contract.jobs import PROGRAM

key, session, image = sys.argv[1:]
settings = load_settings()
store = open_store(settings)
owner = this_process()
for name in filter(None, (session and f"session:{session}", experiment_lease(key), f"core:here:{key}")):
    store.leases.acquire(name, owner)
place = Path(tempfile.mkdtemp(prefix=scratch_prefix(settings, key)))
place.chmod(0o755)
(place / "candidate").mkdir()
(place / "candidate" / "do.json").write_text('["wait", null]')
(place / "out").mkdir()
(place / "out").chmod(0o777)
mounts = (Mount("CANDIDATE", place / "candidate"), Mount("OUT", place / "out", read_only=False))
jobs = settings.home.resolve() / "jobs"
runner = DockerRunner(settings, image, PROGRAM) if image else LocalRunner(PROGRAM, jobs)
limits = JobLimits(256 * 2**20, Slot((settings.cores[0],)))
job = runner.start(JobSpec(f"{key}-1-train", "train", mounts, limits, {KEY_LABEL: key}))
print(job.id, flush=True)
time.sleep(600)
"""


class Driver:
    """A process that holds an experiment and runs its job, until it is killed."""

    def __init__(self, settings: Settings, folder: Path, key: str, session: str = "", image: str = "") -> None:
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        places = {
            "AUTORESEARCH_HOME": str(settings.home),
            "AUTORESEARCH_MLRUNS": str(settings.mlruns),
            "TMPDIR": str(folder / "tmp"),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, key, session, image],
            cwd=PROJECT_ROOT,
            env={**os.environ, **places},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.job = self.process.stdout.readline().strip()
        assert self.job, "the driver failed before its job ran"

    def kill(self) -> str:
        """Kill it and return the id of the job that it leaves."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        return self.job
