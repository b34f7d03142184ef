import json
import subprocess
import sys

import dagster as dg
import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.definitions import defs
from autoresearch_dagster.defs.config import BundleConfig, ResearchConfig
from autoresearch_dagster.defs.partitions import experiment_partitions
from autoresearch_dagster.defs.research import research
from autoresearch_dagster.experiments.desk import Desk
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.store import open_store


def test_the_code_location_loads_without_the_heavy_libraries():
    code = "import sys, json, autoresearch_dagster.definitions; print(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=PROJECT_ROOT))

    assert "dagster" in loaded
    assert not {"torch", "mlflow", "anthropic", "huggingface_hub"} & set(loaded)


def test_assets_and_what_they_depend_on():
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.get_all_asset_keys()
    }

    assert found == {
        "climbmix_shards": [],
        "tokenizer": ["climbmix_shards"],
        "packed_rows": ["tokenizer"],
        "dataset_profile": ["packed_rows"],
        "experiment": ["packed_rows"],
        "leaderboard": ["experiment"],
        "research_report": ["leaderboard"],
    }


def test_checks_tell_what_a_user_wants_to_know():
    keys = defs.resolve_asset_graph().asset_check_keys

    assert {(key.asset_key.to_user_string(), key.name) for key in keys} >= {
        ("tokenizer", "round_trip"),
        ("packed_rows", "digests"),
        ("packed_rows", "no_shared_document"),
    }


def test_jobs_and_sensors_and_partitions_have_their_names():
    jobs = {job.name for job in defs.resolve_all_job_defs() if not job.name.startswith("__")}

    assert {"bundle", "research", "rerun_experiment"} <= jobs
    assert defs.resolve_sensor_def("next_batch").default_status is dg.DefaultSensorStatus.RUNNING
    assert defs.resolve_assets_def("experiment").partitions_def == dg.DynamicPartitionsDefinition(name="experiment")


def test_a_research_job_has_the_fields_of_a_session():
    ours = set(ResearchConfig.to_fields_dict())

    assert set(SessionConfig.model_fields) <= ours
    assert ours - set(SessionConfig.model_fields) == {"session", "quiet", "steer", "halt"}


def test_defaults_of_the_launchpad_are_those_of_a_session():
    assert ResearchConfig().session_config() == SessionConfig()


def test_a_wrong_key_in_the_launchpad_names_the_allowed_ones():
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        research.execute_in_process(run_config={"n_experimentz": 1}, instance=dg.DagsterInstance.ephemeral())

    assert "n_experimentz" in str(refused.value)
    assert "n_experiments" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("n_experiments", 0, "greater than or equal to 1"),
        ("n_experiments", 10_001, "less than or equal to 10000"),
        ("batch_size", 0, "greater than or equal to 1"),
        ("num_shards", -1, "greater than or equal to 1"),
        ("max_turns", 0, "greater than or equal to 1"),
        ("time_budget_sec", 0, "greater than or equal to 1"),
        ("concurrency", 0, "greater than or equal to 1"),
        ("max_usd", -1.0, "greater than 0"),
        ("max_gpu_hours", 0.0, "greater than 0"),
        ("memory_key", "", "at least 1 character"),
        ("preset", "huge", "demo, workshop, gpu"),
    ],
)
def test_a_wrong_value_in_the_launchpad_is_refused_in_a_sentence_before_anything_runs(name, value, said):
    with pytest.raises(dg.DagsterInvariantViolationError) as refused:
        dg.validate_run_config(research, {name: value})

    sentence = str(refused.value)
    assert str(value) in sentence
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_a_value_of_the_wrong_type_is_refused_by_name():
    with pytest.raises(dg.DagsterInvalidConfigError) as refused:
        dg.validate_run_config(research, {"n_experiments": "many"})

    assert "n_experiments" in str(refused.value)
    assert "Int" in str(refused.value)


def test_a_source_that_is_none_fails_the_run_with_a_sentence(tmp_path):
    settings = Settings(home=tmp_path / "home", mlruns=tmp_path / "mlruns", runner="plain")
    with dg.DagsterInstance.ephemeral() as instance, Desk(settings) as desk:
        result = research.execute_in_process(
            run_config={"source": "nowhere", "quiet": True},
            instance=instance,
            resources={"desk": desk},
            raise_on_error=False,
        )

    assert not result.success
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "nowhere" in failure.user_failure_data.description


@pytest.mark.parametrize("config", [ResearchConfig, BundleConfig])
def test_every_field_of_the_launchpad_has_a_default_and_says_what_it_means(config):
    for name, field in config.model_fields.items():
        assert not field.is_required(), name
        assert field.description is not None, name
        assert field.description.endswith("."), name
        assert len(field.description) > 25, name


def test_one_dispatch_fills_a_partition_and_settles_its_answer(tmp_path):
    settings = Settings(home=tmp_path / "home", mlruns=tmp_path / "mlruns", runner="plain")
    wanted = {"preset": "demo", "n_experiments": 1, "batch_size": 1, "time_budget_sec": 20}
    with dg.DagsterInstance.ephemeral() as instance, Desk(settings) as desk:
        config = {**wanted, "memory_key": "graph", "quiet": True}
        floor = research.execute_in_process(run_config=config, instance=instance, resources={"desk": desk})
        partitions = set(instance.get_dynamic_partitions(experiment_partitions.name))
        tags = instance.get_run_by_id(floor.run_id).tags
        said = [entry.user_message for entry in instance.all_logs(floor.run_id)]
        told = {event.asset_key.to_user_string() for event in floor.all_events if event.is_step_materialization}
    assert floor.success
    assert tags["autoresearch/memory_key"] == "graph"
    assert any(line.startswith("s01_d00_n01 baseline, seed 0 trains on core ") for line in said)
    assert {"climbmix_shards", "tokenizer", "packed_rows", "dataset_profile"} <= told
    assert partitions == {"s01_d00_n01", "s01_d00_n02", "s01_d00_n03"}
    with dg.DagsterInstance.ephemeral() as instance, Desk(settings) as desk:
        result = research.execute_in_process(run_config=config, instance=instance, resources={"desk": desk})
        partitions = list(instance.get_dynamic_partitions(experiment_partitions.name))

    assert result.success
    assert partitions == ["s01_d01_e01"]
    shown = {
        (event.asset_key.to_user_string(), event.partition)
        for event in result.all_events
        if event.is_step_materialization
    }
    assert {("experiment", "s01_d01_e01"), ("leaderboard", None), ("research_report", None)} <= shown
    state = open_store(settings).journal.find("graph")
    assert state is not None
    (experiment,) = state.experiments.values()
    assert experiment.result is not None
    assert experiment.result.accepted
    assert experiment.run_id == result.run_id
    assert experiment.screening is not None
    told = [
        event.step_materialization_data.materialization
        for event in result.all_events
        if event.is_step_materialization and event.partition == "s01_d01_e01"
    ]
    assert told[-1].metadata["judgement"].value == experiment.judgement, "shown again when it was judged"
    answered = all(turn.answers for turn in state.turns if any(call.kind == "call_pending" for call in turn.calls))
    assert answered != experiment.undecided, "a plan sleeps until its confirmation is decided"
    report = (tmp_path / "home" / "reports" / "s01.html").read_text(encoding="utf-8")
    assert experiment.judgement in report
