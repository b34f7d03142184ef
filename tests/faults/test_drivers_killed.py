"""A driver killed at any moment: its successor ends the session as if nothing had been, and leaves nothing."""

import re
import signal
import time
from collections import Counter
from collections.abc import Callable

import pytest
from docker.models.containers import Container

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.limits import LEASE_S
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.store.leases import this_process
from tests.faults.conftest import MakeWorld
from tests.trainers.drivers import Driver, until
from tests.trainers.laboratory import World, code, sleeps

pytestmark = pytest.mark.docker

KEY = "s02_d01_e01"
"""The one candidate of a world's session: its home knows another session already."""
MOMENTS = {
    "thinking": ("", 1),
    "created": ("created", 2),
    "trains": ("running", 2),
    "scoring": ("", 2),
    "scoring A": ("running|exited", 2),
    "scoring B": ("running|exited", 2),
    "committing": ("", 2),
    "committed": ("", 1),
}
"""What the driver does when it is killed, the state of its container then (a model server ends by itself when its
evaluator is gone), and the attempts in the end."""


def states(world: World) -> list[str]:
    found: list[Container] = world.all_containers()
    return sorted(one.status for one in found)


def check(world: World, *, attempts: int, maintained: bool = False) -> None:
    """One session, one result for everything that was planned, and nothing left, or nothing but maintenance's."""
    finished = world.finished()
    assert finished == Counter(dict.fromkeys(finished, 1))
    assert KEY in finished
    assert [result.outcome for result in world.results().values()] == [Outcome.TRAINED] * len(world.results())
    assert all(result.accepted for result in world.results().values()), world.results()
    assert world.attempts(KEY) <= attempts
    sequence = [record.sequence for record in world.events()]
    assert sequence == list(range(len(sequence)))
    if maintained:
        world.maintain()
    assert world.leftovers() == []


def killed_at(world: World, moment: str) -> Driver:
    driver = world.drive(halt=moment)
    driver.reach(f"AT {moment} ")
    return driver


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_driver_killed_at_any_moment_is_followed_by_one_that_ends_the_session(
    moment: str, world: MakeWorld, image: str
) -> None:
    containers, attempts = MOMENTS[moment]
    made = world(sleeps(1.5) if moment == "trains" else code(), image=image)
    killed_at(made, moment).kill()
    assert re.fullmatch(containers, ",".join(states(made)))
    assert made.finished()[KEY] == (moment == "committed")
    assert made.drive().finish() == "finished final answer"
    check(made, attempts=attempts, maintained=moment == "committed")


@pytest.mark.slow
def test_a_driver_killed_while_it_waits_for_a_slot_leaves_its_place_in_the_line(
    world: MakeWorld, image: str
) -> None:
    made = world(code(), image=image)
    store, slots = made.store, tuple(Slot((core,)) for core in made.settings.cores)
    with store.slots.slot("somebody else", this_process(), lambda: slots, lambda: False):
        driver = made.drive()
        until(lambda: waiting(made), lambda: driver.lines)
        driver.kill()
        assert made.attempts(KEY) == 0
    assert made.drive().finish() == "finished final answer"
    check(made, attempts=1)


def waiting(world: World) -> bool:
    with world.store.engine.connect() as connection:
        rows = connection.exec_driver_sql("select state from slot_tickets").all()
    return ("waiting",) in [tuple(row) for row in rows]


@pytest.mark.slow
def test_a_driver_killed_while_a_container_trains_is_followed_by_one_that_takes_the_container_over(
    world: MakeWorld, image: str
) -> None:
    made = world(sleeps(6.0), image=image)
    killed_at(made, "trains").kill()
    (container,) = made.all_containers()
    successor = made.drive()
    assert successor.finish() == "finished final answer"
    assert made.attempts(KEY) == 1, "it was trained again"
    assert ended_by_itself(made, container.id)
    check(made, attempts=1)


def ended_by_itself(world: World, container: str) -> bool:
    """Whether a container that is gone now died with exit code 0 first, as the daemon remembers."""
    client = world.client()
    filters = {"container": container, "event": "die"}
    events = client.api.events(
        since=int(time.time()) - 60, until=int(time.time()) + 1, filters=filters, decode=True
    )
    codes = [event["Actor"]["Attributes"]["exitCode"] for event in events]
    return codes == ["0"]


@pytest.mark.slow
def test_a_container_that_ended_while_no_driver_was_there_is_collected(world: MakeWorld, image: str) -> None:
    made = world(sleeps(1.0), image=image)
    killed_at(made, "trains").kill()
    until(lambda: states(made) == ["exited"])
    assert made.drive().finish() == "finished final answer"
    check(made, attempts=2)


@pytest.mark.night
def test_a_driver_that_stands_still_keeps_its_session_for_itself(world: MakeWorld, image: str) -> None:
    made = world(sleeps(1.0), image=image)
    driver = killed_at(made, "trains")
    driver.send(signal.SIGSTOP)
    second = made.drive()
    assert "StoreConflict" in second.finish()
    driver.send(signal.SIGCONT)
    driver.kill()
    assert made.drive().finish() == "finished final answer"
    check(made, attempts=2)


TIER = {
    "docker kill": pytest.mark.slow,
    "docker stop": pytest.mark.night,
    "docker rm -f": pytest.mark.night,
    "scoring A": pytest.mark.slow,
    "scoring B": pytest.mark.night,
}
"""One of each kind belongs to the fixed part."""
Kill = Callable[[Container], None]
OUTSIDE: dict[str, Kill] = {
    "docker kill": lambda container: container.kill(),
    "docker stop": lambda container: container.stop(timeout=0),
    "docker rm -f": lambda container: container.remove(force=True),
}


@pytest.mark.parametrize("how", [pytest.param(how, marks=TIER[how]) for how in OUTSIDE])
def test_a_container_that_somebody_else_ends_is_trained_again(how: str, world: MakeWorld, image: str) -> None:
    made = world(sleeps(3.0), code(), image=image)
    driver = made.drive()
    driver.reach(f"STAGE {KEY} training")
    (container,) = until(lambda: [one for one in made.all_containers() if one.status == "running"])
    OUTSIDE[how](container)
    assert driver.finish() == "finished final answer"
    assert made.attempts(KEY) == 2
    check(made, attempts=2)


@pytest.mark.parametrize("role", [pytest.param(role, marks=TIER[role]) for role in ("scoring A", "scoring B")])
def test_a_model_server_that_somebody_else_removes_is_nobodys_fault(
    role: str, world: MakeWorld, image: str
) -> None:
    made = world(code(0.9), code(0.8), image=image)
    driver = made.drive(halt=role, halt_s=2.0)
    driver.reach(f"AT {role} ")
    (container,) = made.all_containers()
    container.remove(force=True)
    assert driver.finish() == "finished final answer"
    check(made, attempts=2)


@pytest.mark.slow
def test_a_driver_that_is_interrupted_lets_its_container_train_to_its_end(world: MakeWorld, image: str) -> None:
    made = world(sleeps(12.0), image=image)
    driver = made.drive()
    driver.reach(f"STAGE {KEY} training")
    (container,) = until(lambda: [one for one in made.all_containers() if one.status == "running"])
    until(lambda: made.ready(KEY))
    driver.send(signal.SIGINT)
    until(lambda: driver.ended)
    assert states(made) == ["running"]
    assert made.drive().finish() == "finished final answer"
    assert made.attempts(KEY) == 1
    assert ended_by_itself(made, container.id)
    check(made, attempts=1)


@pytest.mark.night
def test_a_driver_that_stood_still_beyond_its_lease_finds_its_session_in_other_hands(
    world: MakeWorld, image: str
) -> None:
    made = world(sleeps(1.5), image=image)
    driver = made.drive(halt="trains", halt_s=1.0)
    driver.reach("AT trains ")
    driver.send(signal.SIGSTOP)
    time.sleep(LEASE_S + 2.0)
    assert made.drive().finish() == "finished final answer"
    driver.send(signal.SIGCONT)
    until(lambda: driver.ended)
    check(made, attempts=2)
