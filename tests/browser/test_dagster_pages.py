"""What a person sees in Dagster after a session: the graph, a partition and what changed, a run with its plan."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from playwright.sync_api import Page

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.experiments.serve import commands, environments
from tests.browser.sites import Site, free_port, served

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RESEARCH = ("run", "--preset", "demo", "--n-experiments", "3", "--batch-size", "3", "--memory-key", "night")
SHOWS_MS = 90_000
EDITED, TITLE = "s01_d01_e01", "higher-learning-rate"


def settings_of(home: Path) -> Settings:
    return Settings(home=home, mlruns=home / "mlruns")


def environment_of(home: Path) -> dict[str, str]:
    chosen = {
        "AUTORESEARCH_RUNNER": "plain",
        "DAGSTER_HOME": str(home / "dagster"),
        "PYTHONPATH": f"{PROJECT_ROOT}{os.pathsep}{PROJECT_ROOT / 'trainer_image'}",
    }
    return {**environments(settings_of(home))[0], **chosen}


class Dagster(Site):
    """The session that a running Dagster shows."""

    def __init__(self, home: Path, address: str) -> None:
        super().__init__(address, home, SHOWS_MS)
        self.home = home

    def run_of(self, key: str) -> str:
        """Id of the run that trained an experiment."""
        with dg.DagsterInstance.from_config(str(self.home / "dagster")) as instance:
            wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey("experiment"), asset_partitions=[key])
            return instance.fetch_materializations(wanted, limit=10).records[-1].run_id


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dagster]:
    home = tmp_path_factory.mktemp("site") / "home"
    done = subprocess.run(
        [sys.executable, "-m", "tests.docs.small", *RESEARCH],
        cwd=home.parent,
        env=environment_of(home),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    port = free_port()
    line = commands(settings_of(home), "127.0.0.1", port, 0)[0]
    address = f"http://127.0.0.1:{port}"
    with served(line, environment_of(home), home, f"{address}/server_info", patience_s=60):
        yield Dagster(home, address)


def test_the_graph_has_both_groups_and_their_assets(site: Dagster, page: Page) -> None:
    site.open(page, "/asset-groups/~expand", shows="Global asset lineage")
    for group in ("bundle", "research"):
        page.get_by_text(group, exact=True).first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "dagster-graph")


def test_the_leaderboard_leads_to_a_partition_that_shows_what_was_changed(site: Dagster, page: Page) -> None:
    site.open(page, "/assets/leaderboard", shows="Latest materialization")
    site.keep(page, "dagster-leaderboard")
    page.get_by_text("[Show Markdown]").first.click()
    link = page.get_by_role("link", name=EDITED).first
    link.wait_for(timeout=SHOWS_MS)
    site.keep(page, "dagster-comparisons")
    page.goto(f"{site.address}{link.get_attribute('href')}")
    for said in (TITLE, "cpu_seconds", "hypothesis", "change"):
        page.get_by_text(said).first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "dagster-partition")


def test_a_run_shows_each_experiment_as_a_step_and_leads_to_its_plan(site: Dagster, page: Page) -> None:
    site.open(page, f"/runs/{site.run_of(EDITED)}", shows=f"train_experiment[{EDITED}]")
    page.get_by_text("settle_batch").first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "dagster-run")


@pytest.mark.parametrize("asset", ["climbmix_shards", "tokenizer", "packed_rows", "dataset_profile"])
def test_a_session_fills_the_page_of_each_asset_of_its_bundle(site: Dagster, page: Page, asset: str) -> None:
    site.open(page, f"/assets/{asset}", shows="built or found by the session s01")
    assert page.get_by_text("Unsynced").count() == 0


def test_the_bundle_that_a_session_built_has_passed_its_checks(site: Dagster, page: Page) -> None:
    site.open(page, "/assets/packed_rows?view=checks", shows="no_shared_document")
    page.get_by_text("All files match their digests").first.wait_for(timeout=SHOWS_MS)
    page.get_by_text("Passed").first.wait_for(timeout=SHOWS_MS)


def test_a_partition_is_in_step_with_the_bundle_and_says_which_it_was_trained_on(site: Dagster, page: Page) -> None:
    site.open(page, f"/assets/experiment?view=partitions&partition={EDITED}", shows="cpu_seconds")
    page.get_by_text("Materialized", exact=True).first.wait_for(timeout=SHOWS_MS)
    page.get_by_text("bundle", exact=True).first.wait_for(timeout=SHOWS_MS)
    assert page.get_by_text("Unsynced").count() == 0


def test_the_list_of_runs_names_the_research(site: Dagster, page: Page) -> None:
    site.open(page, "/runs", shows="autoresearch/memory_key: night")


def test_the_check_of_receipts_has_passed(site: Dagster, page: Page) -> None:
    site.open(page, "/assets/experiment?view=checks", shows="receipts")
    page.get_by_text("Passed").first.wait_for(timeout=SHOWS_MS)
    site.keep(page, "dagster-checks")
