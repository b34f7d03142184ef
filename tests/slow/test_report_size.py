"""The page stays below its bytes whatever a session holds; how long it takes is measured in benchmarks."""

import re

import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.reports.page.build import report_html
from autoresearch_dagster.reports.page.page_files import chart_library
from autoresearch_dagster.store import events as ev
from tests.pages import Page
from tests.reported import FLOOR, Research, confirmed, researched, screened

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
FOX = "🦊"
LONG = f"{FOX}<&\"'\x1b\u202e" * 4_000


def title_of(number: int) -> str:
    return f"{number} {FOX * (limits.TITLE_CHARS - 10)}"


def hostile(experiments: int, text: str, code: str, *, crowned: int = 1) -> Research:
    """Everything as long as it may be, every edit upon the one before."""
    research = Research({"source": text, "model": text, "researcher": "claude"}).floor()
    curve = research.keep(
        canonical_json([{"step": at, "loss": 9.0, "elapsed_s": float(at)} for at in range(5_000)]).decode()
    )
    parent, champion = None, FLOOR[0]
    for number in range(1, experiments + 1):
        if number % 4 == 1:
            research.add(ev.DirectiveGiven(text=text)).turn(
                number // 4 + 1, f"{text}```python\n{text}\n```", "0.01"
            )
            research.call(number // 4 + 1, 0, len(text)).add(ev.Steered(note=text, by=text))
            research.add(ev.BatchSentBack(turn=1, axis=text, signatures=("a",)))
            research.add(
                ev.BatchPlanned(batch_id=f"{number}{text}", experiments=({"title": text, text: text},) * 4)
            )
        title, source = title_of(number), f"{code}x = {number}\n"
        research.add(ev.HypothesisRecorded(title=title, hypothesis=text, expected_effect="decrease by 0.03" + text))
        research.edit(title, source, parent, summary=text, axis=text)
        one = research.planned(f"e{number:05}", 1, title, source, parent_title=parent)
        research.launch(number // 4 + 1, (one,))
        research.finish(one, research.result(champion - 0.01, curve=curve, log_tail=text))
        screened(research, one, champion - 0.01, champion)
        if number <= crowned:
            confirmed(research, one, 0.01)
            champion -= 0.00001
        parent = title
    return research


@pytest.mark.parametrize(
    "research",
    [
        pytest.param(
            lambda: hostile(10_000, "why " * 20, "a = 1\n"), id="ten thousand with titles of 4-byte characters"
        ),
        pytest.param(lambda: hostile(300, LONG, "a = 1\n"), id="endless texts"),
        pytest.param(lambda: hostile(300, FOX * 100, f"y = '{FOX * 300}' # <&>\n" * 400), id="huge differences"),
        pytest.param(lambda: hostile(2_000, FOX * 300, "a = 1\n", crowned=2_000), id="every experiment a champion"),
    ],
)
def test_the_page_has_its_bytes_and_says_what_is_left_out(research):
    html = report_html(research().view())

    page = Page(html)
    assert len(html.encode()) <= limits.REPORT_BYTES
    assert "Not everything has room on this page" in page.shown
    assert page.all("tr", class_="lead")
    assert len(re.findall('<tr id="row-', html)) >= 200
    assert "autoresearch history s01" in page.shown
    targets = {link.attributes["href"][1:] for link in page.all("a")}
    assert targets <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_many_ordinary_experiments_keep_the_champion_and_the_best():
    view = researched(6_000, texts=4_000).view()

    html = report_html(view)

    assert len(html.encode()) <= limits.REPORT_BYTES
    rows = re.findall(r'<tr id="row-[^>]*>\n?<td class=n>(\d+)', html)
    assert [int(rank) for rank in rows[:2_000]] == list(range(1, 2_001))
    assert "of 6,000 candidates are left out" in html
    assert "autoresearch leaderboard s01" in html


def test_a_turn_without_end_is_cut_and_names_the_command():
    research = Research().floor().turn(1)
    for sequence in range(30_000):
        research.call(1, sequence, 2_000)

    html = report_html(research.view())

    assert len(html.encode()) <= limits.REPORT_BYTES
    assert "autoresearch history s01 --turn 1" in html


def test_the_parts_together_are_no_more_than_the_page():
    whole = [
        value
        for name, value in vars(limits).items()
        if re.fullmatch(r"REPORT_\w+_BYTES", name) and name not in ("REPORT_DIFF_BYTES", "REPORT_DIFFS_BYTES")
    ]

    assert sum(whole) <= limits.REPORT_BYTES
    assert len(chart_library().encode()) < limits.REPORT_FRAME_BYTES - 200_000
