import json
import socket

import pytest
import sqlalchemy as sa

from autoresearch_dagster.store import database
from tests.command_line import BASELINE, is_one_sentence


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
