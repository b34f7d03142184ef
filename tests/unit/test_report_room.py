"""Lists on the page have their bytes; what has no room is said."""

from dataclasses import dataclass

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.limits import REPORT_BACK_BYTES, REPORT_BRIEF_CHARS, REPORT_LINEAGE_BYTES
from autoresearch_dagster.reports.page.build import report_html, without_dead_links
from autoresearch_dagster.reports.page.charts.drawing import thinned
from autoresearch_dagster.reports.page.edits import edits_of
from autoresearch_dagster.reports.page.markup import markdown
from autoresearch_dagster.reports.page.room import Room
from autoresearch_dagster.reports.page.tree import lineage
from tests.agent_bench import BASELINE
from tests.pages import Page
from tests.reported import FLOOR, Research, confirmed, screened


@dataclass(frozen=True)
class Row:
    text: str
    number: int = 0


def write(row):
    return f"<li>{row.number} {row.text}</li>"


def test_rows_that_have_room_stay_as_they_are():
    room = Room("s01")

    assert room.fit("back", [Row("a"), Row("b", 1)], write) == ["<li>0 a</li>", "<li>1 b</li>"]
    assert room.lacks("back") is None


def test_where_room_is_short_all_are_told_in_short_and_the_best_whole():
    rows = [Row("x" * 500, number) for number in range(60)]
    room = Room("s01")

    shown = room.fit("back", rows, write, first=(30,))
    cut = [html for html in shown if "…" in html]
    assert len(shown) == 60
    assert 0 < len(cut) < 60
    assert max(len(html) for html in cut) <= REPORT_BRIEF_CHARS + len("<li>59 </li>")
    assert "x" * 500 in shown[30]
    assert room.lacks("back").told == f"{len(cut)} of 60 batches are told in short"


def test_where_that_does_not_do_the_least_valuable_are_left_out_and_counted():
    rows = [Row("🦊" * 200, number) for number in range(5_000)]
    room = Room("s01")

    shown = room.fit("back", rows, write, first=(4_000, 7))
    left = 5_000 - len(shown)
    assert sum(len(html.encode()) for html in shown) <= REPORT_BACK_BYTES
    assert shown[0].startswith("<li>7 ")
    assert shown[1].startswith("<li>4000 ")
    assert shown[-1].startswith("<li>4999 ")
    assert room.lacks("back").told.startswith(f"{left:,} of 5,000 batches are left out")
    assert room.lacks("back").command == "autoresearch history s01"


def test_two_lists_of_one_part_share_its_room():
    rows = [Row("y" * 1_000, number) for number in range(15)]
    room = Room("s01")

    assert len("".join(room.fit("back", rows, write) + room.fit("back", rows, write))) <= REPORT_BACK_BYTES


def test_a_link_to_what_has_no_room_becomes_text():
    page = '<p id="row-a"><a href="#row-a">A</a> <a href="#row-b">B <i>b</i></a></p>'

    assert without_dead_links(page) == '<p id="row-a"><a href="#row-a">A</a> B <i>b</i></p>'


def test_a_lineage_without_room_keeps_the_champions_ancestors():
    research, parent = Research(), None
    for number in range(3_000):
        title = f"{number} {'🦊' * 150}"
        research.edit(title, f"x = {number}\n", parent if number % 7 else None)
        parent = title
    edits = edits_of(research.view())

    found = lineage(edits.revisions, edits.parents, (2_999,), lambda node: f"<li>{node.revision.title}</li>")
    shown = [int(row[4:].split()[0]) for row in found.rows]
    assert sum(len(row.encode()) for row in found.rows) <= REPORT_LINEAGE_BYTES
    assert set(range(2_996 // 7 * 7, 3_000)) <= set(shown)
    assert found.left_out == 3_000 - len(shown) > 0


def test_markdown_that_becomes_far_longer_as_html_is_shown_as_it_was_written():
    table = "|a" * 150 + "|\n" + "|-" * 150 + "|\n" + "x\n" * 8_000

    html = markdown(table)
    assert html.startswith("<pre>|a|a")
    assert len(html.encode()) <= limits.REPORT_CONCLUSION_BYTES


def test_thinned_points_keep_the_last_one():
    assert thinned(list(range(10)), 100) == list(range(10))
    assert thinned(list(range(1_001)), 10)[-1] == 1_000
    assert len(thinned(list(range(1_001)), 10)) <= 11
    assert thinned([], 10) == []


LOOKED = BASELINE + "\nwarm = eval('1 + 1')\n"


def reviewed(code=LOOKED):
    research = Research().floor().turn(1).edit("sly", code, None)
    one = research.planned("e01", 1, "sly", code)
    research.launch(1, (one,)).finish(one, research.result(FLOOR[0] - 0.1))
    screened(research, one, FLOOR[0] - 0.1, FLOOR[0])
    confirmed(research, one, 0.1)
    return research


def test_what_is_worth_a_look_stands_at_its_edit_with_rule_line_and_reason():
    page = Page(report_html(reviewed().view(), charts=False))

    told = page.part("edits")
    assert "1 worth a look" in told
    assert "Worth a look: 1 new line. A review explains and decides nothing" in told
    assert f"line {len(LOOKED.splitlines())}, code: warm = eval('1 + 1')" in told


def test_lines_that_the_parent_has_are_not_told_again():
    research = reviewed().edit("next", LOOKED + "y = 2\n", "sly")

    assert edits_of(research.view()).revisions[1].review.count == 0


def test_the_summary_counts_what_is_worth_a_look_in_the_champions_code():
    sly, plain = (Page(report_html(reviewed(code).view(), charts=False)) for code in (LOOKED, BASELINE + "y = 2\n"))

    assert "Worth a look in what the champion changed: sly 1 new line. A review explains" in sly.part("summary")
    assert "Worth a look in what the champion changed: nothing." in plain.part("summary")


def test_a_line_that_is_worth_a_look_is_text():
    code = BASELINE + "\nwarm = eval('</code><script>alert(1)</script>')\n"
    page = Page(report_html(reviewed(code).view(), charts=False))

    assert len(page.all("script")) == 1
    assert "eval('</code><script>alert(1)</script>')" in page.part("edits")


def test_more_edits_than_are_reviewed_are_counted_and_champions_come_first():
    research = reviewed()
    for number in range(limits.REPORT_REVIEWS + 4):
        research.edit(f"other-{number}", f"x = {number}\n", None)

    edits = edits_of(research.view())
    assert edits.revisions[0].review.count == 1
    assert edits.unreviewed == 5
    assert "5 of 205 edits not reviewed here" in Page(report_html(research.view(), charts=False)).part("edits")


def test_the_head_of_the_page_names_the_tabs_that_lack_something():
    research = Research()
    for number in range(40):
        code = "".join(f"x{line} = '{'🦊' * 90} {number}'\n" for line in range(200))
        research.edit(f"large-{number}", code, None)

    page = Page(report_html(research.view(), charts=False))
    assert "Not everything has room on this page: Code edits says what is left out" in page.shown
    assert "left out for size" in page.part("edits").lower()
    assert "Not everything has room" not in Page(report_html(reviewed().view(), charts=False)).shown
