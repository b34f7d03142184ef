"""One experiment from plan to result: train sealed, heal, freeze, score and audit trusted, write the receipt.

What its driver knows stands in the workspace at every moment (`attempt_record`): a driver that dies is followed by
one that goes on with the same container, or with the frozen checkpoint.  The workspace is the caller's to sweep.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core.errors import AutoresearchError, StoreConflict
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome, OutOfMemory, PlannedExperiment
from autoresearch_dagster.core.folders import remove_tree
from autoresearch_dagster.core.limits import SLOT_POLL_S
from autoresearch_dagster.core.presets import may_be_tried_again
from autoresearch_dagster.evaluation.evaluator import evaluate
from autoresearch_dagster.experiments.attempt_record import AttemptRecord
from autoresearch_dagster.experiments.describe import described
from autoresearch_dagster.experiments.device_check import on_sound_device
from autoresearch_dagster.experiments.early_stop import EarlyStop
from autoresearch_dagster.experiments.healing import Provision, healed, memory_ceiling
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.room import disk_faults_told
from autoresearch_dagster.experiments.scoring import Attempt, Trained, evaluation_job, judged, labels_of
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.training.job import Halt, Hooks, OnProgress, Ready, TrainingJob, TrainingReport
from autoresearch_dagster.training.run import take_over, train

LARGE = "memory"
"""Lease of whoever has more memory than the floor: one at a time, so that all others fit beside it."""


def run_planned(
    planned: PlannedExperiment,
    lab: Laboratory,
    attempt: Attempt,
    on_progress: OnProgress,
    on_stage: Callable[[str], None],
    halt: Callable[[], Halt],
    under_way: tuple[Path, AttemptRecord] | None = None,
) -> ExperimentResult:
    """Train a candidate and score it; whatever the candidate does becomes a result.

    Args:
        planned: what is trained.
        lab: where.
        attempt: how it is run this time.
        on_progress: receives the newest curve point, seconds of resource time used and seconds left.
        on_stage: receives a word for what happens now.
        halt: what its driver wants of it.
        under_way: the same attempt, where another driver left it.

    Raises:
        DiskFull: what the disk has left does not suffice.
        DeviceLost: the GPU failed under it; another try needs another slot.
        Left: the driver halted and left the training to run on.
        AutoresearchError: a fault of ours; the experiment may be tried again.
    """
    run = _Run(planned, lab, attempt, on_stage, Hooks(on_progress, halt))
    with disk_faults_told(planned.key):
        return on_sound_device(lab.settings, attempt.slot, lambda: _tried(run, under_way))


def _tried(run: "_Run", under_way: tuple[Path, AttemptRecord] | None) -> ExperimentResult:
    """Try until nothing more can be given to it; each try in a workspace of its own."""
    workspace, record = under_way or run.begin(Next(run.attempt.provision or run.floor))
    while True:
        with run.room(record.provision):
            ended = run.trained(workspace, record)
            if ended is None:
                following = Next(record.provision, record.out_of_memory)
            else:
                following = run.healed(ended)
                if following is None:
                    return run.scored(workspace, ended)
        remove_tree(workspace)
        workspace, record = run.begin(following)


@dataclass(frozen=True, slots=True)
class Next:
    """What the next try is given, and the tries before it that ran out of memory."""

    provision: Provision
    out_of_memory: tuple[OutOfMemory, ...] = ()


def _failed(record: AttemptRecord) -> OutOfMemory:
    report, given = _report_of(record), record.provision
    return OutOfMemory(
        outcome=report.outcome,
        memory_bytes=given.memory_bytes,
        device_batch_size=given.device_batch_size,
        grad_accum_steps=given.grad_accum_steps,
        cpu_sec=report.cpu_s,
        duration_sec=report.wall_s,
    )


def _report_of(record: AttemptRecord) -> TrainingReport:
    assert record.report is not None
    return record.report


class _Run:
    """One experiment with everything that stays the same over its tries."""

    def __init__(
        self,
        planned: PlannedExperiment,
        lab: Laboratory,
        attempt: Attempt,
        on_stage: Callable[[str], None],
        hooks: Hooks,
    ) -> None:
        self.planned, self.lab, self.attempt = planned, lab, attempt
        self.on_stage, self.hooks = on_stage, hooks
        self.floor = Provision(
            lab.preset.memory_bytes, planned.config.device_batch_size, planned.config.grad_accum_steps
        )

    def begin(self, following: Next) -> tuple[Path, AttemptRecord]:
        """Make a workspace for the next try."""
        workspace = Path(tempfile.mkdtemp(prefix=self.lab.scratch_prefix(self.planned.key)))
        record = AttemptRecord(
            attempt=self.attempt.number,
            gpu=self.attempt.slot.gpu,
            provision=following.provision,
            out_of_memory=following.out_of_memory,
        )
        return workspace, record.write(workspace)

    def trained(self, workspace: Path, record: AttemptRecord) -> AttemptRecord | None:
        """Train, or go on with the training that another driver left; None where that cannot be used."""
        if record.report is not None:
            return record
        self.on_stage("training")
        job = self._job(record.provision)

        def on_ready(ready: Ready) -> None:
            record.model_copy(update={"ready": ready}).write(workspace)

        far_behind = EarlyStop(self.planned.config.time_budget_sec, self.attempt.rivals)
        hooks = replace(self.hooks, far_behind=far_behind, on_ready=on_ready)
        try:
            if (workspace / "out").exists():
                report = take_over(job, self.lab.runner, workspace, record.ready, hooks)
            else:
                report = train(job, self.lab.runner, workspace, hooks)
        except AutoresearchError:  # nothing is known of it: the next try begins anew
            remove_tree(workspace)
            raise
        if report is None:
            return None
        ended = record.model_copy(update={"report": report})
        if report.interrupted:  # it is trained again: nobody may take this for its end
            remove_tree(workspace)
            return ended
        return ended.write(workspace)

    def healed(self, record: AttemptRecord) -> Next | None:
        """Say what the next try is given, if there is to be one."""
        given, before = record.provision, record.out_of_memory
        ceiling = memory_ceiling(self.lab.preset.memory_bytes, self.attempt.n_slots)
        provision = healed(given, _report_of(record).outcome, len(before), ceiling)
        used_s = sum(one.duration_sec for one in (*before, _failed(record)))
        if provision is None or not may_be_tried_again(self.planned.config, self.lab.preset, used_s):
            return None
        more = provision.memory_bytes > given.memory_bytes
        self.on_stage(f"again with {'more memory' if more else 'a smaller micro-batch'}")
        return Next(provision, (*before, _failed(record)))

    def scored(self, workspace: Path, record: AttemptRecord) -> ExperimentResult:
        """Say how the training went and, where it handed a model over, what that is worth."""
        report = _report_of(record)
        result = described(self.planned, self.lab, self.attempt, record)
        if report.outcome is not Outcome.TRAINED or report.checkpoint is None:
            return result
        checkpoint = self.lab.store.blobs.put_file(report.checkpoint)
        trained = Trained(
            self.planned, self.lab, self.attempt, report, checkpoint, record.provision.memory_bytes, result.ran_as
        )
        self.on_stage("scoring")
        return judged(result, trained, evaluate(evaluation_job(trained), self.lab.runner))

    def _job(self, provision: Provision) -> TrainingJob:
        planned, lab, attempt = self.planned, self.lab, self.attempt
        return TrainingJob(
            key=planned.key,
            attempt=attempt.number,
            title=planned.title,
            train_py=lab.store.blobs.get(planned.train_py),
            config=provision.applied_to(planned.config),
            bundle=lab.bundle,
            limits=JobLimits(memory_bytes=provision.memory_bytes, slot=attempt.slot),
            cpu_metered=lab.preset.cpu_metered,
            labels=labels_of(planned, attempt),
        )

    @contextmanager
    def room(self, provision: Provision) -> Iterator[None]:
        """Wait until no other experiment of this machine has more than the floor of memory, if this one will."""
        if provision.memory_bytes <= self.lab.preset.memory_bytes:
            yield
            return
        owner, leases = this_process(), self.lab.store.leases
        name = f"{LARGE}:{owner.partition(':')[0]}"
        lease = None
        while lease is None:
            try:
                lease = leases.acquire(name, owner)
            except StoreConflict:
                if self.hooks.halt():
                    raise
                self.on_stage("waiting for memory")
                time.sleep(SLOT_POLL_S)
        with leases.continued(lease):
            yield
