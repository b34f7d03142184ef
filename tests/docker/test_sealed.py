"""The real trainer image: what a candidate can see and do there, and that its score is the local runner's."""

import json
import os
from dataclasses import replace
from pathlib import Path

import docker
import pytest

from autoresearch_dagster.containers.bubblewrap_runner import find_sandbox
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, Mount
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome, PlannedExperiment
from autoresearch_dagster.core.limits import GIB, PIDS_LIMIT
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.laboratory import open_laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.training.job import Halt
from tests.contract.jobs import ended
from tests.daemon import require_daemon

pytestmark = pytest.mark.docker
PROBE = Path(__file__).with_name("probe.py")


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    require_daemon()
    return load_settings().model_copy(update={"home": tmp_path_factory.mktemp("home")})


@pytest.fixture(scope="module")
def image(settings):
    return DockerRunner(settings).prepare(print)


@pytest.fixture
def start(settings, image, tmp_path):
    runner = DockerRunner(settings, image, PROBE)
    (tmp_path / "bundle").mkdir(mode=0o777)
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    started = []

    def begin(mode):
        mounts = (Mount("BUNDLE", tmp_path / "bundle"), Mount("OUT", tmp_path / "out", read_only=False))
        core = sorted(os.sched_getaffinity(0))[0]
        started.append(runner.start(JobSpec(tmp_path.name, mode, mounts, JobLimits(GIB, Slot((core,))))))
        return started[-1]

    yield begin
    for job in started:
        job.remove()


def test_a_candidate_finds_itself_sealed_in(start, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")
    assert ended(start("train")).exit_code == 0

    seen = json.loads((tmp_path / "out" / "seen.json").read_text())

    assert seen["interfaces"] == ["lo"]
    assert seen["root"] == "ro"
    assert set(seen["ids"]) == {65534}
    assert (seen["CapEff"], seen["CapBnd"], seen["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")
    assert (seen["pids"], seen["memory"]) == (str(PIDS_LIMIT), str(GIB))
    assert seen["writable"] == ["/mnt/out"]
    assert not seen["docker_socket"]
    assert not [name for name in seen["environment"] if "KEY" in name or "TOKEN" in name or "SECRET" in name]


def test_what_a_model_server_prints_is_stored_nowhere(start):
    job = start("answer")
    assert ended(job).exit_code == 0

    described = docker.from_env().api.inspect_container(job.id)

    assert described["HostConfig"]["LogConfig"]["Type"] == "none"
    assert job.log() == ""


@pytest.mark.slow
def test_a_candidate_scores_the_same_in_a_container_in_a_sandbox_and_in_a_plain_process(settings):
    scores = {}
    asked = {"docker": "docker", "plain": "local", **({"local": "bubblewrap"} if find_sandbox().host else {})}
    for runner, name in asked.items():
        chosen = settings.model_copy(update={"runner": runner})
        lab = open_laboratory(chosen, preset_name="demo", source="sample", num_shards=1, report=print)
        lab = replace(lab, preset=replace(lab.preset, scored_rows=8))
        planned = PlannedExperiment(
            key=ExperimentKey(f"x_{runner}"),
            title="baseline",
            revision=1,
            train_py=lab.store.blobs.put(lab.baseline),
            config=lab.preset.config.model_copy(update={"max_steps": 10, "time_budget_sec": 120}),
        )
        core = chosen.cores[0]
        result = run_planned(
            planned, lab, Attempt(1, Slot((core,))), lambda *_: None, lambda _stage: None, lambda: Halt.NO
        )
        lab.sweep(planned.key)
        assert result.outcome is Outcome.TRAINED, result.error
        assert result.runner == name
        assert result.claims.steps == 10
        scores[runner] = result.val_bpb

    assert scores == pytest.approx(dict.fromkeys(scores, scores["docker"]), abs=1e-6)
