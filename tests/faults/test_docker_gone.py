"""The Docker daemon killed and started again, its socket gone and back: the session ends as if it had stayed."""

import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.limits import ATTEMPTS
from tests.faults import own_daemon
from tests.faults.conftest import MakeWorld
from tests.faults.own_daemon import Daemon
from tests.faults.proxy import Proxy, proxy
from tests.trainers.drivers import Driver, until
from tests.trainers.laboratory import World, code, remove, sleeps

pytestmark = pytest.mark.docker

KEY = "s02_d01_e01"


@pytest.fixture(scope="module")
def archive(image: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="faults-image-"))
    own_daemon.small_image(image, folder / "small.tar")
    yield folder / "small.tar"
    remove(folder)


@pytest.fixture
def daemon(request: pytest.FixtureRequest) -> Iterator[Daemon]:
    why = own_daemon.may_start()
    if why:
        pytest.skip(why)
    with own_daemon.own_daemon(live_restore=getattr(request, "param", False)) as made:
        yield made


@pytest.fixture
def socket() -> Iterator[Proxy]:
    folder = Path(tempfile.mkdtemp(prefix="faults-socket-"))
    with proxy(folder) as made:
        yield made
    remove(folder)


def training(world: World) -> Driver:
    driver = world.drive()
    driver.reach(f"STAGE {KEY} training")
    until(lambda: [one for one in world.all_containers() if one.status == "running"])
    return driver


def check(world: World, driver: Driver, *, maintained: bool = False) -> None:
    assert driver.finish() == "finished final answer"
    assert world.finished() == Counter(dict.fromkeys(world.finished(), 1))
    results = world.results()
    assert {title: one.outcome for title, one in results.items()} == dict.fromkeys(results, Outcome.TRAINED), (
        results
    )
    assert all(one.accepted for one in results.values())
    assert world.attempts(KEY) <= ATTEMPTS
    if maintained:
        world.maintain()
    assert world.leftovers() == []


@pytest.mark.slow
@pytest.mark.parametrize("daemon", [False, True], ids=["plain", "live-restore"], indirect=True)
def test_a_daemon_killed_while_a_container_trains_costs_an_attempt_at_most(
    daemon: Daemon, archive: Path, world: MakeWorld
) -> None:
    made = world(sleeps(2.0), code(), image=daemon.load(archive), host=daemon.host)
    driver = training(made)
    daemon.kill()
    daemon.start()
    check(made, driver)


@pytest.mark.night
def test_a_daemon_that_is_away_for_seconds_between_two_experiments_is_waited_for(
    daemon: Daemon, archive: Path, world: MakeWorld
) -> None:
    made = world(code(), code(0.8), image=daemon.load(archive), host=daemon.host, batch=1)
    driver = made.drive(halt="committed", halt_s=1.0)
    driver.reach("AT committed")
    daemon.kill()
    time.sleep(3.0)
    daemon.start()
    check(made, driver, maintained=True)  # what it could not remove while the daemon was away


@pytest.mark.slow
def test_a_socket_that_is_gone_while_a_container_trains_and_comes_back(
    socket: Proxy, world: MakeWorld, image: str
) -> None:
    made = world(sleeps(2.0), code(), image=image, host=socket.host)
    driver = training(made)
    socket.cut()
    time.sleep(1.0)
    socket.mend()
    check(made, driver)


@pytest.mark.night
def test_a_socket_that_is_cut_while_a_model_is_scored_costs_an_attempt_and_no_score(
    socket: Proxy, world: MakeWorld, image: str
) -> None:
    made = world(code(), code(0.8), image=image, host=socket.host)
    driver = made.drive(halt="scoring A", halt_s=1.5)
    driver.reach("AT scoring A")
    socket.cut()
    time.sleep(2.5)
    socket.mend()
    check(made, driver)


@pytest.mark.night
def test_a_driver_killed_while_there_is_no_daemon_is_followed_by_one_that_ends_the_session(
    socket: Proxy, world: MakeWorld, image: str
) -> None:
    made = world(code(), code(0.8), image=image, host=socket.host, batch=1)
    driver = made.drive(halt="thinking", halt_s=600)
    driver.reach("AT thinking")
    socket.cut()
    driver.kill()
    socket.mend()
    check(made, made.drive())
