"""Asking for the scored rows: A answers them whole, each B answers one cut of each."""

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
    last batch; kinds [rounds][n], how each row will be cut in each round.
    """

    job: EvaluationJob
    tokens: Tokens
    filler: Tokens
    bos: int
    kinds: tuple[list[Kind], ...]

    @classmethod
    def draw(cls, job: EvaluationJob, tokens: Tokens, filler: Tokens) -> "Questions":
        """Draw what the secret decides beforehand."""
        bos, reference = bos_token(job.bundle), job.reference is not None
        streams = [job.secret.of_round("kinds", number) for number in range(job.audit_rounds)]
        kinds = tuple(assign_kinds(tokens, bos, stream, reference=reference) for stream in streams)
        return cls(job, tokens, filler, bos, kinds)


@dataclass(frozen=True, slots=True)
class Answers:
    """What A committed.

    Shapes: nats float64 [n, T] at every target; cuts int [rounds, n]; logits [rounds, n, V] at the position
    before each cut.
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
    rounds = range(job.audit_rounds)
    found = Answers(
        nats=np.empty((len(tokens), job.bundle.sequence_length), dtype=np.float64),
        cuts=np.empty((len(rounds), len(tokens)), dtype=np.intp),
        logits=np.empty((len(rounds), len(tokens), job.bundle.vocab_size), dtype=np.float32),
    )
    draws = [job.secret.of_round("cuts", number) for number in rounds]

    def keep(batch: Batch, answer: Logits) -> None:
        for row, given in zip(batch.index, answer, strict=False):  # what fills the batch up is not looked at
            nats = row_nats(given, tokens[row, 1:])
            gain = None if job.reference is None else job.reference[row] - nats
            cuts = [choose_cut(asked.kinds[n][row], tokens[row], asked.bos, gain, draws[n]) for n in rounds]
            found.nats[row], found.cuts[:, row] = nats, cuts
            found.logits[:, row] = given[found.cuts[:, row] - 1]

    def ask(batch: Batch) -> None:
        server.ask(batch.fill(tokens, asked.filler))

    order = job.secret.generator("order").permutation(len(tokens))
    _serve(server, in_batches(order), ask, keep, meanwhile)
    return found


def audit(
    server: Server, asked: Questions, committed: Answers, number: int, meanwhile: Callable[[], None]
) -> Audits:
    """Ask the B of one round at every cut, in another secret order, and compare whole distributions.

    Raises:
        NoScore: it failed.
    """
    from autoresearch_dagster.evaluation.score import log_probabilities

    job, tokens, cuts, kept = asked.job, asked.tokens, committed.cuts[number], committed.logits[number]
    order = job.secret.of_round("audit order", number).permutation(len(tokens))
    decoys = np.asarray(job.bundle.rows("decoy").tokens)
    probes = np.empty_like(tokens)
    probes[order] = make_probes(
        tokens[order], cuts[order], decoys, asked.bos, job.secret.of_round("decoys", number)
    ).tokens
    targets = tokens[np.arange(len(tokens)), cuts]
    deviation, signed = np.empty(len(tokens)), np.empty(len(tokens))

    def ask(batch: Batch) -> None:
        positions = np.zeros(lim.ANSWER_BATCH_ROWS, dtype=np.intp)
        positions[: len(batch.index)] = cuts[batch.index] - 1
        server.ask(batch.fill(probes, asked.filler), positions)

    def keep(batch: Batch, answer: Logits) -> None:
        index = batch.index
        ours, theirs = log_probabilities(kept[index]), log_probabilities(answer[: len(index)])
        deviation[index] = np.abs(ours - theirs).max(axis=1)
        at = np.arange(len(index)), targets[index]
        signed[index] = ours[at] - theirs[at]

    _serve(server, in_batches(order), ask, keep, meanwhile)
    return Audits(asked.kinds[number], deviation, signed, job.bundle.token_bytes("seed")[targets] > 0)


def _serve(
    server: Server,
    batches: list[Batch],
    ask: Callable[[Batch], None],
    keep: Callable[[Batch, Logits], None],
    meanwhile: Callable[[], None],
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
