"""The page as a whole: what it holds, what it may do, how large it becomes."""

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from itertools import pairwise

import pytest

from autoresearch_dagster.core.limits import REPORT_BYTES, REPORT_LINEAGE_DEPTH
from autoresearch_dagster.reports.page.build import TABS, report_html
from autoresearch_dagster.store import events as ev
from tests.pages import Page
from tests.reported import Research, researched


@pytest.fixture(scope="module")
def view():
    return researched(9).view()


@pytest.fixture(scope="module")
def html(view):
    return report_html(view)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_the_page_is_what_it_was(view, snapshot):
    """Without style, scripts and charts, which would drown it."""
    html = report_html(view, charts=False)

    assert html[html.index("<body") : html.index("<script>")] == snapshot


def test_equal_sessions_make_equal_pages(html):
    assert report_html(researched(9).view()) == html


def test_the_hour_is_that_of_the_readers_zone(view):
    elsewhere = Page(report_html(replace(view, zone=timezone(timedelta(hours=5, minutes=30))), charts=False))

    assert "2026-03-02 03:30:00" in elsewhere.part("summary")
    assert "Times are UTC+0530." in elsewhere.part("activity")


def test_every_tab_is_a_section_that_reads_without_scripts(page):
    sections = page.all("section")

    assert [section.attributes["id"] for section in sections] == [name for name, _ in TABS]
    assert all("hidden" not in section.attributes and "role" not in section.attributes for section in sections)
    ways = [link.attributes["href"] for link in page.all("a") if "nav" in link.within]
    assert ways == [f"#{name}" for name, _ in TABS]


def test_every_link_leads_somewhere_in_the_page_and_no_name_is_given_twice(page):
    targets = {link.attributes["href"] for link in page.all("a")}

    assert len(page.ids) == len(set(page.ids))
    assert all(target.startswith("#") for target in targets)
    assert {target[1:] for target in targets} <= set(page.ids)


def test_headings_leave_no_level_out(page):
    levels = [int(one.name[1]) for one in page.elements if re.fullmatch("h[1-6]", one.name)]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_every_table_has_a_caption_and_headings_with_their_scope(page):
    tables, captions = page.all("table"), page.all("caption")

    assert len(tables) == len(captions)
    assert all(caption.text.strip() for caption in captions)
    assert all(one.attributes.get("scope") in ("col", "row") for one in page.all("th"))


def test_what_scrolls_sideways_is_reached_by_keyboard_and_has_a_name(page):
    regions = page.all("div", class_="scroll")

    assert regions
    for region in regions:
        assert region.attributes["tabindex"] == "0"
        assert region.attributes["role"] == "region"
        assert region.attributes.get("aria-label") or region.attributes["aria-labelledby"] in page.ids


def test_every_chart_is_named_and_told_in_words(page):
    plots = page.all("div", class_="plot")
    specs = {one.attributes["id"]: json.loads(one.text) for one in page.all("script", type="application/json")}

    assert {f"spec-{plot.attributes['data-chart']}" for plot in plots} == set(specs)
    assert all(plot.attributes["aria-label"] for plot in plots)
    assert len(page.all("figcaption")) == len(plots)
    assert {"spec-progress", "spec-curves", "spec-calibration", "spec-cost-usd", "spec-cost-cpu"} == set(specs)
    assert all(spec["$schema"].startswith("https://vega.github.io/schema/vega-lite/v6") for spec in specs.values())


def test_the_policy_allows_the_pages_own_code_and_nothing_else(page):
    policy = page.one("meta", **{"http-equiv": "Content-Security-Policy"}).attributes["content"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    style = page.one("style").text
    scripts = [one.text for one in page.all("script") if "type" not in one.attributes]

    assert rules["default-src"] == "'none'"
    assert rules["style-src"] == _digest(style)
    assert set(rules["script-src"].split()) == {_digest(script) for script in scripts}
    assert "unsafe" not in policy
    assert not {name for one in page.elements for name in one.attributes} & {"style", "src", "onclick", "srcset"}


def _digest(text):
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_page_without_charts_has_no_drawing_library(view, html):
    plain = report_html(view, charts=False)

    assert len(html) - len(plain) > 800_000
    assert "application/json" not in plain


def test_a_session_that_goes_on_is_looked_at_again_and_one_at_its_end_is_not():
    live = Page(report_html(Research().floor().view(), charts=False))
    done = Page(report_html(Research().add(ev.SessionFinished(reason="r", summary="")).view(), charts=False))

    assert "the session goes on" in live.shown
    assert live.one("body").attributes["data-refresh"] == "15"
    assert live.one("meta", **{"http-equiv": "refresh"}).within[-1] == "noscript"
    assert "goes on" not in done.shown
    assert "data-refresh" not in done.one("body").attributes
    assert not done.all("meta", **{"http-equiv": "refresh"})


def test_a_thousand_experiments_fit():
    view = researched(1_000, texts=20_000).view()

    html = report_html(view)

    assert len(html.encode()) <= REPORT_BYTES * 0.75
    assert len(re.findall('<tr id="row-', html)) == 1_000
    assert html.count('<table class="diff">') > 500
    assert "candidates are left out" not in html


def test_a_chain_of_a_thousand_edits_is_drawn():
    research = Research()
    for number in range(1_000):
        research.edit(f"link-{number}", f"x = {number}\n", f"link-{number - 1}" if number else None)

    html = report_html(research.view(), charts=False)

    depth = deepest = 0
    for tag in re.findall(r"</?ul", html):
        depth += 1 if tag == "<ul" else -1
        deepest = max(deepest, depth)
    assert depth == 0
    assert deepest <= REPORT_LINEAGE_DEPTH + 1
    assert html.count('<li><span class="node"><a href="#edit-') == 1_000


def test_times_are_told_with_their_zone_for_machines(page, view):
    assert page.one("time").attributes["datetime"] == view.now.astimezone(UTC).isoformat(timespec="seconds")
