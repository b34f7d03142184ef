import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

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
    folder = publish(tmp_path, "shards", {"a": 1}, fill, quiet).path
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
    one = publish(tmp_path, "shards", {"a": 1}, fill, quiet).path
    other = publish(tmp_path, "shards", {"a": 2}, fill, quiet).path
    assert one != other
    assert read_manifest(one)["files"] == read_manifest(other)["files"]


def test_only_private_folders_are_closed_to_other_users(tmp_path):
    def both(folder, digest):
        for name in ("candidate", "trusted"):
            (folder / name).mkdir()
            (folder / name / "rows").write_text("1")
        return {}

    folder = publish(tmp_path, "packed_rows", {}, both, quiet, private=("trusted",)).path
    modes = {path.relative_to(folder).as_posix(): path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {
        "candidate": 0o755,
        "candidate/rows": 0o644,
        "trusted": 0o700,
        "trusted/rows": 0o600,
        "manifest.json": 0o644,
    }
    assert folder.stat().st_mode & 0o777 == 0o755


def test_publishing_tells_whether_it_built(tmp_path):
    said = []
    first = publish(tmp_path, "shards", {"a": 1}, fill, said.append)
    again = publish(tmp_path, "shards", {"a": 1}, fill, said.append)
    assert (first.built, again.built) == (True, False)
    assert first.path == again.path
    assert said == [f"shards {first.path.name}: built", f"shards {first.path.name}: already built"]


def home_of(root):
    folder = publish(root, "shards", {"a": 1}, fill, quiet).path
    shutil.rmtree(folder)
    return folder


def test_a_file_where_the_folder_belongs_is_named_and_kept(tmp_path):
    folder = home_of(tmp_path)
    folder.write_text("mine")
    with pytest.raises(BundleError, match=f"{folder} is no folder of ours"):
        publish(tmp_path, "shards", {"a": 1}, fill, quiet)
    assert folder.read_text() == "mine"


def test_a_folder_without_manifest_is_named_and_kept(tmp_path):
    folder = home_of(tmp_path)
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"has no manifest\.json; move it away"):
        publish(tmp_path, "shards", {"a": 1}, fill, quiet)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("manifest", ['{"kind": "tokenizer", "digest": "0"}', "not json", "[]"])
def test_a_manifest_of_something_else_is_refused(tmp_path, manifest):
    folder = home_of(tmp_path)
    folder.mkdir()
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(BundleError, match=r"move that folder away|delete it and build it again"):
        publish(tmp_path, "shards", {"a": 1}, fill, quiet)
    assert (folder / "manifest.json").read_text() == manifest


def test_a_file_where_the_root_belongs_is_named(tmp_path):
    (tmp_path / "root").write_text("mine")
    with pytest.raises(BundleError, match=r"cannot be used \(Not a directory\); move it away"):
        publish(tmp_path / "root", "shards", {"a": 1}, fill, quiet)


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, r"The disk with .* is full; free some space .* what is there already is kept"),
        (errno.EDQUOT, "is full"),
        (errno.EROFS, r"may not be used \(Read-only file system\); let this user write there"),
        (errno.EFBIG, "cannot be used"),
    ],
)
def test_what_the_disk_refuses_is_one_sentence_and_leaves_nothing(tmp_path, number, sentence):
    def refuse(folder, digest):
        fill(folder, digest)
        raise OSError(number, os.strerror(number))

    with pytest.raises(BundleError, match=sentence):
        publish(tmp_path, "shards", {"a": 1}, refuse, quiet)
    assert [path for path in (tmp_path / "shards").iterdir() if path.is_dir()] == []
    assert publish(tmp_path, "shards", {"a": 1}, fill, quiet).built


def test_who_has_to_wait_for_another_builder_says_so(tmp_path):
    folder = home_of(tmp_path)
    said, waited = [], threading.Event()

    def report(line):
        said.append(line)
        if "waiting" in line:
            waited.set()

    lock = FileLock(folder.parent / f".{folder.name}.lock")
    with lock, ThreadPoolExecutor(1) as pool:
        future = pool.submit(publish, tmp_path, "shards", {"a": 1}, fill, report)
        assert waited.wait(60)
        lock.release()
        assert future.result(60).built
    assert "another process is at it" in said[0]


def test_links_keep_their_targets_permissions(tmp_path):
    target = tmp_path / "mine.txt"
    target.write_text("mine")
    target.chmod(0o640)

    def link(folder, digest):
        (folder / "link.txt").symlink_to(target)
        return {"files": {"link.txt": "known"}}

    folder = publish(tmp_path, "shards", {"a": 1}, link, quiet).path
    assert target.stat().st_mode & 0o777 == 0o640
    assert read_manifest(folder)["files"] == {"link.txt": "known"}
