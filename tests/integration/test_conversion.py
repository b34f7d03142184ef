"""Weights of a checkpoint as safetensors: what is written, and what is refused that a candidate wrote instead."""

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from autoresearch_dagster.containers.protocol import JobStatus
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError, RunnerGone
from autoresearch_dagster.core.limits import CONVERT_OUTPUT_BYTES, OUTPUT_BYTES, SAFETENSORS_HEADER_BYTES
from autoresearch_dagster.evaluation.conversion import NotConverted, convert
from tests.bundles import tiny_bundle
from tests.fakes import RUNNING, ScriptedRunner
from tests.frozen import HEAD, TIED, frozen_job

TOLD = {"key": "s01_d01_e01", "candidate": "c" * 64, "checkpoint": "a" * 64}
WRITES = """
import os
path = os.environ["AUTORESEARCH_OUT"] + "/model.safetensors"
{doing}
os._exit(0)
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture
def converted(bundle, zygote, tmp_path):
    """Convert a model of a train.py; the refusal, or None, and the file."""

    def converted(code, added="", name="model"):
        (tmp_path / name).mkdir()
        target = tmp_path / name / "model.safetensors"
        return convert(frozen_job(code, bundle, tmp_path / name, added=added), TOLD, zygote, target), target

    return converted


def test_tied_weights_and_views_are_written_once_and_named(converted):
    refused, path = converted(TIED)

    assert refused is None
    weights = load_file(path)
    with safe_open(path, framework="numpy") as file:
        told = file.metadata()
    assert {name: told[name] for name in TOLD} == TOLD
    assert json.loads(told["aliases"]) == {"tok.weight": "head.weight"}
    assert set(weights) == {"head.weight", "view"}
    assert torch.equal(weights["view"], weights["head.weight"].T)


def test_the_same_checkpoint_gives_the_same_bytes(converted, bundle, zygote, tmp_path):
    _, first = converted(HEAD)
    job = frozen_job(HEAD, bundle, first.parent)
    assert convert(job, TOLD, zygote, tmp_path / "a") is None
    assert convert(job, TOLD, zygote, tmp_path / "b") is None

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


FOREIGN = save({"w": torch.zeros(1)}, {**TOLD, "key": "s01_d09_e09"})


@pytest.mark.parametrize(
    ("doing", "reason"),
    [
        ("open(path, 'wb').write(b'junk' * 100)", "header"),
        ("open(path, 'wb').write((8).to_bytes(8, 'little') + b'{\"a\":1}}')", "no safetensors"),
        ("open(path, 'wb')", "no safetensors"),
        (f"open(path, 'wb').write(({SAFETENSORS_HEADER_BYTES} + 1).to_bytes(8, 'little'))", "header"),
        (f"open(path, 'wb').truncate({OUTPUT_BYTES} + 1)", "may have"),
        (f"open(path, 'wb').truncate({CONVERT_OUTPUT_BYTES} + 1)", "wrote more than"),
        ("os.symlink('/etc/passwd', path)", "not a plain file"),
        ("os.mkfifo(path)", "not a plain file"),
        ("open(path, 'wb').close(); os.link(path, path + '2')", "several names"),
        ("os.mkdir(path)", "not a plain file"),
        ("", "wrote no weights"),
        (f"open(path, 'wb').write({FOREIGN!r})", "another experiment"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_what_a_candidate_writes_in_its_place_is_refused(converted, doing, reason):
    refused, _ = converted(HEAD, WRITES.format(doing=doing))

    assert isinstance(refused, NotConverted)
    assert reason in refused.reason


def test_a_model_that_cannot_be_loaded_is_told_in_its_own_escaped_words(converted):
    refused, _ = converted(HEAD, "raise RuntimeError('no\\x1b[2J way')")

    assert isinstance(refused, NotConverted)
    assert refused.reason == "the model cannot be loaded or written (RuntimeError: no\\x1b[2J way)"


def test_sparse_weights_are_refused(converted):
    refused, _ = converted(HEAD + "        self.register_buffer('s', torch.eye(3).to_sparse())\n")

    assert isinstance(refused, NotConverted)
    assert "'s' is a sparse or quantised tensor" in refused.reason


def test_a_silent_end_is_a_fault_of_ours_and_leaves_nothing(converted, zygote):
    with pytest.raises(ContainerError, match="without a word"):
        converted(HEAD, "import os; os._exit(9)")

    folder = next(mount.source for mount in zygote.started[-1].mounts if mount.name == "OUT")
    assert not folder.exists()


def ended(*, oom=False, outside=False):
    return JobStatus(137, oom=oom, cpu_s=0.0, memory_peak_bytes=0, ended_outside=outside)


@pytest.fixture
def scripted(bundle, tmp_path):
    """Convert where the job only shows a status; the refusal, and the job."""

    def scripted(status):
        runner = ScriptedRunner(status)
        refused = convert(frozen_job(HEAD, bundle, tmp_path), TOLD, runner, tmp_path / "target")
        assert not (tmp_path / "target").exists()
        return refused, runner.started[0][1]

    return scripted


def test_a_model_that_does_not_fit_into_memory_is_told_how_much_there_was(scripted):
    assert scripted(ended(oom=True))[0] == NotConverted("it needed more than 4.0 GiB of memory")


def test_a_conversion_that_does_not_end_is_ended_and_told(scripted, monkeypatch):
    monkeypatch.setattr(lim, "CONVERT_S", 0.0)

    refused, job = scripted(RUNNING)

    assert refused == NotConverted("it took longer than 0 s")
    assert job.removed


def test_a_conversion_that_somebody_else_ended_says_nothing_of_the_model(scripted):
    with pytest.raises(RunnerGone, match="ended from outside"):
        scripted(ended(oom=True, outside=True))
