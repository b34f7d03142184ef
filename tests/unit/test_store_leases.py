"""Leases and slots: one holder at a time, and the dead hold nothing."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from autoresearch_dagster.core.errors import StoreConflict
from autoresearch_dagster.core.limits import LEASE_S
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.store import database as db
from autoresearch_dagster.store.leases import Lease, Leases, is_dead, this_process
from autoresearch_dagster.store.slots import Slots

ELSEWHERE = "another-machine:17:42"
HOLDER = """
import sys, time
from autoresearch_dagster.store.database import connect
from autoresearch_dagster.store.leases import Leases, this_process
print(Leases(connect(sys.argv[1])).acquire("session:s01", this_process()).owner, flush=True)
time.sleep(600)
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


WHO_AM_I = """
import time
from autoresearch_dagster.store.leases import this_process
print(this_process(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leases(url: str, clock: Clock) -> Leases:
    return Leases(db.connect(url), clock)


def test_a_held_lease_is_refused_with_the_name_of_its_holder(leases: Leases) -> None:
    leases.acquire("session:s01", ELSEWHERE)
    with pytest.raises(StoreConflict, match=f"session:s01 is held by {ELSEWHERE}"):
        leases.acquire("session:s01", this_process())
    held = leases.holder("session:s01")
    assert held is not None
    assert held.owner == ELSEWHERE


def test_a_process_cannot_take_what_it_holds_itself_twice(leases: Leases) -> None:
    leases.acquire("core:0", this_process())
    with pytest.raises(StoreConflict):
        leases.acquire("core:0", this_process())


def test_an_expired_lease_is_taken_over_and_its_old_holder_is_refused(leases: Leases, clock: Clock) -> None:
    first = leases.acquire("session:s01", ELSEWHERE)
    clock.now += LEASE_S + 1
    assert leases.holder("session:s01") is None
    second = leases.acquire("session:s01", this_process())
    assert second.epoch == first.epoch + 1
    with pytest.raises(StoreConflict, match="was lost"):
        leases.renew(first)
    leases.release(first)
    held = leases.holder("session:s01")
    assert held is not None
    assert held.epoch == second.epoch


def test_a_renewed_lease_does_not_expire(leases: Leases, clock: Clock) -> None:
    lease = leases.acquire("session:s01", ELSEWHERE)
    clock.now += LEASE_S - 1
    leases.renew(lease)
    clock.now += LEASE_S - 1
    with pytest.raises(StoreConflict):
        leases.acquire("session:s01", this_process())


def test_the_epoch_grows_with_every_grant_and_outlives_a_release(leases: Leases) -> None:
    epochs: list[int] = []
    for _ in range(3):
        lease = leases.acquire("session:s01", this_process())
        epochs.append(lease.epoch)
        leases.release(lease)
    assert epochs == [1, 2, 3]
    assert leases.holder("session:s01") is None


def test_a_lease_passes_the_check_until_it_is_released_or_somebody_else_has_it(
    leases: Leases, clock: Clock, url: str
) -> None:
    engine = db.connect(url)

    def check(lease: Lease) -> None:
        with db.write(engine) as connection:
            leases.check(connection, lease)

    lease = leases.acquire("session:s01", ELSEWHERE)
    clock.now += LEASE_S + 1
    check(lease)  # it expired and nobody wanted it: the clock may have jumped
    successor = leases.acquire("session:s01", this_process())
    check(successor)
    with pytest.raises(StoreConflict, match="was lost"):
        check(lease)
    leases.release(successor)
    with pytest.raises(StoreConflict, match="was lost"):
        check(successor)


@pytest.mark.parametrize("jump_s", [-86_400.0, 86_400.0])
def test_a_running_process_of_this_machine_keeps_its_leases_when_the_clock_jumps(
    leases: Leases, clock: Clock, jump_s: float
) -> None:
    lease = leases.acquire("session:s01", this_process())
    clock.now += jump_s
    with pytest.raises(StoreConflict, match="is held by"):
        leases.acquire("session:s01", this_process())
    assert leases.holder("session:s01") is not None
    assert not leases.is_over("session:s01")
    assert leases.abandoned() == []
    leases.renew(lease)
    leases.release(lease)
    assert leases.acquire("session:s01", this_process()).epoch == 2


def test_a_stopped_process_keeps_its_lease_until_it_expires(leases: Leases, clock: Clock) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WHO_AM_I],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        leases.acquire("session:s01", owner)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        assert not is_dead(owner)
        with pytest.raises(StoreConflict):
            leases.acquire("session:s01", this_process())
        clock.now += LEASE_S + 1
        assert leases.acquire("session:s01", this_process()).epoch == 2
    finally:
        process.kill()
        process.wait()


def test_a_block_that_holds_a_lease_gives_it_back_even_after_an_exception(leases: Leases) -> None:
    def work() -> None:
        with leases.hold("mlflow", this_process()):
            assert leases.holder("mlflow") is not None
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        work()
    assert leases.holder("mlflow") is None


def test_all_leases_of_a_slot_are_renewed_and_one_that_was_lost_does_not_keep_the_others_from_it(
    leases: Leases, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoresearch_dagster.store.leases.LEASE_RENEW_S", 0.01)
    lost, core, gpu = (leases.acquire(name, ELSEWHERE) for name in ("core:here:0", "core:here:1", "gpu:here:a"))
    leases.release(lost)
    leases.acquire(lost.name, this_process())
    with leases.continued(lost, core, gpu):
        clock.now += LEASE_S - 1
        for name in (core.name, gpu.name):
            for _ in range(1_000):
                held = leases.holder(name)
                if held is not None and held.expires_at == clock.now + LEASE_S:
                    break
                threading.Event().wait(0.01)
            else:
                pytest.fail(f"{name} was not renewed")
    assert leases.holder(core.name) is leases.holder(gpu.name) is None
    left = leases.holder(lost.name)
    assert left is not None
    assert left.owner == this_process()


def test_the_lease_of_a_killed_process_is_free_at_once(leases: Leases, url: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, url],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    real_clock = Leases(db.connect(url))
    try:
        assert process.stdout is not None
        owner = process.stdout.readline().strip()
        assert not is_dead(owner)
        with pytest.raises(StoreConflict, match=owner):
            real_clock.acquire("session:s01", this_process())
    finally:
        process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: dead, but not yet collected
    assert is_dead(owner)
    process.wait()
    assert is_dead(owner)
    assert real_clock.acquire("session:s01", this_process()).epoch == 2


def test_who_is_dead_is_told_by_host_process_and_start() -> None:
    host, pid, start = this_process().split(":")
    assert host == socket.gethostname()
    assert not is_dead(this_process())
    assert is_dead(f"{host}:{pid}:{int(start) + 1}")  # the same number, another process
    assert not is_dead(f"elsewhere:{pid}:{int(start) + 1}")  # cannot be known from here
    assert not is_dead("a person")


def test_threads_never_share_a_core(url: str) -> None:
    engine = db.connect(url)
    slots = Slots(engine, Leases(engine))
    guard, busy, seen, shared = threading.Lock(), set[int](), set[int](), list[int]()

    def work() -> None:
        with slots.slot("s01", this_process(), lambda: (Slot((0,)), Slot((3,))), lambda: False) as slot:
            core = slot.cores[0]
            with guard:
                shared.extend(busy & {core})
                busy.add(core)
                seen.add(core)
            threading.Event().wait(0.05)
            with guard:
                busy.remove(core)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared == []
    assert seen == {0, 3}
    assert busy == set()


def test_a_stop_ends_the_wait_for_a_core(url: str) -> None:
    engine = db.connect(url)
    slots, stop, refused = Slots(engine, Leases(engine)), threading.Event(), list[str]()

    def wait() -> None:
        try:
            with slots.slot("s01", this_process(), lambda: (Slot((0,)),), stop.is_set):
                refused.append("got one")
        except StoreConflict as fault:
            refused.append(str(fault))

    with slots.slot("s02", ELSEWHERE, lambda: (Slot((0,)),), lambda: False):
        thread = threading.Thread(target=wait)
        thread.start()
        stop.set()
        thread.join()
    assert refused == ["Stopped while waiting for a slot."]
