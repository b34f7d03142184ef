import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data.folders import publish, read_manifest


def quiet(line):
    """Nobody listens."""


def fill(folder, digest):
    (folder / "data.txt").write_text("data")
    return {"told": digest}


def counting(root, barrier, built):
    def slow(folder, digest):
        built.put(os.getpid())
        time.sleep(0.3)
        return fill(folder, digest)

    barrier.wait()
    publish(root, "shards", {"a": 1}, slow, quiet)


def test_two_builders_at_once_build_once(tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, built = fork.Barrier(2), fork.Queue()
    builders = [fork.Process(target=counting, args=(tmp_path, barrier, built)) for _ in range(2)]
    for builder in builders:
        builder.start()
    built.get(timeout=60)
    for builder in builders:
        builder.join(60)
    assert [builder.exitcode for builder in builders] == [0, 0]
    assert built.empty()
    assert len([path for path in (tmp_path / "shards").iterdir() if path.is_dir()]) == 1


KILLED = """
import sys, time
from pathlib import Path
from autoresearch_dagster.data.folders import publish

def fill(folder, digest):
    (folder / "half.txt").write_text("half")
    print(folder, flush=True)
    time.sleep(600)

publish(Path(sys.argv[1]), "shards", {"a": 1}, fill, lambda line: None)
"""


def test_killed_builder_leaves_no_folder_and_the_next_one_cleans_up(tmp_path):
    builder = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert builder.stdout is not None
    leftover = builder.stdout.readline().strip()
    builder.send_signal(signal.SIGKILL)
    builder.wait(60)
    builder.stdout.close()
    visible = [path for path in (tmp_path / "shards").iterdir() if not path.name.startswith(".")]
    assert visible == []
    assert os.path.isdir(leftover)  # noqa: PTH112
    folder = publish(tmp_path, "shards", {"a": 1}, fill, quiet)
    assert (folder / "data.txt").read_text() == "data"
    assert not (folder / "half.txt").exists()
    assert not os.path.exists(leftover)  # noqa: PTH110


def test_failing_build_leaves_nothing(tmp_path):
    def fail(folder, digest):
        fill(folder, digest)
        raise BundleError("no")

    with pytest.raises(BundleError):
        publish(tmp_path, "shards", {"a": 1}, fail, quiet)
    assert [path for path in (tmp_path / "shards").iterdir() if path.is_dir()] == []


def test_other_inputs_get_another_folder(tmp_path):
    one = publish(tmp_path, "shards", {"a": 1}, fill, quiet)
    other = publish(tmp_path, "shards", {"a": 2}, fill, quiet)
    assert one != other
    assert read_manifest(one)["files"] == read_manifest(other)["files"]


def test_only_private_folders_are_closed_to_other_users(tmp_path):
    def both(folder, digest):
        for name in ("candidate", "trusted"):
            (folder / name).mkdir()
            (folder / name / "rows").write_text("1")
        return {}

    folder = publish(tmp_path, "packed_rows", {}, both, quiet, private=("trusted",))
    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {
        "candidate": 0o755,
        "candidate/rows": 0o644,
        "trusted": 0o700,
        "trusted/rows": 0o600,
        "manifest.json": 0o644,
    }
    assert folder.stat().st_mode & 0o777 == 0o755
