"""The report of a session as one Markdown document: what was tried, what it brought, what was said."""

from autoresearch_dagster.agent.hypotheses.calibration import calibration, table
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.bill import bill
from autoresearch_dagster.reports.markdown import indented, plain
from autoresearch_dagster.reports.standings import standings_markdown, verdict
from autoresearch_dagster.store.state import SessionState


def session_report(state: SessionState) -> str:
    """Write the report; a pure function of the journal."""
    config = state.config
    done = sum(experiment.result is not None for experiment in state.experiments.values())
    lines = [
        f"# Research session {plain(config.memory_key)}",
        "",
        f"- state: {state.status} ({done} of {counted(len(state.experiments), 'experiment')} with a result)",
        f"- preset: {config.preset}, source: {plain(config.source)}, researcher: {config.researcher}",
        f"- found: {plain(verdict(state))}",
        "- `val_bpb` is bits per byte on validation rows that no candidate can read; lower is better. Only a "
        "candidate that is better at fresh seeds and on fresh rows becomes champion: docs/noise.md.",
        "",
        "## Leaderboard",
        "",
        standings_markdown(state),
    ]
    if state.hypotheses:
        lines += ["", "## Hypotheses", ""]
        lines += [
            f"- **{plain(item.title)}**: {plain(item.hypothesis)} ({plain(item.expected_effect)})"
            for item, _ in state.hypotheses
        ]
    if foretold := table(calibration(state)):
        lines += ["", "How well they foretold what was measured, by axis:", "", foretold]
    if spent := bill(state):
        lines += ["", "## Costs", "", f"{spent}."]
    if state.summary:
        lines += ["", "## What the researcher concludes", "", indented(state.summary)]
    return "\n".join(lines) + "\n"
