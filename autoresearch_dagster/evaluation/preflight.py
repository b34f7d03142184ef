"""The audit on development rows, which are no secret: it may say what is wrong with a model.

First within server A, which costs two batches: the same rows again, in another order, with other tokens behind
the cuts.  Nothing secret is sent to a model that fails this.  Then, with the same rows, between A and B: what B
answers before it gets any probe of a scored row.  A dishonest model can recognise development rows and behave
here; the audit of the scored rows is what it has to pass.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.evaluation.cuts import make_probes
from autoresearch_dagster.evaluation.failures import BadLogits, NoScore, ServerFailed
from autoresearch_dagster.evaluation.rows import Tokens, bos_token
from autoresearch_dagster.evaluation.server import Server

Logits = npt.NDArray[np.floating]
PLAN_SEED = 0
"""Cuts of development rows are no secret and the same for everybody."""
ROWS = lim.ANSWER_BATCH_ROWS


@dataclass(frozen=True, slots=True)
class Preflight:
    """Development rows, and the same rows probed.

    Shapes: rows, probes and company uint16 [B, T+1]; order int [B], probes[i] is made from rows[order[i]]; cuts
    int [B], of the probes; company holds rows[order] at even places and other development rows between them.
    """

    rows: Tokens
    probes: Tokens
    company: Tokens
    order: npt.NDArray[np.intp]
    cuts: npt.NDArray[np.intp]

    @classmethod
    def plan(cls, bundle: Bundle) -> "Preflight":
        """Take the first development rows, cut each somewhere, continue them with others of the development rows.

        Raises:
            EvaluationFault: there are too few.
        """
        found = np.asarray(bundle.rows("development").tokens)
        if len(found) < 2 * ROWS:
            raise EvaluationFault(
                f"The bundle has {counted(len(found), 'development row')} and {2 * ROWS} are needed; use a "
                "larger source."
            )
        generator = np.random.default_rng(PLAN_SEED)
        rows, others = found[:ROWS], found[ROWS:]
        order = np.arange(ROWS)[::-1]  # no row keeps its place
        cuts = generator.integers(1, bundle.sequence_length, ROWS)
        probes = make_probes(rows[order], cuts, others, bos_token(bundle), generator).tokens
        company = rows[order]
        company[1::2] = others[: len(company[1::2])]
        return cls(rows, probes, company, order, cuts)

    @property
    def positions(self) -> npt.NDArray[np.intp]:
        """The last position before each cut: all that B answers."""
        return self.cuts - 1

    def at_cuts(self, answer: Logits) -> Logits:
        """Return what A answered to its rows at the positions that B is asked for: [B, V], a copy."""
        return answer[self.order, self.positions].copy()


def stand_in_deviation(server: Server, plan: Preflight) -> tuple[Logits, float]:
    """Let A's stand-in answer; return its answers at the cuts, and how far it deviates from itself."""
    server.ask(plan.rows)
    first = server.take(first=True, timed=False).copy()
    server.ask(plan.probes)
    second = server.take(first=True, timed=False)
    return plan.at_cuts(first), max(found for _row, found, _place in _differences(plan, first, second))


def load(server: Server) -> None:
    """Let A load the model.

    Raises:
        NoScore: it cannot; the text says why.
    """
    try:
        server.load()
    except ServerFailed as failure:
        raise NoScore(_shown(server, failure)) from failure


def check_alone(server: Server, plan: Preflight, tolerance: float) -> Logits:
    """Let A answer rows and probes; return its answers at the cuts.

    Raises:
        NoScore: it fails, or its answers cannot be those of a fair model; the text says why.
    """
    from autoresearch_dagster.evaluation.score import row_nats

    try:
        server.ask(plan.rows)
        first = server.take(first=True).copy()
        for row, logits in zip(plan.rows, first, strict=True):
            row_nats(logits, row[1:])
        server.ask(plan.probes)
        second = server.take()
        differing = [(row, place) for row, found, place in _differences(plan, first, second) if found > tolerance]
        if differing:
            raise NoScore(_diagnosis(server, plan, first, tolerance, *differing[0]))
    except ServerFailed as failure:
        raise NoScore(_shown(server, failure)) from failure
    except BadLogits as failure:
        raise NoScore(f"The trained model cannot be scored: {failure}.") from failure
    return plan.at_cuts(first)


def check_against(server: Server, plan: Preflight, committed: Logits, tolerance: float) -> None:
    """Let B load the model and answer the probes; compare with what A committed.

    Raises:
        NoScore: it fails, or answers something else.
    """
    try:
        server.load()
        if pair_deviation(server, plan, committed, timed=True) > tolerance:
            raise NoScore(
                "Two fresh processes answer the same development rows differently: the answers depend on what the "
                "model was asked before, on random numbers or on the clock; make forward a function of its input."
            )
    except (ServerFailed, BadLogits) as failure:
        raise NoScore(f"The trained model answers in one process and fails in the next: {failure}.") from failure


def pair_deviation(server: Server, plan: Preflight, committed: Logits, *, timed: bool) -> float:
    """Return how far B's answers to the probes are from A's."""
    from autoresearch_dagster.evaluation.score import deviations

    server.ask(plan.probes, plan.positions)
    return float(deviations(committed, server.take(first=True, timed=timed)).max())


def _shown(server: Server, failure: ServerFailed) -> str:
    """Say why A failed before it had any scored row: its own words may be shown.

    B's never are: a channel that nobody knows of might lead from A to it.
    """
    return failure.told or f"The trained model cannot be scored: {server.why(failure)}."


def _differences(plan: Preflight, first: Logits, second: Logits) -> list[tuple[int, float, int]]:
    """Compare each probe with its row before the cut: (place of the probe, largest deviation, position of it)."""
    from autoresearch_dagster.evaluation.score import deviations

    found: list[tuple[int, float, int]] = []
    for place, (row, cut) in enumerate(zip(plan.order, plan.cuts, strict=True)):
        deviation = deviations(first[row, :cut], second[place, :cut])
        worst = int(deviation.argmax())
        found.append((place, float(deviation[worst]), worst))
    return found


def _diagnosis(server: Server, plan: Preflight, first: Logits, tolerance: float, place: int, position: int) -> str:
    """Ask further until it is clear what the answers depend on that they should not."""
    from autoresearch_dagster.evaluation.score import deviations

    def differ(one: Logits, other: Logits) -> bool:
        return any(float(deviations(a, b).max()) > tolerance for a, b in zip(one, other, strict=True))

    server.ask(plan.rows)
    if differ(first, server.take()):
        return (
            "The model's answers in eval() are not deterministic: the same rows asked twice gave different logits; "
            "random numbers, a clock, or something that forward keeps from call to call."
        )
    server.ask(plan.company)
    if differ(first[plan.order][::2], server.take()[::2]):
        return (
            "The model's answers depend on the other rows of the batch or on a row's place in it: is dropout on in "
            "eval() (F.dropout needs training=self.training), or a statistic taken over the batch?"
        )
    cut = int(plan.cuts[place])
    return (
        f"The model looks ahead: its answer at position {position} changes when tokens from position {cut} on "
        "change; each position may use the tokens up to its own and no later one."
    )
