"""What a training becomes, with the real harness in a real process; budgets of a second or two."""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome, PlannedExperiment, TrainConfig
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.limits import DEADLINE_SLACK, GIB, MIB
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.attempt_record import AttemptRecord
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE, Laboratory, scratch_prefix
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import Halt, Hooks, TrainingJob
from autoresearch_dagster.training.run import train

MISBEHAVING = (Path(__file__).parents[1] / "candidates" / "misbehaving.py").read_bytes()
CONFIG = TrainConfig(n_layer=1, n_head=2, n_embd=16, max_steps=10, time_budget_sec=20, learning_rate=1e-2)
CORE = sorted(os.sched_getaffinity(0))[-1] if hasattr(os, "sched_getaffinity") else 0
CORE_SLOT = Slot((CORE,))


@pytest.fixture
def run(bundle, tmp_path):
    """Train a candidate; by default one of misbehaving.py, named by its title."""
    runner = LocalRunner(HARNESS, tmp_path / "jobs")
    workspace = tmp_path / "workspace"
    workspace.mkdir()

    def run(title, *, code=MISBEHAVING, seconds=20, on_progress=None, halt=Halt.NO, **changes):
        job = TrainingJob(
            key=ExperimentKey("s00_d00_e00"),
            attempt=1,
            title=title,
            train_py=code,
            config=CONFIG.model_copy(update={"time_budget_sec": seconds}),
            bundle=bundle,
            limits=JobLimits(2 * GIB, CORE_SLOT),
            cpu_metered=True,
            labels={},
        )
        job = dataclasses.replace(job, **changes)
        return train(job, runner, workspace, Hooks(on_progress or (lambda *_: None), lambda: halt))

    return run


def test_the_baseline_trains_hands_over_and_shows_its_curve(run):
    seen = []
    # long enough to be seen at work on a crowded machine
    longer = CONFIG.model_copy(update={"max_steps": 100, "time_budget_sec": 20})
    report = run(
        "baseline", code=BASELINE_FILE.read_bytes(), config=longer, on_progress=lambda *at: seen.append(at)
    )

    assert (report.outcome, report.error) == (Outcome.TRAINED, "")
    assert report.checkpoint is not None
    assert report.checkpoint.stat().st_size > 0
    assert [point.step for point in report.curve] == list(range(5, 101, 5))
    assert report.curve[-1].loss < report.curve[0].loss
    assert report.claims.steps == 100
    assert report.cpu_s > 0
    assert report.peak_memory_bytes > 50 * MIB
    assert all(used >= 0 and left >= 0 for _point, used, left in seen)


def test_a_training_that_its_budget_cuts_short_still_hands_over(run):
    many = CONFIG.model_copy(update={"max_steps": 1_000_000, "time_budget_sec": 3})
    report = run("baseline", code=BASELINE_FILE.read_bytes(), config=many)

    assert (report.outcome, report.error) == (Outcome.TRAINED, "")
    assert 0 < report.claims.steps < 1_000_000
    assert report.cpu_s < 3 * DEADLINE_SLACK + 1


def test_two_trainings_with_one_seed_give_one_checkpoint(run, bundle, tmp_path):
    first = run("baseline", code=BASELINE_FILE.read_bytes())
    kept = tmp_path / "first.pt"
    shutil.move(first.checkpoint, kept)
    shutil.rmtree(tmp_path / "workspace")
    (tmp_path / "workspace").mkdir()
    second = run("baseline", code=BASELINE_FILE.read_bytes())

    assert [point.loss for point in first.curve] == [point.loss for point in second.curve]
    assert kept.read_bytes() == second.checkpoint.read_bytes()


@pytest.mark.parametrize(
    ("code", "outcome", "words"),
    [
        (b"def run_training(config:\n", Outcome.CRASHED, "SyntaxError"),
        (b"import no_such_module\n", Outcome.CRASHED, "ModuleNotFoundError"),
        (b"def train(config): ...\n", Outcome.REFUSED, "must define run_training(config)"),
        (b"\xff\xfe not text", Outcome.CRASHED, "SyntaxError"),
    ],
)
def test_a_file_without_a_training_is_told_so(run, code, outcome, words):
    report = run("x", code=code)

    assert report.outcome is outcome
    assert words in report.error
    assert report.checkpoint is None
    assert report.wall_s >= 0


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("wrong_return", "run_training returned dict; return"),
        ("not_a_module", "hand over a torch.nn.Module"),
        ("no_model", "set ExperimentResult.model"),
        ("local_class", "at module level"),
        ("exit_zero", "no model was handed over"),
    ],
)
def test_a_broken_contract_is_refused_with_its_cure(run, title, words):
    report = run(title)

    assert report.outcome is Outcome.REFUSED
    assert words in report.error
    assert report.checkpoint is None


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("link_to_a_file", "not a plain file"),
        ("pipe", "not a plain file"),
        ("folder", "not a plain file"),
        ("hard_link", "several names"),
    ],
)
def test_a_checkpoint_that_is_no_plain_file_is_refused(run, title, words):
    report = run(title)

    assert report.outcome is Outcome.REFUSED
    assert words in report.error
    assert report.checkpoint is None


def test_one_that_hangs_times_out(run):
    report = run("hang", seconds=1, cpu_metered=False)

    assert report.outcome is Outcome.TIMED_OUT
    assert report.error == "Its budget of 1 s was used up and no model was handed over."


def test_one_that_ignores_its_budget_is_stopped_at_it(run):
    report = run("burn_without_model", seconds=1)

    assert report.outcome is Outcome.TIMED_OUT
    assert 1.0 < report.cpu_s < 5.0  # stopped at 1.1 s; the rest is the granularity of looking


def test_what_was_handed_over_before_the_budget_ended_counts(run):
    report = run("burn_after_hand_over", seconds=1)

    assert report.outcome is Outcome.TRAINED
    assert report.checkpoint is not None
    assert report.cpu_s > 1.0
    assert [point.loss for point in report.curve] == [2.5]
    assert report.claims.steps == report.curve[-1].step, "its own report was cut off with it"


def test_a_person_can_stop_it(run):
    report = run("hang", halt=Halt.KILL)

    assert report.outcome is Outcome.STOPPED


@pytest.mark.parametrize("title", ["speaks_of_oom", "exit_like_a_killed_one"])
def test_only_the_kernel_says_that_memory_ran_out(run, title):
    assert run(title).outcome is Outcome.CRASHED


def test_one_that_needs_more_memory_than_it_has_is_out_of_memory(run):
    report = run("burn_without_model", limits=JobLimits(100 * MIB, CORE_SLOT))  # torch alone takes more

    assert report.outcome is Outcome.HOST_OOM
    assert "0.1 GiB" in report.error


def test_one_that_writes_too_much_is_refused(run):
    report = run("write_much", output_bytes=1_000_000)

    assert report.outcome is Outcome.REFUSED
    assert "wrote more than 1 MiB" in report.error


def test_a_checkpoint_above_the_limit_is_refused(run):
    report = run("forge", output_bytes=500)

    assert report.outcome is Outcome.REFUSED
    assert report.checkpoint is None


def test_folders_nested_without_end_do_not_harm_the_host(run, tmp_path):
    report = run("deep_folders")

    assert report.outcome in (Outcome.TRAINED, Outcome.REFUSED)  # refused where the depth was seen in time
    subprocess.run(["rm", "-rf", tmp_path / "workspace" / "out"], check=True)  # pytest's own way gives up


def test_garbage_in_the_progress_file_is_skipped(run):
    report = run("garbage_progress")

    assert report.outcome is Outcome.TRAINED
    assert [(point.step, point.loss) for point in report.curve] == [(7, 1.5)]
    assert report.claims.n_params is None
    assert report.claims.notes == "\\x1b[31mred\\x00"


def test_the_job_is_gone_and_its_checkpoint_is_a_copy_it_never_saw(run, tmp_path):
    report = run("uniform")

    assert report.checkpoint == tmp_path / "workspace" / "frozen.pt"
    assert list((tmp_path / "jobs").glob("*.json")) == []


# --- from training to a score ---------------------------------------------------------


@pytest.fixture
def lab(bundle, tmp_path):
    settings = Settings(home=tmp_path / "home", runner="plain")
    preset = dataclasses.replace(PRESETS["demo"], config=CONFIG, sequence_length=32, scored_rows=16)
    runner = LocalRunner(HARNESS, tmp_path / "jobs")
    store = open_store(settings)
    return Laboratory(settings, store, runner, "local:test", "", bundle, preset, BASELINE_FILE.read_bytes())


def scored(lab, title, code=MISBEHAVING):
    planned = PlannedExperiment(
        key=ExperimentKey("s00_d00_e00"),
        title=title,
        revision=1,
        train_py=lab.store.blobs.put(code),
        config=CONFIG,
    )
    stages = []
    result = run_planned(
        planned, lab, Attempt(number=1, slot=CORE_SLOT), lambda *_: None, stages.append, lambda: Halt.NO
    )
    return result, stages


def test_a_forged_score_is_a_claim_and_never_the_score(lab):
    honest, _ = scored(lab, "uniform")
    forged, stages = scored(lab, "forge")

    assert stages == ["training", "scoring"]
    assert forged.outcome is Outcome.TRAINED
    assert forged.claims.val_bpb == 0.0123
    assert forged.claims.model_name == "\\x1b[2Jwinner\\r"
    assert forged.val_bpb == honest.val_bpb  # both hand over a model that knows nothing
    assert forged.val_bpb_exact == pytest.approx(8.0)  # log2(256) bits for each token, one byte each


def test_a_model_that_cannot_be_scored_is_refused_and_has_no_score(lab):
    result, _ = scored(lab, "unloadable")

    assert result.outcome is Outcome.REFUSED
    assert "this model does not load" in result.error
    assert result.val_bpb is None
    assert result.receipt is None


def test_a_score_rests_on_a_receipt_that_names_everything(lab):
    from autoresearch_dagster.evaluation.receipt import Receipt

    result, _ = scored(lab, "baseline", lab.baseline)

    receipt = Receipt.model_validate_json(lab.store.blobs.get(result.receipt))
    assert receipt.digest == result.receipt
    assert receipt.val_bpb == result.val_bpb
    assert (receipt.n_rows, receipt.n_targets) == (16, 16 * 32)
    assert lab.store.blobs.get(receipt.train_py) == lab.baseline
    assert receipt.checkpoint == result.checkpoint
    assert receipt.bundle == lab.bundle.digest
    assert not receipt.sandboxed


def test_of_an_experiment_one_workspace_is_left_which_its_driver_sweeps_when_the_result_is_committed(lab):
    result, _ = scored(lab, "uniform")

    (workspace,) = find_folders(scratch_prefix(lab.settings))
    record = AttemptRecord.model_validate_json((workspace / "attempt.json").read_bytes())
    assert record.report.outcome is result.outcome
    assert workspace.stat().st_mode & 0o077 == 0  # nobody else reads or forges what stands in it
    lab.sweep(ExperimentKey("s00_d00_e00"))
    assert find_folders(scratch_prefix(lab.settings)) == []
