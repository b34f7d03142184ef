"""`steer`, `pause`, `resume`, `stop`, and `run --researcher claude` before anything is spent."""

import pytest

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.store import open_store
from tests.anthropic_server import AnthropicServer, Refused
from tests.claude import KEY
from tests.command_line import is_one_sentence
from tests.plans import plan

CLAUDE = ("run", "--researcher", "claude", "--preset", "demo", "--memory-key", "m")


def session_of(command, memory_key="research"):
    found = open_store(Settings(home=command.home)).journal.find(memory_key)
    assert found is not None
    return found


@pytest.fixture
def planned(command):
    store = open_store(Settings(home=command.home))
    plan(store, "one", driver="daemon")
    return store


def test_a_note_is_kept_for_the_agent(command, planned):
    said = command("steer", "research", "try a warmup")
    assert (said.code, said.out) == (0, "The agent of research reads it in its next turn.\n")
    assert [note.note for note, _ in session_of(command).notes] == ["try a warmup"]
    refused = command("steer", "research", " ")
    assert refused.code == 2
    assert is_one_sentence(refused.err)


def test_a_session_that_nobody_drives_is_paused_resumed_and_stopped_at_once(command, planned):
    assert command("pause", "research").out == "research is paused.\n"
    assert "is paused already" in command("pause", "research").err
    assert "Dagster's daemon" in command("resume", "research").out
    assert session_of(command).status == "active"
    assert "is active already" in command("resume", "research").err
    assert command("stop", "research").out == "research is finished.\n"
    assert session_of(command).experiments["s01_d01_e01"].result.outcome == "Stopped"
    assert "grants it more experiments" in command("resume", "research").err


def test_a_session_that_is_driven_is_asked(command, planned):
    with planned.leases.hold(lease_name("s01"), this_process()):
        waits, now = command("pause", "research"), command("stop", "research", "--kill")
    assert waits.out == "research is paused as soon as its running experiments are done.\n"
    assert now.out == "research ends its experiments now and is then finished.\n"
    asked = session_of(command).asked
    assert (asked.end, asked.kill) == ("stop", True)


def test_a_session_of_another_name_is_one_sentence_with_near_ones(command, planned):
    for words in (("steer", "reserch", "x"), ("pause", "reserch"), ("resume", "reserch"), ("stop", "reserch")):
        said = command(*words)
        assert said.code == 2
        assert is_one_sentence(said.err)
        assert "reserch" in said.err


def test_claude_without_a_key_is_one_sentence_that_names_the_way_without(command):
    said = command(*CLAUDE)
    assert said.code == 2
    assert "researcher=scripted needs none" in said.err
    assert is_one_sentence(said.err)
    assert not (command.home / "bundles").exists()


@pytest.mark.parametrize(
    ("model", "answer", "says"),
    [
        ("claude-sonnet-4-6", {"key": "another"}, "The model key is refused"),
        ("claude-opus-4-6", {}, "knows no model 'claude-opus-4-6'"),
        ("claude-nonsense-9", {"models": None}, "AUTORESEARCH_MODEL_PRICES"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_built(command, monkeypatch, model, answer, says):
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    with AnthropicServer([Refused(500)], **answer) as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        said = command(*CLAUDE, "--model", model)
        assert server.sent == []
    assert said.code != 0
    assert says in said.err
    assert is_one_sentence(said.err)
    assert KEY not in said.out + said.err
    assert not (command.home / "bundles").exists()


def test_sizing_by_a_model_needs_one(command):
    said = command("run", "--preset", "demo", "--resource-sizing", "model")
    assert said.code == 2
    assert "asks the model of researcher=claude" in said.err


def test_a_run_beside_a_driver_is_refused_and_changes_nothing(command, planned):
    with planned.leases.hold(lease_name("s01"), this_process()):
        command("stop", "research")
        before = len(planned.journal.events("s01"))
        refused = command("run", "--memory-key", "research", "--preset", "demo", "--n-experiments", "1")
    state = planned.journal.state("s01")
    assert refused.code == 1
    assert is_one_sentence(refused.err)
    assert (state.driver, state.asked.end, len(planned.journal.events("s01"))) == ("daemon", "stop", before)
