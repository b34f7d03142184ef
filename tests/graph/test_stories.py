"""What the pages of Dagster tell of research: the change and why, how it trained, the way from a title to a key."""

from dataclasses import replace

import dagster as dg
import pytest

from autoresearch_dagster.core.experiment import (
    CurvePoint,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    Standing,
    Verdict,
    canonical_json,
)
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.assets import leaderboard_metadata, receipts_evaluation, report_metadata
from autoresearch_dagster.defs.dispatch_story import dispatch_metadata, plan_metadata, thought
from autoresearch_dagster.defs.experiments import record_metadata, reproduction_metadata
from autoresearch_dagster.defs.tables import partition_link
from autoresearch_dagster.experiments.dossier import dossier_of
from autoresearch_dagster.experiments.report import report_file
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.document import session_report
from autoresearch_dagster.reports.markdown import fenced
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store, open_store
from tests.plans import plan

LINKS = "![x](https://evil.example/p.png) [click](javascript:alert(1))"
HOSTILE = "<script>alert(1)</script> ```\n# heading [link](javascript:alert(1))"


@pytest.fixture
def store(tmp_path) -> Store:
    return open_store(Settings(home=tmp_path / "home"))


def research(store: Store) -> ExperimentKey:
    """A session with one scored experiment, whose texts are as bad as they can be."""
    (key,) = plan(store, "wider", code=f"def run_training(config): ...\n# {HOSTILE!r}\n".encode())
    points = [CurvePoint(step=step, loss=9.0 - step, elapsed_s=float(step)) for step in range(5)]
    result = ExperimentResult(
        outcome=Outcome.TRAINED,
        verdict=Verdict.ACCEPTED,
        standing=Standing.SCREENED,
        val_bpb=2.5,
        duration_sec=8.0,
        cpu_sec=7.5,
        runner="docker",
        curve=store.blobs.put(canonical_json([point.model_dump() for point in points])),
    )
    with store.journal.transaction("s01") as tx:
        tx.append(
            ev.PlanStarted(
                turn=1, code=f"run()\n# {HOSTILE}", plan="0" * 64, started_at=tx.state.started_at, seed=1
            )
        )
        tx.append(ev.AttemptStarted(key=key, attempt=1, owner="h:1:1", slot="core 1"))
        tx.append(ev.ExperimentFinished(key=key, result=result, run_id="run"))
    return key


def test_a_partition_shows_the_change_the_curve_and_where_it_trained(store):
    key = research(store)
    state = store.journal.state("s01")
    found = record_metadata(state.experiments[key], dossier_of(state, key, store.blobs))

    assert found["train_loss"].value.startswith("9.000 █▆▅▃▁ 5.000")
    assert found["slot"].value == "core 1"
    assert {name for name, value in found.items() if isinstance(value, dg.FloatMetadataValue)} == {
        "val_bpb",
        "train_seconds",
        "cpu_seconds",
    }
    assert found["change"].value.startswith("``````diff\n")


def test_figures_that_people_read_and_plot_have_six_decimals_and_stay_numbers(store):
    key = research(store)
    experiment = store.journal.state("s01").experiments[key]
    long = experiment.result.model_copy(
        update={"val_bpb": 2.9925848333323195, "tokens_per_second": 812.12345678901}
    )
    found = {
        **record_metadata(replace(experiment, result=long)),
        **reproduction_metadata(experiment.result, long),
    }

    assert found["val_bpb"] == dg.MetadataValue.float(2.992585)
    assert found["tokens_per_second"] == dg.MetadataValue.float(812.123457)
    assert found["reproduction_val_bpb"] == dg.MetadataValue.float(2.992585)
    assert found["reproduction_difference"] == dg.MetadataValue.float(0.492585)


def test_the_page_of_the_report_says_how_it_is_opened_and_has_no_link_that_a_browser_refuses(store, tmp_path):
    plan(store, "one", memory_key="my research\x1b[2J")
    settings, state = Settings(home=tmp_path / "home"), store.journal.state("s01")
    report_file(settings, "s01").parent.mkdir(parents=True, exist_ok=True)
    report_file(settings, "s01").write_text("x")
    found = report_metadata(settings, state)

    assert found["opened_by"].value == "autoresearch report 'my research\\x1b[2J' --open"
    assert found["path"] == dg.MetadataValue.path(report_file(settings, "s01"))
    assert not any(isinstance(value, dg.UrlMetadataValue) or "file:" in str(value) for value in found.values())


def test_a_partition_whose_curve_is_gone_says_so_and_shows_the_change(store):
    key = research(store)
    state = store.journal.state("s01")
    store.blobs.path(state.experiments[key].result.curve).unlink()
    found = record_metadata(state.experiments[key], dossier_of(state, key, store.blobs))

    assert found["train_loss"].value == "The curve is no longer kept, or damaged."
    assert found["change"].value.startswith("``````diff\n")


def test_what_the_agent_wrote_is_text_in_the_report_on_the_page(store):
    research(store)
    with store.journal.transaction("s01") as tx:
        tx.append(ev.HypothesisRecorded(title="wider", hypothesis=LINKS, expected_effect=LINKS))
        tx.append(ev.SessionFinished(reason="final answer", summary=f"# {LINKS}\n{LINKS}"))
    text = session_report(store.journal.state("s01"))

    assert "[click]" not in text.replace("\\[click\\]", "").replace(f"    # {LINKS}\n    {LINKS}", "")
    assert f"    # {LINKS}\n    {LINKS}" in text


def test_a_name_that_a_session_was_given_elsewhere_is_text_on_the_page(store):
    plan(store, "wider", memory_key=LINKS)
    state = store.journal.state("s01")

    assert "[click]" not in session_report(state).replace("\\[click\\]", "")
    assert "[click]" not in leaderboard_metadata([state])["leaderboard"].value.replace("\\[click\\]", "")


def test_a_plan_moves_no_cursor_in_a_log_or_on_a_page(store):
    research(store)
    with store.journal.transaction("s01") as tx:
        tx.append(ev.ModelReplied(turn=2, reply="", stop_reason="end_turn"))
        code = "run()\n# \x1b[2J\u202e"
        tx.append(ev.PlanStarted(turn=2, code=code, plan="0" * 64, started_at=tx.state.started_at, seed=1))
    assert not set("\x1b\u202e") & set(thought(store.journal.state("s01")))
    assert not set("\x1b\u202e") & set(fenced(code))


def test_a_run_shows_the_plan_as_it_was_written_and_leads_to_its_partitions(store):
    key = research(store)
    state, board = store.journal.state("s01"), Board()
    board.add(key, "wider")
    board.finish(key, state.experiments[key].result)
    found = dispatch_metadata(state, board, "run")

    assert f"run()\n# {HOSTILE}" in found["plan"].value
    assert partition_link(key) in found["partitions"].value
    assert "1 of 6 experiments" in found["pulse"].value
    assert "experiments" not in dispatch_metadata(state, board, "a later run")
    assert partition_link(key) == plan_metadata(state, key)["partition"].value


def test_the_leaderboard_leads_from_titles_to_partitions_and_has_numbers_to_draw(store):
    key = research(store)
    found = leaderboard_metadata([store.journal.state("s01")])

    assert partition_link(key) in found["leaderboard"].value
    assert found["candidates"].records[0].data == {
        "#": 1,
        "title": "wider",
        "val_bpb": "2.5000",
        "gain": "",
        "state": "screened",
        "key": key,
    }
    assert found["experiments"].value == 1.0
    assert found["best_val_bpb"].value == 2.5
    assert found["cpu_hours"].value == pytest.approx(7.5 / 3600, abs=1e-6)
    assert "best_val_bpb" not in leaderboard_metadata([store.journal.state("s01")] * 2)


def test_a_score_without_its_receipt_fails_the_check_and_names_the_experiment(store):
    key = research(store)
    told = receipts_evaluation([store.journal.state("s01")], store)

    assert not told.passed
    assert told.description == f"1 of 1 score without a good receipt: {key}: it has a score and no receipt"


def test_without_scores_the_check_passes_and_says_that_there_are_none(store):
    plan(store, "one")
    told = receipts_evaluation([store.journal.state("s01")], store)

    assert told.passed
    assert told.description.startswith("0 scores of record")
