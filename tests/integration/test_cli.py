import json
import socket

import pytest
import sqlalchemy as sa

from autoresearch_dagster.store import database
from tests.command_line import BASELINE, is_one_sentence


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
        (["history", "--turn", "two"], "turn"),
        (["image", "now"], "now"),
        (["key", "frobnicate"], "frobnicate"),
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
    assert json.loads(command("leaderboard", "--json").out) is None
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
    assert "!!  journal            unusable" in done.out


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


@pytest.mark.parametrize(
    ("name", "value", "permitted"),
    [
        ("AUTORESEARCH_SLOTS", "many", "integer"),
        ("AUTORESEARCH_SLOTS", "-1", "greater than or equal to 0"),
        ("AUTORESEARCH_RUNNER", "podman", "'auto', 'docker', 'local' or 'plain'"),
        ("AUTORESEARCH_ALLOW_UNSANDBOXED", "perhaps", "boolean"),
    ],
)
@pytest.mark.parametrize("arguments", [["status"], ["run", "--dry-run"], ["bundle"], ["key", "show"], ["doctor"]])
def test_a_setting_that_cannot_be_used_is_one_sentence(command, monkeypatch, arguments, name, value, permitted):
    monkeypatch.setenv(name, value)

    done = command(*arguments)

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert f"{name}={value}" in done.err
    assert permitted in done.err


def test_an_empty_variable_counts_as_unset(command, monkeypatch):
    for name in ("AUTORESEARCH_SLOTS", "AUTORESEARCH_RUNNER", "AUTORESEARCH_DATABASE_URL"):
        monkeypatch.setenv(name, "")

    assert command("status").code == 0


READING = [["status"], ["leaderboard"], ["history"], ["project"], ["rerun", "s01_d01_e01"], ["run", "--dry-run"]]


@pytest.mark.parametrize("arguments", READING)
def test_a_damaged_journal_is_one_sentence(command, tmp_path, arguments):
    command.home.mkdir()
    (command.home / "journal.db").write_bytes(b"SQLite format 3\0" + b"damage" * 2000)

    done = command(*arguments)

    assert done.code == 1
    assert is_one_sentence(done.err), done.err
    assert "damaged" in done.err or "journal" in done.err


@pytest.mark.parametrize("arguments", [*READING[:-1], ["bundle"], ["evaluate", str(BASELINE)], ["run"]])
def test_a_home_that_cannot_be_made_is_one_sentence(command, monkeypatch, tmp_path, arguments):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AUTORESEARCH_HOME", str(tmp_path / "file" / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "file" / "home" / "dagster"))

    done = command(*arguments)

    assert done.code == 1
    assert is_one_sentence(done.err.splitlines()[-1]), done.err
    assert str(tmp_path / "file") in done.err
    assert "Traceback" not in done.err + done.out


def test_a_candidate_never_sees_the_model_key(command, shared, tmp_path, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-secret-0123456789abcdef")
    (tmp_path / "spy.py").write_text("import os\nraise RuntimeError(sorted(os.environ.items()))\n")

    done = command("evaluate", tmp_path / "spy.py", "--preset", "demo", home=shared)

    assert "AUTORESEARCH_CANDIDATE" in done.err + done.out
    assert "sk-secret" not in done.err + done.out
