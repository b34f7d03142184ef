"""Whatever candidates, models and people write, the page shows it as text and does nothing with it."""

import json

import pytest

from autoresearch_dagster.containers.escape import readable
from autoresearch_dagster.reports.page.build import report_html
from autoresearch_dagster.reports.page.diffs import diff, highlighted
from autoresearch_dagster.reports.page.markup import markdown, short
from tests.pages import Page
from tests.reported import ATTACKS, Research, hostile

ACTING = ("src", "srcset", "style", "action", "formaction")
CONTROL = "\x1b[2J\u202eevil\u2066\x00\x07"


@pytest.mark.parametrize("text", ATTACKS)
def test_hostile_text_is_shown_and_makes_no_element(text):
    clean, page = Page(report_html(hostile("plain words"))), Page(report_html(hostile(text)))

    assert _shape(page) == _shape(clean)
    assert text.split()[0] in page.shown
    assert not page.all("img")
    assert all(link.attributes["href"].startswith("#") for link in page.all("a"))
    for spec in page.all("script", type="application/json"):
        json.loads(spec.text)


def _shape(page):
    """How many scripts, styles and forms there are, and every attribute that could act."""
    names = ("script", "style", "form", "meta", "section", "iframe", "base", "object", "link")
    given = [name for one in page.elements for name in one.attributes if name.startswith("on") or name in ACTING]
    return [len(page.all(name)) for name in names], given


def test_control_and_direction_characters_are_written_out():
    html = report_html(hostile(f"see {CONTROL} here"))

    assert not set(html) & (set(CONTROL) - set("[2Jevil"))
    assert "\\u202eevil" in html


def test_half_a_character_does_not_end_the_page():
    for shown in (short("broken \ud800 text"), readable("broken \ud800 text"), highlighted("x = '\ud800'")):
        assert "\\ud800" in shown.encode().decode()


def test_endless_text_is_cut_and_the_reader_is_told():
    html = report_html(hostile("word " * 100_000), charts=False)

    assert len(html) < 400_000
    assert "more characters" in html


def test_markdown_is_rendered_without_links_images_and_html():
    shown = str(
        markdown(
            "# Found\n\n**wider** wins\n\n- one\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
            "[a](https://example.org) ![b](https://example.org/x.png) <https://example.org> <b onclick='x'>c</b>"
        )
    )

    assert "<h4>Found</h4>" in shown
    assert "<strong>wider</strong>" in shown
    assert "<li>one</li>" in shown
    assert "<td>1</td>" in shown
    for tag in ("<a", "<img", "<b ", "href", "src"):
        assert tag not in shown


def test_code_in_a_diff_is_text():
    html = str(diff("a = 1\n", "a = '</td><script>'\t\x1b\u202e\n").html)

    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "\x1b" not in html
    assert "\u202e" not in html


def test_a_file_made_to_take_for_ever_is_not_compared():
    many = "\n".join(f"x{number % 150}" for number in range(60_000))
    research = Research().edit("one", many, None)
    research.edit("two", "\n".join(reversed(many.splitlines())), "one")

    page = Page(report_html(research.view(), charts=False))

    assert page.part("edits").count("The code is too long to be compared here.") == 3
    assert "too long to be compared" in page.part("activity")
