"""What the bundle's assets and checks show, and that a second materialisation does no work."""

import dagster as dg
import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.data.statistics import LengthBin
from autoresearch_dagster.definitions import defs
from autoresearch_dagster.defs.bundle_story import histogram, readable
from autoresearch_dagster.defs.config import BUNDLE_STEPS

CONFIG = {"source": "sample", "num_shards": 1, "sequence_length": 128}
CHECKS = {
    "tokenizer": {"round_trip"},
    "packed_rows": {"digests", "no_shared_document", "no_duplicates"},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("bundle")


def materialise(home, **changed):
    """Run the job `bundle` on a home of its own."""
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("AUTORESEARCH_HOME", str(home / "home"))
        return defs.resolve_job_def("bundle").execute_in_process(
            run_config={**CONFIG, **changed},
            instance=instance,
            raise_on_error=False,
        )


@pytest.fixture(scope="module")
def first(home):
    result = materialise(home)
    assert result.success
    return result


def shown(result, asset):
    (event,) = [
        event
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(asset)
    ]
    return {name: value.value for name, value in event.step_materialization_data.materialization.metadata.items()}


def test_each_folder_says_where_it_is_and_that_it_was_built(first):
    for asset in ("climbmix_shards", "tokenizer", "packed_rows"):
        told = shown(first, asset)
        assert told["work"] == "built now"
        assert told["bytes"] > 0
        assert told["digest"] in told["folder"]


def test_a_second_materialisation_says_that_there_was_no_work(first, home):
    again = materialise(home)

    for asset in ("climbmix_shards", "tokenizer", "packed_rows"):
        told, before = shown(again, asset), shown(first, asset)
        assert told.pop("work") == "already built: no work done"
        before.pop("work")
        assert told == before


def test_the_rows_are_told_in_numbers_that_can_be_plotted(first):
    told = shown(first, "packed_rows")

    for name in ("documents", "text_bytes", "text_tokens", "cropped_tokens", "train_rows"):
        assert isinstance(told[name], int), name
        assert told[name] > 0, name
    assert told["tokens_per_byte"] == pytest.approx(told["text_tokens"] / told["text_bytes"], abs=1e-6)
    rows = {record.data["split"]: record.data["rows"] for record in told["rows"].records}
    assert set(rows) == {"train", "development", "selection", "confirmation", "decoy"}
    assert rows["train"] == told["train_rows"]


def test_the_pages_have_a_histogram_and_rows_to_read(first):
    told = shown(first, "packed_rows")

    assert told["document_lengths"].count("█") > 20
    assert told["sample_rows"].count("```text") == 3


def test_every_check_passes_and_says_how_much_it_looked_at(first):
    found = {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation
        for evaluation in first.get_asset_check_evaluations()
    }

    assert set(found) == {(asset, name) for asset, names in CHECKS.items() for name in names}
    for evaluation in found.values():
        assert evaluation.passed
        assert evaluation.description.endswith(".")
        assert evaluation.metadata
    assert found["packed_rows", "digests"].metadata["files"].value > 5
    assert found["packed_rows", "no_duplicates"].metadata["documents"].value > 1000


def test_a_damaged_file_fails_its_check_by_name(first, home):
    rows = next((home / "home" / "bundles" / "packed_rows").glob("*/candidate/train.npy"))
    data = bytearray(rows.read_bytes())
    data[-1] ^= 1
    rows.write_bytes(bytes(data))
    try:
        result = materialise(home)
    finally:
        data[-1] ^= 1
        rows.write_bytes(bytes(data))

    failed = [evaluation for evaluation in result.get_asset_check_evaluations() if not evaluation.passed]
    assert [evaluation.check_name for evaluation in failed] == ["digests"]
    assert "train.npy" in failed[0].description


@pytest.mark.parametrize(("changed", "said"), [({"source": "nowhere"}, "nowhere"), ({"num_shards": 99}, "99")])
def test_what_cannot_be_built_is_one_sentence(home, changed, said):
    result = materialise(home, **changed)

    assert not result.success
    reasons = {
        event.step_failure_data.user_failure_data.description
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.user_failure_data
    }
    assert len(reasons) == 1
    (reason,) = reasons
    assert said in reason
    assert "\n" not in reason


@pytest.mark.parametrize("wrong", [{"num_shards": 0}, {"sequence_length": 1}])
def test_what_no_source_can_build_is_refused_before_anything_runs(wrong):
    with pytest.raises(dg.DagsterInvariantViolationError) as refused:
        dg.validate_run_config(defs.resolve_job_def("bundle"), wrong)

    ((name, value),) = wrong.items()
    assert f"{name}={value} cannot be used" in str(refused.value)


def test_the_jobs_config_reaches_every_asset_and_check():
    job = defs.resolve_job_def("bundle")

    resolved = dg.validate_run_config(job, {"source": "climbmix", "num_shards": 3, "sequence_length": 64})

    assert {node.name for node in job.graph.nodes} == set(BUNDLE_STEPS)
    for node in job.graph.nodes:
        assert resolved["ops"][node.name]["config"] == {
            "source": "climbmix",
            "num_shards": 3,
            "sequence_length": 64,
        }


def test_a_histogram_of_nothing_is_an_empty_table():
    assert "█" not in histogram(())


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=22))
def test_bars_are_in_proportion_and_no_document_is_without_one(counts):
    bins = [LengthBin(up_to_tokens=2**place, documents=count) for place, count in enumerate(counts)]

    bars = [line.count("█") for line in histogram(bins).splitlines()[2:]]

    assert [bar > 0 for bar in bars] == [count > 0 for count in counts]
    assert all(
        one >= other
        for one, a in zip(bars, counts, strict=True)
        for other, b in zip(bars, counts, strict=True)
        if a >= b
    )


@given(st.text(alphabet="`a\n ", max_size=50))
def test_no_row_can_close_its_fence(row):
    shown = readable([row])

    fence = shown.splitlines()[-1]
    assert set(fence) == {"`"}
    assert fence not in row
