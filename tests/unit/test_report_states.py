"""Sessions at every stage: what is not known is said, nothing is invented, no page fails."""

import re

import pytest
from hypothesis import given, settings

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.reports.page.build import report_html
from autoresearch_dagster.reports.standings import verdict
from autoresearch_dagster.store import events as ev
from tests.histories import histories
from tests.pages import Page
from tests.reported import BASELINE, FLOOR, Research, changed, confirmed, researched, screened


def told(research, part):
    return Page(report_html(research.view())).part(part)


def one_experiment(research, score, number=1):
    code = changed(BASELINE, number)
    research.edit(f"idea-{number}", code, None, axis="schedule")
    planned = research.planned(f"e{number:02}", 1, f"idea-{number}", code)
    research.launch(1, (planned,)).finish(planned, research.result(score))
    return planned


def test_a_session_that_has_just_begun():
    research = Research()

    summary = told(research, "summary")
    assert "No candidate has a score yet." in summary
    assert "The session waits for the researcher." in summary
    assert "there is no confirmed gain" in summary
    assert told(research, "leaderboard") == "Leaderboard No experiment is planned yet."
    assert told(research, "edits") == "Code edits No edit was saved yet."
    assert "Nothing was spent yet." in told(research, "costs")
    assert "No hypothesis has a score yet." in told(research, "memory")


def test_without_a_noise_floor_the_lowest_score_is_called_what_it_is():
    research = Research().turn(1)
    one_experiment(research, 2.5)

    summary = told(research, "summary")
    assert "it may be luck" in summary
    assert "its noise floor is not measured" in summary
    assert "without a noise floor to confirm it against" in summary


def test_what_people_do_with_a_session_later_makes_no_turn_longer():
    research = Research().floor().turn(1).answer(1).add(ev.SessionFinished(reason="r", summary=""))
    before = told(research, "activity")
    research.add(ev.SessionArchived(), ev.SessionImported(events="a" * 64, session="s07", memory_key="elsewhere"))

    after = told(research, "activity")
    took = re.search(r"Turn 1 [-0-9]+ [:0-9]+, (\d+ s)", before)[1]
    assert f", {took}" in after[after.index("Turn 1") :][:60]
    assert "session_imported" not in after


def test_all_failed():
    research = Research().floor().turn(1)
    one_experiment(research, None)

    page = Page(report_html(research.view()))
    assert "Ended without a score: 1 Crashed." in page.part("summary")
    assert "RuntimeError: mat1 and mat2 do not fit" in page.part("leaderboard")
    assert 'data-chart="progress"' not in page.html


def test_an_experiment_that_has_no_result_yet_waits():
    research = Research().floor().turn(1)
    planned = research.planned("e01", 1, "slow", BASELINE)
    research.launch(1, (planned,))

    page = Page(report_html(research.view()))
    assert "waits for 1 experiment." in page.part("summary")
    assert page.one("tr", id="row-s01_d01_e01").attributes["data-standing"] == "planned"


def test_paused_archived_and_resumed_twice():
    research = Research().floor()
    for _ in range(2):
        research.add(ev.SessionPaused(reason="stopped from the keyboard"))
        research.add(ev.SessionResumed(config=ev.SessionConfig(memory_key="night-run"), driver="daemon"))
    research.add(ev.SessionPaused(reason="the disk is full"), ev.SessionArchived())

    page = Page(report_html(research.view()))
    assert "Paused: the disk is full." in page.part("summary")
    assert "archived" in page.shown
    assert "the session is paused" in page.shown
    assert page.part("activity").count("after a rest of 7 s") == 2
    assert not page.all("meta", **{"http-equiv": "refresh"})


def test_a_gain_has_its_interval_and_what_it_cost():
    research = Research().floor().turn(1, usd="0.25")
    planned = one_experiment(research, 2.5)
    screened(research, planned, 2.5, FLOOR[0])
    confirmed(research, planned, 0.1)

    summary = told(research, "summary")
    assert "Gain +0.1000 bpb over the baseline; 95 %: +0.0900 to +0.1100, from 2 fresh seeds" in summary
    assert "Gain per US$ +0.4 bpb +0.1000 bpb for US$ 0.25, possible charges included" in summary
    assert "Gain per GPU-hour – no GPU was used" in summary
    assert "Gain per CPU-hour +5 bpb" in summary


def test_two_steps_are_added_up_with_an_interval_and_each_keeps_its_own():
    research = Research().floor().turn(1)
    for number, score in ((1, 2.5), (2, 2.4)):
        planned = one_experiment(research, score, number)
        screened(research, planned, score, FLOOR[0])
        confirmed(research, planned, 0.1, looks=number)

    summary = told(research, "summary")
    assert "Gain +0.2000 bpb over the baseline; 95 %: +0.1835 to +0.2165, from 2 confirmed steps" in summary
    assert summary.count("+0.0900 to +0.1100") == 2
    assert "idea-2 idea-1 2.4000" in summary
    assert "Over the baseline: +0.2000 bpb (95 %: +0.1835 to +0.2165" in verdict(research.view().state)


def test_a_gpu_whose_time_was_possibly_used_counts():
    research = Research({"max_gpu_hours": 2.0}).floor().turn(1)
    planned = research.planned("e01", 1, "idea-1", BASELINE)
    research.launch(1, (planned,))
    research.add(ev.AttemptStarted(key=planned.key, attempt=1, owner="o", gpu_reserve_s=1800.0))
    research.add(ev.ExperimentFinished(key=planned.key, result=research.result(2.5, gpu_sec=900.0)))
    screened(research, planned, 2.5, FLOOR[0])
    confirmed(research, planned, 0.1)

    page = Page(report_html(research.view()))
    assert "Gain per GPU-hour +0.4 bpb" in page.part("summary")
    assert "for this launch; 105 min left" in page.part("costs")


def test_what_to_try_next_names_what_was_left_undecided_and_what_nobody_touched():
    research = Research().floor().turn(1)
    for number, score in ((1, 2.54), (2, 2.57)):
        screened(research, one_experiment(research, score, number), score, FLOOR[0])

    summary = told(research, "summary")
    undecided, _, promising = summary.partition("Better, but within the noise")
    assert "Worth more seeds, not decided idea-1" in undecided
    assert promising.startswith(" idea-2")
    assert "optimizer" in summary.partition("Directions that no edit touched")[2]
    assert "schedule" not in summary.partition("Directions that no edit touched")[2]


def test_kept_and_refuted_hypotheses_are_told_with_their_figures():
    summary = told(researched(12), "summary")

    assert re.search(r"Kept idea-3: Idea 3 helps.*?Foretold -0.0300, measured -0\.", summary)
    assert "Not told apart from luck idea-1" in summary
    assert re.search(r"Refuted idea-\d+: .*?Foretold -0.0300, measured \+0\.", summary)


def test_code_that_is_not_kept_any_more_is_said():
    research = Research().edit("lost", "x = 1\n", None)
    research.codes.clear()

    assert "The code is not kept any more." in told(research, "edits")


def test_an_edit_of_the_config_alone_says_that_the_code_is_the_same():
    edits = told(Research().edit("knobs", BASELINE, None), "edits")

    assert "code unchanged" in edits
    assert "train.py is the same." in edits
    assert "learning_rate = 0.002" in edits


def test_the_baselines_difference_is_not_told_twice():
    research = Research().edit("first", changed(BASELINE, 1), None)
    research.edit("second", changed(BASELINE, 2), "first")

    page = Page(report_html(research.view()))
    assert len(page.all("table", class_="diff")) == 3
    assert page.part("edits").count("Against the baseline") == 2


@pytest.mark.parametrize("outcome", [one for one in Outcome if one is not Outcome.TRAINED])
def test_every_ending_has_its_filter(outcome):
    research = Research().floor().turn(1)
    planned = research.planned("e01", 1, "idea", BASELINE)
    research.launch(1, (planned,)).finish(planned, research.result(None, outcome=outcome))

    page = Page(report_html(research.view(), charts=False))
    assert page.one("input", type="checkbox").attributes["value"] == outcome.value
    assert page.one("tr", id="row-s01_d01_e01").attributes["data-standing"] == outcome.value


@settings(deadline=None)  # a page takes a second where the machine has much to do
@given(histories())
def test_any_history_makes_a_page_without_nonsense(events):
    research = Research()
    research.add(*events)

    page = Page(report_html(research.view()))

    assert not re.search(r"\b(nan|None|inf)\b", page.part("summary"))
    assert len(page.ids) == len(set(page.ids))


def test_where_nothing_has_a_score_the_verdict_counts_how_things_ended():
    research = Research().turn(1)
    for number in (1, 2):
        one_experiment(research, None, number)

    assert verdict(research.view().state) == "No candidate has a score of record (2 Crashed)."


def test_a_list_of_the_summary_that_is_cut_says_so() -> None:
    page = report_html(researched(60).view())
    summary, memory = page.partition('id="activity"')[0], page.partition('id="memory"')[2]

    assert memory.count("idea-") > summary.count("Foretold")
    assert " more" in summary.partition("What was learnt")[2]
