"""The report in a real browser: every test also fails if the page complains or asks for anything (`watched`)."""

import pytest
from playwright.sync_api import expect

from autoresearch_dagster.core.folders import write_whole
from autoresearch_dagster.reports.page.build import TABS, report_html
from tests.agent_bench import BASELINE
from tests.reported import ATTACKS, FLOOR, Research, changed, hostile, researched, screened

NAMES = [name for name, _ in TABS]
BACKS = {"paper": "ink muted accent", "raised": "ink muted", "accent-soft": "ink muted accent"}
BACKS |= {"add": "ink muted add-ink", "del": "ink muted del-ink"}
PAIRS = [[text, back] for back, texts in BACKS.items() for text in texts.split()]
PAIRS += [[f"code-{kind}", back] for kind in "cksnfb" for back in ("paper", "add", "del")]
CONTRAST = """(pairs) => {
  const style = getComputedStyle(document.documentElement);
  const part = (hex) => {
    const share = parseInt(hex, 16) / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const light = (name) => {
    const [red, green, blue] = style.getPropertyValue("--" + name).trim().slice(1).match(/../g).map(part);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  return Object.fromEntries(pairs.map(([text, back]) => {
    const [more, less] = [light(text), light(back)].sort((one, other) => other - one);
    return [text + " on " + back, (more + 0.05) / (less + 0.05)];
  }));
}"""


def shown(page):
    """The panels that can be seen."""
    return page.eval_on_selector_all(".panel", "found => found.filter(one => one.offsetParent).map(one => one.id)")


def column(page, number, table="board"):
    cells = page.locator(f"#table-{table} tbody tr:not([hidden]) > :nth-child({number})").all_inner_texts()
    return [cell.split("\n")[0].strip() for cell in cells]


def test_tabs_open_by_mouse(watched, report):
    page = watched.open(report)

    assert shown(page) == ["summary"]
    for name in NAMES:
        page.locator(f"#tab-{name}").click()
        assert shown(page) == [name]
        assert page.evaluate("location.hash") == f"#{name}"
    assert page.locator("[role=tab][aria-selected=true]").count() == 1


def test_tabs_open_by_keyboard_and_hold_one_place_in_the_order(watched, report):
    page = watched.open(report)

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.locator("#tab-summary").focus()
    for key, name in (
        ("ArrowRight", "activity"),
        ("End", "costs"),
        ("ArrowRight", "summary"),
        ("ArrowLeft", "costs"),
    ):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"
        assert shown(page) == [name]
    assert page.eval_on_selector_all("[role=tab]", "found => found.filter(one => one.tabIndex === 0).length") == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "costs"


def test_the_tabs_are_what_a_screen_reader_expects(watched, report):
    page = watched.open(report)

    assert page.get_by_role("tablist", name="Parts of the report").count() == 1
    assert page.get_by_role("tab").count() == len(TABS)
    assert page.get_by_role("tabpanel", name="Summary").count() == 1
    assert page.get_by_role("heading", level=1).inner_text() == "night-run"


def test_columns_sort_both_ways_and_what_is_missing_stays_last(watched, report):
    page = watched.open(report, "leaderboard")
    steps = page.locator("#table-board thead button", has_text="val_bpb")

    steps.click()
    rising = [cell for cell in column(page, 3) if cell != "–"]
    assert rising == sorted(rising)
    assert page.locator("#table-board th[aria-sort=ascending]").inner_text() == "val_bpb"
    steps.press("Enter")
    falling = column(page, 3)
    assert falling == [*reversed(rising), *["–"] * falling.count("–")]
    assert page.locator("#table-board th[aria-sort]").get_attribute("aria-sort") == "descending"


def test_filters_by_standing_and_title_count_what_is_left(watched, report):
    page = watched.open(report, "leaderboard")
    rows = page.locator("#table-board tbody tr").all()
    standings = {row.get_attribute("data-standing") for row in rows}

    for word in standings - {"champion"}:
        page.locator(f".filters input[value='{word}']").uncheck()
    assert {cell.split("\n")[0] for cell in column(page, 6)} == {"champion"}
    assert page.locator("#shown").inner_text() == "1"
    for box in page.locator(".filters input[type=checkbox]").all():
        box.check()
    page.locator("#search").fill("IDEA-1")
    rows = page.locator("#table-board tbody tr:not([hidden])").all_inner_texts()
    assert 0 < len(rows) < 21
    assert all("idea-1" in row for row in rows)
    assert page.locator("#shown").inner_text() == str(len(column(page, 2)))


def test_a_link_to_a_row_that_a_filter_hides_shows_it(watched, report):
    page = watched.open(report, "leaderboard")
    for box in page.locator(".filters input[type=checkbox]").all():
        box.uncheck()
    assert column(page, 2) == []

    page.locator("#tab-memory").click()
    page.locator("#table-claims a", has_text="idea-3").first.click()

    expect(page.locator("tr.found")).to_be_visible()
    assert shown(page) == ["leaderboard"]


def test_a_link_to_an_edit_opens_it(watched, report):
    page = watched.open(report, "edits")
    page.locator("#lineage a", has_text="idea-12").first.click()

    expect(page.locator("#edit-12 table.diff").first).to_be_visible()
    page.goto(report.as_uri() + "#edit-2")
    expect(page.locator("#edit-2 table.diff").first).to_be_visible()


def test_charts_are_drawn_when_their_tab_is_seen(watched, report):
    page = watched.open(report)

    page.wait_for_selector("#chart-progress-summary svg")
    assert page.locator("#chart-calibration svg").count() == 0
    page.locator("#tab-memory").click()
    page.wait_for_selector("#chart-calibration svg")
    page.locator("#chart-calibration svg .mark-symbol path").first.hover(force=True)  # others lie on it
    expect(page.locator("#tip")).to_contain_text("predicted: −0.03")


def test_colours_follow_the_system_and_the_button(watched, report):
    page = watched.open(report)
    page.wait_for_selector("#chart-progress-summary svg")
    paper = "getComputedStyle(document.documentElement).backgroundColor"
    line = "getComputedStyle(document.querySelector('.mark-line path')).stroke"
    light = page.evaluate(paper), page.evaluate(line)

    page.emulate_media(color_scheme="dark")
    dark = page.evaluate(paper), page.evaluate(line)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    page.locator("#theme").click()
    assert page.locator("#theme").inner_text() == "Colours: light"
    assert (page.evaluate(paper), page.evaluate(line)) == light
    page.reload()
    assert page.evaluate(paper) == light[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_what_is_behind_it(watched, report, scheme):
    """WCAG AA: 4.5 to 1."""
    page = watched.open(report)
    page.emulate_media(color_scheme=scheme)

    ratios = page.evaluate(CONTRAST, PAIRS)
    assert {pair: ratio for pair, ratio in ratios.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_never_scrolls_sideways(watched, report, width):
    watched.page.set_viewport_size({"width": width, "height": 800})
    page = watched.open(report)
    page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")

    for name in NAMES:
        page.locator(f"#tab-{name}").click()
        page.wait_for_timeout(100)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name


def test_a_page_that_goes_on_comes_back_to_where_it_was(watched, live_report):
    page = watched.open(live_report, "leaderboard&hold=yes")
    page.locator(".filters input[value='regression']").uncheck()
    page.locator("#table-board thead button", has_text="gain").click()
    page.locator("#tab-activity").click()
    page.locator("#turn-1 > summary").click()
    page.set_viewport_size({"width": 900, "height": 300})
    page.evaluate("scrollTo(0, 200)")
    before = page.evaluate("performance.timeOrigin")
    page.evaluate("document.getElementById('hold').click()")  # the mouse would have to scroll for it

    page.wait_for_function(
        """before => performance.timeOrigin > before && document.readyState === "complete"
          && document.querySelector(".panel.open")?.id === "activity"
          && document.getElementById("turn-1").open
          && Math.abs(scrollY - 200) < 3
          && !document.querySelector(".filters input[value=regression]").checked
          && document.querySelector("#table-board th[aria-sort]").textContent === "gain" """,
        arg=before,
    )


def test_a_page_that_is_held_stays(watched, live_report):
    page = watched.open(live_report, "summary&hold=yes")
    before = page.evaluate("performance.timeOrigin")

    page.wait_for_timeout(800)
    assert page.evaluate("performance.timeOrigin") == before
    assert page.locator("#hold").get_attribute("aria-pressed") == "true"


def test_what_is_new_is_seen_without_a_hand(watched, live_report):
    page = watched.open(live_report)
    html = live_report.read_text()

    write_whole(live_report, html.replace("<h1>night-run</h1>", "<h1>night-run, later</h1>").encode())
    page.wait_for_function("() => document.querySelector('h1')?.textContent === 'night-run, later'")


def test_a_session_without_anything_makes_no_fuss(watched, empty_report):
    page = watched.open(empty_report)

    for name in NAMES:
        page.locator(f"#tab-{name}").click()
        assert shown(page) == [name]


def test_hostile_text_does_nothing_in_a_browser(watched, tmp_path):
    file = tmp_path / "hostile.html"
    write_whole(file, report_html(hostile(" ".join(ATTACKS))).encode())
    dialogs = []
    watched.page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())

    page = watched.open(file)
    for name in NAMES:
        page.locator(f"#tab-{name}").click()
        page.wait_for_timeout(100)

    assert dialogs == []
    assert page.locator("img").count() == 0
    page.locator("#tab-leaderboard").click()
    assert "<script>alert(1)</script>" in page.locator("#table-board").inner_text()


def test_without_scripts_everything_can_be_read(browser, report):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())

    for name in NAMES:
        assert page.locator(f"#{name}").is_visible()
    assert page.locator("#table-board tbody tr").count() == len(researched(21).view().state.experiments)
    assert not page.locator(".filters").is_visible()
    assert page.locator("#chart-progress-summary svg").is_visible()
    assert not page.locator("#chart-curves").is_visible()
    context.close()


def test_printing_shows_every_part(watched, report):
    page = watched.open(report)
    page.emulate_media(media="print")

    assert shown(page) == NAMES
    assert not page.locator("nav.tabs").is_visible()


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
