"""The recorded researcher: plans that ship with the project, for runs without a model."""

from importlib import resources

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.researcher import Reply, ResearcherView
from autoresearch_dagster.agent.rules.edit_rules import override_limit
from autoresearch_dagster.core.figures import exact
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.state import SessionState


def recorded_plan(name: str) -> str:
    """Return the source of a shipped plan; it runs in the sandbox and is never imported."""
    text = resources.files("autoresearch_dagster.agent").joinpath("plans", f"{name}.py").read_text("utf-8")
    return text.strip()


class ScriptedResearcher:
    """Looks around, sweeps the config once, then edits the code of the best so far until ideas run out."""

    def reply(self, view: ResearcherView) -> Reply:
        """Choose the next recorded plan from what the journal says."""
        name = _next_plan(view)
        if name is None:
            return Reply(summary(view.state), "end_turn")
        return Reply(f"Recorded plan `{name}`.\n\n```python\n{recorded_plan(name)}\n```\n", "end_turn")


def _next_plan(view: ResearcherView) -> str | None:
    state = view.state
    if view.last or state.remaining == 0:
        return None
    if view.turns_taken == 0:
        return "look_around"
    idle = _idle_plan(state)
    if idle == "edit_code":
        return None
    return "sweep_config" if not idle and len(state.edits) < override_limit(state) else "edit_code"


def _idle_plan(state: SessionState) -> str:
    """Return the name of the last turn's plan if it should have launched experiments and did not."""
    turn = state.turns[-1]
    launched = any(experiment.turn == turn.number for experiment in state.experiments.values())
    if turn.plan is None or launched:
        return ""
    names = ("sweep_config", "edit_code")
    return next((name for name in names if turn.plan.code.strip() == recorded_plan(name)), "")


def summary(state: SessionState) -> str:
    """Return the closing words of a session, from its results alone."""
    top = leader(state)
    finished = [experiment for experiment in state.experiments.values() if experiment.result]
    failed = sum(history.score(experiment) is None for experiment in finished)
    lines = [f"{len(finished)} experiment(s) finished, {failed} of them without a score."]
    if top is None:
        return "\n".join([*lines, "None has a score, so there is no best."])
    if top.experiment is None:
        return "\n".join([*lines, "No gain over the baseline was confirmed."])
    edit = state.latest_edit(top.title)
    change = edit.saved.change_summary if edit else ""
    lines.append(f"Best: {top.title} with val_bpb {exact(top.val_bpb)}. {change}".strip())
    return "\n".join(lines)
