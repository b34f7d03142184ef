"""The serve clock: a candidate that goes on training while it serves pays for it from its training budget.

Late training must be over in both servers before their first scored row, because an answer that depends on how
many came before is a mismatch for the audit.  Server B answers one batch of development rows and then scored
rows, so all that late training can use is B's time from the order to load to its first scored answer.  That
time is charged: together with the training it may not exceed the deadline by more than a small share.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median_low

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.evaluation.receipt import ServerTimes

CHARGED_ANSWERS = 2
"""B's batch of development rows and its first batch of scored rows."""


@dataclass(slots=True)
class ServeClock:
    """The time of one server, in seconds of `now`: CPU seconds of its container, or wall where it has a GPU.

    Everything from the order to load on is counted, also what is used between two answers.
    """

    now: Callable[[], float]
    load_s: float = 0.0
    answers_s: list[float] = field(default_factory=list[float])
    _last: float = 0.0

    def start(self) -> None:
        """The order to load is about to be given."""
        self._last = self.now()

    def loaded(self) -> None:
        """The model is loaded."""
        self.load_s = self._step()

    def answered(self) -> None:
        """One more answer has come."""
        self.answers_s.append(self._step())

    def _step(self) -> float:
        now = self.now()
        step, self._last = now - self._last, now
        return step

    @property
    def charged_s(self) -> float:
        """What counts as training time: loading and the first answers."""
        return self.load_s + sum(self.answers_s[:CHARGED_ANSWERS])

    @property
    def median_s(self) -> float:
        """The lower median of the answers after the first, which may have set things up."""
        return median_low(self.answers_s[1:] or [0.0])

    def times(self, wall_s: float) -> ServerTimes:
        """Say it for a receipt."""
        return ServerTimes(
            load_s=self.load_s,
            first_s=self.answers_s[0] if self.answers_s else 0.0,
            median_s=self.median_s,
            longest_s=max(self.answers_s[1:], default=0.0),
            served_s=self.load_s + sum(self.answers_s),
            wall_s=wall_s,
        )


@dataclass(frozen=True, slots=True)
class ServeLimits:
    """What serving may take.

    Units: seconds of resource time; `budget_s` the session's, `used_s` by this training.
    """

    budget_s: float
    used_s: float
    batch_rows: int = lim.ANSWER_BATCH_ROWS

    @property
    def allowed_s(self) -> float:
        """For loading and the first answers: what training left of its deadline, and a share on top."""
        left = max(0.0, lim.DEADLINE_SLACK * self.budget_s - self.used_s)
        return left + max(lim.SERVE_MIN_S, lim.SERVE_SHARE * self.budget_s)

    @staticmethod
    def budget_of(allowed_s: float, used_s: float) -> int:
        """Return the budget, in whole seconds, whose limits allowed so much: what a receipt tells of a session."""
        total = allowed_s + used_s
        small = (total - lim.SERVE_MIN_S) / lim.DEADLINE_SLACK
        large = total / (lim.DEADLINE_SLACK + lim.SERVE_SHARE)
        return round(min(small, large))

    @property
    def answer_s(self) -> float:
        """For a median answer: a model that trained on 20 rows at 3 passes each stays below."""
        return self.batch_rows * (lim.SERVE_ROW_S + self.budget_s / (3 * lim.SERVE_ROWS_SEEN))

    def wall_s(self, n_rows: int) -> float:
        """Wall seconds after which a server that sleeps is given up, however little it computes."""
        return lim.HARD_STOP_MIN_S + lim.SERVE_WALL_FACTOR * self.answer_s * n_rows / self.batch_rows

    def excess(self, clock: ServeClock) -> str:
        """Say which limit a server has passed by now, in one sentence, or ''."""
        if clock.charged_s > self.allowed_s:
            return (
                f"Loading the model and its first answers took {clock.charged_s:.1f} s, and {self.allowed_s:.1f} s "
                f"of the budget were left for it after {self.used_s:.1f} s of training; train within the budget, "
                "and do nothing in import, load or forward that can be done before the model is handed over."
            )
        if clock.median_s > self.answer_s:
            return (
                f"The model took {clock.median_s:.1f} s to answer {self.batch_rows} rows, and "
                f"{self.answer_s:.1f} s are allowed; make its forward pass cheaper."
            )
        later = lim.LATER_ANSWER_FACTOR * clock.median_s + lim.LATER_ANSWER_FLOOR_S
        longest = max(clock.answers_s[1:], default=0.0)
        if longest > later:
            return (
                f"One answer took {longest:.1f} s where the model's median is {clock.median_s:.1f} s; "
                "forward must do the same work at each call."
            )
        return ""
