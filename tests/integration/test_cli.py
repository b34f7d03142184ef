import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import sqlalchemy as sa

from autoresearch_dagster import cli
from autoresearch_dagster.core.limits import LEASE_S
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.store import database
from tests.contract.jobs import PATIENCE_S

BASELINE = PROJECT_ROOT / "trainer_image" / "train.py"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One home for the tests that need a bundle: it is built once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run one command in this process and return its exit code and what it printed."""
    monkeypatch.setenv("AUTORESEARCH_RUNNER", "local")
    monkeypatch.setenv("AUTORESEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTORESEARCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))

    def run(*arguments, home=None):
        if home is not None:
            monkeypatch.setenv("AUTORESEARCH_HOME", str(home))
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=printed.out, err=printed.err)

    return run


def is_one_sentence(text):
    return text.strip() != "" and len(text.strip().splitlines()) == 1 and "Traceback" not in text


def test_help_names_every_command(command):
    done = command("--help")

    assert done.code == 0
    for name in ("demo", "run", "status", "leaderboard", "evaluate", "dev", "doctor"):
        assert f" {name} " in done.out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["status", "--frobnicate"], "--frobnicate"),
        (["run", "--n-experiments", "many"], "n-experiments"),
        (["run", "--n-experiments", "0"], "n_experiments"),
        (["evaluate"], "train-py"),
        (["run", "--preset", "huge"], "huge"),
        (["run", "--researcher", "oracle"], "oracle"),
        (["run", "--source", "nowhere"], "nowhere"),
        (["evaluate", str(BASELINE), "--preset", "huge"], "huge"),
        (["evaluate", str(BASELINE), "--source", "nowhere"], "nowhere"),
        (["evaluate", str(BASELINE), "--rows", "all"], "rows"),
        (["evaluate", "/does/not/exist.py"], "/does/not/exist.py"),
        (["leaderboard", "--memory-key", "unheard-of"], "unheard-of"),
    ],
)
def test_wrong_use_is_one_sentence_and_exit_code_2(command, arguments, named):
    done = command(*arguments)

    assert done.code == 2
    assert is_one_sentence(done.err), done.err
    assert named.lower() in done.err.lower()
    assert "Traceback" not in done.out


def test_reading_commands_on_an_empty_store(command):
    assert json.loads(command("status", "--json").out) == []
    assert json.loads(command("leaderboard", "--json").out) == []
    for name in ("status", "leaderboard"):
        done = command(name)
        assert done.code == 0
        assert "autoresearch demo" in done.out


def test_doctor_says_what_is_there_and_what_to_do(command):
    found = {finding["what"]: finding for finding in json.loads(command("doctor", "--json").out)}

    assert {"Python", "Docker", "GPU", "model key", "disk", "slots", "journal", "dagster", "mlflow"} <= found.keys()
    assert found["Python"]["ok"]
    assert all(finding["advice"] for finding in found.values() if not finding["ok"])
    assert "Python" in command("doctor").out


def test_doctor_fails_when_something_needed_is_unusable(command, monkeypatch, tmp_path):
    (tmp_path / "journal.db").write_bytes(b"not a database " * 100)
    monkeypatch.setenv("AUTORESEARCH_DATABASE_URL", f"sqlite:///{tmp_path / 'journal.db'}")

    done = command("doctor")

    assert done.code == 1
    assert "!!  journal         unusable" in done.out


def test_docker_asked_for_and_absent(command, monkeypatch, tmp_path):
    monkeypatch.setenv("AUTORESEARCH_RUNNER", "docker")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nothing.sock'}")

    done = command("evaluate", BASELINE)

    assert done.code == 1
    assert is_one_sentence(done.err)
    assert "AUTORESEARCH_RUNNER=local" in done.err


def test_a_locked_journal_is_one_sentence(command, monkeypatch, tmp_path):
    monkeypatch.setattr(database.connect, "__defaults__", (0.2,))  # seconds of patience instead of 30
    assert command("status").code == 0
    other = sa.create_engine(f"sqlite:///{tmp_path / 'home' / 'journal.db'}")
    with other.connect() as held:
        held.exec_driver_sql("BEGIN EXCLUSIVE")
        done = command("run", "--preset", "demo")

    assert done.code == 1
    assert "locked" in done.err + done.out
    assert "Traceback" not in done.err + done.out


@pytest.mark.parametrize("flag", ["--dagster-port", "--mlflow-port"])
def test_a_port_in_use(command, flag):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = command("dev", flag, taken.getsockname()[1])

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert flag in done.err


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def run_training(config:\n", "syntax"),
        ("import torch\n", "run_training"),
        ("print('val_bpb 0.001')\nraise SystemExit(0)\n", ""),
    ],
)
def test_a_candidate_that_cannot_train_is_a_result_without_a_score(command, shared, tmp_path, code, said):
    (tmp_path / "bad.py").write_text(code)

    done = command("evaluate", tmp_path / "bad.py", "--preset", "demo", "--json", home=shared)

    found = json.loads(done.out)
    assert done.code == 1
    assert not found["accepted"]
    assert found["val_bpb"] is None
    assert is_one_sentence(found["error"]), found["error"]
    assert said in found["error"].lower()
    assert "Traceback" not in done.err


def test_a_failed_candidate_is_told_to_a_person_without_our_traceback(command, shared, tmp_path):
    (tmp_path / "bad.py").write_text("import torch\n")

    done = command("evaluate", tmp_path / "bad.py", "--preset", "demo", home=shared)

    assert done.code == 1
    assert is_one_sentence(done.out), done.out
    assert "run_training" in done.out


def test_evaluate_prints_the_score_for_programs(command, shared):
    done = command("evaluate", BASELINE, "--preset", "demo", "--json", home=shared)

    found = json.loads(done.out)
    wanted = {
        "outcome",
        "verdict",
        "accepted",
        "val_bpb",
        "val_bpb_exact",
        "steps",
        "duration_sec",
        "runner",
        "receipt",
    }
    assert done.code == 0
    assert wanted <= found.keys()
    assert (found["outcome"], found["accepted"], found["runner"]) == ("Trained", True, "local")
    assert 0 < found["val_bpb"] < 13
    assert found["steps"] > 0
    assert len(found["receipt"]) == 64


def environment(home: Path) -> dict[str, str]:
    own = {"AUTORESEARCH_HOME": home, "AUTORESEARCH_MLRUNS": home / "mlruns", "DAGSTER_HOME": home / "dagster"}
    return {**os.environ, "AUTORESEARCH_RUNNER": "local", **{name: str(value) for name, value in own.items()}}


RUN = [sys.executable, "-m", "autoresearch_dagster.cli", "run", "--memory-key", "interrupted", "--preset", "demo"]
RUN += ["--n-experiments", "1", "--batch-size", "1"]


@pytest.fixture(scope="module")
def stopped(shared):
    """A session stopped with Ctrl-C while its experiment trains."""
    process = subprocess.Popen(
        RUN, cwd=PROJECT_ROOT, env=environment(shared), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    deadline = time.monotonic() + PATIENCE_S
    while not (running := list((shared / "jobs").glob("*.json"))):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    job = int(running[0].stem)
    assert psutil.pid_exists(job)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE_S)
    return SimpleNamespace(code=process.returncode, printed=printed, job=job, children=children)


def test_ctrl_c_pauses_the_session_and_says_how_to_go_on(stopped, command, shared):
    assert stopped.code == 130
    assert "autoresearch run --memory-key interrupted --preset demo" in stopped.printed
    assert "Traceback" not in stopped.printed
    (session,) = json.loads(command("status", "--json", home=shared).out)
    assert (session["status"], session["planned"], session["finished"]) == ("paused", 1, 0)


def test_ctrl_c_leaves_no_process_behind(stopped, shared):
    assert not psutil.pid_exists(stopped.job)
    assert not [child for child in stopped.children if child.is_running()]
    assert list((shared / "jobs").glob("*.json")) == []


@pytest.mark.timeout(600)
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
    (row,) = json.loads(command("leaderboard", "--json", home=shared).out)
    assert {"key", "title", "val_bpb", "outcome", "verdict", "standing", "steps", "parent_title"} <= row.keys()
    assert row["key"] == "s01_d01_e01"
    assert row["outcome"] == "Trained"
    monkeypatch.setenv("COLUMNS", "200")
    shown = command("leaderboard", "--memory-key", "interrupted", home=shared)
    assert shown.code == 0
    assert row["title"] in shown.out
