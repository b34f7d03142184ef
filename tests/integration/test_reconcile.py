"""What maintenance finds and puts right: real journal, real leases of killed processes, real jobs."""

import psutil
import pytest

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.process_tree import is_running
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, experiment_lease, scratch_prefix
from autoresearch_dagster.experiments.maintain import catch_up, clear
from autoresearch_dagster.experiments.reconcile import Kind, look
from autoresearch_dagster.experiments.session import lease_name, pause
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.store import open_store
from tests.contract.jobs import PROGRAM, gone
from tests.daemon import require_daemon
from tests.deaths import Driver
from tests.plans import finish, plan


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    return Settings(home=tmp_path / "home", mlruns=tmp_path / "mlruns", runner="plain")


@pytest.fixture
def store(settings):
    return open_store(settings)


@pytest.fixture
def local(settings):
    return LocalRunner(PROGRAM, settings.home.resolve() / "jobs")


def kinds(troubles):
    return {trouble.kind for trouble in troubles} - {Kind.MLFLOW_BEHIND}


def folders(settings):
    return find_folders(scratch_prefix(settings))


def test_a_quiet_home_has_no_troubles(settings, store, local):
    assert look(settings, store, [local]) == []


def test_what_a_killed_driver_leaves_is_found_and_removed(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    job = int(Driver(settings, tmp_path, key, "s01").kill())
    assert is_running(job)
    assert len(folders(settings)) == 1

    found = look(settings, store, [local])
    assert kinds(found) == {Kind.LOST_EXPERIMENT, Kind.ORPHANED_JOB, Kind.STALE_FOLDER, Kind.ABANDONED_LEASE}
    deeds = clear(settings, store, [local], found)

    assert all(deed.done for deed in deeds)
    gone(job)
    assert folders(settings) == []
    assert local.labelled(KEY_LABEL) == set()
    assert store.leases.abandoned() == []
    assert kinds(look(settings, store, [local])) == set()


def test_a_lost_experiment_keeps_its_plan_and_gets_no_result(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    Driver(settings, tmp_path, key, "s01").kill()
    before = store.journal.events("s01")

    clear(settings, store, [local], look(settings, store, [local]))

    assert store.journal.events("s01") == before
    assert [item.planned.key for item in store.journal.state("s01").unfinished] == [key]


@pytest.mark.parametrize(
    ("driver", "rests", "said"),
    [
        ("daemon", False, "next_batch"),
        ("cli", False, "autoresearch run --memory-key research"),
        ("daemon", True, "resumed"),
    ],
)
def test_a_person_is_told_who_runs_a_lost_experiment_again(settings, store, local, tmp_path, driver, rests, said):
    (key,) = plan(store, "wide", driver=driver)
    if rests:
        pause("s01", store, "by hand")
    Driver(settings, tmp_path, key).kill()

    found = look(settings, store, [local])
    clear(settings, store, [local], found)

    (lost,) = [trouble for trouble in found if trouble.kind is Kind.LOST_EXPERIMENT]
    assert said in lost.said


def test_a_running_driver_and_its_job_are_left_alone(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    driver = Driver(settings, tmp_path, key, "s01")
    try:
        found = look(settings, store, [local])
        clear(settings, store, [local], found)

        assert kinds(found) == set()
        assert is_running(int(driver.job))
        assert len(folders(settings)) == 1
    finally:
        driver.kill()
    clear(settings, store, [local], look(settings, store, [local]))


def test_a_job_is_not_taken_from_a_driver_that_came_back_meanwhile(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    job = int(Driver(settings, tmp_path, key).kill())
    found = look(settings, store, [local])
    with store.leases.hold(experiment_lease(key), this_process()):
        clear(settings, store, [local], found)
        assert is_running(job)

    clear(settings, store, [local], look(settings, store, [local]))
    gone(job)


def test_a_session_that_somebody_drives_is_left_to_its_driver(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    job = int(Driver(settings, tmp_path, key).kill())

    with store.leases.hold(lease_name("s01"), this_process()):
        found = [trouble for trouble in look(settings, store, [local]) if key in trouble.subject]
        assert [trouble.subject for trouble in found] == [f"core:here:{key}"]

    assert is_running(job)
    clear(settings, store, [local], look(settings, store, [local]))
    gone(job)


def test_a_job_that_no_lease_speaks_of_is_not_judged(settings, store, local, tmp_path):
    job = int(Driver(settings, tmp_path, "x_stranger").kill())
    elsewhere = open_store(Settings(home=tmp_path / "another"))

    assert look(settings, elsewhere, [local]) == []

    assert is_running(job)
    clear(settings, store, [local], look(settings, store, [local]))
    gone(job)


def test_a_job_whose_removal_failed_before_its_lease_was_released_is_found(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    job = int(Driver(settings, tmp_path, key).kill())
    store.leases.release(store.leases.acquire(experiment_lease(key), this_process()))

    found = look(settings, store, [local])
    assert Kind.ORPHANED_JOB in kinds(found)
    clear(settings, store, [local], found)

    gone(job)


def test_clearing_twice_and_after_somebody_else_did_is_harmless(settings, store, local, tmp_path):
    (key,) = plan(store, "wide")
    job = int(Driver(settings, tmp_path, key, "s01").kill())
    found = look(settings, store, [local])

    first = clear(settings, store, [local], found)
    second = clear(settings, open_store(settings), [local], found)

    assert all(deed.done for deed in [*first, *second])
    gone(job)


def test_a_runner_that_fails_is_reported_and_the_trouble_stays(settings, store, local, tmp_path):
    from autoresearch_dagster.core.errors import ContainerError
    from tests.fakes import ScriptedRunner

    class Refusing(ScriptedRunner):
        def labelled(self, name):
            return {"s01_d01_e01"}

        def reap(self, labels):
            raise ContainerError("Docker does not answer.")

    (key,) = plan(store, "wide")
    Driver(settings, tmp_path, key).kill()

    deeds = clear(settings, store, [Refusing()], look(settings, store, [Refusing()]))

    assert [deed.said for deed in deeds if not deed.done]
    assert key in {trouble.subject for trouble in look(settings, store, [Refusing()])}
    clear(settings, store, [local], look(settings, store, [local]))


def test_results_that_mlflow_does_not_show_are_found_and_projected(settings, store):
    (key,) = plan(store, "wide")
    finish(store, key)
    found = look(settings, store, [])
    assert [(trouble.kind, trouble.subject) for trouble in found] == [(Kind.MLFLOW_BEHIND, "s01")]

    (deed,) = catch_up(settings, store, found)

    assert deed.done, deed.said
    assert look(settings, store, []) == []
    with store.journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="go on"))
    assert [trouble.subject for trouble in look(settings, store, [])] == ["s01"]


def test_a_deleted_mlflow_is_noticed(settings, store):
    (key,) = plan(store, "wide")
    finish(store, key)
    catch_up(settings, store, look(settings, store, []))

    (settings.mlruns / "mlflow.db").unlink()

    assert [trouble.kind for trouble in look(settings, store, [])] == [Kind.MLFLOW_BEHIND]


def test_an_mlflow_that_refuses_is_reported_in_a_sentence_and_stays_behind(settings, store):
    (key,) = plan(store, "wide")
    finish(store, key)
    settings.mlruns.write_text("a file where MLflow's folder should be")

    (deed,) = catch_up(settings, store, look(settings, store, []))

    assert not deed.done
    assert "MLflow is behind the journal" in deed.said
    assert [trouble.subject for trouble in look(settings, store, [])] == ["s01"]


@pytest.mark.docker
def test_a_container_of_a_killed_driver_is_removed_and_others_stay(settings, store, tmp_path):
    require_daemon()
    image = DockerRunner(settings).prepare(print)
    runner = DockerRunner(settings, image, PROGRAM)
    lost, kept = plan(store, "wide", "deep")
    living = Driver(settings, tmp_path, kept, image=image)
    try:
        Driver(settings, tmp_path, lost, image=image).kill()
        assert runner.labelled(KEY_LABEL) == {lost, kept}

        clear(settings, store, [runner], look(settings, store, [runner]))

        assert runner.labelled(KEY_LABEL) == {kept}
        assert psutil.pid_exists(living.process.pid)
    finally:
        living.kill()
    clear(settings, store, [runner], look(settings, store, [runner]))
    assert runner.labelled(KEY_LABEL) == set()
