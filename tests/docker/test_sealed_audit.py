"""The audit in real containers: the same verdicts as anywhere, and nothing of a candidate on the host."""

import dataclasses
import uuid
from pathlib import Path

import docker
import pytest

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome, PlannedExperiment, TrainConfig, Verdict
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, Laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import Halt
from tests.bundles import tiny_bundle
from tests.daemon import require_daemon

pytestmark = pytest.mark.docker
CANDIDATES = Path(__file__).parents[1] / "redteam"
CONFIG = TrainConfig(max_steps=30, time_budget_sec=20)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """Train a candidate in a container, score and audit it in two more."""
    require_daemon()
    settings = load_settings().model_copy(update={"home": tmp_path_factory.mktemp("home")})
    bundle = tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")
    for path in [bundle.packed, *bundle.packed.parents[:2], *bundle.candidate_folder.rglob("*")]:
        path.chmod(0o755)  # as the builders leave it: candidates run under another uid
    runner, store = DockerRunner(settings), open_store(settings)
    preset = dataclasses.replace(PRESETS["demo"], config=CONFIG, sequence_length=32, scored_rows=16)
    lab = Laboratory(settings, store, runner, runner.prepare(print), "", bundle, preset, b"")

    def judge(name, title="candidate", config=CONFIG):
        planned = PlannedExperiment(
            key=ExperimentKey(f"x_{name}"),
            title=title,
            revision=1,
            train_py=store.blobs.put((CANDIDATES / f"{name}.py").read_bytes()),
            config=config,
        )
        attempt = Attempt(1, Slot((settings.cores[0],)))
        result = run_planned(planned, lab, attempt, lambda *_: None, lambda _: None, lambda: Halt.NO)
        lab.sweep(planned.key)
        filters = {"label": f"{KEY_LABEL}={planned.key}"}
        assert docker.from_env().containers.list(all=True, filters=filters) == []
        raw = store.blobs.get(result.receipt) if result.receipt else None
        return result, Receipt.model_validate_json(raw) if raw else None

    return judge


def test_an_honest_model_is_accepted_and_its_clock_was_read(judge):
    result, receipt = judge("honest_lstm")

    assert (result.outcome, result.verdict) == (Outcome.TRAINED, Verdict.ACCEPTED), result.error
    assert receipt.sandboxed
    assert receipt.capabilities["network_off"]
    assert receipt.audit.max_deviation == 0.0
    for server in (receipt.serve.answering, *receipt.serve.auditing):
        assert 0 < server.load_s < server.served_s < server.wall_s


def test_a_model_that_looks_ahead_is_refused(judge):
    result, _ = judge("look_ahead")

    assert result.outcome is Outcome.REFUSED
    assert "looks ahead" in result.error


@pytest.mark.slow
def test_a_model_that_recognises_the_preflight_is_rejected(judge):
    result, receipt = judge("recognises_development")

    assert (result.outcome, result.verdict, result.val_bpb) == (Outcome.TRAINED, Verdict.REJECTED, None)
    assert receipt.audit.mismatches > 0


@pytest.mark.slow
def test_code_in_a_checkpoint_reaches_nothing_of_the_host(judge):
    marker = Path(f"/tmp/ar-marker-{uuid.uuid4().hex}")

    result, _ = judge("marker", title=f"path={marker}")

    assert result.accepted  # it was unpickled and could write, in a container's own /tmp
    assert not marker.exists()
