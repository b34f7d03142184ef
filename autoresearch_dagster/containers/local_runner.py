"""Plain subprocesses on this machine: for code that ships with the project, or by explicit choice.

What is covered: a clean environment, one core, a memory ceiling over the whole process tree (looked at each
time the job is, with a ceiling for each process behind it), a size ceiling for files, a process group that ends
as one.
What is not covered: network, file system, other processes of this user, a child that leaves both the tree and
the group, a job that pins itself elsewhere.  Scores are marked `unsandboxed`.
"""

import sys

from autoresearch_dagster.containers.environment import process_environment
from autoresearch_dagster.containers.process_runner import Launch, ProcessRunner
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec
from autoresearch_dagster.containers.registry import Entry


class LocalRunner(ProcessRunner):
    """Runs the harness with this project's own interpreter."""

    name = "local"
    outlives_driver = False
    capabilities = Capabilities(
        network_off=False,
        filesystem_sealed=False,
        memory_capped=True,
        pids_capped=False,
        unprivileged=False,
        cpu_pinned=False,  # it is pinned, and may undo that
    )

    def _launch(self, spec: JobSpec, entry: Entry) -> Launch:
        here = [(mount, str(mount.source)) for mount in spec.mounts]
        command = (sys.executable, str(self._program), spec.mode)
        return Launch(command, process_environment(here, str(entry.folder), spec.limits.slot))
