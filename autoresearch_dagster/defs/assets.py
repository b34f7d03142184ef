"""What research leaves behind: experiments by key, the leaderboard, the report."""

import shlex
from collections.abc import Sequence

import dagster as dg

from autoresearch_dagster.containers.escape import readable
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import exact, rounded
from autoresearch_dagster.core.progress import HOUR_S, counted, in_lines
from autoresearch_dagster.core.resources import AGENT, EXPERIMENT
from autoresearch_dagster.core.settings import Settings, load_settings
from autoresearch_dagster.defs.experiments import data_version, headline, record_metadata, reproduction_metadata
from autoresearch_dagster.defs.partitions import experiment_partitions
from autoresearch_dagster.defs.shown import tag_worker
from autoresearch_dagster.defs.tables import partition_link, table
from autoresearch_dagster.defs.tags import OWNER, resource_tags
from autoresearch_dagster.defs.versions import provenance
from autoresearch_dagster.experiments.dossier import dossier_of
from autoresearch_dagster.experiments.kept_receipts import receipt_problems, scores_of_record
from autoresearch_dagster.experiments.report import report_file, write_report
from autoresearch_dagster.experiments.reproduce import reproduce
from autoresearch_dagster.reports.climbed import gain_figures
from autoresearch_dagster.reports.document import session_report
from autoresearch_dagster.reports.markdown import plain
from autoresearch_dagster.reports.standings import standings_markdown
from autoresearch_dagster.reports.tables import gain_text, score_text, state_text
from autoresearch_dagster.store.leaderboard import leader, leaderboard as leaderboard_of
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store

GROUP = "research"


@dg.asset(
    group_name=GROUP,
    partitions_def=experiment_partitions,
    deps=["packed_rows"],
    kinds={"docker", "pytorch"},
    owners=[OWNER],
    op_tags=resource_tags(EXPERIMENT),
)
def experiment(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """One experiment of a session, by its key; the job `research` fills it.

    A key such as s03_d02_e05 is the fifth experiment of session s03, launched by its second dispatch; `n` instead
    of `e` is a training for the noise floor, `c` one for a confirmation, `t` one for a scale transfer.  The page of
    the asset `leaderboard` leads from titles to keys.

    Materialised by hand it is trained and scored once more, for information.  The partition then still shows the
    result of record under the same names, and the reproduction, with its own receipt, under `reproduction`.
    """
    tag_worker(context.instance, context.run.run_id)
    settings, key = load_settings(), context.partition_key
    try:
        recorded, again = reproduce(settings, key, in_lines(context.log.info))
    except AutoresearchError as fault:
        raise dg.Failure(str(fault), allow_retries=False) from fault
    store = open_store(settings)
    state = _session_of(store, ExperimentKey(key))
    shown = state.everything[ExperimentKey(key)]
    dossier = dossier_of(state, ExperimentKey(key), store.blobs)
    context.log.info(
        f"{headline(shown)} of record; reproduced: {again.outcome.value}, {exact(again.val_bpb, 'no score')}"
    )
    return dg.MaterializeResult(
        metadata={**record_metadata(shown, dossier, state.bundle), **reproduction_metadata(recorded, again)},
        data_version=dg.DataVersion(data_version(shown)),
        tags=provenance("experiment", data_version(shown)),
    )


def leaderboard_metadata(states: Sequence[SessionState]) -> dict[str, dg.MetadataValue]:
    """Show the leaderboards of some sessions on the asset's page; keys lead to their partitions."""
    text = "\n\n".join(
        f"### {plain(state.config.memory_key)}\n\n{standings_markdown(state, partition_link)}" for state in states
    )
    found: dict[str, dg.MetadataValue] = {"leaderboard": dg.MetadataValue.md(text)}
    if len(states) == 1:  # scores of several sessions have nothing in common that a plot could show
        found |= {"candidates": _table_of(states[0]), **_numbers(states[0])}
    return found


def _table_of(state: SessionState) -> dg.MetadataValue:
    """What is seen without a click; the Markdown beside it has the comparisons and the links."""
    rows = leaderboard_of(state)
    columns = ("#", "title", "val_bpb", "gain", "state", "key")
    return table(
        columns,
        [(row.rank, row.title, score_text(row), gain_text(row), state_text(row), row.key) for row in rows],
    )


def _numbers(state: SessionState) -> dict[str, dg.MetadataValue]:
    """What Dagster draws over the dispatches of a session."""
    top, ledger = leader(state), state.ledger
    values = {
        "best_val_bpb": top.val_bpb if top else None,
        **gain_figures(state),
        "experiments": float(sum(one.result is not None for one in state.experiments.values())),
        "champions": float(len(state.reigns)),
        "usd": float(ledger.usd_committed),
        "cpu_hours": ledger.cpu_s / HOUR_S,
        "gpu_hours": ledger.gpu_committed_s / HOUR_S,
    }
    return {name: dg.MetadataValue.float(rounded(value)) for name, value in values.items() if value is not None}


def report_metadata(settings: Settings, state: SessionState) -> dict[str, dg.MetadataValue]:
    """Say where the session's report is and how it is opened, and show it in short.

    There is no link: a browser follows none from a page of a server to a file.
    """
    path = report_file(settings, state.id)
    found: dict[str, dg.MetadataValue] = {"report": dg.MetadataValue.md(session_report(state))}
    if path.exists():
        opens = shlex.join(["autoresearch", "report", state.config.memory_key, "--open"])
        found |= {"path": dg.MetadataValue.path(path), "opened_by": dg.MetadataValue.text(readable(opens))}
    return found


def _session_of(store: Store, key: ExperimentKey) -> SessionState:
    """Find the session of an experiment that is known to be there, an archived one too."""
    states = (store.journal.state(session) for session in store.journal.sessions())
    return next(state for state in states if key in state.everything)


def _states(settings: Settings) -> list[SessionState]:
    journal = open_store(settings).journal
    return [journal.state(found.session) for found in journal.summaries() if not found.archived]


@dg.asset_check(asset=experiment, name="receipts")
def experiment_receipts() -> dg.AssetCheckResult:
    """Every score of record rests on a receipt of the evaluator that says the same of the same train.py."""
    settings = load_settings()
    evaluation = receipts_evaluation(_states(settings), open_store(settings))
    return dg.AssetCheckResult(
        passed=evaluation.passed, description=evaluation.description, metadata=evaluation.metadata
    )


def receipts_evaluation(states: Sequence[SessionState], store: Store) -> dg.AssetCheckEvaluation:
    """Check the receipts of some sessions, in any step."""
    problems = [problem for state in states for problem in receipt_problems(state, store.blobs)]
    scores = sum(scores_of_record(state) for state in states)
    told = counted(scores, "score")
    said = f"{len(problems)} of {told} without a good receipt: {problems[0]}" if problems else ""
    return dg.AssetCheckEvaluation(
        asset_key=experiment.key,
        check_name="receipts",
        passed=not problems,
        description=said or f"{told} of record, each with its receipt.",
        metadata={"scores": scores, "problems": table(("problem",), [(problem,) for problem in problems])},
    )


@dg.asset(group_name=GROUP, deps=[experiment], kinds={"python"}, owners=[OWNER], op_tags=resource_tags(AGENT))
def leaderboard() -> dg.MaterializeResult:
    """Experiments ranked by val_bpb, lower is better; computed from the journal."""
    return dg.MaterializeResult(metadata=leaderboard_metadata(_states(load_settings())))


@dg.asset(group_name=GROUP, deps=[leaderboard], kinds={"html"}, owners=[OWNER], op_tags=resource_tags(AGENT))
def research_report() -> dg.MaterializeResult:
    """The report of the latest session, one HTML file; computed from the journal."""
    settings = load_settings()
    states = _states(settings)
    if not states:
        return dg.MaterializeResult(metadata={"report": "No research yet: launch the job `research`."})
    write_report(settings, open_store(settings), states[-1].id)
    return dg.MaterializeResult(metadata=report_metadata(settings, states[-1]))
