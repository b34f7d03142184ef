"""The worker of a Dagster run killed, and a run terminated by a person: nothing is lost, nothing runs on."""

import signal
import subprocess
import sys
from collections import Counter

import pytest

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.faults.conftest import MakeWorld
from tests.trainers.drivers import until
from tests.trainers.laboratory import World, code, sleeps

pytestmark = pytest.mark.docker

KEY = "s02_d01_e01"
TERMINATE = """
import dagster as dg
with dg.DagsterInstance.get() as instance:
    (run,) = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    instance.report_run_canceling(run)
"""


def terminate(world: World) -> None:
    """Mark the run as Dagster's own termination does, before it interrupts the worker."""
    environment = {**world.environment, "PATH": "/usr/bin:/bin"}
    subprocess.run([sys.executable, "-c", TERMINATE], check=True, env=environment, cwd=PROJECT_ROOT)


@pytest.mark.night
def test_a_worker_of_a_run_that_is_killed_is_followed_by_a_run_that_goes_on(world: MakeWorld, image: str) -> None:
    made = world(sleeps(1.0), image=image, way="loop")
    driver = made.drive(halt="trains")
    driver.reach("AT trains")
    driver.kill()
    assert made.drive().finish() == "finished final answer"
    assert made.finished() == Counter({KEY: 1})
    assert made.results()["t0"].accepted
    assert made.leftovers() == []


@pytest.mark.slow
def test_a_run_that_a_person_terminates_stops_its_containers_and_labels_its_experiments(
    world: MakeWorld, image: str
) -> None:
    made = world(sleeps(300.0), code(), image=image, way="job")
    driver = made.drive()
    until(lambda: [one for one in made.all_containers() if one.status == "running"], lambda: driver.lines)
    terminate(made)
    driver.send(signal.SIGINT)
    driver.finish()
    state = made.store.journal.find(made.order.memory_key)
    assert state is not None
    assert state.status == "paused"
    assert [one.outcome for one in made.results().values()] == [Outcome.STOPPED] * 2
    assert made.containers() == []
    made.maintain()  # the temporary folder of what was stopped
    assert made.leftovers() == []
