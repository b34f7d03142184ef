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

from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.errors import AutoresearchError, EvaluationFault
from autoresearch_dagster.data.layout import Rows
from autoresearch_dagster.evaluation import preflight, tolerance
from autoresearch_dagster.evaluation.answers import Answers, Questions, audit, commit
from autoresearch_dagster.evaluation.failures import BadLogits, NoScore, ServerFailed
from autoresearch_dagster.evaluation.job import EvaluationJob, Refusal, Score
from autoresearch_dagster.evaluation.preflight import Logits, Preflight
from autoresearch_dagster.evaluation.receipt import ServeRecord, ServerTimes
from autoresearch_dagster.evaluation.rows import choose_rows
from autoresearch_dagster.evaluation.server import Server
from autoresearch_dagster.evaluation.statistics import audit_record, rejection, score_record

__all__ = ["EvaluationJob", "Refusal", "Score", "evaluate"]

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


@dataclass(frozen=True, slots=True)
class Committed:
    """All that is known of A when it is gone.

    Shapes: preflight and stand_in [B, V], answers to the development rows at the preflight's cuts.
    """

    answers: Answers
    preflight: Logits
    stand_in: Logits | None
    """Where the tolerance is measured now."""
    tolerance: tolerance.Tolerance
    times: ServerTimes


class _Evaluation:
    """One evaluation; everything that is drawn or looked up before a server is started."""

    def __init__(self, job: EvaluationJob, runner: Runner) -> None:
        self.job = job
        self.runner = runner
        self.rows: Rows = choose_rows(job.bundle, job.rowset, job.n_rows)
        self.plan = Preflight.plan(job.bundle)
        self.asked = Questions.draw(job, self.rows.tokens, self.plan.rows)
        self.known = tolerance.find(job)
        if job.reference is not None and job.reference.shape != self.rows.documents.shape:
            raise EvaluationFault(
                f"The champion's nats are {job.reference.shape} and not of these rows; score the champion again."
            )

    def run(self) -> Score:
        """Let A commit, then B audit; neither is left when this returns."""
        starting: list[Server] = []
        try:
            committed = self._commit(lambda: starting.append(Server("audit", self.job, self.runner)))
            return self._audit(committed, starting[0])
        finally:
            for server in starting:
                server.remove()

    def _commit(self, start_other: Callable[[], None]) -> Committed:
        """Let A answer; it is gone when this returns."""
        with Server("answer", self.job, self.runner) as server:
            stand_in, found = self._stand_in(server)
            preflight.load(server)
            at_cuts = preflight.check_alone(server, self.plan, found.nats)
            answers = commit(server, self.asked, start_other)
            times = server.times()
        return Committed(answers, at_cuts, stand_in, found, times)

    def _stand_in(self, server: Server) -> tuple[Logits | None, tolerance.Tolerance]:
        """Connect to A; where the tolerance is not known, let its stand-in answer."""
        if self.known is not None:
            self._ours(lambda: server.greet(0))
            return None, self.known
        self._ours(lambda: server.greet(2))
        stand_in, deviation = self._ours(lambda: preflight.stand_in_deviation(server, self.plan))
        return stand_in, tolerance.measured(self.job, deviation)

    def _tolerance(self, server: Server, committed: Committed) -> tolerance.Tolerance:
        """Connect to B; where the tolerance is not known, let its stand-in answer and keep what is found."""
        expected = committed.stand_in
        if expected is None:
            self._ours(lambda: server.greet(0))
            return committed.tolerance
        self._ours(lambda: server.greet(1))
        between = self._ours(lambda: preflight.pair_deviation(server, self.plan, expected, timed=False))
        found = tolerance.measured(self.job, max(between, committed.tolerance.deviation))
        tolerance.keep(self.job, found)
        return found

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

    def _audit(self, committed: Committed, server: Server) -> Score:
        """Let B answer, and judge; A is gone."""
        job = self.job
        allowed = self._tolerance(server, committed).nats
        preflight.check_against(server, self.plan, committed.preflight, allowed)
        audits = audit(server, self.asked, committed.answers)
        targets = self.rows.tokens[:, 1:]
        counted, exact = job.bundle.token_bytes("seed")[targets], job.bundle.token_bytes("exact")[targets]
        nats = np.where(counted > 0, committed.answers.nats, 0.0)
        score = score_record(job.rowset, self.rows, nats, counted, exact)
        record = audit_record(audits, allowed, score, reference=job.reference is not None)
        serve = ServeRecord(
            answering=committed.times,
            auditing=server.times(),
            charged_s=server.clock.charged_s,
            allowed_s=server.limits.allowed_s,
        )
        return Score(record=score, audit=record, serve=serve, nats=nats, rejected=rejection(record))
