"""A session of candidates that are not better than the baseline: how many does it promote?

Each candidate is the baseline with a change that means nothing (a comment, another name, the same sum written
otherwise) and another constant added to its seed.  At one seed its score differs from the baseline's, by luck; in
expectation over seeds it is the baseline.  Everything is real: the session, its plans, trainings and decisions; a
researcher that only proposes these stands in for the model.

Screening stops most of them, so afterwards those with the largest gains that the session did not confirm are
confirmed all the same, as many as its budget allows: the luckiest, on fresh seeds and rows.  Figures:
docs/noise.md.

Run: python -m benchmarks.null_candidates [candidates]
"""

import json
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from autoresearch_dagster.agent.researcher import Reply, ResearcherView
from autoresearch_dagster.core.judgement import PromotionDecision
from autoresearch_dagster.core.limits import SESSION_ERROR_RATE
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.promotion import confirm
from autoresearch_dagster.evaluation.spending import PLANS
from autoresearch_dagster.experiments.arms import arm_of
from autoresearch_dagster.experiments.confirmations import champion_of, contender, plan_confirmation, trained_at
from autoresearch_dagster.experiments.dispatch import Dispatch
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.session import (
    advance_session,
    laboratory_of,
    lease_name,
    open_session,
    settle,
)
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store

CANDIDATES = 20
BATCH = 10
SEED_STEP = 1000  # added to the seed of candidate k, times k: far from the seeds that the session uses
FIGURES = Path(__file__).with_name("null_candidates.json")
START = "    tokenizer = prepare.Tokenizer.from_directory()\n"
REWRITES = (
    ("a comment", "    model.train()\n", "    # From here on the model learns.\n    model.train()\n"),
    ("another name", "        steps += 1\n", "        one_more = 1\n        steps += one_more\n"),
    ("an equal sum", "x = x + self.attn(self.ln1(x))", "x = self.attn(self.ln1(x)) + x"),
)
PLAN = """
code = get_baseline_train_code()["train_py"]
edits = []
for title, seed, old, new in {candidates}:
    reseeded = {start} + "    torch.manual_seed(config.seed + " + seed + ")\\n"
    changed = code.replace(old, new, 1).replace({start}, reseeded)
    edits.append({{"title": title, "train_py": changed, "change_summary": "nothing that matters"}})
saved = edit_train_code_batch(edits)
run_experiment_batch(saved["titles"])
saved["errors"]
"""


class NullResearcher:
    """Proposes the next batch of candidates that are the baseline, until the session has trained all it may."""

    def reply(self, view: ResearcherView) -> Reply:
        """Write the plan of the next batch."""
        first, left = len(view.state.edits) + 1, view.state.remaining
        if view.last or left == 0:
            return Reply("All candidates were tried.", "end_turn")
        proposed = [candidate(number) for number in range(first, first + min(BATCH, left))]
        return Reply(f"```python\n{PLAN.format(candidates=proposed, start=repr(START))}\n```\n", "end_turn")


def candidate(number: int) -> list[str]:
    """Return title, shift of the seed, and what is replaced by what."""
    what, old, new = REWRITES[number % len(REWRITES)]
    return [f"null {number:02}: {what}", str(SEED_STEP * number), old, new]


def research(home: Path, candidates: int, slots: int = 0) -> tuple[SessionState, Laboratory]:
    """Run the session to its end in a home of its own, or go on with it; return it as it stands then."""
    settings = Settings(home=home, runner="plain", slots=slots)
    store, budget = open_store(settings), preset("demo").config.time_budget_sec
    config = SessionConfig(
        memory_key="null-candidates",
        preset="demo",
        n_experiments=candidates,
        batch_size=BATCH,
        time_budget_sec=budget,
    )
    found = store.journal.find(config.memory_key)
    if found is not None and found.status == "finished":
        return found, laboratory_of(found, settings, _say)
    session = open_session(store, settings, config, "cli", _say).id
    lab = laboratory_of(store.journal.state(session), settings, _say)
    with store.leases.hold(lease_name(session), this_process()) as lease:
        while advance_session(session, lab, lease, lambda _line: None, NullResearcher()) == "waiting":
            _train(session, lab, config.concurrency)
            settle(session, lab, lease)
    return store.journal.state(session), lab


def confirm_anyway(state: SessionState, lab: Laboratory) -> list[PromotionDecision]:
    """Confirm those with the largest gains, whatever their screening said; nobody is crowned.

    Each is held to the error rate of the session's next candidate, as if it were the only one.
    """
    assert state.floor is not None
    plan, journal = PLANS[lab.preset.name], lab.store.journal
    waiting = [one for one in state.experiments.values() if one.screening is not None and one.promotion is None]
    planned = plan_confirmation(state, lab.preset, waiting, plan.seeds[0])
    with journal.transaction(state.id) as transaction:
        transaction.append(planned)
    _train(state.id, lab, state.config.concurrency)
    trained, decisions = journal.state(state.id), []
    arms = {
        who.key: arm_of([one.result for one in trained_at(trained, who, planned.seeds) if one.result], lab)
        for who in (champion_of(state), *(contender(state.experiments[key]) for key in planned.candidates))
    }
    for key in planned.candidates:
        ours, number = arms[champion_of(state).key], len(state.numbers) + 1
        decisions.append(confirm(ours, arms[key], state.floor.floor, plan, number=number, looks=state.looks))
    return decisions


def _train(session: str, lab: Laboratory, concurrency: int) -> None:
    dispatch = Dispatch(session, lab, Board(), "", concurrency)
    try:
        for key in dispatch.submit_all():
            result = dispatch.wait(key)
            told = f"{result.val_bpb:.5f}" if result.val_bpb is not None else result.error
            _say(f"{key}  {told}  {result.cpu_sec:.1f} s CPU")
    finally:
        dispatch.stop()
        dispatch.close()


def _say(line: str) -> None:
    print(line, flush=True)


def figures(state: SessionState) -> dict[str, Any]:
    """Say what was screened, confirmed and promoted, and what the running minimum would have promoted."""
    assert state.floor is not None
    tried = list(state.experiments.values())
    screenings = [one.screening for one in tried if one.screening is not None]
    decisions = [one.promotion for one in tried if one.promotion is not None]
    lowest, by_minimum = state.floor.floor.scores_bpb[0], 0
    for one in tried:
        if one.result is not None and one.result.val_bpb is not None and one.result.val_bpb < lowest:
            lowest, by_minimum = one.result.val_bpb, by_minimum + 1
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}",
        "preset": state.config.preset,
        "baseline_sd_bpb": state.floor.floor.sd_bpb,
        "candidates": len(tried),
        "scored": len(screenings),
        "trainings": len(state.everything),
        "gains_bpb": [round(one.gain_bpb, 5) for one in screenings],
        "worth_confirming": sum(one.outcome == "worth_confirming" for one in screenings),
        "no_budget_to_confirm": sum(bool(one.refused) for one in tried),
        "confirmed_gains_bpb": [round(one.gain_bpb, 5) for one in decisions],
        "p_values": [round(one.p, 4) for one in decisions],
        "error_rates": [round(one.error_rate, 4) for one in decisions],
        "error_rate_of_session": SESSION_ERROR_RATE,
        "false_promotions": len(state.reigns),
        "promoted_by_running_minimum": by_minimum,
    }


def measure(home: Path, candidates: int = CANDIDATES, *, slots: int = 0, target: Path = FIGURES) -> dict[str, Any]:
    """Run the session, write its figures down, print and return them."""
    started = time.monotonic()
    state, lab = research(home, candidates, slots)
    anyway = confirm_anyway(state, lab)
    found = {
        **figures(state),
        "luckiest_confirmed_anyway": [
            {
                "gain_bpb": round(one.gain_bpb, 5),
                "p": round(one.p, 4),
                "error_rate": round(one.error_rate, 4),
                "would_be": one.outcome,
            }
            for one in anyway
        ],
        "wall_seconds": round(time.monotonic() - started),
    }
    text = json.dumps(found, indent=1)
    target.write_text(text + "\n", encoding="utf-8")
    _say(text)
    return found


def main() -> None:
    home = Path(os.environ.get("AUTORESEARCH_HOME") or tempfile.mkdtemp(prefix="ar-null-"))
    candidates = int(sys.argv[1]) if len(sys.argv) > 1 else CANDIDATES
    measure(home, candidates)


if __name__ == "__main__":
    main()
