"""A workbench on a real store in a temporary folder, and a stand-in for training."""

from pathlib import Path
from typing import Any

from autoresearch_dagster.agent.code_mode import PlanCall
from autoresearch_dagster.agent.researcher import Reply, ResearcherView
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, Workbench, call_tool
from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentResult,
    Outcome,
    Standing,
    Verdict,
    canonical_json,
    digest_of,
)
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store

BASELINE = (Path(__file__).parents[1] / "trainer_image" / "train.py").read_text()


def bench(home: Path, name: str = "workshop", **config: Any) -> Workbench:
    store = open_store(Settings(home=home))
    sessions = store.journal.sessions()
    if not sessions:
        store.journal.create(ev.SessionConfig(preset=name, **config), "cli", "b")
        sessions = store.journal.sessions()
    return Workbench(
        journal=store.journal,
        blobs=store.blobs,
        session=sessions[0],
        profile={"n_parquet_files": 2, "vocab_size": 8192, "corpus": "sample"},
        baseline=BASELINE,
        preset=preset(name),
        slots=2,
        snapshots=home / "snapshots",
    )


def result_for(planned: Any, outcome: Outcome = Outcome.TRAINED) -> ExperimentResult:
    """A score that follows from the candidate alone."""
    score = 2.0 + int(digest_of(canonical_json([planned.title, planned.train_py]))[:6], 16) / 2**24
    good = outcome is Outcome.TRAINED
    return ExperimentResult(
        outcome=outcome,
        verdict=Verdict.ACCEPTED if good else Verdict.UNAUDITED,
        standing=Standing.SCREENED if good else None,
        val_bpb=score if good else None,
        claims=Claims(model_name="m", val_bpb=0.1),
        error="" if good else "boom",
    )


def train_one(workbench: Workbench, outcome: Outcome = Outcome.TRAINED, *, newest: bool = False) -> bool:
    """Decide one planned experiment; False: there is none."""
    with workbench.transaction() as tx:
        waiting = tx.state.unfinished
        if not waiting:
            return False
        planned = waiting[-1 if newest else 0].planned
        tx.append(ev.ExperimentFinished(key=planned.key, result=result_for(planned, outcome)))
    return True


class Says:
    """A researcher with a fixed list of replies; the last one is the final answer."""

    def __init__(self, *replies: str, stop: str = "end_turn") -> None:
        self.replies, self.stop = replies, stop

    def reply(self, view: ResearcherView) -> Reply:
        text = self.replies[len(view.state.turns)] if len(view.state.turns) < len(self.replies) else "Done."
        return Reply(text, self.stop)


def begin_turn(workbench: Workbench) -> None:
    """Open a turn, so that tools can be called one by one."""
    with workbench.transaction() as tx:
        tx.append(ev.ModelReplied(turn=len(tx.state.turns) + 1, reply="", stop_reason="end_turn"))


def call(workbench: Workbench, function: str, *args: Any, **kwargs: Any) -> Any:
    """Call a tool as a plan would; a launch is trained at once, in reversed order."""
    from autoresearch_dagster.agent.tools.answers import answer_pending

    turn = workbench.journal.state(workbench.session).turns[-1]
    tool = TOOLBOX.get(function)
    assert tool is not None
    arguments = tool.bind(args, kwargs)
    sequence = len(turn.calls)
    made = PlanCall(sequence, digest_of(canonical_json([turn.number, sequence])), function, arguments)
    answer = call_tool(workbench, turn.number, TOOLBOX, made)
    if answer is not None:
        return answer.result
    while train_one(workbench, newest=True):
        pass
    with workbench.transaction() as tx:
        assert answer_pending(tx)
        assert answer_pending(tx)
        return tx.state.turns[-1].answers[sequence].result
