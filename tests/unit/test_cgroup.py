"""Usage from control groups; version 1 and 2 write the same facts in other files and units."""

from autoresearch_dagster.containers.cgroup import Reading, find_meter, version_1, version_2


def folder(path, files):
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_version_1_is_nanoseconds_and_the_highest_use(tmp_path):
    cpu = folder(tmp_path / "cpu", {"cpuacct.usage": "2500000000\n"})
    memory = folder(
        tmp_path / "memory",
        {
            "memory.max_usage_in_bytes": "4096\n",
            "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        },
    )

    meter = version_1({"cpuacct": cpu, "memory": memory})

    assert meter is not None
    assert meter() == Reading(2.5, 4096, 2)


def test_version_2_is_microseconds_and_the_peak(tmp_path):
    group = folder(
        tmp_path / "group",
        {
            "cpu.stat": "usage_usec 2500000\nuser_usec 2000000\n",
            "memory.peak": "8192\n",
            "memory.current": "1\n",
            "memory.events": "low 0\noom 4\noom_kill 1\noom_group_kill 0\n",
        },
    )

    meter = version_2({"": group})

    assert meter is not None
    assert meter() == Reading(2.5, 8192, 1)
    (group / "memory.peak").unlink()  # Linux before 5.19
    assert meter() == Reading(2.5, 1, 1)


def test_a_group_that_is_gone_reads_as_nothing(tmp_path):
    meter = version_2({"": tmp_path / "gone"})

    assert meter is not None
    assert meter() is None


def test_a_process_of_another_container_is_not_read():
    assert find_meter(1, "0" * 64) is None
    assert find_meter(0, "0" * 64) is None
