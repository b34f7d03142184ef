import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import PlanDiverged
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.normal_form import normal_form
from tests.agent_bench import Says, bench, train_one
from tests.mortal import Killed, Mortal


def finish(home: Path, researcher: Any = None, **config: Any) -> Any:
    desk = bench(home, **config)
    while advance(desk, researcher or ScriptedResearcher()) == "waiting":
        assert train_one(desk)
        while train_one(desk):
            pass
    return desk


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return finish(tmp_path_factory.mktemp("calm"))


def test_a_scripted_session_plans_two_batches_and_edits_the_best_of_the_first(undisturbed):
    state = undisturbed.journal.state(undisturbed.session)
    assert state.status == "finished"
    assert state.reason == "final answer"
    assert list(state.experiments) == [f"s01_d0{1 + n // 3}_e0{n + 1}" for n in range(6)]
    first = list(state.experiments.values())[:3]
    best = min(first, key=lambda run: run.result.val_bpb)  # type: ignore[union-attr, arg-type, return-value]
    second = list(state.experiments.values())[3:]
    assert {run.planned.parent_title for run in second} == {best.planned.title}
    assert all(run.planned.config.n_embd == best.planned.config.n_embd for run in second)
    sources = {run.planned.train_py for run in state.experiments.values()}
    assert len(sources) == 4
    for run in second:
        compile(undisturbed.blobs.get(run.planned.train_py), "train.py", "exec")
    assert len(state.hypotheses) == 6
    assert not any(turn.finished and turn.finished.failed for turn in state.turns)
    assert "val_bpb" in state.summary


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("lose_snapshot", [False, True])
def test_a_session_killed_around_every_transaction_leaves_the_same_journal(
    tmp_path, undisturbed, when, lose_snapshot
):
    expected = normal_form(undisturbed.journal.events(undisturbed.session))
    fuse, lives = [1], 0
    while True:
        lives += 1
        desk = bench(tmp_path)
        fuse[0] = 1 + lives % 3 if when == "before" else 1
        mortal = replace(desk, journal=Mortal(desk.journal, fuse, when))
        try:
            if advance(mortal, ScriptedResearcher()) == "finished":
                break
        except Killed:
            pass
        while train_one(desk):
            pass
        if lose_snapshot:
            for file in tmp_path.glob("snapshots/*"):
                file.unlink()
        assert lives < 300
    assert lives > 15
    assert normal_form(desk.journal.events(desk.session)) == expected


CHILD = """
import os, sys
from pathlib import Path
from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from tests.agent_bench import bench
print(advance(bench(Path(sys.argv[1])), ScriptedResearcher()), flush=True)
os.kill(os.getpid(), 9)
"""


def test_every_dispatch_may_be_continued_by_another_process(tmp_path, undisturbed):
    said = []
    desk = bench(tmp_path)
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, str(tmp_path)],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == -9, done.stderr
        said.append(done.stdout.strip())
        while train_one(desk):
            pass
    assert said == ["waiting", "waiting", "finished"]
    expected = normal_form(undisturbed.journal.events(undisturbed.session))
    assert normal_form(desk.journal.events(desk.session)) == expected


@pytest.mark.parametrize(("n", "size"), [(1, 1), (4, 3), (5, 1), (12, 4), (30, 10)])
def test_the_scripted_researcher_ends_with_other_sizes_too(tmp_path, n, size):
    desk = finish(tmp_path, n_experiments=n, batch_size=size)
    state = desk.journal.state(desk.session)
    assert state.reason == "final answer"
    assert len(state.experiments) == min(n, 12) or (n == 30 and len(state.experiments) >= 10)
    assert not any(turn.finished and turn.finished.failed for turn in state.turns)


def test_a_resumed_session_tries_what_it_has_not_tried(tmp_path):
    desk = finish(tmp_path, n_experiments=3)
    with desk.transaction() as tx:
        tx.append(ev.SessionResumed(config=tx.state.config, driver="cli"))
    finish(tmp_path)
    state = desk.journal.state(desk.session)
    titles = [run.planned.title for run in state.experiments.values()]
    assert len(titles) == len(set(titles)) == 6
    assert state.status == "finished"


def test_observations_and_errors_reach_the_agent_and_five_errors_end_the_session(tmp_path):
    desk = finish(tmp_path, Says("```python\nprint('hi')\n1 / 0\n```", *["```python\nnope()\n```"] * 9))
    state = desk.journal.state(desk.session)
    assert len(state.turns) == 5
    assert "in a row failed" in state.reason
    told = state.turns[0].finished.observation  # type: ignore[union-attr]
    assert "ZeroDivisionError" in told
    assert "hi" in told


def test_a_diverged_plan_pauses_the_session_and_launches_nothing(tmp_path):
    desk = bench(tmp_path)
    plan = '```python\nedit_train_code("a", config_overrides={"n_layer": 1})\nrun_experiment("a")\n```'
    assert advance(desk, Says(plan)) == "waiting"
    (pending,) = desk.journal.state(desk.session).turns[0].calls[1:]
    train_one(desk)
    for file in tmp_path.glob("snapshots/*"):
        file.unlink()
    with desk.transaction() as tx:
        tx.append(ev.CallAnswered(turn=1, sequence=pending.sequence, call="0" * 64, result={"val_bpb": 0.1}))
    with pytest.raises(PlanDiverged):
        advance(desk, Says(plan))
    state = desk.journal.state(desk.session)
    assert state.status == "paused"
    assert "another call" in state.reason
    assert len(state.experiments) == 1


def test_a_cut_reply_is_not_the_final_answer(tmp_path):
    desk = finish(tmp_path, Says("I think", stop="max_tokens"))
    assert desk.journal.state(desk.session).reason.startswith("5 plans")


def test_max_turns_end_a_session(tmp_path):
    desk = finish(tmp_path, Says(*["```python\n1\n```"] * 9), max_turns=3)
    state = desk.journal.state(desk.session)
    assert len(state.turns) == 3
    assert state.reason.startswith("max_turns=3")


def test_turns_that_launch_nothing_end_a_session_before_they_have_cost_a_night(tmp_path):
    looks = ["```python\nget_budget()\n```"] * (limits.IDLE_TURNS + 5)
    state = finish_state(tmp_path / "looks", looks)
    assert len(state.turns) == limits.IDLE_TURNS
    assert state.reason == f"{limits.IDLE_TURNS} turns in a row launched nothing"
    launch = '```python\nedit_train_code("a", config_overrides={"n_layer": 1})\nrun_experiment("a")\n```'
    state = finish_state(tmp_path / "late", [*looks[: limits.IDLE_TURNS - 1], launch, *looks])
    assert len(state.turns) == 2 * limits.IDLE_TURNS


def finish_state(home, replies):
    desk = finish(home, Says(*replies))
    return desk.journal.state(desk.session)


def test_the_last_turn_has_no_run_tools(tmp_path):
    launch = """```python
edit_train_code("a", config_overrides={"n_layer": 1})
run_experiment("a")["title"]
```"""
    desk = finish(tmp_path, Says(launch, launch, launch), n_experiments=1)
    state = desk.journal.state(desk.session)
    assert len(state.turns) == 2
    assert state.turns[0].finished.observation == "Execution result:\na"  # type: ignore[union-attr]
    assert "run_experiment" in state.turns[1].finished.observation  # type: ignore[union-attr]
    assert state.reason == "n_experiments reached"


def test_long_observations_keep_head_and_tail(tmp_path):
    desk = finish(tmp_path, Says("```python\n['x' * 50000, 'end']\n```"))
    told = desk.journal.state(desk.session).turns[0].finished.observation  # type: ignore[union-attr]
    assert len(told) <= 20_000
    assert "characters left out" in told
    assert told.endswith('"end"]')
