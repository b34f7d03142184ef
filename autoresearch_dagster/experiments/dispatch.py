"""One dispatch: hand the planned experiments to as many threads as there are slots, collect each once."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autoresearch_dagster.containers.machine_slots import still_in
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import (
    AutoresearchError,
    BudgetExceeded,
    DeviceLost,
    DiskFull,
    RunnerGone,
    StoreConflict,
    StoreUnavailable,
    UserError,
)
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Outcome, Purpose
from autoresearch_dagster.core.presets import gpu_reserve_s
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.attempt_record import AttemptRecord, find_attempt
from autoresearch_dagster.experiments.early_stop import rivals_of
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, Laboratory, experiment_lease
from autoresearch_dagster.experiments.patience import Kept, await_runner, patiently
from autoresearch_dagster.experiments.room import ensure_room
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt, attempt_of
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import Lease, this_process
from autoresearch_dagster.store.ledger import ensure_gpu
from autoresearch_dagster.store.state import Experiment
from autoresearch_dagster.training.job import Halt
from autoresearch_dagster.training.run import Left

log = logging.getLogger(__name__)
UnderWay = tuple[Path, AttemptRecord]


class Dispatch:
    """The experiments of a session's pending call, running.

    Each experiment is held by a lease of its own while it runs, so that two drivers never train it twice; its
    result is committed at most once.  What is nobody's fault (Docker away, the journal locked) is waited for; when
    that takes too long, or the disk is full, `trouble` says so and the experiment keeps its place.
    """

    def __init__(self, session: str, lab: Laboratory, board: Board, run_id: str, concurrency: int) -> None:
        self._session = session
        self._lab = lab
        self._board = board
        self._run_id = run_id
        self._halt = Halt.NO
        self._slots = lab.slots()
        self._pool = ThreadPoolExecutor(
            max_workers=max(1, min(concurrency, len(self._slots))), thread_name_prefix="experiment"
        )
        self._futures: dict[ExperimentKey, Future[ExperimentResult]] = {}
        self.trouble = ""
        """Why nothing more should be launched on this machine now; '' where nothing speaks against it."""

    def submit_all(self) -> list[ExperimentKey]:
        """Start every planned experiment that has no result; return their keys in planned order."""
        state = self._lab.store.journal.state(self._session)
        for experiment in state.unfinished:
            planned = experiment.planned
            self._board.add(planned.key, planned.shown_as)
            self._futures[planned.key] = self._pool.submit(self._run, experiment)
        return list(self._futures)

    def wait(self, key: ExperimentKey, for_s: float | None = None) -> ExperimentResult | None:
        """Wait for the result of one experiment; None: it has none after `for_s` seconds, if those are given.

        Raises:
            AutoresearchError: the driver was stopped, or this machine cannot go on, before it had one.
        """
        future = self._futures[key]
        return future.result() if wait([future], for_s).done else None

    def stop(self, *, kill: bool = False) -> None:
        """Ask the running experiments to end without a result; they are taken up again later.

        Args:
            kill: end their containers; else those that outlive their driver run on.
        """
        leave = self._lab.runner.outlives_driver and not kill
        self._halt = Halt.LEAVE if leave else Halt.KILL

    def close(self) -> None:
        """Wait for the threads; after `stop` this takes no longer than a look at each container."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, experiment: Experiment) -> ExperimentResult:
        key = experiment.planned.key
        reason = ""
        with self._lab.store.leases.hold(experiment_lease(key), this_process()) as lease:
            for _ in range(lim.ATTEMPTS):
                try:
                    return self._attempt(experiment, lease)
                except (DiskFull, UserError, StoreUnavailable) as fault:
                    self.trouble = self.trouble or str(fault)
                    raise
                except BudgetExceeded as fault:
                    return self._beyond_cap(experiment, lease, fault)
                except Left:
                    raise StoreConflict(f"{key} trains on; resuming the session collects it.") from None
                except StoreConflict:
                    raise
                except AutoresearchError as fault:
                    reason = str(fault)
                    log.warning("attempt failed key=%s reason=%s", key, reason)
                    self._refuse_if_halted(key)
                    if isinstance(fault, DeviceLost):  # what it left was made by a broken device
                        self._sweep(key)
                    if isinstance(fault, RunnerGone):
                        self._await_runner(key, fault)
            lost = ExperimentResult(outcome=Outcome.LOST, error=reason, runner=self._lab.runner.name)
            return self._commit(key, lost, lease)

    def _beyond_cap(self, experiment: Experiment, lease: Lease, fault: BudgetExceeded) -> ExperimentResult:
        """End an experiment for which no GPU time is left; without its noise floor a session cannot go on.

        Raises:
            BudgetExceeded: it is a training of the noise floor.
        """
        if experiment.planned.purpose is Purpose.NOISE_FLOOR:
            self.trouble = self.trouble or str(fault)
            raise fault
        stopped = ExperimentResult(outcome=Outcome.STOPPED, error=str(fault), runner=self._lab.runner.name)
        return self._commit(experiment.planned.key, stopped, lease)

    def _attempt(self, experiment: Experiment, lease: Lease) -> ExperimentResult:
        """Wait for a slot, run the experiment in it, commit what became of it."""
        planned, key, store = experiment.planned, experiment.planned.key, self._lab.store
        with store.slots.slot(self._session, this_process(), self._offer, lambda: bool(self._halt)) as slot:
            recorded = store.journal.state(self._session).everything[key].result
            if recorded is not None:
                self._sweep(key)
                return recorded
            ensure_room(self._lab.settings, sum(future.running() for future in self._futures.values()) - 1)
            attempt, under_way = self._patiently(key, lambda: self._begin(experiment, slot, lease))
            begun = time.monotonic()
            result = run_planned(
                planned,
                self._lab,
                attempt,
                on_progress=lambda point, used, left: self._board.progress(key, point, used, left),
                on_stage=lambda stage: self._board.stage(key, stage),
                halt=lambda: self._halt,
                under_way=under_way,
            )
            if result.outcome is Outcome.STOPPED:
                self._refuse_if_halted(key)
            if slot.gpu:
                held_s = max(time.monotonic() - begun, result.containers_s)
                result = result.model_copy(update={"gpu_sec": round(held_s, 3)})
            return self._commit(key, result, lease)

    def _offer(self) -> tuple[Slot, ...]:
        return still_in(self._lab.settings, self._slots)

    def _begin(self, experiment: Experiment, slot: Slot, lease: Lease) -> tuple[Attempt, UnderWay | None]:
        """Go on with the attempt that a dead driver left, or clear what it left and count another one.

        Raises:
            StoreConflict: the lease was lost meanwhile: what lies there is another driver's.
        """
        planned, key, owner = experiment.planned, experiment.planned.key, this_process()
        journal = self._lab.store.journal
        with journal.transaction(self._session, lease) as transaction:
            number = transaction.state.everything[key].attempts
        under_way = find_attempt(self._lab, key, number)
        if under_way is not None and not self._can_go_on(under_way, slot):
            under_way = None
        if under_way is None:
            self._lab.sweep(key)
        elif under_way[1].report is not None:
            self._lab.runner.reap({KEY_LABEL: key})  # only scoring is left to do
        with journal.transaction(self._session, lease) as transaction:
            if under_way is None:
                number = transaction.state.everything[key].attempts + 1
            run, where = self._run_id, str(slot)
            if under_way is not None:
                resumed = ev.AttemptResumed(key=key, attempt=number, owner=owner, run_id=run, slot=where)
                transaction.append(resumed)
            else:
                reserve_s = gpu_reserve_s(planned.config, self._lab.preset)
                ensure_gpu(transaction.state.ledger, transaction.state.config, reserve_s)
                transaction.append(
                    ev.AttemptStarted(
                        key=key, attempt=number, owner=owner, run_id=run, slot=where, gpu_reserve_s=reserve_s
                    )
                )
        self._board.stage(key, "starting" if under_way is None else "taken up again", slot)
        state = journal.state(self._session)
        attempt = attempt_of(state, planned, self._lab, number, slot, len(self._slots))
        return replace(attempt, rivals=rivals_of(state, planned, self._lab)), under_way

    def _can_go_on(self, under_way: UnderWay, slot: Slot) -> bool:
        workspace, record = under_way
        if record.report is not None:
            return record.report.checkpoint is None or record.report.checkpoint.is_file()
        return self._lab.runner.outlives_driver and record.gpu == slot.gpu and (workspace / "out").is_dir()

    def _commit(self, key: ExperimentKey, result: ExperimentResult, lease: Lease) -> ExperimentResult:
        """Write a result down, at most one, and remove what is left of its experiment."""

        def write() -> ExperimentResult:
            with self._lab.store.journal.transaction(self._session, lease) as transaction:
                recorded = transaction.state.everything[key].result
                if recorded is None:
                    transaction.append(ev.ExperimentFinished(key=key, result=result, run_id=self._run_id))
                return recorded or result

        recorded = self._patiently(key, write)
        self._board.finish(key, recorded)
        self._sweep(key)
        return recorded

    def _sweep(self, key: ExperimentKey) -> None:
        """Remove what is left of an experiment; what cannot be removed now is maintenance's."""
        with suppress(AutoresearchError):
            self._lab.sweep(key)

    def _patiently(self, key: ExperimentKey, write: Callable[[], Kept]) -> Kept:
        return patiently(write, lambda: bool(self._halt), lambda: self._board.stage(key, "waiting for the journal"))

    def _await_runner(self, key: ExperimentKey, fault: RunnerGone) -> None:
        def waiting() -> None:
            self._refuse_if_halted(key)
            self._board.stage(key, "waiting for Docker")

        try:
            await_runner(self._lab.runner, fault, waiting)
        except RunnerGone:
            self.trouble = self.trouble or str(fault)
            raise

    def _refuse_if_halted(self, key: ExperimentKey) -> None:
        if self._halt:
            raise StoreConflict(f"The experiment {key} was stopped; resume the session to run it again.")
