"""The sensor `reconcile` and the job `maintenance`, on a real journal."""

import dagster as dg
import pytest

from autoresearch_dagster.containers.process_tree import is_running
from autoresearch_dagster.defs.maintenance import maintenance, reconcile
from autoresearch_dagster.defs.research import research
from autoresearch_dagster.defs.shown import WORKER_TAG
from autoresearch_dagster.experiments.project import project
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store.leases import this_process
from tests.contract.jobs import gone
from tests.deaths import Driver
from tests.plans import finish, plan

DEAD = f"{this_process().partition(':')[0]}:999999999:1"


@pytest.fixture
def settings(settings, tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return settings


class Sensor:
    """Ticks `reconcile` and keeps its cursor, as the daemon does."""

    def __init__(self, instance):
        self.instance, self.cursor, self.said = instance, None, ""

    def tick(self):
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        found = reconcile(context)
        self.cursor = context.cursor
        if isinstance(found, dg.SkipReason):
            self.said = found.skip_message
            return []
        return found.run_requests


def maintain(instance):
    result = maintenance.execute_in_process(instance=instance)
    assert result.success
    return result


def test_nothing_is_asked_for_while_everything_agrees(store, instance):
    sensor = Sensor(instance)

    assert sensor.tick() == []
    assert "agree" in sensor.said


def test_a_killed_driver_is_asked_for_once_and_put_right_by_the_job(settings, store, instance, tmp_path):
    (key,) = plan(store, "wide")
    project(settings, store, "s01")
    job = int(Driver(settings, tmp_path, key, "s01").kill())
    sensor = Sensor(instance)

    assert len(sensor.tick()) == 1
    assert sensor.tick() == []
    assert key in sensor.said
    assert is_running(job)
    maintain(instance)

    gone(job)
    assert sensor.tick() == []
    assert "agree" in sensor.said


def test_the_job_says_what_it_did_as_metadata(settings, store, instance, tmp_path):
    (key,) = plan(store, "wide")
    Driver(settings, tmp_path, key, "s01").kill()

    result = maintain(instance)

    (told,) = [
        event.step_output_data.metadata
        for event in result.all_events
        if event.is_successful_output and event.step_key == "clear_what_died"
    ]
    assert told["left"].value == 0
    assert key in {record.data["which"] for record in told["deeds"].records}


def test_maintenance_beside_maintenance_and_again_changes_nothing(store, instance):
    (key,) = plan(store, "wide")
    finish(store, key)
    maintain(instance)
    before = store.journal.events("s01")

    result = maintain(instance)

    assert store.journal.events("s01") == before
    assert not [event for event in result.all_events if event.is_step_materialization]


def test_a_result_that_a_dead_worker_did_not_show_fills_its_partition(store, instance):
    lost, other = plan(store, "wide", "deep")
    finish(store, lost, 2.25)
    sensor = Sensor(instance)
    assert len(sensor.tick()) == 1
    assert instance.get_materialized_partitions(dg.AssetKey("experiment")) == set()

    maintain(instance)

    assert instance.get_materialized_partitions(dg.AssetKey("experiment")) == {lost}
    assert set(instance.get_dynamic_partitions("experiment")) == {lost}
    assert other not in instance.get_dynamic_partitions("experiment")
    event = instance.get_latest_materialization_event(dg.AssetKey("experiment"))
    assert event.asset_materialization.metadata["val_bpb"].value == 2.25
    assert sensor.tick() == []


def test_results_of_a_session_that_is_driven_are_left_to_its_driver(store, instance):
    (key,) = plan(store, "wide")
    finish(store, key)

    with store.leases.hold(lease_name("s01"), this_process()):
        assert Sensor(instance).tick() == []


def start_a_run(instance, worker):
    return instance.create_run_for_job(research, status=dg.DagsterRunStatus.STARTED, tags={WORKER_TAG: worker})


def test_a_run_whose_worker_died_with_everything_else_is_ended(store, instance):
    lost, living = start_a_run(instance, DEAD), start_a_run(instance, this_process())
    assert len(Sensor(instance).tick()) == 1

    maintain(instance)

    assert instance.get_run_by_id(lost.run_id).status is dg.DagsterRunStatus.FAILURE
    assert instance.get_run_by_id(living.run_id).status is dg.DagsterRunStatus.STARTED


def test_the_run_of_maintenance_that_does_not_help_is_asked_for_ever_more_seldom(settings, store, instance):
    (key,) = plan(store, "wide")
    finish(store, key)
    settings.mlruns.write_text("a file where MLflow's folder should be")
    sensor = Sensor(instance)
    assert len(sensor.tick()) == 1

    maintain(instance)

    assert sensor.tick() == []
    assert "waiting" in sensor.said


def test_nothing_is_asked_for_while_maintenance_is_under_way(store, instance):
    plan(store, "wide")
    run = instance.create_run_for_job(maintenance, status=dg.DagsterRunStatus.STARTED)
    sensor = Sensor(instance)
    assert sensor.tick() == []
    assert "under way" in sensor.said

    instance.report_run_failed(run)

    assert len(sensor.tick()) == 1
