"""Champions as versions of a registered model: one for each reign, the alias on the one that reigns."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from autoresearch_dagster.core.experiment import ExperimentKey, digest_of
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.experiments.serve import tracking_uri
from autoresearch_dagster.store import promotion_events as pe
from autoresearch_dagster.tracking.registry import Weights, model_name
from tests.judged import promotion
from tests.mlflow_desk import Desk, Died, dying_after

PAGE = PROJECT_ROOT / "docs" / "mlflow.md"
FIRST, SECOND = ExperimentKey("s01_d01_e01"), ExperimentKey("s01_d02_e03")


def crown(desk: Desk, key: ExperimentKey) -> None:
    desk.append(pe.PromotionJudged(key=key, decision=promotion("confirmed", 0.2)))
    desk.append(pe.ChampionChosen(key=key, reason="better"))


def versions(desk: Desk):
    """Versions by key, oldest first."""
    found = sorted(desk.client().search_model_versions("name = 'night'"), key=lambda version: int(version.version))
    keys = [version.tags["autoresearch.key"] for version in found]
    assert len(keys) == len(set(keys)), "a twin"
    return dict(zip(keys, found, strict=True))


def champion(desk: Desk) -> str:
    return desk.client().get_model_version_by_alias("night", "champion").tags["autoresearch.key"]


def files(desk: Desk, key: ExperimentKey) -> dict[str, bytes]:
    folder = Path(versions(desk)[key].source.removeprefix("file://"))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_session_without_a_champion_has_no_model(desk):
    desk.project()

    assert desk.client().search_registered_models() == []


def test_a_champion_is_a_version_that_says_what_it_is_and_that_it_is_untrusted(desk):
    crown(desk, FIRST)
    desk.project()

    version = versions(desk)[FIRST]
    tags = {name.removeprefix("autoresearch."): text for name, text in version.tags.items()}
    state = desk.journal.state("s01")
    item = state.experiments[FIRST]
    assert champion(desk) == FIRST
    assert (tags["val_bpb"], tags["candidate"], tags["receipt"]) == (
        "2.500000",
        item.planned.candidate,
        item.result.receipt,
    )
    assert "This code is untrusted" in version.description
    assert f"autoresearch generate {FIRST}" in version.description
    assert "no weights: `they are not converted yet`" in version.description
    assert version.run_id == desk.runs()[f"{FIRST} wide"].info.run_id
    found = files(desk, FIRST)
    assert sorted(found) == ["config.json", "receipt.json", "train.py"]
    assert json.loads(found["config.json"])["seed"] == 3
    assert found["train.py"] == b"lr = 2\nlayers = 3\n"


def test_a_second_champion_is_a_second_version_and_takes_the_alias(desk):
    crown(desk, FIRST)
    desk.project()
    crown(desk, SECOND)
    desk.project()

    assert list(versions(desk)) == [FIRST, SECOND]
    assert champion(desk) == SECOND


def test_projecting_again_writes_nothing_of_the_model(desk):
    crown(desk, FIRST)
    desk.project()
    before = {key: (version.version, version.last_updated_timestamp) for key, version in versions(desk).items()}

    def refuse(projector):
        for step in ("create_model_version", "update_model_version", "set_registered_model_alias", "log_artifacts"):
            setattr(projector._client, step, None)

    desk.project(refuse)
    after = {key: (version.version, version.last_updated_timestamp) for key, version in versions(desk).items()}
    assert after == before


def test_weights_that_come_later_are_added_to_the_version(desk, tmp_path):
    crown(desk, FIRST)
    desk.project()
    blob = tmp_path / "blob"
    blob.write_bytes(b"weights")
    desk.project(weights={FIRST: Weights(blob, "d" * 64)})

    version = versions(desk)[FIRST]
    assert (version.version, version.tags["autoresearch.weights"]) == (1, "d" * 64)
    assert files(desk, FIRST)["model.safetensors"] == b"weights"
    assert "no weights" not in version.description


def test_a_refused_conversion_is_told(desk):
    crown(desk, FIRST)
    desk.project(weights={FIRST: Weights(why_not="the model has no tensors")})

    version = versions(desk)[FIRST]
    assert version.tags["autoresearch.weights"] == "none: the model has no tensors"
    assert "It has no weights: `the model has no tensors`." in version.description


@pytest.mark.parametrize(
    "step", ["create_registered_model", "log_artifacts", "create_model_version", "set_registered_model_alias"]
)
def test_a_projector_that_dies_between_two_steps_leaves_one_version(desk, step):
    desk.project()
    crown(desk, FIRST)
    with pytest.raises(Died):
        desk.project(dying_after(step, 2 if step == "log_artifacts" else 1))
    desk.project()

    assert list(versions(desk)) == [FIRST]
    assert champion(desk) == FIRST


def test_rebuilding_makes_versions_of_the_new_runs(desk):
    crown(desk, FIRST)
    crown(desk, SECOND)
    desk.project()
    desk.projector().forget("s01")
    assert versions(desk) == {}
    desk.project()

    runs = {run.info.run_id for run in desk.runs().values()}
    assert list(versions(desk)) == [FIRST, SECOND]
    assert {version.run_id for version in versions(desk).values()} < runs
    assert champion(desk) == SECOND


@pytest.mark.parametrize(
    ("memory_key", "named"),
    [("night", "night"), ("my-research_2", "my-research_2"), ("a b", "a b"), ("ünï", "ünï")],
)
def test_a_plain_memory_key_is_the_name_of_the_model(memory_key, named):
    assert model_name(memory_key) == named


@pytest.mark.parametrize("memory_key", ["a/b", "a:b", "..", "x'y", "a\nb", " a", "/", "it's; drop"])
def test_any_other_memory_key_has_a_name_that_mlflow_takes_and_no_other_has(memory_key):
    from mlflow.utils.validation import _validate_model_name

    found = model_name(memory_key)
    _validate_model_name(found)
    assert "'" not in found
    assert found != model_name(memory_key + "/")


def test_weights_are_read_as_the_documentation_says(desk, tmp_path):
    tied = torch.arange(6.0).reshape(2, 3)
    file = tmp_path / "weights"
    save_file({"embedding": tied}, file, metadata={"aliases": json.dumps({"head": "embedding"})})
    crown(desk, FIRST)
    desk.project(weights={FIRST: Weights(file, digest_of(file.read_bytes()))})
    (code,) = re.findall(r"```python\n(import json, mlflow.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    own = code.replace("sqlite:///mlruns/mlflow.db", tracking_uri(desk.settings)).replace("my-research", "night")
    names: dict[str, Any] = {}
    exec(own, names)

    assert torch.equal(names["weights"]["head"], tied)
    assert torch.equal(names["weights"]["embedding"], tied)
