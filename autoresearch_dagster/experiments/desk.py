"""One driver at work on one session: it holds the lease from the first thought to the settled batch."""

from collections.abc import Callable
from contextlib import ExitStack

from autoresearch_dagster.agent.halting import obey
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.experiments.dispatch import Dispatch
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.session import (
    advance_session,
    laboratory_of,
    lease_name,
    pause,
    settle,
    stop_experiments,
)
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store.leases import Lease, this_process
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store, open_store


class Desk:
    """Advances a session by one dispatch.  Use as a context manager: leaving it releases everything."""

    def __init__(
        self,
        settings: Settings,
        board: Board | None = None,
        report: Report | None = None,
        terminated: Callable[[], str] = lambda: "",
        interrupted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Work on this machine; `board` and `report` are for a person who watches.

        `terminated` is asked when the desk is left: why somebody ended its experiments, '' if nobody did.
        `interrupted` says whether the person pressed Ctrl-C.
        """
        self.settings = settings
        self.board = board or Board()
        self.report = report
        self.interrupted = interrupted
        self._terminated = terminated
        self._stack = ExitStack()
        self._store: Store | None = None
        self._lease: Lease | None = None
        self._lab: Laboratory | None = None
        self._dispatch: Dispatch | None = None
        self._session = ""
        self._judged: dict[ExperimentKey, tuple[str, str]] = {}

    def __enter__(self) -> "Desk":
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._leave(self._terminated())
        finally:
            self._stack.close()

    def _leave(self, ended_because: str) -> None:
        """Stop what runs; where a person ended it, that is its result."""
        if self._dispatch is not None:
            self._dispatch.stop(kill=bool(ended_because))
            self._dispatch.close()
            self._dispatch = None
        if ended_because and self._session:
            for key in stop_experiments(self._session, self.store, ended_because):
                if self._lab is not None:
                    self._lab.sweep(key)

    @property
    def store(self) -> Store:
        """The store, opened on first use."""
        if self._store is None:
            self._store = open_store(self.settings)
        return self._store

    @property
    def session(self) -> str:
        """Id of the session at this desk."""
        return self._session

    def state(self) -> SessionState:
        """The session as it stands."""
        return self.store.journal.state(self._session)

    def newly_judged(self) -> list[Experiment]:
        """Return the candidates whose standing or reason changed at this desk."""
        state = self.state()
        now = _judgements(state)
        return [state.experiments[key] for key in now if now[key] != self._judged.get(key)]

    def advance(
        self, session: str, run_id: str, report: Report, on_bundle: Callable[[Bundle], None] = lambda _: None
    ) -> list[ExperimentKey]:
        """Take the session's lease, let the agent think, start what it planned; return the keys.

        `on_bundle` is told what all scores of the session rest on, while nothing trains yet.

        Raises:
            StoreConflict: somebody else drives this session now.
        """
        self._session = session
        self._judged = _judgements(self.state())
        self._lease = self._stack.enter_context(self.store.leases.hold(lease_name(session), this_process()))
        lab = self._lab = laboratory_of(self.state(), self.settings, report)
        report(lab.runner_note)
        on_bundle(lab.bundle)
        advance_session(session, lab, self._lease, report)
        return self._start(lab, run_id) if self.state().status == "active" else []

    def _start(self, lab: Laboratory, run_id: str) -> list[ExperimentKey]:
        concurrency = self.state().config.concurrency
        self._dispatch = Dispatch(self._session, lab, self.board, run_id, concurrency)
        return self._dispatch.submit_all()

    def wait(self, key: ExperimentKey, look: Callable[[], None] = lambda: None) -> ExperimentResult:
        """Wait for one experiment of this dispatch; a person may end it meanwhile.

        `look` is called every second, so that who watches is told what happens on the board.

        Raises:
            AutoresearchError: it ended without a result; it keeps its place.
        """
        if self._dispatch is None:
            raise RuntimeError("Nothing was started at this desk.")
        while (result := self._dispatch.wait(key, limits.HALT_LOOK_S)) is None:
            look()
            asked = self.state().asked
            if asked is not None and asked.kill:
                self._dispatch.stop(kill=True)
        return result

    def settle(self) -> SessionState:
        """Judge what was trained, answer the paused plan where it is decided; return the session as it stands."""
        if self._lab is not None:
            settle(self._session, self._lab, self._lease)
            obey(self.store.journal, self._session, self._lease)
        if self._dispatch is not None and self._dispatch.trouble:
            pause(self._session, self.store, self._dispatch.trouble, trouble=True)
        return self.state()


def _judgements(state: SessionState) -> dict[ExperimentKey, tuple[str, str]]:
    """Say what every judged candidate is worth; a champion changes the standing of the one before."""
    return {
        key: (str(one.result.standing), one.judgement)
        for key, one in state.experiments.items()
        if one.result is not None and one.judgement
    }
