"""Failing tests of a review of the report; each goes to `test_report.py` once it holds."""

import pytest

from autoresearch_dagster.reports.page.build import report_html
from tests.agent_bench import BASELINE
from tests.browser.test_report import shown
from tests.reported import FLOOR, Research, changed, screened


@pytest.fixture
def one_candidate(tmp_path):
    """Write the report of a session with one candidate of some title."""

    def write(title):
        research = Research().floor().turn(1)
        code = changed(BASELINE, 1)
        planned = research.edit(title, code, None).planned("e01", 1, title, code)
        research.launch(1, (planned,)).finish(planned, research.result(2.55))
        screened(research, planned, 2.55, FLOOR[0])
        file = tmp_path / "one.html"
        file.write_text(report_html(research.answer(1).view()), encoding="utf-8")
        return file

    return write


def test_skipping_to_the_report_stays_in_its_tab(watched, report):
    page = watched.open(report, "costs")
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)

    assert shown(page) == ["costs"]


def test_a_chart_that_is_drawn_is_still_called_by_its_title(watched, report):
    page = watched.open(report)
    page.wait_for_selector("#chart-progress-summary svg")

    assert "val_bpb over experiments" in page.locator("#chart-progress-summary .plot").get_attribute("aria-label")


def test_a_long_title_leaves_the_scores_in_view(watched, one_candidate):
    page = watched.open(one_candidate("W" * 200), "leaderboard")  # as long as titles may be

    box = page.locator("#table-board thead th", has_text="val_bpb").bounding_box()
    assert box["x"] + box["width"] <= page.viewport_size["width"]


def test_experiments_are_counted_in_whole_numbers(watched, one_candidate):
    page = watched.open(one_candidate("idea"))
    page.wait_for_selector("#chart-progress-summary svg")
    axis = page.locator("#chart-progress-summary .role-axis[aria-label^='X-axis'] .role-axis-label text")

    assert all(label.isdigit() for label in axis.all_text_contents()), axis.all_text_contents()
