"""The real image: built from this checkout, sealed, and rebuilt when its sources change."""

import os
import shutil

import docker
import pytest

from autoresearch_dagster.containers import build_inputs
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.image import ensure_image
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, Mount
from autoresearch_dagster.containers.select import select_runner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.core.slot import Slot
from tests.contract.jobs import PROGRAM, Bench, ended, told
from tests.daemon import require_daemon

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def settings():
    found = load_settings()
    require_daemon()
    DockerRunner(found).prepare(print)
    return found


@pytest.fixture
def client():
    made = docker.from_env()
    yield made
    made.close()


def test_docker_is_chosen_where_a_daemon_answers(settings):
    selection = select_runner(settings.model_copy(update={"runner": "auto"}))

    assert selection.runner.name == "docker"
    assert selection.runner.capabilities.sandboxed


def test_torch_works_in_the_sealed_image_on_one_thread(settings, tmp_path):
    (tmp_path / "jobs").mkdir()
    bench = Bench(DockerRunner(settings, program=PROGRAM), tmp_path / "jobs", min(os.sched_getaffinity(0)), [])
    job, out = bench.start("import_torch", memory_mib=1024)
    status = ended(job)

    assert (status.exit_code, status.oom) == (0, False), job.log()
    version, threads, total = told(out)
    assert version.startswith("2.13.0")
    assert (threads, total) == (1, 3.0)
    job.remove()


def test_the_entry_point_is_the_harness_of_this_checkout(settings, tmp_path):
    (tmp_path / "candidate").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    (tmp_path / "candidate" / "train.py").write_text("")
    (tmp_path / "candidate" / "config.json").write_text("{}")
    (tmp_path / "candidate" / "go").touch()
    mounts = (Mount("CANDIDATE", tmp_path / "candidate"), Mount("OUT", tmp_path / "out", read_only=False))
    job = DockerRunner(settings).start(JobSpec("entry", "train", mounts, JobLimits(GIB, Slot((0,)))))
    status = ended(job)
    job.remove()

    assert status.exit_code == 87, job.log()  # refused: train.py defines no run_training
    assert (tmp_path / "out" / "ready").exists()


def test_an_unchanged_image_is_used_at_once(settings, client):
    said: list[str] = []

    ensure_image(client, settings, said.append)

    assert said == []


def test_a_changed_harness_is_another_image_and_keeps_the_layer_with_torch(settings, client, tmp_path, monkeypatch):
    changed = tmp_path / "trainer_image"
    shutil.copytree(build_inputs.SOURCES, changed)
    with (changed / "harness.py").open("a") as harness:
        harness.write("\n# changed\n")
    monkeypatch.setattr(build_inputs, "SOURCES", changed)
    other = settings.model_copy(update={"image": "autoresearch/trainer:test-changed"})
    before = client.images.get(settings.image)
    try:
        image = client.images.get(ensure_image(client, other, print))

        assert image.id != before.id
        shared = set(image.attrs["RootFS"]["Layers"]) & set(before.attrs["RootFS"]["Layers"])
        assert len(shared) == len(before.attrs["RootFS"]["Layers"]) - 1
    finally:
        client.images.remove(other.image, force=True)


def test_a_build_that_fails_says_so_and_keeps_its_log(settings, client, tmp_path, monkeypatch):
    broken = tmp_path / "trainer_image"
    shutil.copytree(build_inputs.SOURCES, broken)
    (broken / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nRUN echo told you && exit 3\n")
    monkeypatch.setattr(build_inputs, "SOURCES", broken)
    other = settings.model_copy(update={"image": "autoresearch/trainer:test-broken", "home": tmp_path / "home"})

    with pytest.raises(ContainerError, match=r"image-build\.log"):
        ensure_image(client, other, print)

    assert "told you" in (tmp_path / "home" / "image-build.log").read_text()
    assert client.images.list(other.image) == []
