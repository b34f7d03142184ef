"""Control groups for jobs: on folders that look like the kernel's, and a real one where we may."""

import subprocess
from pathlib import Path

import pytest

from autoresearch_dagster.containers import cgroup
from autoresearch_dagster.containers.bubblewrap_runner import find_sandbox
from autoresearch_dagster.containers.job_group import JobGroup, make_group, plan_group
from autoresearch_dagster.core.limits import MIB


def own(monkeypatch, **groups: Path):
    monkeypatch.setattr(
        cgroup, "groups_of", lambda _process, _root: {name.strip("_"): at for name, at in groups.items()}
    )


def test_version_1_has_a_folder_for_each_controller(monkeypatch, tmp_path):
    places = {name: tmp_path / name / "ours" for name in ("memory", "pids", "cpuacct", "blkio")}
    own(monkeypatch, **places)

    group = plan_group("job", tmp_path)

    assert group is not None
    assert group.folders == tuple(places[name] / "job" for name in ("memory", "pids", "cpuacct"))


@pytest.mark.parametrize(
    ("own_controllers", "parents", "place"), [("cpu memory pids", "", "a/b"), ("", "memory pids", "a")]
)
def test_version_2_is_made_where_the_controllers_are_handed_down(
    monkeypatch, tmp_path, own_controllers, parents, place
):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "cgroup.subtree_control").write_text(parents)
    (tmp_path / "a" / "b" / "cgroup.subtree_control").write_text(own_controllers)
    own(monkeypatch, _=tmp_path / "a" / "b")

    assert plan_group("job", tmp_path) == JobGroup((tmp_path / place / "job",))


def test_version_2_without_controllers_has_no_place(monkeypatch, tmp_path):
    (tmp_path / "cgroup.subtree_control").write_text("cpu")
    own(monkeypatch, _=tmp_path)

    assert plan_group("job", tmp_path) is None


def test_version_2_gets_its_limits_and_no_swap(tmp_path):
    group = JobGroup((tmp_path / "job",))

    assert make_group(group, 5 * MIB, 7)

    written = {path.name: path.read_text() for path in (tmp_path / "job").iterdir()}
    assert written["memory.max"] == str(5 * MIB)
    assert written["pids.max"] == "7"


def test_where_groups_may_not_be_made_nothing_is_left(tmp_path):
    group = JobGroup((tmp_path / "missing" / "memory", tmp_path / "missing" / "pids", tmp_path / "missing" / "cpu"))

    assert not make_group(group, 5 * MIB, 7)

    assert list(tmp_path.iterdir()) == []


def test_a_real_group_takes_a_process_and_goes_with_it():
    host = find_sandbox().host
    group = plan_group("autoresearch-test-group")
    if host is None or not host.grouped or group is None:
        pytest.skip("no control group can be made here")
    assert make_group(group, 64 * MIB, 8)
    with subprocess.Popen(["sleep", "600"]) as process:
        group.join(process.pid)
        meter = group.meter()
        assert meter is not None
        reading = meter()
        assert reading is not None
        assert reading.oom_kills == 0
        process.kill()

    group.remove()

    assert not any(folder.exists() for folder in group.folders)
