"""Asking for the scored rows: A answers them whole, B answers one cut of each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.evaluation.cuts import Kind, assign_kinds, choose_cut, make_probes
from autoresearch_dagster.evaluation.failures import BadLogits, NoScore, ServerFailed
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.evaluation.rows import Batch, Tokens, bos_token, in_batches
from autoresearch_dagster.evaluation.server import Server
from autoresearch_dagster.evaluation.statistics import Audits

Logits = npt.NDArray[np.floating]
Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Questions:
    """What will be asked, fixed before a server is started.

    Shapes: tokens uint16 [n, T+1], the scored rows; filler uint16 [B, T+1], rows that are no secret and fill up a
    last batch; kinds [n], how each row will be cut.
    """

    job: EvaluationJob
    tokens: Tokens
    filler: Tokens
    bos: int
    kinds: list[Kind]

    @classmethod
    def draw(cls, job: EvaluationJob, tokens: Tokens, filler: Tokens) -> "Questions":
        """Draw what the secret decides beforehand."""
        bos, secret = bos_token(job.bundle), job.secret.generator("kinds")
        return cls(job, tokens, filler, bos, assign_kinds(tokens, bos, secret, reference=job.reference is not None))

    def order(self, purpose: str) -> Index:
        """Draw the order in which a server gets the rows."""
        return self.job.secret.generator(purpose).permutation(len(self.tokens))


@dataclass(frozen=True, slots=True)
class Answers:
    """What A committed.

    Shapes: nats float64 [n, T] at every target; cuts int [n]; logits [n, V] at the position before each cut.
    """

    nats: npt.NDArray[np.float64]
    cuts: Index
    logits: Logits


def commit(server: Server, asked: Questions, meanwhile: Callable[[], None]) -> Answers:
    """Let A answer every row, in a secret order and whole; `meanwhile` is done while it computes the first.

    Raises:
        NoScore: it failed.
    """
    from autoresearch_dagster.evaluation.score import row_nats  # torch costs 2 s: only where scores are made

    job, tokens = asked.job, asked.tokens
    found = Answers(
        nats=np.empty((len(tokens), job.bundle.sequence_length), dtype=np.float64),
        cuts=np.empty(len(tokens), dtype=np.intp),
        logits=np.empty((len(tokens), job.bundle.vocab_size), dtype=np.float32),
    )
    draw = job.secret.generator("cuts")

    def keep(batch: Batch, answer: Logits) -> None:
        for row, given in zip(batch.index, answer, strict=False):  # what fills the batch up is not looked at
            nats = row_nats(given, tokens[row, 1:])
            gain = None if job.reference is None else job.reference[row] - nats
            cut = choose_cut(asked.kinds[row], tokens[row], asked.bos, gain, draw)
            found.nats[row], found.cuts[row], found.logits[row] = nats, cut, given[cut - 1]

    def ask(batch: Batch) -> None:
        server.ask(batch.fill(tokens, asked.filler))

    _serve(server, in_batches(asked.order("order")), ask, keep, meanwhile)
    return found


def audit(server: Server, asked: Questions, committed: Answers) -> Audits:
    """Ask B at every cut, in another secret order, and compare whole distributions.

    Raises:
        NoScore: it failed.
    """
    from autoresearch_dagster.evaluation.score import log_probabilities

    job, tokens, cuts = asked.job, asked.tokens, committed.cuts
    order = asked.order("audit order")
    decoys = np.asarray(job.bundle.rows("decoy").tokens)
    probes = np.empty_like(tokens)
    probes[order] = make_probes(
        tokens[order], cuts[order], decoys, asked.bos, job.secret.generator("decoys")
    ).tokens
    targets = tokens[np.arange(len(tokens)), cuts]
    deviation, signed = np.empty(len(tokens)), np.empty(len(tokens))

    def ask(batch: Batch) -> None:
        positions = np.zeros(lim.ANSWER_BATCH_ROWS, dtype=np.intp)
        positions[: len(batch.index)] = cuts[batch.index] - 1
        server.ask(batch.fill(probes, asked.filler), positions)

    def keep(batch: Batch, answer: Logits) -> None:
        index = batch.index
        ours, theirs = log_probabilities(committed.logits[index]), log_probabilities(answer[: len(index)])
        deviation[index] = np.abs(ours - theirs).max(axis=1)
        at = np.arange(len(index)), targets[index]
        signed[index] = ours[at] - theirs[at]

    _serve(server, in_batches(order), ask, keep)
    return Audits(asked.kinds, deviation, signed, job.bundle.token_bytes("seed")[targets] > 0)


def _serve(
    server: Server,
    batches: list[Batch],
    ask: Callable[[Batch], None],
    keep: Callable[[Batch, Logits], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Send batches, one ahead of what is kept: the server computes the next while we score the last.

    Raises:
        NoScore: the server failed.  Its own words may hold validation text: they are not shown.
    """
    try:
        ask(batches[0])
        meanwhile()
        for number, batch in enumerate(batches):
            answer = server.take()
            if number + 1 < len(batches):
                ask(batches[number + 1])
            keep(batch, answer)
    except ServerFailed as failure:
        raise NoScore(f"The trained model failed while it was scored: {server.why(failure)}.") from failure
    except BadLogits as failure:
        raise NoScore(f"The trained model cannot be scored: {failure}.") from failure
