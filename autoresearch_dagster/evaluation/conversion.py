"""Weights of a frozen checkpoint as safetensors: a sealed job writes the file, we look at it before we keep it.

Loading a checkpoint runs code of the candidate, so it happens in a container that is like those that serve.

What is covered: the file is a plain one of bounded size, safetensors' own reader takes its header (it executes
nothing), and it says of which experiment it is.
What is not covered: that the numbers are the model's.  Whoever computes with them asks an untrusted file.
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_dagster.containers.protocol import Job, JobSpec, JobStatus, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError, RunnerGone
from autoresearch_dagster.core.folders import remove_tree, short_folder
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.evaluation.server import stage
from autoresearch_dagster.training.safe_read import Unreadable, copy_regular, parse_outcome, read_regular
from autoresearch_dagster.training.watch import written_bytes

WEIGHTS = "model.safetensors"
EXIT_REFUSED = 87  # see trainer_image/harness.py
LENGTH_BYTES = 8  # at the beginning of the file: how long its header is, little-endian


@dataclass(frozen=True, slots=True)
class NotConverted:
    """The candidate's own fault: there will be no weights; one sentence, safe to show."""

    reason: str


def convert(job: EvaluationJob, told: dict[str, str], runner: Runner, target: Path) -> NotConverted | None:
    """Write the weights of a checkpoint to `target`; None if that went well.

    Args:
        job: the checkpoint, and what loads it.
        told: what the file's metadata has to say of it.
        runner: where it runs.
        target: a new file.

    Raises:
        RunnerGone: what runs it went away.
        ContainerError: the job could not be started, or ended by a fault of ours.
    """
    workspace = short_folder(job.scratch_prefix)
    try:
        out = workspace / "out"
        started = runner.start(_spec(job, told, workspace, out))
        try:
            status, reason = _followed(started, out)
        finally:
            started.remove()
        if status.ended_outside:
            raise RunnerGone(f"The conversion of {job.key} was ended from outside: by Docker, or by a person.")
        reason = reason or _why_ended(job, status, out)
        if reason:
            return NotConverted(reason)
        try:
            copy_regular(out, WEIGHTS, lim.OUTPUT_BYTES, target)
            return _looked_at(target, told)
        except FileNotFoundError:
            return NotConverted("its process wrote no weights")
        except Unreadable as fault:
            return NotConverted(f"the file was refused: {fault}")
    finally:
        remove_tree(workspace)


def _spec(job: EvaluationJob, told: dict[str, str], workspace: Path, out: Path) -> JobSpec:
    spec = stage("convert", job, workspace)
    wanted = workspace / "candidate" / "weights.json"
    wanted.write_text(json.dumps(told), encoding="utf-8")
    wanted.chmod(0o644)
    out.mkdir()
    out.chmod(0o777)  # the job runs under another uid
    kept = tuple(mount for mount in spec.mounts if mount.name != "CHANNEL")
    return replace(spec, mode="convert", mounts=(*kept, Mount("OUT", out, read_only=False)))


def _followed(job: Job, out: Path) -> tuple[JobStatus, str]:
    """Wait for its end, or for a limit that it passes: then the second value says which."""
    deadline = time.monotonic() + lim.CONVERT_S
    while True:
        status = job.status()
        if status.exit_code is None and time.monotonic() > deadline:
            return status, f"it took longer than {lim.CONVERT_S:.0f} s"
        if written_bytes(out, lim.CONVERT_OUTPUT_BYTES) > lim.CONVERT_OUTPUT_BYTES:
            return status, f"it wrote more than {lim.CONVERT_OUTPUT_BYTES // lim.MIB} MiB"
        if status.exit_code is not None:
            return status, ""
        time.sleep(lim.POLL_S)


def _why_ended(job: EvaluationJob, status: JobStatus, out: Path) -> str:
    """Say why it ended without weights; '' where it ended well.

    Raises:
        ContainerError: it never came as far as the candidate's code, or said nothing at all.
    """
    if status.oom:
        return f"it needed more than {job.limits.memory_bytes / lim.GIB:.1f} GiB of memory"
    if status.exit_code == 0:
        return ""
    try:
        error, _trace, _claims = parse_outcome(read_regular(out, "outcome.json", lim.PROGRESS_BYTES))
    except (Unreadable, OSError):
        error = ""
    if not error and status.exit_code != EXIT_REFUSED:
        raise ContainerError(f"The conversion of {job.key} ended with exit code {status.exit_code} without a word.")
    return f"the model cannot be loaded or written ({error.rstrip('.')})"


def _looked_at(path: Path, told: dict[str, str]) -> NotConverted | None:
    """Read the header of the file, as far as it goes without the tensors."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if length > lim.SAFETENSORS_HEADER_BYTES:
        return NotConverted(f"the file's header has {length} bytes and may have {lim.SAFETENSORS_HEADER_BYTES}")
    try:
        with safe_open(path, framework="numpy") as opened:
            metadata, names = opened.metadata() or {}, list(opened.keys())
    except (SafetensorError, OSError, ValueError):
        return NotConverted("the file is no safetensors")
    if any(metadata.get(name) != text for name, text in told.items()):
        return NotConverted("the file says that it is of another experiment")
    return None if names else NotConverted("the model has no tensors")
