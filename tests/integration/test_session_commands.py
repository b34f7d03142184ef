"""`session` and `gc` on the command line: what they print, their exit codes, one sentence for what is wrong."""

import json
from types import SimpleNamespace

import pytest

from autoresearch_dagster import cli
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store.store import open_store
from tests.researched import research

KEY = "parallelized-autoresearch"


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments, home="home"):
        monkeypatch.setenv("AUTORESEARCH_HOME", str(tmp_path / home))
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def home(tmp_path):
    research(tmp_path / "home", n_experiments=1, batch_size=1)
    return tmp_path / "home"


def test_help_names_what_there_is(command):
    assert " session " in command("--help").out
    assert " gc " in command("--help").out
    for name in ("list", "archive", "restore", "export", "import"):
        assert f" {name} " in command("session", "--help").out


def test_sessions_are_listed_put_away_and_taken_out(command, home):
    (row,) = json.loads(command("session", "list", "--json").out)
    assert (row["session"], row["memory_key"], row["finished"], row["archived"]) == ("s01", KEY, 1, False)
    assert KEY in command("session", "list").out
    assert "session restore s01" in command("session", "archive", KEY).out
    assert json.loads(command("session", "list", "--json").out) == []
    assert json.loads(command("status", "--json").out) == []
    assert "--all" in command("session", "list").out
    assert "archived" in command("session", "list", "--all").out
    assert json.loads(command("leaderboard", KEY, "--json").out) != []
    assert command("session", "restore", "s01").code == 0
    assert len(json.loads(command("status", "--json").out)) == 1


def test_a_driven_session_is_not_put_away(command, home):
    leases = open_store(Settings(home=home)).leases
    with leases.hold(lease_name("s01"), "elsewhere:1:1"):
        done = command("session", "archive", KEY)
    assert done.code == 1
    assert "is held by elsewhere" in done.err


def test_a_session_is_moved_from_home_to_home(command, home, tmp_path):
    done = command("session", "export", KEY, tmp_path / "s.tar")
    assert done.code == 0
    assert "without 1 checkpoint" in done.out
    done = command("session", "import", tmp_path / "s.tar", home="new")
    assert done.code == 0
    assert f"autoresearch run --memory-key {KEY}" in done.out
    (row,) = json.loads(command("session", "list", "--json", home="new").out)
    assert row["imported"]
    again = command("session", "import", tmp_path / "s.tar", home="new")
    assert (again.code, "--memory-key" in again.err) == (2, True)
    assert command("session", "import", tmp_path / "s.tar", "--memory-key", "copy", home="new").code == 0
    (tmp_path / "bad.tar").write_bytes(b"x" * 5000)
    bad = command("session", "import", tmp_path / "bad.tar", home="new")
    assert (bad.code, len(bad.err.strip().splitlines())) == (2, 1)


def test_gc_says_what_it_frees(command, home):
    draft = home / "snapshots" / "0123456789abcdef-1.monty"
    draft.parent.mkdir(exist_ok=True)
    draft.write_bytes(b"x" * 2048)
    told = json.loads(command("gc", "--dry-run", "--json").out)
    assert (told["dry_run"], told["bytes"]) == (True, 2048)
    assert draft.exists()
    assert "2 KiB would be freed" in command("gc", "--dry-run").out
    assert "2 KiB freed" in command("gc").out
    assert not draft.exists()
    assert "0 KiB freed" in command("gc").out


@pytest.mark.parametrize(
    "arguments", [("archive", "no"), ("restore", "no"), ("export", "no", "x.tar"), ("archive", "")]
)
def test_wrong_use_is_one_sentence(command, home, arguments):
    done = command("session", *arguments)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
