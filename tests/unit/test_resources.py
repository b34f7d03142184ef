import os
import resource
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from autoresearch_dagster.core import resources as res
from autoresearch_dagster.core.errors import BundleError, ResourcesExceeded
from autoresearch_dagster.core.limits import GIB, MIB
from autoresearch_dagster.core.resources import AGENT, BUNDLE, EXPERIMENT, Resources, within
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.folders import publish

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of the data segment are Linux's")
SMALL = Resources("small", 1, 64 * MIB)


def data_limit():
    return resource.getrlimit(resource.RLIMIT_DATA)


def test_the_environments_are_the_tutorials():
    assert {item.name: (item.cpu, item.memory_bytes // GIB) for item in (BUNDLE, EXPERIMENT, AGENT)} == {
        "bundle": (4, 8),
        "experiment": (2, 2),
        "agent": (1, 2),
    }
    for item in (BUNDLE, EXPERIMENT, AGENT):
        assert f"| {item.name} | {item.cpu} | {item.memory_bytes // GIB} GiB |" in (res.__doc__ or "")


@linux
def test_too_much_memory_is_one_sentence_and_the_process_lives():
    with pytest.raises(ResourcesExceeded) as refused, within(SMALL, "take less"):
        np.ones(128 * MIB // 8)

    assert str(refused.value).count(".") == 2  # 0.0625 GiB, and the end
    assert "take less" in str(refused.value)
    assert np.ones(128 * MIB // 8).nbytes == 128 * MIB


@linux
def test_what_was_held_before_does_not_count():
    held = np.ones(256 * MIB // 8)
    with within(SMALL, "take less"):
        assert np.ones(16 * MIB // 8).nbytes + held.nbytes == 272 * MIB


@linux
def test_everything_is_as_before_when_it_ends_however_it_ends():
    before = data_limit(), os.sched_getaffinity(0)
    with within(SMALL, "take less"):
        assert data_limit() != before[0]
    with pytest.raises(KeyError), within(SMALL, "take less"):
        raise KeyError
    with pytest.raises(ResourcesExceeded), within(SMALL, "take less"):
        raise MemoryError

    assert (data_limit(), os.sched_getaffinity(0)) == before


@linux
def test_two_threads_in_their_environments_leave_no_limit_behind():
    before = data_limit()
    inside, leave = threading.Event(), threading.Event()

    def other():
        with within(SMALL, "take less"):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=other)
    with within(BUNDLE, "take less"):
        thread.start()
        inside.wait()
        assert data_limit()[0] < BUNDLE.memory_bytes
    assert data_limit() != before
    leave.set()
    thread.join()

    assert data_limit() == before


@linux
def test_one_cpu_is_one_core_also_for_threads_started_inside_and_slots_still_see_all():
    everything = Settings().cores
    seen = []
    with within(AGENT, "take less"):
        thread = threading.Thread(target=lambda: seen.append(os.sched_getaffinity(0)))
        thread.start()
        thread.join()
        assert Settings().cores == everything

    assert [len(cores) for cores in seen] == [1]


@linux
def test_memory_is_kept_to_where_a_process_cannot_be_kept_to_some_cores(monkeypatch):
    before = os.sched_getaffinity(0)
    monkeypatch.delattr(os, "sched_setaffinity")

    with within(SMALL, "take less"):
        assert os.sched_getaffinity(0) == before
    with pytest.raises(ResourcesExceeded), within(SMALL, "take less"):
        np.ones(128 * MIB // 8)


@pytest.mark.parametrize("said", [None, "Name:\tpython\n", "VmData:\n"])
def test_where_the_kernel_does_not_say_what_is_held_nothing_is_refused(said, tmp_path, monkeypatch):
    monkeypatch.setattr(res, "_STATUS", tmp_path / "status")
    if said is not None:
        (tmp_path / "status").write_text(said)
    before = data_limit()

    with within(SMALL, "take less"):
        assert data_limit() == before
        assert np.ones(128 * MIB // 8).nbytes == 128 * MIB


@linux
def test_a_bundle_is_built_within_its_environment_and_says_so_when_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("autoresearch_dagster.data.folders.BUNDLE", Resources("bundle", 4, 64 * MIB))

    def fill(folder: Path, _digest):
        (folder / "rows").write_bytes(np.ones(128 * MIB // 8).tobytes())
        return {}

    with pytest.raises(ResourcesExceeded) as refused:
        publish(tmp_path, "shards", {"n": 1}, fill, lambda _line: None)

    assert "num_shards" in str(refused.value)
    assert [path for path in (tmp_path / "shards").iterdir() if path.is_dir()] == []
    with pytest.raises(BundleError):
        publish(tmp_path, "shards", {"n": 2}, lambda _folder, _digest: _raise(), lambda _line: None)


def _raise():
    raise BundleError("too few documents.")
