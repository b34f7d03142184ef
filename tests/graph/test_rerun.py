"""Training an experiment once more from the UI: shown beside the record, never as the record."""

import dagster as dg

from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
)
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.definitions import defs
from autoresearch_dagster.defs import assets
from autoresearch_dagster.defs.experiments import partition_event, reproduction_metadata
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.leaderboard import leaderboard
from tests.plans import finish, plan

ASSET = dg.AssetKey("experiment")


def rerun(instance, key):
    instance.add_dynamic_partitions("experiment", [key])
    job = defs.resolve_job_def("rerun_experiment")
    return job.execute_in_process(instance=instance, partition_key=key, raise_on_error=False)


def reason(result):
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    return failure.user_failure_data.description


def test_an_unknown_key_is_refused_in_a_sentence(store, instance):
    plan(store, "wide")

    result = rerun(instance, "s07_d01_e01")

    assert not result.success
    assert "s07_d01_e01" in reason(result)
    assert "\n" not in reason(result)


def test_a_seed_of_the_noise_floor_can_be_trained_once_more_too(store, instance, monkeypatch):
    plan(store, "wide")
    key = ExperimentKey("s01_d00_n01")
    planned = PlannedExperiment(
        key=key,
        title="baseline",
        revision=0,
        train_py=store.blobs.put(b"x"),
        config=TrainConfig(),
        purpose=Purpose.NOISE_FLOOR,
    )
    result = ExperimentResult(outcome=Outcome.TRAINED, val_bpb=2.5)
    with store.journal.transaction("s01") as tx:
        tx.append(pe.FloorPlanned(planned=(planned,)))
        tx.append(ev.ExperimentFinished(key=key, result=result))
    monkeypatch.setattr(assets, "reproduce", lambda *_: (result, result))  # the training itself is tested below

    assert rerun(instance, key).success
    latest = instance.get_latest_materialization_event(ASSET).asset_materialization
    assert latest.partition == key
    assert latest.metadata["purpose"].value == "noise_floor"


def test_a_key_without_a_result_is_refused_in_a_sentence(store, instance):
    (key,) = plan(store, "wide")

    result = rerun(instance, key)

    assert not result.success
    assert "no result yet" in reason(result)


def planned_baseline(settings, store):
    """A finished experiment that can be trained again: the baseline at a few steps, recorded by hand."""
    from autoresearch_dagster.core.presets import preset

    demo = preset("demo")
    bundle = build_bundle("sample", 1, demo.sequence_length, settings.bundles, lambda _line: None)
    state = store.journal.create(ev.SessionConfig(preset="demo"), "cli", bundle.digest)
    from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment

    key = ExperimentKey(f"{state.id}_d01_e01")
    code = store.blobs.put((PROJECT_ROOT / "trainer_image" / "train.py").read_bytes())
    config = demo.config.model_copy(update={"max_steps": 4})
    planned = PlannedExperiment(key=key, title="baseline", revision=1, train_py=code, config=config)
    with store.journal.transaction(state.id) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="a plan", stop_reason=None))
        transaction.append(
            ev.CallPending(
                turn=1,
                sequence=1,
                call="c",
                function="run_experiment",
                arguments={},
                dispatch=1,
                planned=(planned,),
                answers=(key,),
            )
        )
    finish(store, key, 9.0)
    return key


def test_a_reproduction_is_shown_beside_the_record_and_never_as_the_record(settings, store, instance):
    key = planned_baseline(settings, store)
    instance.report_runless_asset_event(partition_event(store.journal.state("s01"), key, store.blobs))
    recorded = instance.get_latest_materialization_event(ASSET).asset_materialization
    events, board = store.journal.events("s01"), leaderboard(store.journal.state("s01"))

    first, second = rerun(instance, key), rerun(instance, key)

    assert first.success
    assert second.success
    assert store.journal.events("s01") == events
    assert leaderboard(store.journal.state("s01")) == board
    latest = instance.get_latest_materialization_event(ASSET).asset_materialization
    assert latest.partition == key
    for name, value in recorded.metadata.items():
        assert latest.metadata[name] == value
    assert latest.tags["dagster/data_version"] == recorded.tags["dagster/data_version"]
    assert latest.metadata["val_bpb"].value == 9.0
    assert latest.metadata["bundle"].value == store.journal.state("s01").bundle[:16]
    again = latest.metadata["reproduction_val_bpb"].value
    assert 2.0 < again < 9.0
    assert latest.metadata["reproduction_difference"].value == round(again - 9.0, 6)
    assert "reproduction" in latest.metadata["reproduction"].md_str
    receipts = {
        event.asset_materialization.metadata["reproduction_receipt"].value
        for event in instance.fetch_materializations(ASSET, limit=2).records
    }
    assert len(receipts) == 2
    assert all(store.blobs.get(receipt) for receipt in receipts)


def test_a_reproduction_without_a_score_says_so():
    recorded = ExperimentResult(outcome=Outcome.TRAINED, standing=Standing.SCREENED, val_bpb=2.5)
    again = ExperimentResult(outcome=Outcome.CRASHED, labels=(Label.REPRODUCTION,), error="It crashed.")

    found = reproduction_metadata(recorded, again)

    assert "| val_bpb | 2.500000 | none |  |" in found["reproduction"].value
    assert found["reproduction_error"].value == "It crashed."
    assert "reproduction_val_bpb" not in found


def test_a_partition_shows_what_is_new_in_its_train_py_and_nothing_where_nothing_is(store):
    baseline = (PROJECT_ROOT / "trainer_image" / "train.py").read_bytes()
    found = []
    for memory_key, code in (("honest", baseline), ("reads", baseline + b"open('x')\n")):
        (key,) = plan(store, "one", memory_key=memory_key, code=code)
        finish(store, key, 9.0)
        state = store.journal.state(key.partition("_")[0])
        found.append(partition_event(state, key, store.blobs).metadata)

    assert "review" not in found[0]
    (row,) = found[1]["review"].records
    assert (row.data["about"], row.data["text"]) == ("files", "open('x')")
    assert {name: value for name, value in found[1].items() if name != "review"}.keys() == found[0].keys()
    assert "+open('x')" in found[1]["change"].value
    assert "only the config differs" in found[0]["change"].value
