"""Score a frozen checkpoint and audit the score: two fresh sealed servers answer logits, we do the arithmetic.

1. Server A starts, loads the model and passes the preflight on development rows.  What it says may be shown.
2. A answers the scored rows in a secret order.  We keep nats, and at one secret cut of each row the logits.
   Server B starts meanwhile, up to "torch imported": nothing of the candidate runs in it.
3. A is removed.  Only then B loads the model and answers the preflight's probes, then for each scored row its
   tokens before the cut, followed by a decoy.  A model whose answers depend on the past alone answers the same.

What is covered: nothing that the candidate prints, writes or returns is read as a score; a fault of ours gives no
score; docs/trust.md says what the audit can and cannot see.
What is not covered: state that A leaves in the kernel for B to find (caches of the image's files).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import AutoresearchError, EvaluationFault
from autoresearch_dagster.data.layout import Rows
from autoresearch_dagster.evaluation import preflight, tolerance
from autoresearch_dagster.evaluation.clock import ServeLimits
from autoresearch_dagster.evaluation.cuts import assign_kinds, choose_cut, make_probes
from autoresearch_dagster.evaluation.failures import BadLogits, NoScore, ServerFailed
from autoresearch_dagster.evaluation.job import EvaluationJob, Refusal, Score
from autoresearch_dagster.evaluation.preflight import Preflight, shown
from autoresearch_dagster.evaluation.receipt import ServeRecord, ServerTimes
from autoresearch_dagster.evaluation.rows import Batch, bos_token, choose_rows, in_batches
from autoresearch_dagster.evaluation.server import Server
from autoresearch_dagster.evaluation.statistics import Audits, audit_record, rejection, score_record

__all__ = ["EvaluationJob", "Refusal", "Score", "evaluate"]

Floats = npt.NDArray[np.float64]
Result = TypeVar("Result")


def evaluate(job: EvaluationJob, runner: Runner) -> Score | Refusal:
    """Score a checkpoint on fixed rows and audit it.

    Raises:
        EvaluationFault: the trusted side failed: no score is given, and none is refused for it.
        ContainerError: a server could not be started or reached.
    """
    try:
        return _Evaluation(job, runner).run()
    except NoScore as reason:
        return Refusal(str(reason))
    except AutoresearchError:
        raise
    except Exception as fault:
        raise EvaluationFault(
            f"The evaluation of {job.key} failed by a fault of ours, not of the candidate "
            f"({type(fault).__name__}: {fault}); try it again."
        ) from fault


@dataclass(slots=True)
class Committed:
    """What A answered.

    Shapes: nats float64 [n, T] at every target; cuts int [n]; logits [n, V] at the position before each cut.
    """

    nats: Floats
    cuts: npt.NDArray[np.intp]
    logits: npt.NDArray[np.floating]
    times: ServerTimes
    tolerance: tolerance.Tolerance
    preflight: npt.NDArray[np.floating]
    """A's answers to the development rows at the preflight's cuts."""
    stand_in: npt.NDArray[np.floating] | None
    """The same of its stand-in, where the tolerance is measured now."""


class _Evaluation:
    """One evaluation; everything that is drawn or looked up before a server is started."""

    def __init__(self, job: EvaluationJob, runner: Runner) -> None:
        self.job = job
        self.runner = runner
        self.rows: Rows = choose_rows(job.bundle, job.rowset, job.n_rows)
        self.bos = bos_token(job.bundle)
        self.plan = Preflight.plan(job.bundle)
        self.limits = ServeLimits(job.budget_s, job.used_s)
        self.known = tolerance.find(job)
        if job.reference is not None and job.reference.shape != (len(self.rows.tokens), job.bundle.sequence_length):
            raise EvaluationFault(
                f"The champion's nats are {job.reference.shape} and not of these rows; score the champion again."
            )
        self.kinds = assign_kinds(
            self.rows.tokens, self.bos, job.secret.generator("kinds"), reference=job.reference is not None
        )

    def run(self) -> Score:
        starting: list[Server] = []
        try:
            committed = self._answers(lambda: starting.append(Server("audit", self.job, self.runner)))
            return self._audited(committed, starting[0])
        finally:
            for server in starting:
                server.remove()

    def _answers(self, start_other: Callable[[], None]) -> Committed:
        """Let A commit its answers; it is gone when this returns."""
        with Server("answer", self.job, self.runner) as server:
            found, stand_in = self._begin(server)
            at_preflight = preflight.check_alone(server, self.plan, found.nats)
            self._on_time(server)
            nats, cuts, logits = self._collect(server, start_other)
            self._on_time(server)
            times = server.times()
        return Committed(nats, cuts, logits, times, found, at_preflight, stand_in)

    def _begin(self, server: Server) -> tuple[tolerance.Tolerance, npt.NDArray[np.floating] | None]:
        """Connect, measure the tolerance where it is not known, and let the server load the candidate."""
        stand_in, found = None, self.known
        if found is None:
            self._ours(lambda: server.greet(2))
            stand_in, deviation = self._ours(lambda: preflight.stand_in_deviation(server, self.plan))
            found = tolerance.measured(self.job, deviation)
        else:
            self._ours(lambda: server.greet(0))
        try:
            server.load()
        except ServerFailed as failure:
            raise NoScore(shown(server, failure)) from failure
        self._on_time(server)
        return found, stand_in

    def _ours(self, doing: Callable[[], Result]) -> Result:
        """Do something with a server before it holds anything of the candidate: if that fails, it is our fault."""
        try:
            return doing()
        except (ServerFailed, BadLogits) as failure:
            told = f": {failure.told}" if isinstance(failure, ServerFailed) and failure.told else ""
            raise EvaluationFault(
                f"A model server of {self.job.key} failed before it loaded anything ({failure}{told}); "
                "run `autoresearch doctor`."
            ) from failure

    def _on_time(self, server: Server) -> None:
        if excess := self.limits.excess(server.clock):
            raise NoScore(excess)

    def _collect(
        self, server: Server, meanwhile: Callable[[], None]
    ) -> tuple[Floats, npt.NDArray[np.intp], npt.NDArray[np.floating]]:
        """Ask for every row in a secret order; the server computes the next batch while we score the last."""
        from autoresearch_dagster.evaluation.score import row_nats  # torch costs 2 s: only where scores are made

        tokens, bundle = self.rows.tokens, self.job.bundle
        nats = np.empty((len(tokens), bundle.sequence_length), dtype=np.float64)
        cuts = np.empty(len(tokens), dtype=np.intp)
        logits = np.empty((len(tokens), bundle.vocab_size), dtype=np.float32)
        draw = self.job.secret.generator("cuts")

        def keep(batch: Batch, answer: npt.NDArray[np.floating]) -> None:
            for row, given in zip(batch.index, answer, strict=False):  # what fills the batch up is not looked at
                nats[row] = row_nats(given, tokens[row, 1:])
                gain = None if self.job.reference is None else self.job.reference[row] - nats[row]
                cuts[row] = choose_cut(self.kinds[row], tokens[row], self.bos, gain, draw)
                logits[row] = given[cuts[row] - 1]

        def ask(batch: Batch) -> None:
            server.ask(batch.fill(tokens, self.plan.rows))

        self._serve(server, in_batches(self._order("order")), ask, keep, meanwhile)
        return nats, cuts, logits

    def _order(self, purpose: str) -> npt.NDArray[np.intp]:
        return self.job.secret.generator(purpose).permutation(len(self.rows.tokens))

    def _serve(
        self,
        server: Server,
        batches: list[Batch],
        ask: Callable[[Batch], None],
        keep: Callable[[Batch, npt.NDArray[np.floating]], None],
        meanwhile: Callable[[], None] = lambda: None,
    ) -> None:
        """Send batches, one ahead of what is kept; `meanwhile` is done once, while the server computes.

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

    def _audited(self, committed: Committed, server: Server) -> Score:
        """Let B answer, and judge; A is gone."""
        job, tokens = self.job, self.rows.tokens
        self._ours(lambda: server.greet(0 if committed.stand_in is None else 1))
        if (expected := committed.stand_in) is not None:
            between = self._ours(lambda: preflight.pair_deviation(server, self.plan, expected, timed=False))
            committed.tolerance = tolerance.measured(job, max(between, committed.tolerance.deviation))
            tolerance.keep(job, committed.tolerance)
        allowed = committed.tolerance.nats
        preflight.check_against(server, self.plan, committed.preflight, allowed)
        self._on_time(server)
        audits = self._compare(server, committed)
        self._on_time(server)
        counted = job.bundle.token_bytes("seed")[tokens[:, 1:]]
        exact = job.bundle.token_bytes("exact")[tokens[:, 1:]]
        nats = np.where(counted > 0, committed.nats, 0.0)
        score = score_record(job.rowset, self.rows, nats, counted, exact)
        record = audit_record(audits, allowed, score, reference=job.reference is not None)
        serve = ServeRecord(
            answering=committed.times,
            auditing=server.times(),
            charged_s=server.clock.charged_s,
            allowed_s=self.limits.allowed_s,
        )
        return Score(record=score, audit=record, serve=serve, nats=nats, rejected=rejection(record))

    def _compare(self, server: Server, committed: Committed) -> Audits:
        """Ask B at every cut and compare whole distributions."""
        from autoresearch_dagster.evaluation.score import log_probabilities

        job, tokens, cuts = self.job, self.rows.tokens, committed.cuts
        decoys = np.asarray(job.bundle.rows("decoy").tokens)
        order = self._order("audit order")
        made = make_probes(tokens[order], cuts[order], decoys, self.bos, job.secret.generator("decoys"))
        probes = np.empty_like(tokens)
        probes[order] = made.tokens
        targets = tokens[np.arange(len(tokens)), cuts]
        deviation, signed = np.empty(len(tokens)), np.empty(len(tokens))

        def ask(batch: Batch) -> None:
            positions = np.zeros(lim.ANSWER_BATCH_ROWS, dtype=np.intp)
            positions[: len(batch.index)] = cuts[batch.index] - 1
            server.ask(batch.fill(probes, self.plan.rows), positions)

        def keep(batch: Batch, answer: npt.NDArray[np.floating]) -> None:
            index = batch.index
            ours, theirs = log_probabilities(committed.logits[index]), log_probabilities(answer[: len(index)])
            deviation[index] = np.abs(ours - theirs).max(axis=1)
            at = np.arange(len(index)), targets[index]
            signed[index] = ours[at] - theirs[at]

        self._serve(server, in_batches(order), ask, keep)
        return Audits(self.kinds, deviation, signed, job.bundle.token_bytes("seed")[targets] > 0)
