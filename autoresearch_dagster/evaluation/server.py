"""One model server: its folders, its container, its channel and its clock."""

import math
import shutil
import time
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.protocol import Job, JobSpec, JobStatus, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import RunnerGone
from autoresearch_dagster.core.folders import remove_tree, short_folder
from autoresearch_dagster.evaluation.channel import SOCKET_NAME, Channel
from autoresearch_dagster.evaluation.clock import ServeClock, ServeLimits
from autoresearch_dagster.evaluation.failures import NoScore, ServerFailed
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.evaluation.receipt import ServerTimes

Role = Literal["answer", "audit"]
"""Server A answers whole rows; server B audits them, one position each."""
TOKENIZER_FILES = ("meta.json", "tokenizer.json", "tokenizer.tiktoken", "token_bytes.npy")


class Server:
    """A fresh container with its own copy of every file: two servers share no page that one could mark.

    It starts at once and imports torch; nothing of the candidate runs in it before `load`.  Use as a context
    manager: afterwards nothing of it is left.  `number` tells servers of one role apart: two may live at a time.
    """

    def __init__(self, role: Role, job: EvaluationJob, runner: Runner, number: int = 0) -> None:
        self._job = job
        self._single = role == "audit"
        self._workspace = short_folder(job.scratch_prefix, "channel", SOCKET_NAME)
        self._started = time.monotonic()
        self.clock = ServeClock(self._now)
        self.limits = ServeLimits(job.budget_s, job.used_s)
        self._hard_stop = math.inf
        channel: Channel | None = None
        try:
            spec = stage(f"{role}-{number}" if number else role, job, self._workspace)
            channel = Channel(self._workspace / "channel", job.shape(single=self._single))
            self._process = runner.start(spec)
        except BaseException:
            end(None, channel, self._workspace)
            raise
        self._channel = channel

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """End it with everything it started; returns when nothing of it runs any more."""
        end(self._process, self._channel, self._workspace)

    def _now(self) -> float:
        return self._process.status().cpu_s if self._job.cpu_metered else time.monotonic()

    def _alive(self) -> bool:
        return self._process.status().exit_code is None

    def greet(self, stand_ins: int) -> None:
        """Wait until it has imported torch, then say what will be asked of it."""
        self._channel.accept(lim.ANSWER_FIRST_S, self._alive)
        self._channel.greet(stand_ins, lim.ANSWER_S)

    def load(self) -> None:
        """Start the clock and let it load the candidate's model.

        Raises:
            ServerFailed: it cannot.
            NoScore: it took longer than it may.
        """
        self._hard_stop = time.monotonic() + self.limits.wall_s(self._job.n_rows)
        self.clock.start()
        self._channel.load(lim.ANSWER_FIRST_S)
        self.clock.loaded()
        self._on_time()

    def _on_time(self) -> None:
        if excess := self.limits.excess(self.clock):
            raise NoScore(excess)
        if time.monotonic() > self._hard_stop:
            raise ServerFailed("its answers took too long")

    def ask(self, tokens: npt.NDArray[np.integer], positions: npt.NDArray[np.integer] | None = None) -> None:
        """Send rows [B, T], without waiting; the last token of packed rows [B, T+1] is a target only: not sent."""
        self._channel.request(tokens[:, : self._job.bundle.sequence_length], lim.ANSWER_S, positions)

    def take(self, *, first: bool = False, timed: bool = True) -> npt.NDArray[np.floating]:
        """Receive the answer to the oldest request; it is overwritten by the next one.

        Args:
            first: whether the model may take as long as for its first answer.
            timed: whether the candidate's clock runs; not while the stand-in answers.

        Raises:
            ServerFailed: it did not answer as it should.
            NoScore: it took longer than it may.
        """
        answer = self._channel.answer(lim.ANSWER_FIRST_S if first else lim.ANSWER_S)
        if timed:
            self.clock.answered()
            self._on_time()
        return answer

    def why(self, failure: ServerFailed) -> str:
        """Add the kernel's word to why it failed: its memory.

        Raises:
            RunnerGone: it did not fail by itself.
        """
        status = self._last_status()
        if status.ended_outside:
            raise RunnerGone(
                f"A model server of {self._job.key} was ended from outside: by Docker, or by a person."
            )
        if status.oom:
            gib = self._job.limits.memory_bytes / lim.GIB
            return f"the model needed more than {gib:.1f} GiB of memory to answer {lim.ANSWER_BATCH_ROWS} rows"
        return failure.reason

    def _last_status(self) -> JobStatus:
        """Look at it, giving it a moment to end: its connection closes first."""
        until = time.monotonic() + lim.ENDING_S
        while True:
            status = self._process.status()
            if status.exit_code is not None or status.oom or time.monotonic() > until:
                return status
            time.sleep(lim.POLL_S)

    def times(self) -> ServerTimes:
        """Its clock, for the receipt."""
        return self.clock.times(time.monotonic() - self._started)


def end(process: Job | None, channel: Channel | None, workspace: Path) -> None:
    """End a server with everything it started, and remove its folder; returns when nothing of it runs any more."""
    try:
        if process is not None:
            process.remove()
    finally:
        if channel is not None:
            channel.__exit__()
        remove_tree(workspace)


def stage(name: str, job: EvaluationJob, workspace: Path) -> JobSpec:
    """Copy what the server may read; validation rows and byte tables of the evaluator are not among it."""
    folders = {name: workspace / name for name in ("candidate", "checkpoint", "channel", "bundle")}
    workspace.chmod(0o711)  # another uid must pass through, nobody else may list
    for folder in folders.values():
        folder.mkdir()
        folder.chmod(0o755)
    _copy(job.checkpoint, folders["checkpoint"] / "checkpoint.pt")
    for file in TOKENIZER_FILES:
        _copy(job.bundle.candidate_folder / file, folders["bundle"] / file)
    code = folders["candidate"] / "train.py"
    code.write_bytes(job.train_py)
    code.chmod(0o644)
    mounts = (
        Mount("CANDIDATE", folders["candidate"]),
        Mount("CHECKPOINT", folders["checkpoint"]),
        Mount("BUNDLE", folders["bundle"]),
        Mount("CHANNEL", folders["channel"]),
    )
    return JobSpec(f"{job.key}-{name}", "answer", mounts, job.limits, job.labels)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o644)
