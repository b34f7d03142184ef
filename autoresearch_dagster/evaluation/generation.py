"""Text of a frozen model: a sealed server answers logits, as it does for a score, and we choose the tokens.

What is covered: the model sees the prompt and nothing else of this machine; what it answers is numbers of a fixed
shape, so the text is one of our own tokenizer's.
What is not covered: what the text says.  A model can be trained to say anything.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.protocol import Job, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.folders import short_folder
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.evaluation.channel import SOCKET_NAME, Channel, Shape
from autoresearch_dagster.evaluation.failures import BadLogits, ServerFailed
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.evaluation.server import end, stage


@dataclass(frozen=True, slots=True)
class Sampling:
    """How tokens are chosen: the most likely one at temperature 0, else by chance, the same for the same seed."""

    max_tokens: int
    temperature: float
    seed: int


def generate(job: EvaluationJob, prompt: str, sampling: Sampling, runner: Runner) -> Iterator[str]:
    """Yield the text that follows a prompt, piece by piece, until the document or the number of tokens ends.

    Raises:
        ServerFailed: the model cannot be loaded, or does not answer; its own words are untrusted.
        BadLogits: it answers numbers that are no logits.
        ContainerError: the server could not be started or reached.
    """
    encoding = tokenizer.load(job.bundle.tokenizer)
    bos = tokenizer.bos_token_id(encoding)
    tokens = [bos, *encoding.encode_ordinary(prompt)]
    length = min(job.bundle.sequence_length, len(tokens) + sampling.max_tokens)
    special = {encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    silent = sorted(special - {bos})  # the only special token that a row holds: it begins the next document
    draws = np.random.default_rng(sampling.seed)
    deadline = time.monotonic() + lim.GENERATE_WALL_S
    pending: list[int] = []
    with _Answers(job, length, runner) as answers:
        for _ in range(sampling.max_tokens):
            if time.monotonic() > deadline:
                raise ServerFailed(f"it took longer than {lim.GENERATE_WALL_S:.0f} s")
            token = choose(answers.after(tokens), silent, sampling.temperature, draws)
            if token == bos:
                break
            tokens.append(token)
            pending.append(token)
            text = encoding.decode_bytes(pending).decode("utf-8", errors="replace")
            if not text.endswith("\ufffd"):  # a token may end within a character
                yield text
                pending = []
    if pending:
        yield encoding.decode_bytes(pending).decode("utf-8", errors="replace")


def choose(
    logits: npt.NDArray[np.floating], silent: Sequence[int], temperature: float, draws: np.random.Generator
) -> int:
    """Choose a token by its logits.

    Shapes: logits [V].

    Raises:
        BadLogits: there is no distribution in them.
    """
    found = logits.astype(np.float64)
    if np.isnan(found).any() or (found == np.inf).any():
        raise BadLogits("it answers numbers that are no logits")
    found[list(silent)] = -np.inf
    if not np.isfinite(found).any():
        raise BadLogits("it gives every token the probability zero")
    if temperature == 0:
        return int(found.argmax())
    weights = np.exp((found - found.max()) / temperature)
    return int(draws.choice(len(weights), p=weights / weights.sum()))


class _Answers:
    """One server that answers one row at a time at its last token.  Use as a context manager."""

    def __init__(self, job: EvaluationJob, length: int, runner: Runner) -> None:
        self._job, self._length, self._runner = job, length, runner
        self._workspace = Path()
        self._channel: Channel | None = None
        self._process: Job | None = None

    def __enter__(self) -> "_Answers":
        self._workspace = short_folder(self._job.scratch_prefix, "channel", SOCKET_NAME)
        try:
            spec = stage("generate", self._job, self._workspace)
            shape = Shape(1, self._length, self._job.bundle.vocab_size, "fp32", single=True)
            self._channel = Channel(self._workspace / "channel", shape)
            self._process = process = self._runner.start(spec)
            self._channel.accept(lim.ANSWER_FIRST_S, lambda: process.status().exit_code is None)
            self._channel.greet(0, lim.ANSWER_S)
            self._channel.load(lim.ANSWER_FIRST_S)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        end(self._process, self._channel, self._workspace)

    def after(self, tokens: Sequence[int]) -> npt.NDArray[np.floating]:
        """Return the logits of what follows the last of these tokens, as far back as the model can see."""
        assert self._channel is not None
        seen = tokens[-self._length :]
        row = np.full(
            (1, self._length), seen[0], dtype=np.int32
        )  # what stands behind the last token is not looked at
        row[0, : len(seen)] = seen
        self._channel.request(row, lim.ANSWER_S, np.array([len(seen) - 1], dtype=np.int32))
        return self._channel.answer(lim.ANSWER_FIRST_S)[0]
