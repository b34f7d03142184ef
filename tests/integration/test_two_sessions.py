"""Two processes share two slots, cores or GPUs: each is served in turn, and a killed one holds nothing up."""

import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests import databases

JOBS = 6
CORES, GPUS = "0,1", "GPU-a@0+1,MIG-b@2"
SESSION = """
import json, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from autoresearch_dagster.core.slot import slot_of
from autoresearch_dagster.store.database import connect
from autoresearch_dagster.store.leases import Leases, this_process
from autoresearch_dagster.store.slots import Slots

url, session, jobs, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
engine = connect(url)
slots = Slots(engine, Leases(engine))
offered = tuple(map(slot_of, sys.argv[5].split(",")))
one_at_a_time = threading.Lock()

def say(job, what, slot=None):
    with one_at_a_time:
        print(json.dumps([time.monotonic(), session, job, what, slot]), flush=True)

def run(job):
    say(job, "waits")
    with slots.slot(session, this_process(), lambda: offered, lambda: False) as slot:
        say(job, "has", slot.text)
        time.sleep(seconds)
        say(job, "done", slot.text)

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(2) as pool:
    list(pool.map(run, range(jobs)))
"""


@pytest.fixture(params=databases.KINDS)
def url(request, tmp_path):
    yield from databases.addresses(request.param, tmp_path)


def start(url, session, seconds, jobs=JOBS, slots=CORES):
    return subprocess.Popen(
        [sys.executable, "-c", SESSION, url, session, str(jobs), str(seconds), slots],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT_ROOT), os.environ.get("PYTHONPATH", "")])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def go(process):
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("\n")
    process.stdin.flush()


def test_neither_session_gets_the_second_core_while_the_other_wants_one(url):
    processes = [start(url, session, 0.4) for session in ("s01", "s02")]
    for process in processes:
        go(process)
    log = sorted(
        json.loads(line)
        for process in processes
        for line in process.communicate(timeout=200)[0].split("\n")
        if line
    )
    assert [process.returncode for process in processes] == [0, 0]
    # Who says that it waits is in line a moment later; from its first core to its last it surely is.
    begun = {
        session: min(at for at, who, _, what, _ in log if (who, what) == (session, "has"))
        for session in ("s01", "s02")
    }
    served = {
        session: max(at for at, who, _, what, _ in log if (who, what) == (session, "has"))
        for session in ("s01", "s02")
    }
    busy, by_core = defaultdict(set), defaultdict(list)
    for at, session, job, what, core in log:
        other = {"s01": "s02", "s02": "s01"}[session]
        if what == "has":
            if busy[session]:
                assert not begun[other] < at < served[other], f"{session} took both while {other} had work"
            busy[session].add(job)
            by_core[core].append((at, what))
        elif what == "done":
            busy[session].remove(job)
            by_core[core].append((at, what))
    assert sorted(by_core) == ["0", "1"]
    for uses in by_core.values():
        assert all(before[1] != after[1] for before, after in pairwise(uses)), "one core had two holders"
    assert sum(len(uses) for uses in by_core.values()) == 2 * 2 * JOBS


@pytest.mark.parametrize("slots", [CORES, GPUS])
def test_the_slots_of_a_killed_session_are_taken_over_at_once(url, slots):
    killed = start(url, "s01", 600, jobs=4, slots=slots)
    go(killed)
    said = [json.loads(killed.stdout.readline()) for _ in range(4)]
    assert [what for _, _, _, what, _ in said].count("has") == 2
    heir = start(url, "s02", 0.1, jobs=4, slots=slots)
    go(heir)
    assert json.loads(heir.stdout.readline())[3] == "waits"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    out, _ = heir.communicate(timeout=20)  # a lease lives longer than that
    assert heir.returncode == 0
    assert sum(json.loads(line)[3] == "done" for line in out.splitlines()) == 4
