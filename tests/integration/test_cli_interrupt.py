"""Ctrl-C: one sentence that says how to go on, nothing left behind, nothing repeated."""

import json
import os
import signal
import subprocess
import time
from types import SimpleNamespace

import psutil
import pytest

from autoresearch_dagster.core.limits import LEASE_S
from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.command_line import BASELINE, PROGRAM, environment, is_one_sentence
from tests.contract.jobs import PATIENCE_S

RUN = [*PROGRAM, "run", "--memory-key", "interrupted", "--preset", "demo"]
RUN += ["--n-experiments", "1", "--batch-size", "1"]


def can_be_interrupted():
    """Undo what a parent in the background leaves to its children: to ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def pids_of_jobs(home):
    """Process ids on record; 0 where a job has none yet."""
    return [json.loads(record.read_bytes())["pid"] for record in (home / "jobs").glob("*.json")]


@pytest.fixture(scope="module")
def stopped(shared):
    """A session stopped with Ctrl-C while its first training runs: a seed of the noise floor."""
    process = subprocess.Popen(
        RUN,
        cwd=PROJECT_ROOT,
        env=environment(shared),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=can_be_interrupted,
    )
    deadline = time.monotonic() + PATIENCE_S
    while not (running := [pid for pid in pids_of_jobs(shared) if pid]):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job = running[0]
    assert psutil.pid_exists(job)
    children = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, signal.SIGINT)  # a terminal tells everybody
    printed, _ = process.communicate(timeout=PATIENCE_S)
    return SimpleNamespace(code=process.returncode, printed=printed, job=job, children=children)


def test_ctrl_c_pauses_the_session_and_says_how_to_go_on(stopped, command, shared):
    assert stopped.code == 130
    assert "autoresearch run --memory-key interrupted --preset demo" in stopped.printed
    assert "Traceback" not in stopped.printed
    (session,) = json.loads(command("status", "--json", home=shared).out)
    assert (session["status"], session["trained"], session["floor"]) == ("paused", 0, None)


def test_ctrl_c_leaves_no_process_behind(stopped, shared):
    assert not psutil.pid_exists(stopped.job)
    assert not [child for child in stopped.children if child.is_running()]
    assert list((shared / "jobs").glob("*.json")) == []


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_a_paused_session_resumes_and_repeats_nothing(stopped, command, shared, monkeypatch):
    done = subprocess.run(
        RUN,
        cwd=PROJECT_ROOT,
        env=environment(shared),
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_S + LEASE_S,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    (session,) = json.loads(command("status", "--json", home=shared).out)
    assert (session["status"], session["planned"], session["finished"]) == ("finished", 1, 1)
    assert session["floor"]["n_seeds"] == 3
    assert session["trained"] >= 1 + 3
    (row,) = json.loads(command("leaderboard", "--json", home=shared).out)["rows"]
    assert {"key", "title", "val_bpb", "outcome", "verdict", "standing", "steps", "parent_title"} <= row.keys()
    assert row["key"] == "s01_d01_e01"
    assert row["outcome"] == "Trained"
    monkeypatch.setenv("COLUMNS", "200")
    shown = command("leaderboard", "--memory-key", "interrupted", home=shared)
    assert shown.code == 0
    assert row["title"] in shown.out


STOPPABLE = {
    "bundle": (["bundle", "--preset", "demo"], "tokenizer: training", "The same command goes on"),
    "evaluate": (["evaluate", str(BASELINE), "--preset", "demo"], "training", "the same command begins anew"),
}


@pytest.mark.parametrize("name", STOPPABLE)
def test_ctrl_c_is_one_sentence_that_says_how_to_go_on(name, tmp_path):
    arguments, moment, said = STOPPABLE[name]
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=PROJECT_ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=can_be_interrupted,
        start_new_session=True,
    )
    assert process.stderr is not None
    while moment not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE_S)

    assert process.returncode == 130
    assert "Traceback" not in out + err
    assert is_one_sentence(err.splitlines()[-1])
    assert said in err.splitlines()[-1]
    assert out == ""
    assert list((tmp_path / "jobs").glob("*.json")) == []
    assert list(tmp_path.glob("bundles/*/.*.tmp")) == []
