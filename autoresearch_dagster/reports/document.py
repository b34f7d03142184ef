"""The report of a session as one Markdown document: what was tried, what it brought, what was said."""

from autoresearch_dagster.reports.tables import leaderboard_markdown
from autoresearch_dagster.store.leaderboard import best, leaderboard
from autoresearch_dagster.store.state import SessionState


def session_report(state: SessionState) -> str:
    """Write the report; a pure function of the journal."""
    top = best(state)
    done = sum(experiment.result is not None for experiment in state.experiments.values())
    lines = [
        f"# Research session {state.config.memory_key}",
        "",
        f"- state: {state.status} ({done} of {len(state.experiments)} experiments have a result)",
        f"- preset: {state.config.preset}, source: {state.config.source}, researcher: {state.config.researcher}",
        f"- best candidate: {f'{top.title}, val_bpb {top.val_bpb:.4f}' if top else 'none yet'}",
        "- `val_bpb` is bits per byte on validation rows that no candidate can read; lower is better. "
        "Scores here are screened on one seed: differences of a few thousandths are noise.",
        "",
        "## Leaderboard",
        "",
        leaderboard_markdown(leaderboard(state)),
    ]
    if state.hypotheses:
        lines += ["", "## Hypotheses", ""]
        lines += [f"- **{item.title}**: {item.hypothesis} ({item.expected_effect})" for item, _ in state.hypotheses]
    if state.summary:
        lines += ["", "## What the researcher concludes", "", state.summary]
    return "\n".join(lines) + "\n"
