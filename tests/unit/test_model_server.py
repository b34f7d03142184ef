"""What is said of a model server that fails: by itself, its memory, a person, or a fault of ours."""

import dataclasses
import socket
import threading
import uuid
from pathlib import Path

import numpy as np
import pytest

from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, JobStatus
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError, EvaluationFault, RunnerGone
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.limits import ERROR_MESSAGE_BYTES, GIB
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.channel import HELLO, SOCKET_NAME
from autoresearch_dagster.evaluation.evaluator import evaluate
from autoresearch_dagster.evaluation.failures import ServerFailed
from autoresearch_dagster.evaluation.generation import Sampling, generate
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.evaluation.preflight import Preflight
from autoresearch_dagster.evaluation.server import Server
from tests.bundles import tiny_bundle
from tests.fakes import RUNNING, ScriptedJob, ScriptedRunner

BROKEN = ServerFailed("the model server closed the connection")
ENDED = JobStatus(1, oom=False, cpu_s=0.0, memory_peak_bytes=0)
KILLED = JobStatus(137, oom=True, cpu_s=0.0, memory_peak_bytes=0)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lim, "POLL_S", 0.0)


@pytest.fixture
def job(tmp_path: Path) -> EvaluationJob:
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(b"weights")
    bundle, limits = tiny_bundle(tmp_path / "bundle"), JobLimits(3 * GIB, Slot((0,)))
    return EvaluationJob(
        "k", checkpoint, b"", bundle, limits, {}, scratch_prefix=f"ar-{uuid.uuid4().hex[:8]}-", n_rows=16
    )


def left(job: EvaluationJob) -> list[Path]:
    return find_folders(job.scratch_prefix)


def why(job: EvaluationJob, *statuses: JobStatus) -> str:
    with Server("answer", job, ScriptedRunner(*statuses)) as server:
        return server.why(BROKEN)


def test_a_connection_that_closes_before_the_kernel_has_spoken_is_still_told_as_lack_of_memory(
    job: EvaluationJob,
) -> None:
    assert why(job, RUNNING, RUNNING, KILLED) == "the model needed more than 3.0 GiB of memory to answer 4 rows"


def test_a_server_that_neither_ends_nor_lacks_memory_failed_as_the_wire_says(
    job: EvaluationJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lim, "ENDING_S", 0.0)

    assert why(job, RUNNING) == BROKEN.reason


def test_a_server_that_ended_is_looked_at_no_more(job: EvaluationJob) -> None:
    assert why(job, RUNNING, ENDED, KILLED) == BROKEN.reason


def test_a_server_that_somebody_else_ended_is_no_failure_of_the_model(job: EvaluationJob) -> None:
    with pytest.raises(RunnerGone, match="ended from outside"):
        why(job, dataclasses.replace(KILLED, ended_outside=True))


def test_a_server_that_ends_before_it_loaded_anything_is_our_fault_and_leaves_nothing(job: EvaluationJob) -> None:
    runner = ScriptedRunner(ENDED)

    with pytest.raises(EvaluationFault, match=r"before it loaded anything .*autoresearch doctor"):
        evaluate(job, runner)

    assert [started.removed for _spec, started in runner.started] == [True]
    assert left(job) == []


class Refusing(ScriptedRunner):
    """Its servers connect and answer the first request of their stand-in with an error."""

    def start(self, spec: JobSpec) -> ScriptedJob:
        folder = next(mount.source for mount in spec.mounts if mount.name == "CHANNEL")
        threading.Thread(target=self._refuse, args=(folder / SOCKET_NAME,), daemon=True).start()
        return super().start(spec)

    def _refuse(self, path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.connect(str(path))
            server.recv(HELLO.size, socket.MSG_WAITALL)
            server.sendall(b"\1" + b"no torch here".ljust(ERROR_MESSAGE_BYTES, b"\0"))
            server.recv(1 << 20)


def test_what_a_stand_in_says_of_its_failure_is_told_because_nothing_of_the_candidate_ran(
    job: EvaluationJob,
) -> None:
    with pytest.raises(EvaluationFault, match=r"before it loaded anything .*: no torch here"):
        evaluate(job, Refusing(RUNNING))


def test_a_checkpoint_that_is_gone_is_our_fault_and_starts_nothing(job: EvaluationJob, tmp_path: Path) -> None:
    runner = ScriptedRunner(RUNNING)

    with pytest.raises(EvaluationFault, match=r"fault of ours.*gone\.pt"):
        evaluate(dataclasses.replace(job, checkpoint=tmp_path / "gone.pt"), runner)

    assert runner.started == []
    assert left(job) == []


def test_a_server_for_text_that_cannot_start_leaves_nothing(job: EvaluationJob) -> None:
    with pytest.raises(ContainerError):
        next(generate(job, "a", Sampling(max_tokens=1, temperature=0, seed=0), ScriptedRunner()))

    assert left(job) == []


def test_too_few_development_rows_are_the_bundles_fault_and_said_in_numbers(tmp_path: Path) -> None:
    with pytest.raises(EvaluationFault, match="7 development rows and 8 are needed"):
        Preflight.plan(tiny_bundle(tmp_path / "few", rows=7))
    assert len(np.unique(Preflight.plan(tiny_bundle(tmp_path / "enough", rows=8)).order)) == 4
