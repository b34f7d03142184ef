"""One dispatch: hand the planned experiments to as many threads as there are slots, collect each once."""

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from autoresearch_dagster.containers.machine_slots import still_in
from autoresearch_dagster.core.errors import AutoresearchError, StoreConflict
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Outcome
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.early_stop import rivals_of
from autoresearch_dagster.experiments.laboratory import Laboratory, experiment_lease
from autoresearch_dagster.experiments.run_one import Attempt, run_planned
from autoresearch_dagster.experiments.scoring import attempt_of
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.state import Experiment

log = logging.getLogger(__name__)


class Dispatch:
    """The experiments of a session's pending call, running.

    Each experiment is held by a lease of its own while it runs, so that two drivers never train it twice; its
    result is committed at most once.
    """

    def __init__(self, session: str, lab: Laboratory, board: Board, run_id: str, concurrency: int) -> None:
        self._session = session
        self._lab = lab
        self._board = board
        self._run_id = run_id
        self._stop = threading.Event()
        self._slots = lab.slots()
        self._pool = ThreadPoolExecutor(
            max_workers=max(1, min(concurrency, len(self._slots))), thread_name_prefix="experiment"
        )
        self._futures: dict[ExperimentKey, Future[ExperimentResult]] = {}

    def submit_all(self) -> list[ExperimentKey]:
        """Start every planned experiment that has no result; return their keys in planned order."""
        state = self._lab.store.journal.state(self._session)
        for experiment in state.unfinished:
            planned = experiment.planned
            self._board.add(planned.key, planned.shown_as)
            self._futures[planned.key] = self._pool.submit(self._run, experiment)
        return list(self._futures)

    def wait(self, key: ExperimentKey) -> ExperimentResult:
        """Wait for the result of one experiment.

        Raises:
            AutoresearchError: the driver was stopped, or the store failed, before it had one.
        """
        return self._futures[key].result()

    def stop(self) -> None:
        """Ask the running experiments to end without a result; they are tried again later."""
        self._stop.set()

    def close(self) -> None:
        """Wait for the threads; after `stop` this takes no longer than a look at each container."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, experiment: Experiment) -> ExperimentResult:
        key = experiment.planned.key
        owner = this_process()
        store = self._lab.store
        with (
            store.leases.hold(experiment_lease(key), owner),
            store.slots.slot(self._session, owner, self._offer, self._stop.is_set) as slot,
        ):
            recorded = store.journal.state(self._session).everything[key].result
            if recorded is not None:
                return recorded
            attempt = self._begin(experiment, slot, owner)
            result = self._attempt(experiment, attempt)
            return self._commit(key, result)

    def _offer(self) -> tuple[Slot, ...]:
        return still_in(self._lab.settings, self._slots)

    def _begin(self, experiment: Experiment, slot: Slot, owner: str) -> Attempt:
        """Clear what a dead driver left of this experiment, and count the attempt."""
        planned, key = experiment.planned, experiment.planned.key
        self._lab.sweep(key)
        with self._lab.store.journal.transaction(self._session) as transaction:
            number = transaction.state.everything[key].attempts + 1
            transaction.append(
                ev.AttemptStarted(key=key, attempt=number, owner=owner, run_id=self._run_id, slot=str(slot))
            )
        self._board.stage(key, "starting", slot)
        state = self._lab.store.journal.state(self._session)
        attempt = attempt_of(state, planned, self._lab, number, slot)
        return replace(attempt, rivals=rivals_of(state, planned, self._lab))

    def _attempt(self, experiment: Experiment, attempt: Attempt) -> ExperimentResult:
        key = experiment.planned.key
        try:
            result = run_planned(
                experiment.planned,
                self._lab,
                attempt,
                on_progress=lambda point, used, left: self._board.progress(key, point, used, left),
                on_stage=lambda stage: self._board.stage(key, stage),
                stop=self._stop.is_set,
            )
        except AutoresearchError as fault:
            log.warning("experiment lost key=%s attempt=%d reason=%s", key, attempt.number, fault)
            result = ExperimentResult(outcome=Outcome.LOST, error=str(fault), runner=self._lab.runner.name)
        if self._stop.is_set() and result.outcome in (Outcome.STOPPED, Outcome.LOST):
            raise StoreConflict(f"The experiment {key} was stopped; resume the session to run it again.")
        return result

    def _commit(self, key: ExperimentKey, result: ExperimentResult) -> ExperimentResult:
        with self._lab.store.journal.transaction(self._session) as transaction:
            recorded = transaction.state.everything[key].result
            if recorded is None:
                transaction.append(ev.ExperimentFinished(key=key, result=result, run_id=self._run_id))
                recorded = result
        self._board.finish(key, recorded)
        return recorded
