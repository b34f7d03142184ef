"""Every figure of the page is the journal's, as leaderboard and ledger have it."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from autoresearch_dagster.agent.hypotheses.calibration import calibration
from autoresearch_dagster.agent.rules.edit_rules import parent_of
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.progress import in_time
from autoresearch_dagster.reports.audit import audit_trail
from autoresearch_dagster.reports.bill import bill, dollars
from autoresearch_dagster.reports.lineage import parents
from autoresearch_dagster.reports.page.build import report_html
from autoresearch_dagster.reports.page.charts.costs import cost_charts
from autoresearch_dagster.reports.page.charts.curves import curves_chart
from autoresearch_dagster.reports.page.charts.progress import progress_chart
from autoresearch_dagster.reports.page.costs import Point, costs_of
from autoresearch_dagster.reports.page.diffs import diff
from autoresearch_dagster.reports.page.edits import edits_of
from autoresearch_dagster.reports.page.leaderboard import leaderboard_of
from autoresearch_dagster.reports.page.tree import tree
from autoresearch_dagster.reports.standings import verdict
from autoresearch_dagster.store.leaderboard import leaderboard
from autoresearch_dagster.tracking.describe import parent_key
from tests.damaged import DAMAGED
from tests.pages import Page
from tests.reported import BASELINE, FLOOR, Research, researched


@pytest.fixture(scope="module")
def view():
    return researched(21).view()


@pytest.fixture(scope="module")
def page(view):
    return Page(report_html(view))


def test_the_table_is_the_leaderboard(view, page):
    rows = leaderboard(view.state)
    shown = [one for one in page.all("tr") if one.attributes.get("id", "").startswith("row-")]

    assert [one.attributes["id"] for one in shown] == [f"row-{row.key}" for row in rows]
    for one, row in zip(shown, rows, strict=True):
        assert f"{row.val_bpb:.4f}" in one.text if row.val_bpb is not None else "–" in one.text
        assert row.judgement in one.text


def test_filters_count_every_candidate_once(view):
    found = leaderboard_of(view)

    assert sum(one.count for one in found.filters) == len(found.rows) == 21
    assert [one.word for one in found.filters][:3] == ["champion", "confirmed", "within_noise"]


def test_the_verdict_is_that_of_the_terminal(view, page):
    assert verdict(view.state) in page.part("summary")


def test_the_bill_is_the_ledgers(view, page):
    ledger, costs = view.state.ledger, costs_of(view)

    assert bill(view.state) in page.part("costs")
    assert costs.over_time[-1].usd == pytest.approx(float(ledger.usd))
    assert costs.over_time[-1].cpu_s == pytest.approx(ledger.cpu_s)
    assert costs.over_time[-1].gpu_s == pytest.approx(ledger.gpu_s)
    assert sum(one.answers for one in costs.turns) == ledger.calls
    assert f"{ledger.usage.input_tokens:,}" in page.part("costs")


def test_a_chart_of_costs_says_the_same_total_as_the_bill():
    when = datetime(2026, 11, 1, tzinfo=UTC)
    spent = [Point(when, 0.0, 0.0, 0.0), Point(when + timedelta(minutes=2), 0.15, 105.1, 7_250.0)]

    totals = [one.caption.partition(" in all;")[0] for one in cost_charts(spent)]

    assert totals == [dollars(Decimal("0.15")), in_time(7_250.0), in_time(105.1)]
    assert totals == ["US$ 0.1500", "2.1 h", "106 s"]


def test_hypotheses_by_axis_are_the_calibration(view, page):
    table = " ".join(page.one("table", id="table-axes").text.split())

    for row in calibration(view.state):
        name = row.axis.value.replace("_", " ")
        assert f"{name} {row.n} {row.direction_right} of {row.directed} " in table


def test_the_audit_trail_is_whole(view, page):
    rows = page.one("table", id="table-audit").text

    for entry in audit_trail(view.events, view.baseline.encode()):
        assert entry.what in rows
        assert entry.after[:8] in rows


def test_progress_is_drawn_in_order_of_finishing_with_the_champions_line(view):
    chart = progress_chart(view.state)
    assert chart is not None
    points, reigns = chart.spec["datasets"]["points"], chart.spec["datasets"]["reigns"]

    order = [one.planned.key for one in sorted(view.state.experiments.values(), key=lambda one: one.finished_at)]
    assert {point["key"]: point["place"] for point in points} == {
        point["key"]: order.index(point["key"]) + 1 for point in points
    }
    assert reigns[0]["shown"] == FLOOR[0]
    (luck,) = {one.screening.noise_bpb for one in view.state.experiments.values() if one.screening is not None}
    assert reigns[0]["high"] - reigns[0]["low"] == pytest.approx(2 * luck)
    assert reigns[-1]["shown"] == pytest.approx(view.state.champion.result.val_bpb, abs=1e-5)
    assert [point["key"] for point in points if point["kind"] == "confirmed or champion"][-1:] == [
        view.state.champion.planned.key
    ]


def test_a_score_far_off_does_not_squeeze_the_chart_and_keeps_its_figure():
    research = Research().floor().turn(1)
    for number, score in enumerate([2.5, 2.51, 2.52, 2.53, 9.0], start=1):
        planned = research.planned(f"e{number:02}", 1, f"idea-{number}", BASELINE)
        research.launch(1, (planned,)).finish(planned, research.result(score))

    chart = progress_chart(research.view().state)
    far = next(point for point in chart.spec["datasets"]["points"] if point["val_bpb"] == "9.0000")
    assert far["shown"] < 3
    band = chart.spec["datasets"]["reigns"][0]
    assert band["high"] - band["low"] == pytest.approx(2 * math.sqrt(2) * 0.02, abs=1e-4)  # nothing is screened yet
    assert "1 worse than the scale shows is drawn at its upper edge." in chart.caption


def test_curves_that_are_gone_or_damaged_are_left_out_and_said(view):
    research = Research().floor().turn(1)
    for number, (how, kept) in enumerate(DAMAGED.items(), start=1):
        planned = research.planned(f"e{number:02}", 1, how, BASELINE)
        curve = research.keep(kept.decode(errors="replace")) if isinstance(kept, bytes) else kept
        research.launch(1, (planned,)).finish(planned, research.result(2.5 + number, curve=curve))

    chart, whole = curves_chart(research.view()), curves_chart(view)
    assert {point["run"] for point in chart.spec["datasets"]["points"]} == {"baseline"}
    assert "No longer kept, or damaged: half written (" in chart.caption
    assert "damaged" not in whole.caption
    assert len({point["run"] for point in whole.spec["datasets"]["points"]}) == 6


def test_a_long_curve_is_thinned_and_keeps_its_end():
    research = Research().floor().turn(1)
    points = [{"step": step, "loss": 9.0 - step / 1000, "elapsed_s": float(step)} for step in range(5_000)]
    planned = research.planned("e01", 1, "idea", BASELINE)
    kept = research.keep(canonical_json(points).decode())
    research.launch(1, (planned,)).finish(planned, research.result(2.5, curve=kept))

    drawn = [one for one in curves_chart(research.view()).spec["datasets"]["points"] if one["run"] != "baseline"]
    assert len(drawn) <= 101
    assert drawn[-1]["seconds"] == 4999


def test_an_edit_starts_from_what_it_was_forked_from(view):
    edits = [edit.saved for edit in view.state.edits]
    found = parents(edits)

    for key, experiment in view.state.experiments.items():
        number = next(n for n, edit in enumerate(edits) if edit.title == experiment.planned.title)
        forked = parent_key(view.state, experiment)
        expected = view.state.experiments[forked].planned.title if forked else None
        assert (edits[found[number]].title if found[number] is not None else None) == expected, key


def test_a_second_revision_without_a_parent_is_compared_with_the_baseline():
    research = Research().edit("one", BASELINE + "a = 1\n", None)
    research.edit("One ", BASELINE + "b = 2\n", None)

    second = edits_of(research.view()).revisions[1]
    assert second.parent == "baseline"
    assert (second.to_parent.diff.added, second.to_parent.diff.removed) == (1, 0)


def test_a_second_revision_that_is_forked_from_the_first_is_compared_with_it():
    research = Research().edit("one", "a = 1\n", None)
    research.edit("One ", "a = 2\n", "one")

    second = edits_of(research.view()).revisions[1]
    assert second.parent == "one, revision 1"
    assert (second.to_parent.diff.added, second.to_parent.diff.removed) == (1, 1)


def test_the_report_and_the_rules_of_research_name_the_same_parents():
    research = Research().edit("a", "a\n", None).edit("b", "b\n", "a").edit("A", "a2\n", None)
    research.edit("c", "c\n", "a ").edit("a", "a3\n", "a").edit("d", "d\n", "gone")

    state = research.view().state
    by_rules = [parent_of(state, edit) for edit in state.edits]
    by_report = [state.edits[at] if at is not None else None for at in parents([one.saved for one in state.edits])]
    assert by_report == by_rules
    assert [one.saved.title if one else None for one in by_rules] == [None, "a", None, "A", "A", None]


def test_the_tree_has_every_edit_below_its_parent():
    research = Research().edit("a", "a\n", None).edit("b", "b\n", None)
    research.edit("a1", "a1\n", "a").edit("a2", "a2\n", "a").edit("a11", "a11\n", "a1")

    edits = edits_of(research.view())
    nodes = list(tree(edits.revisions, edits.parents))
    assert [(node.revision.title, node.level, node.opens, node.closes) for node in nodes] == [
        ("a", 1, True, 0),
        ("a1", 2, True, 0),
        ("a11", 3, False, 1),
        ("a2", 2, False, 1),
        ("b", 1, False, 0),
    ]


def test_a_diff_has_its_lines_with_their_numbers():
    page = Page(str(diff("a\nb\nc\n", "a\nB\nc\nd\n").html))

    assert [row.attributes.get("class", "") for row in page.all("tr")] == ["", "del", "add", "", "add"]


def test_a_diff_that_is_too_long_says_how_much_is_missing():
    made = diff("", "\n".join(f"x{number} = 1" for number in range(1_000)))

    assert made.added == 1_000
    assert made.left_out == 600
