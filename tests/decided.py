"""Runs with a result of a test's own, launched as a plan launches them."""

from collections.abc import Callable
from typing import Any

from autoresearch_dagster.agent.code_mode import PlanCall
from autoresearch_dagster.agent.tools.answers import answer_pending
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, Workbench, call_tool
from autoresearch_dagster.core.experiment import ExperimentResult, PlannedExperiment, digest_of
from autoresearch_dagster.store import events as ev
from tests.agent_bench import BASELINE, call

Result = ExperimentResult | Callable[[PlannedExperiment], ExperimentResult]


def decide(desk: Workbench, title: str, result: Result) -> Any:
    """Save an edit, launch it and give it this result; what run_experiment answers."""
    source = BASELINE.replace("weight_decay=0.01", f"weight_decay=0.{int(digest_of(title.encode())[:6], 16)}")
    assert call(desk, "edit_train_code", title, train_py=source)["saved"]
    made = _launched(desk, title) or _launched(desk, title)  # a turn on one axis is sent back once
    assert made is not None
    with desk.transaction() as tx:
        planned = tx.state.unfinished[0].planned
        decided = result if isinstance(result, ExperimentResult) else result(planned)
        tx.append(ev.AttemptStarted(key=planned.key, attempt=1, owner="elsewhere:1:1"))
        tx.append(ev.ExperimentFinished(key=planned.key, result=decided))
        assert answer_pending(tx)
        return tx.state.turns[-1].answers[made.sequence].result


def _launched(desk: Workbench, title: str) -> PlanCall | None:
    """Launch an edit; the call that waits for it, or None where it was answered at once."""
    turn = desk.journal.state(desk.session).turns[-1]
    tool = TOOLBOX.get("run_experiment")
    assert tool is not None
    name = digest_of(f"{title}|{len(turn.calls)}".encode())
    made = PlanCall(len(turn.calls), name, tool.name, tool.bind((title,), {}))
    return made if call_tool(desk, turn.number, TOOLBOX, made) is None else None
