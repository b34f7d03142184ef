"""Score a frozen checkpoint and audit the score: two fresh sealed servers answer logits, we do the arithmetic.

1. Server A starts, loads the model and passes the preflight on development rows.  What it says may be shown.
2. A answers the scored rows in a secret order.  We keep nats, and at one secret cut of each row the logits.
   Server B starts meanwhile, up to "torch imported": nothing of the candidate runs in it.
3. A is removed.  Only then B loads the model and answers the preflight's probes, then for each scored row its
   tokens before the cut, followed by a decoy.  A model whose answers depend on the past alone answers the same.
4. Further rounds ask at other cuts, each a new B that is asked when the one before it is removed: a server that
   gets two cuts of one row learns from the longer what the shorter hides.

What is covered: nothing that the candidate prints, writes or returns is read as a score; a fault of ours gives no
score; docs/trust.md says what the audit can and cannot see.
What is not covered: state that a server leaves in the kernel for the next to find (caches of the image's files).
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
from autoresearch_dagster.evaluation.statistics import Audits, audit_record, rejection, score_record

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


@dataclass(frozen=True, slots=True)
class Audited:
    """What all servers B said, and their times.  Units: nats."""

    audits: Audits
    tolerance: float
    serve: ServeRecord


class _Auditors:
    """The servers B of one evaluation: the next one starts while another works, and is asked when that is gone.

    At most one waits at a time, up to "torch imported".
    """

    def __init__(self, job: EvaluationJob, runner: Runner) -> None:
        self._job, self._runner = job, runner
        self._numbers = iter(range(job.audit_rounds))
        self._waiting: Server | None = None

    def start_next(self) -> None:
        """Start the server of the next round, if there is one."""
        number = next(self._numbers, None)
        if number is not None:
            self._waiting = Server("audit", self._job, self._runner, number)

    def take(self) -> Server:
        """Hand over the one that waits: the caller removes it."""
        assert self._waiting is not None  # started while the one before it was asked
        server, self._waiting = self._waiting, None
        return server

    def remove(self) -> None:
        """Remove the one that waits, if any."""
        if self._waiting is not None:
            self._waiting.remove()


class _Evaluation:
    """One evaluation; everything that is drawn or looked up before a server is started."""

    def __init__(self, job: EvaluationJob, runner: Runner) -> None:
        self.job = job
        self.runner = runner
        if job.audit_rounds < 1:
            raise EvaluationFault("A score without an audit is none; ask for one round at least.")
        self.rows: Rows = choose_rows(job.bundle, job.rowset, job.n_rows)
        self.plan = Preflight.plan(job.bundle)
        self.asked = Questions.draw(job, self.rows.tokens, self.plan.rows)
        self.known = tolerance.find(job)
        if job.reference is not None and job.reference.shape != self.rows.documents.shape:
            raise EvaluationFault(
                f"The champion's nats are {job.reference.shape} and not of these rows; score the champion again."
            )

    def run(self) -> Score:
        """Let A commit, then one B after the other audit; none is left when this returns."""
        auditors = _Auditors(self.job, self.runner)
        try:
            committed = self._commit(auditors.start_next)
            return self._judge(committed, self._audit(committed, auditors))
        finally:
            auditors.remove()

    def _commit(self, start_next: Callable[[], None]) -> Committed:
        """Let A answer; it is gone when this returns."""
        with Server("answer", self.job, self.runner) as server:
            stand_in, found = self._stand_in(server)
            preflight.load(server)
            at_cuts = preflight.check_alone(server, self.plan, found.nats)
            answers = commit(server, self.asked, start_next)
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

    def _audit(self, committed: Committed, auditors: _Auditors) -> Audited:
        """Let each B answer; A is gone, and so is every B before it."""
        found: list[Audits] = []
        times: list[ServerTimes] = []
        allowed, charged_s, allowed_s = committed.tolerance, 0.0, 0.0
        for number in range(self.job.audit_rounds):
            with auditors.take() as server:
                if number == 0:
                    allowed = self._tolerance(server, committed)
                else:
                    self._ours(lambda server=server: server.greet(0))
                preflight.check_against(server, self.plan, committed.preflight, allowed.nats)
                found.append(audit(server, self.asked, committed.answers, number, auditors.start_next))
                times.append(server.times())
                charged_s, allowed_s = max(charged_s, server.clock.charged_s), server.limits.allowed_s
        serve = ServeRecord(
            answering=committed.times, auditing=tuple(times), charged_s=charged_s, allowed_s=allowed_s
        )
        return Audited(Audits.together(found), allowed.nats, serve)

    def _judge(self, committed: Committed, audited: Audited) -> Score:
        """Add up nats and bytes, and say what the audits found."""
        job = self.job
        targets = self.rows.tokens[:, 1:]
        counted, exact = job.bundle.token_bytes("seed")[targets], job.bundle.token_bytes("exact")[targets]
        nats = np.where(counted > 0, committed.answers.nats, 0.0)
        score = score_record(job.rowset, self.rows, nats, counted, exact)
        record = audit_record(audited.audits, audited.tolerance, score, reference=job.reference is not None)
        return Score(record=score, audit=record, serve=audited.serve, nats=nats, rejected=rejection(record))
