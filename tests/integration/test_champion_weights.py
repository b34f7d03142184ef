"""A champion's weights: converted once, remembered whatever became of it, and never a reason to stop."""

import json

import pytest
from safetensors import safe_open

from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.folders import short_folder
from autoresearch_dagster.experiments.champion_weights import champion_weights
from autoresearch_dagster.experiments.laboratory import experiment_lease, scratch_prefix
from autoresearch_dagster.experiments.project import project_sessions
from tests.champions import KEY, Home
from tests.frozen import HEAD, TIED

EXITS = HEAD + "# sealed\nimport os, sys\nprint('x')\nos._exit(0)\n"


def weights(home: Home):
    (found,) = champion_weights(home.settings, home.store, home.state)
    return found


def test_weights_are_converted_once_and_kept(tmp_path):
    home = Home(tmp_path, TIED)
    first = weights(home)
    home.checkpoint.unlink()
    again = weights(home)

    assert first == again
    assert (first.key, first.why_not, first.settled) == (KEY, "", True)
    with safe_open(home.store.blobs.path(first.digest), framework="numpy") as file:
        told = file.metadata()
    planned = home.state.experiments[KEY].planned
    assert (told["key"], told["candidate"]) == (KEY, planned.candidate)
    assert json.loads(told["aliases"]) == {"tok.weight": "head.weight"}


def test_what_is_the_candidates_fault_is_remembered(tmp_path):
    home = Home(tmp_path, EXITS)
    first = weights(home)
    home.checkpoint.unlink()

    assert first == weights(home)
    assert (first.digest, first.why_not, first.settled) == (None, "its process wrote no weights", True)


def test_a_checkpoint_that_torch_did_not_write_is_never_loaded(tmp_path):
    home = Home(tmp_path, HEAD)
    home.checkpoint.write_bytes(b"no zip")

    assert weights(home).why_not == "the checkpoint is none that torch wrote"


def test_code_of_a_model_is_not_loaded_without_a_sandbox_and_tried_again_where_there_is_one(tmp_path):
    home = Home(tmp_path, HEAD, researcher="claude")
    refused = weights(home)
    home.settings = home.settings.model_copy(update={"allow_unsandboxed": True})

    assert "only in a sandbox" in refused.why_not
    assert not refused.settled
    assert weights(home).digest is not None


@pytest.mark.parametrize(("gone", "reason"), [("checkpoint", "removed by `autoresearch gc`"), ("bundle", "bundle")])
def test_what_is_not_here_any_more_is_told_and_looked_for_again(tmp_path, gone, reason):
    home = Home(tmp_path, HEAD)
    if gone == "checkpoint":
        home.store.removed.record([Digest(home.checkpoint.name)], "gc")
        home.checkpoint.unlink()
    else:
        (home.settings.bundles / "packed_rows").rename(home.settings.home / "away")

    found = weights(home)
    assert (found.digest, found.settled) == (None, False)
    assert reason in found.why_not


def test_a_projection_goes_on_without_them_and_adds_them_later(tmp_path):
    home = Home(tmp_path, HEAD, mlruns=str(tmp_path / "mlruns"))
    away = home.checkpoint.rename(home.checkpoint.with_suffix(".away"))
    (first,) = project_sessions(home.settings, home.store, [home.session])
    away.rename(home.checkpoint)
    (second,) = project_sessions(home.settings, home.store, [home.session])

    assert (first.written, first.problem) == (2, "")
    assert first.note.startswith(f"MLflow shows {KEY} without its weights: The blob")
    assert (second.written, second.problem, second.note) == (0, "", "")
    assert len(list((tmp_path / "mlruns").rglob("champion/model.safetensors"))) == 1


def test_what_a_dead_process_left_of_a_conversion_is_removed_by_the_next(tmp_path):
    home = Home(tmp_path, HEAD)
    left = short_folder(scratch_prefix(home.settings, f"weights_{KEY}"))
    assert weights(home).digest is not None

    assert not left.exists()
    assert home.store.leases.is_over(experiment_lease(f"weights_{KEY}"))


def test_two_processes_do_not_convert_the_same(tmp_path):
    home = Home(tmp_path, HEAD)
    with home.store.leases.hold(experiment_lease(f"weights_{KEY}"), "another-host:1:1"):
        found = weights(home)

    assert (found.digest, found.settled) == (None, False)
    assert "another-host" in found.why_not
