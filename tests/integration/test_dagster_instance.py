"""Dagster's instance is made once, however many sessions are started on a new machine at the same moment."""

import os
import sqlite3
import subprocess
import sys

from autoresearch_dagster.core.settings import PROJECT_ROOT

OPENER = """
import sys
from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.drive import open_instance
print("ready", flush=True)
sys.stdin.readline()
with open_instance(Settings(home=Path(sys.argv[1]))) as instance:
    print(len(instance.get_runs()))
"""


def start(folder):
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    return subprocess.Popen(
        [sys.executable, "-c", OPENER, str(folder)],
        cwd=PROJECT_ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_that_open_a_new_instance_at_once_leave_it_usable(tmp_path):
    openers = [start(tmp_path) for _ in range(3)]
    for opener in openers:
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    assert [opener.communicate()[0] for opener in openers] == ["0\n"] * 3
    databases = list((tmp_path / "dagster").rglob("*.db"))
    assert len(databases) >= 3
    for database in databases:
        with sqlite3.connect(database) as raw:
            assert raw.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,), database
