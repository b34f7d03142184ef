"""What training while serving wins at the size of the workshop; docs/trust.md has the figures of a run."""

import dataclasses

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome
from autoresearch_dagster.core.limits import DEADLINE_SLACK, GIB, SERVE_SHARE
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.evaluator import EvaluationJob, Score, evaluate
from autoresearch_dagster.training.job import Halt, Hooks, TrainingJob
from autoresearch_dagster.training.run import train
from tests.redteam_table import CANDIDATES

pytestmark = [pytest.mark.night, pytest.mark.timeout(3_600)]

STEPS = (0, 4, 8, 12, 16, 20, 30, 40)
"""Late steps that are tried with one and the same checkpoint, until they are refused."""
MOST_BPB = 0.02
"""Twice what docs/trust.md expects."""


def test_late_training_wins_a_hundredth_of_a_bit_at_most(sample_bundle, tmp_path):
    preset, core = PRESETS["workshop"], load_settings().cores[-1]
    code, runner = (CANDIDATES / "late_workshop.py").read_bytes(), LocalRunner(HARNESS, tmp_path / "jobs")
    budget = preset.config.time_budget_sec
    job = TrainingJob(
        key=ExperimentKey("x_late"),
        attempt=1,
        title="late",
        train_py=code,
        config=preset.config,
        bundle=sample_bundle,
        limits=JobLimits(preset.memory_bytes, Slot((core,))),
        cpu_metered=True,
        labels={},
    )
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    report = train(job, runner, workspace, Hooks(lambda *_: None, lambda: Halt.NO))
    assert report.outcome is Outcome.TRAINED, report.error
    asked = EvaluationJob(
        key="x_late",
        checkpoint=report.checkpoint,
        train_py=code,
        bundle=sample_bundle,
        limits=JobLimits(4 * GIB, Slot((core,))),
        labels={},
        n_rows=preset.scored_rows,
        budget_s=float(budget),
        used_s=report.cpu_s,
        tolerances=tmp_path / "tolerances",
    )
    print(f"trained {report.claims.steps} steps in {report.cpu_s:.1f} s")  # noqa: T201
    accepted = {}
    for steps in STEPS:
        changed = code.replace(b"LATE_STEPS = 0", f"LATE_STEPS = {steps}".encode())
        score = evaluate(dataclasses.replace(asked, train_py=changed), runner)
        if not isinstance(score, Score):
            print(f"{steps} late steps: {score.reason}")  # noqa: T201
            break
        serve = score.serve
        print(  # noqa: T201
            f"{steps} late steps: {score.val_bpb:.4f}, {score.audit.mismatches} mismatches, "
            f"charged {serve.charged_s:.2f} of {serve.allowed_s:.2f} s"
        )
        assert score.rejected == ""
        accepted[steps] = score
    assert steps > 0, "the honest model was refused"
    assert len(accepted) < len(STEPS), "nothing was refused"
    gains = {steps: accepted[0].val_bpb - score.val_bpb for steps, score in accepted.items()}
    assert max(gains.values()) < MOST_BPB
    for score in accepted.values():
        late_s = score.serve.charged_s - accepted[0].serve.charged_s
        assert report.cpu_s + late_s <= (DEADLINE_SLACK + SERVE_SHARE) * budget
