"""People who pause, end or advise a session while it runs: at its next step, or now."""

from collections import Counter

import pytest

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.experiments.steering import ask_halt, resume, steer, who
from autoresearch_dagster.store import events as ev
from tests.faults.conftest import MakeWorld
from tests.nvidia import TWO_FACTS, TWO_GPUS, Machine
from tests.trainers.laboratory import World, code, sleeps

FIRST, SECOND = "s02_d01_e01", "s02_d02_e02"


def under_way(world: World) -> None:
    driver = world.drive()
    driver.reach(f"STAGE {FIRST} training")


def test_a_pause_lets_what_runs_end_and_starts_nothing_more(world: MakeWorld) -> None:
    made = world(sleeps(1.0), code(), batch=1)
    under_way(made)
    state = ask_halt(made.settings, "faults", "pause")
    assert state.asked is not None
    assert made.drivers[0].finish() == f"paused {who()} asked for it"
    assert made.finished() == Counter({FIRST: 1})
    assert made.results()["t0"].accepted
    assert made.leftovers() == []
    assert made.drive().finish() == "finished final answer"
    assert made.finished() == Counter({FIRST: 1, SECOND: 1})


def test_a_pause_that_kills_ends_what_runs_and_it_is_trained_again_later(world: MakeWorld) -> None:
    made = world(sleeps(200.0), batch=1, budget_s=300, cpu_metered=False)
    under_way(made)
    ask_halt(made.settings, "faults", "pause", kill=True)
    assert made.drivers[0].finish() == f"paused {who()} asked for it"
    assert FIRST not in made.finished()
    assert made.attempts(FIRST) == 1
    state = made.store.journal.find("faults")
    assert state is not None
    assert [one.planned.key for one in state.unfinished] == [FIRST]
    assert made.leftovers() == []
    made.drive().reach(f"STAGE {FIRST} training")
    ask_halt(made.settings, "faults", "pause", kill=True)
    assert made.drivers[1].finish() == f"paused {who()} asked for it"
    assert FIRST not in made.finished()
    assert made.attempts(FIRST) == 2


def test_an_end_that_kills_leaves_what_ran_without_a_score(world: MakeWorld) -> None:
    made = world(sleeps(200.0), code(), batch=1, budget_s=300, cpu_metered=False)
    under_way(made)
    ask_halt(made.settings, "faults", "stop", kill=True)
    assert made.drivers[0].finish() == f"finished {who()} asked for it"
    assert made.results()["t0"].outcome is Outcome.STOPPED
    assert SECOND not in made.finished()
    made.maintain()
    assert made.leftovers() == []


def test_a_session_that_nobody_drives_is_ended_at_once(world: MakeWorld) -> None:
    made = world(sleeps(1.0), code(), batch=1)
    driver = made.drive(halt="trains")
    driver.reach("AT trains")
    driver.kill()
    assert ask_halt(made.settings, "faults", "pause").status == "paused"
    with pytest.raises(UserError, match="is paused already"):
        ask_halt(made.settings, "faults", "pause")
    assert resume(made.settings, "faults").status == "paused"  # the command line drives it itself
    state = ask_halt(made.settings, "faults", "stop")
    assert (state.status, state.asked) == ("finished", None)
    assert [one.result.outcome for one in state.experiments.values() if one.result] == [Outcome.STOPPED]
    with pytest.raises(UserError, match="grants it more experiments"):
        resume(made.settings, "faults")


def test_notes_that_cannot_be_used_are_refused_with_what_is_permitted(world: MakeWorld) -> None:
    made = world(code())
    for note, said in (("  ", "is empty"), ("x" * 4_001, "4000 are permitted")):
        with pytest.raises(UserError, match=said):
            steer(made.settings, "warm", note)
    with pytest.raises(UserError, match="nobody"):
        steer(made.settings, "nobody", "be bold")
    steer(made.settings, "warm", "be bold")
    noted = [one.event for one in made.store.journal.events("s01") if isinstance(one.event, ev.Steered)]
    assert [one.note for one in noted] == ["be bold"]


def with_gpus(world: MakeWorld, *codes: str, cap_s: float) -> World:
    """A world whose trainings lease one of two GPUs; an attempt reserves 900 s there."""
    preset, session = {"slot_kind": "gpu"}, {"max_gpu_hours": cap_s / 3600}
    made = world(*codes, batch=1, cold=True, cpu_metered=False, preset=preset, session=session)
    machine = Machine(made.folder / "gpu")
    machine.shows(TWO_GPUS, TWO_FACTS)
    made.environment["PATH"] = machine.path
    return made


def test_gpu_time_is_freed_when_an_experiment_took_less_than_was_reserved(world: MakeWorld) -> None:
    made = with_gpus(world, code(), code(0.91), cap_s=1000)
    assert made.drive().finish() == "finished final answer"
    state = made.store.journal.find("faults")
    assert state is not None
    assert 0 < state.ledger.gpu_committed_s == state.ledger.gpu_s < 100
    assert state.ledger.gpu_s == pytest.approx(sum(one.result.gpu_sec for one in state.everything.values()))


def test_an_attempt_that_never_reported_counts_as_used_and_what_no_time_is_left_for_is_stopped(
    world: MakeWorld,
) -> None:
    made = with_gpus(world, sleeps(30.0), cap_s=1000)
    driver = made.drive(halt="trains")
    driver.reach("STAGE s01_d01_e01 training")
    driver.reach("AT trains")
    driver.kill()
    assert made.drive().finish() == "finished final answer"
    (result,) = made.results().values()
    assert result.outcome is Outcome.STOPPED
    assert "max_gpu_hours=0.277778 is used up" in result.error


def test_a_session_without_gpu_time_for_its_noise_floor_is_paused(world: MakeWorld) -> None:
    made = with_gpus(world, code(), cap_s=100)
    assert "max_gpu_hours=0.0277778 is used up: 100 s are left" in made.drive().finish()
