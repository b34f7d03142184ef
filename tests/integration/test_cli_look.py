"""Reading commands on recorded sessions."""

import json

import pytest

from tests.command_line import is_one_sentence
from tests.sessions import finished_session


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded")
    finished_session(folder, memory_key="night-run")
    return folder


def test_history_tells_a_session_from_its_start_to_its_end(command, home):
    done = command("history", home=home)

    assert done.code == 0
    for said in ("session s01 started by the command line", "Turn 1", "plan of ", "hypothesis for wider-model"):
        assert said in done.out
    assert done.out.count("launch of dispatch") == 2
    assert done.out.count(" lines, with ") >= 3
    assert "finished: final answer" in done.out


def test_history_of_one_turn_is_whole(command, home):
    done = command("history", "night-run", "--turn", 2, home=home)

    assert done.code == 0
    assert "more line" not in done.out
    assert "call record_batch_hypotheses" in done.out
    assert "run_experiment_batch" in done.out
    assert "Turn 3" not in done.out


def test_history_as_json_is_the_events(command, home):
    events = json.loads(command("history", "--json", home=home).out)
    of_turn = json.loads(command("history", "--turn", 2, "--json", home=home).out)

    assert [event["sequence"] for event in events] == list(range(len(events)))
    assert events[0]["event"]["kind"] == "session_started"
    assert of_turn[0]["event"]["kind"] == "model_replied"
    assert [event for event in events if event in of_turn] == of_turn


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["history", "--turn", "99"], "turns 1 to "),
        (["history", "--turn", "0"], "turns 1 to "),
        (["history", "night-rum"], "'night-run'"),
        (["leaderboard", "night-rum"], "'night-run'"),
        (["project", "night-rum"], "'night-run'"),
        (["history", "nothing like it"], "autoresearch status"),
        (["rerun", "s01_d01_e09"], "s01_d01_e0"),
        (["rerun", "x"], "autoresearch leaderboard"),
        (["rerun", "[red]\x1b[31m"], "autoresearch leaderboard"),
    ],
)
def test_what_is_not_there_is_named_with_what_is_near(command, home, arguments, named):
    done = command(*arguments, home=home)

    assert done.code == 2
    assert is_one_sentence(done.err), done.err
    assert named in done.err
    assert "\x1b" not in done.err


def test_an_id_names_a_session_as_well(command, home):
    assert command("leaderboard", "s01", home=home).out == command("leaderboard", "night-run", home=home).out


def test_tables_are_not_cut_in_a_file_and_fit_into_a_narrow_terminal(command, home, monkeypatch):
    from rich.console import Console

    from autoresearch_dagster.commands import look

    wide = command("leaderboard", home=home).out
    monkeypatch.setattr(look, "out", Console(highlight=False, width=40, force_terminal=True, color_system=None))
    narrow = [command(name, home=home).out for name in ("leaderboard", "status")]

    assert all(title in wide for title in ("higher-learning-rate", "adam-betas-and-decay", "s01_d02_e06"))
    assert "…" not in wide
    for text in narrow:
        assert all(len(line) <= 40 for line in text.splitlines())
    assert "val_bpb" in narrow[0]
    assert "higher-learn" in narrow[0]
    assert "night-run" in narrow[1]
