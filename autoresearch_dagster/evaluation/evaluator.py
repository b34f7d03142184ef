"""Score a frozen checkpoint: a fresh sealed server answers logits, we do the arithmetic.

What is covered: nothing that the candidate prints, writes or returns is read as a score; the trainer's
container is gone before the first row is sent; the server has no network, no training data, and its output is
discarded.
What is not covered yet: a model that looks ahead or remembers (the audit by a second server).
"""

import io
import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.protocol import Job, JobLimits, JobSpec, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.folders import remove_tree, short_folder
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.evaluation.channel import SOCKET_NAME, Channel, Shape, Wire
from autoresearch_dagster.evaluation.failures import BadLogits, ServerFailed
from autoresearch_dagster.evaluation.receipt import Rowset

TOKENIZER_FILES = ("meta.json", "tokenizer.json", "tokenizer.tiktoken", "token_bytes.npy")


@dataclass(frozen=True, slots=True)
class Score:
    """A score of record.

    Shapes: nats float64 [n_rows, T], zero at targets that are special tokens.
    Units: nats; bytes; `val_bpb` bits per byte, lower is better.
    """

    val_bpb: float
    val_bpb_exact: float
    nats: npt.NDArray[np.float64]
    bytes_seed: int
    bytes_exact: int
    wall_s: float

    def nats_file(self) -> bytes:
        """Return the nats as an .npy file, float32, for comparisons position by position."""
        file = io.BytesIO()
        np.save(file, self.nats.astype(np.float32), allow_pickle=False)
        return file.getvalue()


@dataclass(frozen=True, slots=True)
class Refusal:
    """No score, with a reason that is safe to show: it holds nothing of a validation row."""

    reason: str


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """A frozen checkpoint and what its server needs to load it."""

    key: str
    checkpoint: Path
    train_py: bytes
    bundle: Bundle
    limits: JobLimits
    labels: dict[str, str]
    scratch_prefix: str = "ar-"
    rowset: Rowset = "selection"
    n_rows: int = 64
    wire: Wire = "fp32"


def choose_rows(bundle: Bundle, rowset: Rowset, n_rows: int) -> npt.NDArray[np.uint16]:
    """Return the rows that are scored, the same for every candidate: uint16 [n, T+1].

    Raises:
        EvaluationFault: the bundle holds fewer rows than asked for.
    """
    if rowset == "upstream":
        return bundle.upstream_rows()
    rows = bundle.rows("selection").tokens
    if len(rows) < n_rows:
        raise EvaluationFault(
            f"The bundle has {len(rows)} selection rows and the preset scores {n_rows}; use a larger source."
        )
    return np.asarray(rows[:n_rows])


def evaluate(job: EvaluationJob, runner: Runner) -> Score | Refusal:
    """Start a fresh server for the checkpoint, collect its answers on fixed rows and score them.

    Raises:
        EvaluationFault: the trusted side failed.
        ContainerError: the server could not be started.
    """
    started = time.monotonic()
    rows = choose_rows(job.bundle, job.rowset, job.n_rows)
    preflight = np.asarray(job.bundle.rows("development").tokens[: lim.ANSWER_BATCH_ROWS])
    shape = Shape(lim.ANSWER_BATCH_ROWS, job.bundle.sequence_length, job.bundle.vocab_size, job.wire)
    workspace = short_folder(job.scratch_prefix, "channel", SOCKET_NAME)
    try:
        spec = _stage(job, workspace)
        with Channel(workspace / "channel", shape) as channel:
            server = runner.start(spec)
            try:
                reason = _preflight(channel, server, preflight)
                return Refusal(reason) if reason else _score(channel, rows, job, started)
            finally:
                server.remove()
    finally:
        remove_tree(workspace)


def _stage(job: EvaluationJob, workspace: Path) -> JobSpec:
    folders = {name: workspace / name for name in ("candidate", "checkpoint", "channel", "bundle")}
    workspace.chmod(0o711)  # another uid must pass through, nobody else may list
    for folder in folders.values():
        folder.mkdir()
        folder.chmod(0o755)
    _copy(job.checkpoint, folders["checkpoint"] / "checkpoint.pt")
    for name in TOKENIZER_FILES:
        _copy(job.bundle.candidate_folder / name, folders["bundle"] / name)
    (folders["candidate"] / "train.py").write_bytes(job.train_py)
    mounts = (
        Mount("CANDIDATE", folders["candidate"]),
        Mount("CHECKPOINT", folders["checkpoint"]),
        Mount("BUNDLE", folders["bundle"]),
        Mount("CHANNEL", folders["channel"]),
    )
    return JobSpec(f"{job.key}-answer", "answer", mounts, job.limits, job.labels)


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    target.chmod(0o644)


def _preflight(channel: Channel, server: Job, rows: npt.NDArray[np.uint16]) -> str:
    """Let the server answer rows that are no secret, so that its errors may be shown."""
    batch = _filled(rows)
    try:
        channel.accept(lim.ANSWER_FIRST_S, alive=lambda: server.status().exit_code is None)
        channel.request(batch[:, :-1].astype(np.int32), lim.ANSWER_S)
        answer = channel.answer(lim.ANSWER_FIRST_S)
        for row, logits in zip(batch, answer, strict=True):
            _nats(logits, row)
    except ServerFailed as failure:
        return failure.told or f"The trained model cannot be scored: {failure.reason}."
    except BadLogits as failure:
        return f"The trained model cannot be scored: {failure}."
    return ""


def _score(channel: Channel, rows: npt.NDArray[np.uint16], job: EvaluationJob, started: float) -> Score | Refusal:
    try:
        nats = _collect(channel, rows)
    except ServerFailed as failure:  # its own words may hold validation text: not shown
        return Refusal(f"The trained model failed while it was scored: {failure.reason}.")
    except BadLogits as failure:
        return Refusal(f"The trained model cannot be scored: {failure}.")
    targets = rows[:, 1:]
    seed_bytes = job.bundle.token_bytes("seed")[targets]
    exact_bytes = job.bundle.token_bytes("exact")[targets]
    nats = np.where(seed_bytes > 0, nats, 0.0)
    total, n_seed, n_exact = float(nats.sum()), int(seed_bytes.sum()), int(exact_bytes.sum())
    return Score(
        val_bpb=total / (math.log(2) * n_seed),
        val_bpb_exact=total / (math.log(2) * n_exact),
        nats=nats,
        bytes_seed=n_seed,
        bytes_exact=n_exact,
        wall_s=time.monotonic() - started,
    )


def _collect(channel: Channel, rows: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
    """Ask for every row, in fixed batches; the server computes the next while we score the last."""
    nats = np.empty((len(rows), rows.shape[1] - 1), dtype=np.float64)
    starts = range(0, len(rows), lim.ANSWER_BATCH_ROWS)
    batches = [_filled(rows[start : start + lim.ANSWER_BATCH_ROWS]) for start in starts]
    channel.request(batches[0][:, :-1].astype(np.int32), lim.ANSWER_S)
    for number, start in enumerate(starts):
        answer = channel.answer(lim.ANSWER_S)
        if number + 1 < len(batches):
            channel.request(batches[number + 1][:, :-1].astype(np.int32), lim.ANSWER_S)
        for offset, row in enumerate(rows[start : start + lim.ANSWER_BATCH_ROWS]):
            nats[start + offset] = _nats(answer[offset], row)
    return nats


def _nats(logits: npt.NDArray[np.floating], row: npt.NDArray[np.uint16]) -> npt.NDArray[np.float64]:
    from autoresearch_dagster.evaluation.score import row_nats  # torch costs 2 s: only where scores are made

    return row_nats(logits, row[1:])


def _filled(rows: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Repeat the last row until the batch has its fixed size."""
    missing = lim.ANSWER_BATCH_ROWS - len(rows)
    return np.concatenate([rows, np.repeat(rows[-1:], missing, axis=0)]) if missing else rows
