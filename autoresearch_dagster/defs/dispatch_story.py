"""What a run of `research` tells: the plan as it was written, and which experiment trained where."""

from collections.abc import Mapping

import dagster as dg

from autoresearch_dagster.agent.hypotheses.calibration import hypothesis_of
from autoresearch_dagster.core.experiment import ExperimentKey, Purpose
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.limits import TITLE_SHOWN_CHARS
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.defs.tables import partition_link, table
from autoresearch_dagster.reports.board import Board, Card
from autoresearch_dagster.reports.markdown import fenced
from autoresearch_dagster.reports.pulse import pulse
from autoresearch_dagster.reports.text import block, one_line
from autoresearch_dagster.store.state import SessionState

PLAN_LINES = 1000  # of a plan in a log


def thought(state: SessionState) -> str:
    """Say what the agent decided: the plan that waits for experiments, or why the session is not active."""
    plan = state.turns[-1].plan if state.turns else None
    if state.status != "active":
        return f"The session {state.id} is {state.status}: {state.reason}."
    if plan is None or any(one.planned.purpose is not Purpose.CANDIDATE for one in state.unfinished):
        waiting = ", ".join(one.planned.shown_as for one in state.unfinished)
        return f"The session {state.id} trains {waiting or 'nothing yet'}."
    left = f"left: {state.remaining} of {counted(state.allotted, 'experiment')}."
    number = state.turns[-1].number
    shown = block(plan.code, PLAN_LINES)
    return f"The plan of turn {number}, which sleeps until its experiments are done; {left}\n{shown}"


def plan_metadata(state: SessionState, key: ExperimentKey) -> Mapping[str, dg.MetadataValue]:
    """Describe one planned experiment, before it runs."""
    planned = state.everything[key].planned
    claim = hypothesis_of(state, state.everything[key])
    found: dict[str, dg.MetadataValue] = {
        "title": dg.MetadataValue.text(planned.shown_as),
        "purpose": dg.MetadataValue.text(planned.purpose.value),
        "config": dg.MetadataValue.json(planned.config.model_dump()),
    }
    if claim:
        found["hypothesis"] = dg.MetadataValue.text(claim.hypothesis)
        found["expected_effect"] = dg.MetadataValue.text(claim.expected_effect)
    found["partition"] = dg.MetadataValue.md(partition_link(key))
    return found


def stage_line(card: Card) -> str:
    """Say what happens to an experiment now, and where."""
    told = {"waiting": "waits for a slot", "training": f"trains on {card.slot}", "scoring": "is scored"}
    return f"{card.key} {one_line(card.title, TITLE_SHOWN_CHARS)} {told.get(card.stage, f'is {card.stage}')}."


def where(board: Board, key: str) -> str:
    """Say where an experiment trained."""
    for card in board.cards():
        if card.key == key and card.result is not None:
            return f"{card.result.runner} on {card.slot or 'no slot'}, {card.result.duration_sec:.0f} s"
    return "it had its result already"


def dispatch_metadata(state: SessionState, board: Board, run_id: str) -> Mapping[str, dg.MetadataValue]:
    """Sum up the dispatch of a run: the plan as it was written, and a row for each of its experiments."""
    rows: list[tuple[str, str, str, str, str]] = []
    for card in board.cards():
        experiment = state.everything.get(card.key)
        if experiment is None or experiment.run_id not in ("", run_id):
            continue  # the command line has one board for all dispatches of a session
        result = experiment.result
        score = bpb(result.val_bpb if result is not None else None, "none")
        outcome = result.ending if result is not None else "no result yet"
        rows.append((card.key, card.title, outcome, score, where(board, card.key)))
    found: dict[str, dg.MetadataValue] = {
        "session": dg.MetadataValue.text(f"{state.config.memory_key} ({state.id}), {state.status}"),
        "experiments_left": dg.MetadataValue.int(state.remaining),
        "pulse": dg.MetadataValue.text(pulse(state, None)),
    }
    if rows:
        found["experiments"] = table(("key", "title", "outcome", "val_bpb", "trained"), rows)
        found["partitions"] = dg.MetadataValue.md(", ".join(partition_link(key) for key, *_ in rows))
    if (plan := _plan_of(state, {key for key, *_ in rows})) is not None:
        found["plan"] = dg.MetadataValue.md(fenced(plan, "python"))
    return found


def _plan_of(state: SessionState, keys: set[str]) -> str | None:
    """Return the plan that launched some of these experiments; the platform's own trainings have none."""
    turns = {state.experiments[ExperimentKey(key)].turn for key in keys if key in state.experiments}
    return next((turn.plan.code for turn in state.turns if turn.number in turns and turn.plan is not None), None)
