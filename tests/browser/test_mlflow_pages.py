"""What a person sees in MLflow: the list of runs, two runs compared, the champion, the agent's turns."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from autoresearch_dagster.core.experiment import ExperimentKey, digest_of
from autoresearch_dagster.core.settings import PROJECT_ROOT
from autoresearch_dagster.experiments.serve import commands, database, environments
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.ledger_events import TokenUsage
from autoresearch_dagster.tracking.pages import way_to_the_runs
from tests.browser.sites import Site, free_port, served
from tests.judged import promotion
from tests.mlflow_desk import START, Desk

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SHOWS_MS = 60_000
PLAN = digest_of(b"plan")
FIRST, SECOND = "s01_d01_e01 narrow", "s01_d02_e02 wide"


def research(home: Path) -> Desk:
    """Two turns of a model, an experiment in each, of different width; the second becomes champion."""
    desk = Desk(home, home / "mlruns")
    desk.journal.create(ev.SessionConfig(memory_key="night", preset="demo"), "cli", "b" * 64)
    desk.append(ev.DirectiveGiven(text="Make it better."))
    for turn, (title, n_embd, score) in enumerate((("narrow", 64, 2.5), ("wide", 192, 2.25)), start=1):
        asked = {"purpose": "turn", "turn": turn, "request": PLAN, "model": "a-model", "prices": "1"}
        desk.append(ev.ModelAsked(ticket=f"t{turn}", **asked, reserved_usd=Decimal(1)))
        usage = TokenUsage(input_tokens=1200, output_tokens=345)
        desk.append(ev.ModelAnswered(ticket=f"t{turn}", usage=usage, usd=Decimal("0.0125"), duration_s=10))
        desk.append(ev.ModelReplied(turn=turn, reply="A wider model may help.", stop_reason="end_turn"))
        desk.append(ev.PlanStarted(turn=turn, code="flyte_map(...)", plan=PLAN, started_at=START, seed=0))
        desk.launch(turn, (title, f"width = {n_embd}\n", None), n_embd=n_embd)
        desk.finish(f"s01_d0{turn}_e0{turn}", desk.trained(score, loss=n_embd / 20))
        desk.append(ev.CallAnswered(turn=turn, sequence=0, call="c", result={"val_bpb": score}))
        desk.append(ev.PlanFinished(turn=turn, observation=f"{title}: {score}", failed=False))
    key = ExperimentKey("s01_d02_e02")
    desk.append(pe.PromotionJudged(key=key, decision=promotion("confirmed", 0.2)))
    desk.append(pe.ChampionChosen(key=key, reason="better"))
    desk.append(ev.SessionFinished(reason="final answer", summary="Width helps."))
    return desk


class Mlflow(Site):
    """What a running MLflow shows."""

    def __init__(self, desk: Desk, address: str, folder: Path) -> None:
        super().__init__(f"{address}/#/", folder, SHOWS_MS)
        self.desk = desk
        self.experiment = desk.client().get_experiment_by_name("night").experiment_id
        self.experiments = json.dumps([self.experiment])
        self.runs = {name: run.info.run_id for name, run in desk.runs().items()}
        self.pair = json.dumps([self.runs[FIRST], self.runs[SECOND]])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    home = tmp_path_factory.mktemp("site")
    desk = research(home)
    desk.project()
    port = free_port()
    line, environment = commands(desk.settings, "127.0.0.1", 0, port)[1], environments(desk.settings)[1]
    address = f"http://127.0.0.1:{port}"
    with served(line, environment, home, f"{address}/health"):  # it waits for connections that a browser keeps open
        yield Mlflow(desk, address, home)


def test_the_list_of_runs_names_them_as_a_person_would_look_for_them(site, page):
    site.open(page, f"experiments/{site.experiment}/runs", shows="session s01 night")
    page.locator("[col-id='runName'] button, .ag-row button").first.click()
    page.get_by_text(SECOND).first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "mlflow-runs")

    assert page.get_by_text(FIRST).first.is_visible()


def test_from_the_list_of_experiments_the_runs_are_found_by_the_clicks_that_the_documentation_names(site, page):
    told = (PROJECT_ROOT / "docs" / "mlflow.md").read_text()
    assert "choose the experiment, switch to *Model training*, then *Runs*" in " ".join(told.split())

    site.open(page, "experiments", shows="night")
    page.get_by_role("link", name="night", exact=True).first.click()
    page.wait_for_url("**/overview/**", timeout=SHOWS_MS)  # MLflow begins with its menu for agents
    page.get_by_role("button", name="Model training", exact=True).click(timeout=SHOWS_MS)
    page.get_by_role("link", name="Runs", exact=True).first.click(timeout=SHOWS_MS)
    row = page.locator(".ag-row", has_text="session s01 night").first
    row.wait_for(timeout=SHOWS_MS)
    site.keep(page, "mlflow-from-the-list")

    assert row.is_visible()


def test_the_address_that_dev_prints_leads_a_new_browser_to_the_runs(site, page):
    server = site.address.removesuffix("/#/")
    address = way_to_the_runs(database(site.desk.settings), server)
    site.open(page, address.removeprefix(site.address), shows="session s01 night")

    assert page.get_by_role("link", name="Runs", exact=True).first.is_visible()


def test_two_runs_compared_show_what_differs_and_scores(site, page):
    site.open(page, f"compare-runs?runs={site.pair}&experiments={site.experiments}", shows="Comparing 2 Runs")
    page.get_by_text("autoresearch.candidate").first.wait_for(state="attached", timeout=SHOWS_MS)
    page.locator(".js-plotly-plot").first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "mlflow-compare")
    shown = page.inner_text("body")
    rows = [" ".join(row.inner_text().split()) for row in page.get_by_role("row").all()]

    assert "n_embd 64 192" in rows
    assert f"Run Name: {FIRST} {SECOND}" in rows
    assert {"autoresearch.standing champion", "autoresearch.outcome Trained Trained"} <= set(rows)
    for name in ("val_bpb", "train_loss", "total_cpu_seconds"):
        assert name in shown, shown
    page.get_by_text("autoresearch.candidate").first.scroll_into_view_if_needed()
    site.keep(page, "mlflow-compare-tags")


def test_the_curves_of_two_runs_stand_in_one_chart_by_step(site, page):
    chosen = f"runs={site.pair}&metric=%22train_loss%22&experiments={site.experiments}"
    plot = "plot_metric_keys=%5B%22train_loss%22%5D&plot_layout=%7B%22autosize%22:true%7D&x_axis=step"
    rest = "y_axis_scale=linear&line_smoothness=1&show_point=false&deselected_curves=%5B%5D"
    path = f"metric?{chosen}&{plot}&{rest}&last_linear_y_axis_range=%5B%5D"
    site.open(page, path, shows="train_loss")
    curves = page.locator(".js-plotly-plot .scatterlayer .trace")
    curves.nth(1).wait_for(state="attached", timeout=SHOWS_MS)
    page.get_by_text(f"{SECOND} (train_loss)").first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "mlflow-curves")

    for name in (FIRST, SECOND):
        assert page.get_by_text(f"{name} (train_loss)").first.is_visible()
    assert page.locator(".xtitle").first.text_content() == "Step"


def test_the_champion_is_a_version_with_its_alias_and_the_word_untrusted(site, page):
    site.open(page, "models/night", shows="This code is untrusted")
    page.get_by_text("Version 1").first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "mlflow-model")
    site.open(page, "models/night/versions/1", shows="s01_d02_e02 wide")
    page.get_by_text("autoresearch.candidate").first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "mlflow-version")
    shown = " ".join(page.inner_text("body").split())

    assert "Aliases : @ champion" in shown
    assert "This code is untrusted" in shown
    assert 'autoresearch generate s01_d02_e02 "prompt"' in shown


def test_the_agents_turns_are_traces_of_the_session(site, page):
    run = site.runs["session s01 night"]
    site.open(page, f"experiments/{site.experiment}/runs/{run}/traces", shows="Make it better.")
    site.keep(page, "mlflow-session-traces")
    trace = site.desk.traces_by_name()["s01 turn 2"].info.trace_id
    site.open(page, f"experiments/{site.experiment}/traces?selectedEvaluationId={trace}", shows="ask the model")
    site.keep(page, "mlflow-trace")
    shown = page.inner_text("body")

    for name in ("turn 2", "plan", "f: wait for dispatch 2", "$0.0125"):
        assert name in shown, shown
