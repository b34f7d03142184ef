"""The red team in real containers, the whole path: train sealed, freeze, score and audit in two more containers.

A fixed sample that exercises the boundary; with AUTORESEARCH_NIGHT=1 every candidate of tests/redteam_table.py.
"""

import os
import uuid
from pathlib import Path

import docker
import pytest

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.data.folders import file_digests
from autoresearch_dagster.experiments.laboratory import KEY_LABEL
from tests import judging
from tests.bundles import tiny_bundle
from tests.daemon import require_daemon
from tests.redteam_table import ENDINGS, HONEST

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(1_800)]

ROWS = 16
NIGHT = os.environ.get("AUTORESEARCH_NIGHT") == "1"
SAMPLE = (
    "probes_network",
    "probes_environment",
    "probes_files",
    "writes_into_inputs",
    "child_after_hand_over",
    "checkpoint_link",
    "pipes_for_reports",
    "forged_outcome",
    "late_first_answer",
    "hangs_in_training",
    "recognises_development",
)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    return judging.opened(folder, tiny_bundle(folder / "bundle"))


@pytest.fixture(scope="module")
def lab(bundle, tmp_path_factory):
    require_daemon()
    settings = load_settings().model_copy(update={"home": tmp_path_factory.mktemp("home")})
    runner = DockerRunner(settings)
    return judging.open_bench(settings, runner, runner.prepare(print), bundle, rows=ROWS)


@pytest.fixture(scope="module")
def honest(lab):
    result, receipt = judging.judged(lab, HONEST, seconds=20, rounds=2)

    assert result.accepted, result.error
    assert receipt.sandboxed
    assert receipt.audit.audits == 2 * ROWS
    assert receipt.audit.max_deviation == 0.0
    assert len(receipt.serve.auditing) == 2
    return result


@pytest.mark.parametrize("name", ENDINGS if NIGHT else SAMPLE)
def test_it_ends_in_containers_as_it_must(lab, bundle, honest, monkeypatch, name):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "for the agent alone")
    ending, before = ENDINGS[name], file_digests(bundle.packed)

    result, receipt = judging.judged(lab, name, seconds=ending.seconds, wall=ending.wall)

    judging.check(ending, result, receipt, honest)
    assert file_digests(bundle.packed) == before
    filters = {"label": f"{KEY_LABEL}=x_{name}"}
    assert docker.from_env().containers.list(all=True, filters=filters) == []


def test_what_a_checkpoint_executes_reaches_nothing_of_the_host(lab):
    marker = Path(f"/tmp/ar-marker-{uuid.uuid4().hex}")

    result, _ = judging.judged(lab, "executes_when_read", title=f"path={marker}", seconds=20)

    assert result.outcome is Outcome.REFUSED  # it ran, in a container's own /tmp, and left no model
    assert not marker.exists()
