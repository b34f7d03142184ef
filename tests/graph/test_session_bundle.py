"""A session's run fills the pages of the bundle that it rests on, once, and nothing is shown as out of step."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.data.folders import SHORT
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.definitions import defs
from autoresearch_dagster.defs import bundle_checks, bundle_log
from autoresearch_dagster.defs.assets import leaderboard_metadata
from autoresearch_dagster.defs.bundle_log import tell_bundle
from autoresearch_dagster.defs.experiments import experiment_event
from autoresearch_dagster.defs.research import _tell_bundle
from autoresearch_dagster.defs.versions import leaderboard_provenance
from autoresearch_dagster.experiments.desk import Desk
from tests.plans import finish, plan

ASSETS = ("climbmix_shards", "tokenizer", "packed_rows", "dataset_profile")
CHECKS = {"round_trip", "digests", "no_shared_document", "no_duplicates"}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    """A folder of bundles that the tests of this module share; none changes it."""
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture
def settings(settings, bundles, tmp_path) -> Settings:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "bundles").symlink_to(bundles)
    return settings


def bundle_of(settings, sequence_length=64) -> Bundle:
    return build_bundle("sample", 1, sequence_length, settings.bundles, lambda _line: None)


def in_a_run(instance, act):
    """Do something with the context of a step, as a session's run does."""

    @dg.op
    def step(context: dg.OpExecutionContext) -> None:
        act(context)

    @dg.job
    def some_run() -> None:
        step()

    return some_run.execute_in_process(instance=instance)


def told_of(instance, bundle, state):
    return in_a_run(
        instance, lambda context: tell_bundle(context.instance, bundle, state, context.log_event)
    ).all_events


def materialised(events):
    return [event.asset_key.to_user_string() for event in events if event.is_step_materialization]


def build_in_dagster(instance, sequence_length):
    job = defs.resolve_job_def("bundle")
    result = job.execute_in_process(run_config={"sequence_length": sequence_length}, instance=instance)
    assert result.success
    return result


def out_of_step(instance):
    """Return what Dagster shows as missing, stale or unsynced, with its reason."""
    found = CachingStaleStatusResolver(instance, defs.resolve_asset_graph(), LoadingContextForTest(instance))
    keys = [(dg.AssetKey(asset), None) for asset in (*ASSETS, "leaderboard")]
    keys += [(dg.AssetKey("experiment"), key) for key in instance.get_dynamic_partitions("experiment")]
    statuses = {
        (asset.to_user_string(), key): (found.get_status(asset, key).value, found.get_stale_causes(asset, key))
        for asset, key in keys
    }
    return {name: status for name, status in statuses.items() if status[0] != "FRESH"}


def test_the_pages_tell_what_the_job_tells_and_the_checks_have_run(settings, store, instance):
    (key,) = plan(store, "wide")
    events = told_of(instance, bundle_of(settings), store.journal.state("s01"))
    with dg.DagsterInstance.ephemeral() as other:
        job = build_in_dagster(other, 64).all_events

    assert materialised(events) == list(ASSETS)
    mine, theirs = (
        {
            event.asset_key.to_user_string(): dict(event.step_materialization_data.materialization.metadata)
            for event in found
            if event.is_step_materialization
        }
        for found in (events, job)
    )
    for asset in ASSETS:
        assert mine[asset].pop("work").value == f"built or found by the session {key[:3]}"
        theirs[asset].pop("work", None)
        assert mine[asset] == theirs[asset]
    checks = [
        event.asset_check_evaluation_data for event in events if event.event_type_value.endswith("EVALUATION")
    ]
    assert {check.check_name for check in checks} == CHECKS
    assert all(check.passed for check in checks)


def test_each_bundle_is_told_once_whoever_built_it(settings, store, instance):
    plan(store, "wide")
    state, short, long = store.journal.state("s01"), bundle_of(settings, 64), bundle_of(settings, 96)
    build_in_dagster(instance, 96)

    assert materialised(told_of(instance, short, state)) == ["packed_rows", "dataset_profile"]  # all else is shared
    assert materialised(told_of(instance, short, state)) == []
    assert materialised(told_of(instance, long, state)) == []


def test_what_a_person_materialised_alone_is_not_told_twice_and_the_rest_is_told(settings, store, instance):
    plan(store, "wide")
    dg.materialize(
        [defs.resolve_assets_def("climbmix_shards")], instance=instance, run_config={"ops": {"climbmix_shards": {}}}
    )

    events = told_of(instance, bundle_of(settings), store.journal.state("s01"))

    assert materialised(events) == list(ASSETS[1:])


def test_nothing_is_out_of_step_whatever_other_bundles_are_built_and_trained_on(settings, store, instance):
    def show(context):
        state = store.journal.state("s01")
        tell_bundle(context.instance, bundle_of(settings), state, context.log_event)
        context.log_event(experiment_event(state.experiments[key]))

    def settle(context):
        state = store.journal.state("s01")
        context.log_event(experiment_event(state.experiments[key]))  # once more, now that it is judged
        tags = leaderboard_provenance(context.instance, f"{state.id}-{state.sequence}")
        context.log_event(dg.AssetMaterialization("leaderboard", metadata=leaderboard_metadata([state]), tags=tags))

    (key,) = plan(store, "wide")
    instance.add_dynamic_partitions("experiment", [key])
    finish(store, key, 2.5)
    in_a_run(instance, show)
    in_a_run(instance, settle)
    assert out_of_step(instance) == {}

    build_in_dagster(instance, 64)
    told_of(instance, bundle_of(settings, 96), store.journal.state("s01"))
    in_a_run(
        instance, lambda context: context.log_event(experiment_event(store.journal.state("s01").experiments[key]))
    )
    assert out_of_step(instance) == {}


def test_a_result_that_the_leaderboard_does_not_know_is_said_to_be_new(settings, store, instance):
    def show(context):
        context.log_event(experiment_event(store.journal.state("s01").experiments[key]))

    first, key = plan(store, "wide", "deep")
    finish(store, first, 2.5)
    finish(store, key, 2.4)
    told_of(instance, bundle_of(settings), store.journal.state("s01"))
    instance.report_runless_asset_event(experiment_event(store.journal.state("s01").experiments[first]))
    tags = leaderboard_provenance(instance, "before")
    instance.report_runless_asset_event(dg.AssetMaterialization("leaderboard", tags=tags))
    instance.add_dynamic_partitions("experiment", [first, key])
    in_a_run(instance, show)

    assert set(out_of_step(instance)) == {("leaderboard", None)}


def test_a_large_bundle_leaves_what_reads_all_of_it_to_the_job(settings, store, instance, monkeypatch):
    plan(store, "wide")
    monkeypatch.setattr(bundle_checks, "CHECKED_AT_ONCE_BYTES", 1000)
    said = []

    def tell(context):
        told = tell_bundle(instance, bundle_of(settings), store.journal.state("s01"), context.log_event)
        said.append(told)

    result = in_a_run(instance, tell)

    assert {check.check_name for check in result.get_asset_check_evaluations()} == {"round_trip"}
    assert materialised(result.all_events) == list(ASSETS)
    assert said == [
        "The bundle is large: its checks digests, no_shared_document, no_duplicates are left to the job `bundle`."
    ]


def tell_in_research(instance, settings, bundle):
    """Tell as the job `research` does; return the warnings of the run."""
    with Desk(settings) as desk:
        desk._session = "s01"

        @dg.op(required_resource_keys={"desk"})
        def step(context: dg.OpExecutionContext) -> None:
            _tell_bundle(context, bundle)

        @dg.job(resource_defs={"desk": dg.ResourceDefinition.hardcoded_resource(desk)})
        def some_run() -> None:
            step()

        result = some_run.execute_in_process(instance=instance)
    assert result.success
    return [entry.user_message for entry in instance.all_logs(result.run_id) if entry.level >= 30]


def test_a_bundle_whose_files_are_gone_is_a_warning_and_research_goes_on(settings, store, instance, tmp_path):
    plan(store, "wide")
    whole = bundle_of(settings)

    (warning,) = tell_in_research(instance, settings, Bundle(whole.shards, tmp_path / "gone", whole.packed))

    assert "gone" in warning


def test_a_check_that_fails_is_a_warning_of_the_run(settings, store, instance, monkeypatch):
    plan(store, "wide")
    failing = bundle_checks.BundleCheck("packed_rows", "digests", lambda _: (False, "x changed."), lambda _: {})
    for module in (bundle_checks, bundle_log):
        monkeypatch.setattr(module, "CHECKS", (failing,))

    warnings = tell_in_research(instance, settings, bundle_of(settings))

    assert warnings == ["The bundle fails its check digests: x changed."]
    latest = instance.get_latest_materialization_event(dg.AssetKey("packed_rows")).asset_materialization
    assert latest.metadata["digest"].value == bundle_of(settings).digest[:SHORT]
