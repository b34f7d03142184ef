"""MLflow shows what the journal says, once, however often it is told and whatever broke on the way."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
    Verdict,
    canonical_json,
)
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store import database as db, events as ev, promotion_events as pe, schema as sc
from autoresearch_dagster.store.store import Store, open_store
from autoresearch_dagster.tracking.mlflow_projection import Projector
from tests.judged import measured, noise_floor, promotion, screening

BASELINE = "def run_training(config):\n    width = 64\n"
WIDER = BASELINE.replace("64", "128")
DEEPER = WIDER + "    depth = 4\n"
IDENTITIES = ("autoresearch.parent_run", "mlflow.parentRunId", "mlflow.user")
CURVE = [{"step": step, "loss": 9.0 - step / 10, "elapsed_s": step / 4} for step in (0, 10, 20)]
AGAIN = """
import sys
from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.tracking.mlflow_projection import Projector
settings = Settings(home=Path(sys.argv[1]), mlruns=Path(sys.argv[2]))
print(Projector(settings, open_store(settings), sys.argv[4]).project(sys.argv[3]))
"""


class World:
    """One journal and one MLflow database, with a new session for every test."""

    def __init__(self, root: Path) -> None:
        self.settings = Settings(home=root / "home", mlruns=root / "mlruns")
        self.store: Store = open_store(self.settings)
        self.projector = Projector(self.settings, self.store, BASELINE)
        self.client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlruns' / 'mlflow.db'}")

    def project(self, session: str) -> int:
        return self.projector.project(session)

    def runs(self, session: str) -> dict[str, Run]:
        """Active runs by subject; twins are refused here."""
        name = self.store.journal.state(session).config.memory_key
        experiment = self.client.get_experiment_by_name(name)
        assert experiment is not None
        found = self.client.search_runs([experiment.experiment_id], max_results=100)
        subjects = [run.data.tags["autoresearch.subject"].split()[0] for run in found]
        assert len(subjects) == len(set(subjects)), subjects
        return dict(zip(subjects, found, strict=True))

    def forget(self, subject: str) -> None:
        with db.write(self.store.engine) as connection:
            connection.execute(sc.projections.delete().where(sc.projections.c.subject == subject))

    def picture(self, session: str) -> dict[str, Any]:
        """Everything that a person could see, without run ids."""
        return {
            subject: {
                "name": run.info.run_name,
                "status": run.info.status,
                "times": (run.info.start_time, run.info.end_time),
                "params": run.data.params,
                "tags": {name: text for name, text in run.data.tags.items() if name not in IDENTITIES},
                "metrics": {name: self.history(run, name) for name in run.data.metrics},
                "files": sorted(file.path for file in self.client.list_artifacts(run.info.run_id)),
                "datasets": [entry.dataset.digest for entry in run.inputs.dataset_inputs],
            }
            for subject, run in self.runs(session).items()
        }

    def history(self, run: Run, metric: str) -> list[tuple[int, float]]:
        points = self.client.get_metric_history(run.info.run_id, metric)
        return sorted((point.step, point.value) for point in points)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture
def session(world: World, request: pytest.FixtureRequest) -> str:
    """A session of two scored experiments, one that crashed and one that is still running."""
    return begin(world.store, request.node.name)


def begin(store: Store, memory_key: str) -> str:
    config = ev.SessionConfig(memory_key=memory_key, preset="demo", n_experiments=4)
    state = store.journal.create(config, "cli", "f" * 64)
    codes = {"wider": WIDER, "deeper": DEEPER, "broken": "boom", "running": BASELINE}
    planned = tuple(
        PlannedExperiment(
            key=ExperimentKey(f"{state.id}_d01_e{number:02}"),
            title=title,
            revision=1,
            train_py=store.blobs.put(code.encode()),
            config=TrainConfig(n_embd=64 * number),
            parent_title="Wider" if title == "deeper" else None,
        )
        for number, (title, code) in enumerate(codes.items(), start=1)
    )
    with store.journal.transaction(state.id) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="", stop_reason="end_turn"))
        transaction.append(
            ev.CallPending(
                turn=1,
                sequence=0,
                call="c",
                function="run_experiment_batch",
                arguments={"titles": list(codes)},
                dispatch=1,
                planned=planned,
                answers=tuple(item.key for item in planned),
            )
        )
        for item, score in zip(planned[:2], (2.75, 2.5), strict=True):
            transaction.append(ev.AttemptStarted(key=item.key, attempt=1, owner="me"))
            transaction.append(
                ev.ExperimentFinished(key=item.key, result=scored(store, score), run_id="dagster-run")
            )
        crashed = ExperimentResult(outcome=Outcome.CRASHED, error="NameError: boom", log_tail="Traceback\n")
        transaction.append(ev.ExperimentFinished(key=planned[2].key, result=crashed))
    return state.id


def scored(store: Store, val_bpb: float) -> ExperimentResult:
    return ExperimentResult(
        outcome=Outcome.TRAINED,
        verdict=Verdict.ACCEPTED,
        standing=Standing.SCREENED,
        labels=(Label.UNSANDBOXED,),
        val_bpb=val_bpb,
        val_bpb_exact=val_bpb + 0.01,
        receipt=store.blobs.put(canonical_json({"val_bpb": val_bpb})),
        curve=store.blobs.put(canonical_json(CURVE)),
        claims=Claims(model_name="TinyGPT", n_params=1000, steps=20, val_bpb=0.1),
        duration_sec=5.0,
        cpu_sec=4.0,
        peak_memory_bytes=2**20,
        runner="local",
    )


def test_a_session_is_one_parent_run_with_a_child_for_every_result(world: World, session: str) -> None:
    assert world.project(session) == 4
    runs = world.runs(session)
    assert set(runs) == {session, *(f"{session}_d01_e{number:02}" for number in (1, 2, 3))}
    parent = runs.pop(session)
    assert {run.data.tags["mlflow.parentRunId"] for run in runs.values()} == {parent.info.run_id}
    assert parent.data.metrics == {"cpu_seconds": 8.0}, "no noise floor: no score is worth a curve yet"
    assert parent.data.tags["autoresearch.best_title"] == "deeper"
    assert parent.data.params["n_experiments"] == "4"
    assert runs[f"{session}_d01_e02"].info.run_name == f"{session}_d01_e02 deeper"
    assert [run.info.status for _, run in sorted(runs.items())] == ["FINISHED", "FINISHED", "FAILED"]


def test_a_run_shows_config_scores_curve_and_where_it_comes_from(world: World, session: str) -> None:
    world.project(session)
    run = world.runs(session)[f"{session}_d01_e02"]
    assert run.data.params == {name: str(value) for name, value in TrainConfig(n_embd=128).model_dump().items()}
    assert (run.data.metrics["val_bpb"], run.data.metrics["val_bpb_exact"]) == (2.5, 2.51)
    assert world.history(run, "train_loss") == [(point["step"], point["loss"]) for point in CURVE]
    tags = run.data.tags
    assert tags["autoresearch.key"] == f"{session}_d01_e02"
    assert (tags["autoresearch.parent_title"], tags["autoresearch.parent_key"]) == ("Wider", f"{session}_d01_e01")
    assert tags["autoresearch.parent_run"] == world.runs(session)[f"{session}_d01_e01"].info.run_id
    assert (tags["autoresearch.outcome"], tags["autoresearch.standing"]) == ("Trained", "screened")
    assert (tags["autoresearch.dagster_run"], tags["autoresearch.labels"]) == ("dagster-run", "unsandboxed")
    (entry,) = run.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.digest) == ("sample packed rows", "f" * 16)
    assert {tag.key: tag.value for tag in entry.tags} == {"mlflow.data.context": "training"}


def test_a_run_holds_code_diff_and_receipt(world: World, session: str, tmp_path: Path) -> None:
    world.project(session)
    runs = world.runs(session)
    files = {
        number: Path(
            world.client.download_artifacts(runs[f"{session}_d01_e{number:02}"].info.run_id, "", str(folder))
        )
        for number in (1, 2, 3)
        if (folder := tmp_path / str(number)).mkdir() is None
    }
    assert (files[2] / "train.py").read_text() == DEEPER
    diff = (files[2] / "train.py.diff").read_text()
    assert "--- wider/train.py" in diff
    assert "+    depth = 4" in diff
    assert "width" not in [line[1:].strip() for line in diff.splitlines() if line.startswith("+")]
    assert "--- baseline/train.py" in (files[1] / "train.py.diff").read_text()
    assert json.loads((files[2] / "receipt.json").read_text()) == {"val_bpb": 2.5}
    assert sorted(file.name for file in files[3].iterdir()) == ["log_tail.txt", "train.py", "train.py.diff"]


def test_a_failed_candidate_has_no_score_whatever_it_claims(world: World, session: str) -> None:
    world.project(session)
    run = world.runs(session)[f"{session}_d01_e03"]
    assert "val_bpb" not in run.data.metrics
    assert run.data.tags["autoresearch.error"] == "NameError: boom"


def test_projecting_twice_changes_nothing(world: World, session: str) -> None:
    world.project(session)
    before = world.picture(session)
    identities = {subject: run.info.run_id for subject, run in world.runs(session).items()}
    assert world.project(session) == 0
    assert Projector(world.settings, world.store, BASELINE).project(session) == 0
    assert world.picture(session) == before
    assert {subject: run.info.run_id for subject, run in world.runs(session).items()} == identities


def test_a_new_result_is_added_to_what_is_there(world: World, session: str) -> None:
    world.project(session)
    with world.store.journal.transaction(session) as transaction:
        key = ExperimentKey(f"{session}_d01_e04")
        transaction.append(ev.ExperimentFinished(key=key, result=scored(world.store, 2.25)))
        transaction.append(ev.SessionFinished(reason="final answer", summary="running is best"))
    assert world.project(session) == 2  # the new run, and the parent's end
    parent = world.runs(session)[session]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.note.content"] == "    running is best"
    assert len(world.runs(session)) == 5


@pytest.mark.parametrize("subject", ["{}", "{}_d01_e01"], ids=["session", "experiment"])
def test_a_crash_before_the_run_was_remembered_leaves_no_twin(world: World, session: str, subject: str) -> None:
    world.project(session)
    before = world.picture(session)
    world.forget(subject.format(session))
    assert world.project(session) == 1
    assert world.picture(session) == before
    assert world.project(session) == 0


def test_a_crash_right_after_a_run_was_created_leaves_no_empty_run(world: World, session: str) -> None:
    world.project(session)
    before = world.picture(session)
    key = f"{session}_d01_e01"
    for subject in (session, key):
        run = world.runs(session)[subject]
        world.client.delete_run(run.info.run_id)
        world.forget(subject)
        world.client.create_run(
            run.info.experiment_id,
            start_time=run.info.start_time,
            tags={"autoresearch.subject": run.data.tags["autoresearch.subject"]},
            run_name=run.info.run_name,
        )
    world.project(session)
    assert world.picture(session) == before
    assert world.project(session) == 0


def test_a_resumed_session_with_another_allotment_is_still_projected(world: World, session: str) -> None:
    world.project(session)
    with world.store.journal.transaction(session) as transaction:
        config = transaction.state.config.model_copy(update={"n_experiments": 9})
        transaction.append(ev.SessionFinished(reason="final answer", summary="so far"))
        transaction.append(ev.SessionResumed(config=config, driver="cli"))
    world.forget(session)
    assert world.project(session) == 1
    assert world.runs(session)[session].data.params["n_experiments"] == "4"  # MLflow's parameters never change


def test_an_experiment_that_somebody_deleted_in_mlflow_comes_back(world: World, session: str) -> None:
    world.project(session)
    before = world.picture(session)
    found = world.client.get_experiment_by_name(world.store.journal.state(session).config.memory_key)
    assert found is not None
    world.client.delete_experiment(found.experiment_id)
    world.project(session)
    assert world.picture(session) == before


def test_lineage_points_to_the_past_when_a_parent_is_run_again(world: World, session: str) -> None:
    world.project(session)
    with world.store.journal.transaction(session) as transaction:
        wider = transaction.state.experiments[ExperimentKey(f"{session}_d01_e01")].planned
        again = wider.model_copy(update={"key": f"{session}_d02_e05", "revision": 2})
        transaction.append(
            ev.CallPending(
                turn=1,
                sequence=1,
                call="d",
                function="run_experiment",
                arguments={"title": "wider"},
                dispatch=2,
                planned=(again,),
                answers=(again.key,),
            )
        )
        transaction.append(ev.ExperimentFinished(key=again.key, result=scored(world.store, 2.9)))
    assert world.project(session) == 2  # the new run, and what the session has cost
    runs = world.runs(session)
    assert runs[f"{session}_d01_e02"].data.tags["autoresearch.parent_key"] == f"{session}_d01_e01"


def test_after_mlruns_was_deleted_everything_is_rebuilt(tmp_path: Path) -> None:
    world = World(tmp_path)
    session = begin(world.store, "rebuilt")
    assert world.project(session) == 4
    before = world.picture(session)
    shutil.rmtree(world.settings.mlruns)
    moved = tmp_path / "moved"  # MLflow keeps its connection to a deleted file: the new one is looked at elsewhere
    places = [str(tmp_path / "home"), str(tmp_path / "mlruns"), session, BASELINE]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, *places], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "4", done.stderr
    shutil.copytree(world.settings.mlruns, moved)
    world.client = MlflowClient(tracking_uri=f"sqlite:///{moved / 'mlflow.db'}")
    assert world.picture(session) == before


def test_a_noise_floor_and_a_champion_are_shown_with_their_reasons(world: World, session: str) -> None:
    journal, store = world.store.journal, world.store
    planned = [
        PlannedExperiment(
            key=ExperimentKey(f"{session}_d00_n{seed + 1:02}"),
            title="baseline",
            revision=0,
            train_py=store.blobs.put(BASELINE.encode()),
            config=TrainConfig(seed=seed),
            purpose=Purpose.NOISE_FLOOR,
        )
        for seed in (0, 1)
    ]
    results = [scored(store, value) for value in (2.75, 2.74)]
    winner = ExperimentKey(f"{session}_d01_e02")
    with journal.transaction(session) as tx:
        tx.append(pe.FloorPlanned(planned=tuple(planned)))
        for one, result in zip(planned, results, strict=True):
            tx.append(ev.ExperimentFinished(key=one.key, result=result))
        tx.append(measured(list(zip(planned, results, strict=True)), noise_floor(2.75, 2.74)))
        tx.append(pe.CandidateScreened(key=winner, against=None, decision=screening("worth_confirming")))
        tx.append(pe.PromotionJudged(key=winner, decision=promotion("confirmed", 0.25, looks=3)))
        tx.append(pe.ChampionChosen(key=winner, reason="better"))
    world.project(session)
    runs = world.runs(session)
    parent, champion = runs[session], runs[winner]
    assert world.history(parent, "best_val_bpb") == [(0, 2.75), (3, 2.5)]
    assert parent.data.metrics["noise_sd_bpb"] == 0.01
    assert parent.data.metrics["gain_over_baseline_bpb"] == 0.25
    assert parent.data.metrics["gain_low_bpb"] == pytest.approx(0.24, abs=1e-3)
    assert parent.data.metrics["looks_at_confirmation_rows"] == 3
    assert parent.data.tags["autoresearch.best_title"] == "deeper"
    assert (champion.data.tags["autoresearch.standing"], champion.data.metrics["gain_bpb"]) == ("champion", 0.25)
    assert champion.data.tags["autoresearch.judgement"] == "Confirmation: confirmed."
    floor = runs[planned[1].key]
    assert floor.info.run_name == f"{planned[1].key} baseline, seed 1"
    assert floor.data.tags["autoresearch.purpose"] == "noise_floor"
    assert world.project(session) == 0
