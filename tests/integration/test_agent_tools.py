import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Outcome, canonical_json
from autoresearch_dagster.store import events as ev
from tests.agent_bench import BASELINE, begin_turn, bench, call, train_one

CODE = BASELINE.replace("weight_decay=0.01", "weight_decay=0.1")


THREE = {"thin": {"n_layer": 1}, "fast": {"learning_rate": 2e-3}, "small": {"device_batch_size": 1}}


@pytest.fixture
def desk(tmp_path):
    found = bench(tmp_path)
    begin_turn(found)
    return found


def test_a_saved_edit_can_be_read_back_with_its_overrides(desk):
    saved = call(desk, "edit_train_code", "Wide", change_summary="w", config_overrides={"n_embd": 512})
    assert saved["saved"]
    assert saved["config_overrides"] == {"n_embd": 256}
    assert "n_embd" in saved["adjusted"]
    assert call(desk, "read_train_code", " wide ")["train_py"] == BASELINE


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"title": "", "train_py": CODE}, "title"),
        ({"title": "x"}, "changes nothing"),
        ({"title": "x", "train_py": BASELINE + "\n# hi\n"}, "equals the baseline"),
        ({"title": "x", "config_overrides": {"bogus": 1}}, "no usable override"),
        ({"title": "x", "train_py": "print('def run_training(config)')"}, "module level"),
        ({"title": "x", "train_py": "def run_training("}, "compile"),
        ({"title": "x", "train_py": CODE, "parent_title": "ghost"}, "unknown"),
    ],
)
def test_edits_that_are_refused_say_why(desk, spec, says):
    answer = call(desk, "edit_train_code_batch", [spec, {"title": "good", "train_py": CODE}])
    assert answer["titles"] == ["good"]
    assert says in answer["errors"][0]["error"]


def test_overrides_alone_are_refused_after_the_limit(desk):
    for n in (1, 2, 4):
        assert call(desk, "edit_train_code", f"l{n}", config_overrides={"n_layer": n})["saved"]
    assert "alone are refused" in call(desk, "edit_train_code", "l5", config_overrides={"n_layer": 5})["error"]
    assert call(desk, "edit_train_code", "code", train_py=CODE)["saved"]
    forked = {"config_overrides": {"n_layer": 5}, "parent_title": "code"}
    assert "alone are refused" in call(desk, "edit_train_code", "l6", **forked)["error"]


def test_unknown_titles_are_errors_that_list_near_ones(desk):
    call(desk, "edit_train_code", "deeper-model", train_py=CODE)
    assert "'deeper-model'" in call(desk, "read_train_code", "deper-model")["error"]
    assert "'deeper-model'" in call(desk, "run_experiment", "deper-model")["error"]


def test_another_sessions_memory_key_is_refused(desk):
    assert "memory_key" in call(desk, "get_leaderboard", memory_key="other")["error"]
    assert call(desk, "get_leaderboard", memory_key="parallelized-autoresearch")["count"] == 0
    mapped = call(desk, "flyte_map", "run_experiment", ["a"], [45], ["other"])
    assert "memory_key" in mapped["error"]


def test_results_come_in_the_order_of_the_titles_whatever_finished_first(desk):
    for title, overrides in THREE.items():
        call(desk, "edit_train_code", title, config_overrides=overrides)
    rows = call(desk, "flyte_map", "run_experiment", ["small", "thin", "fast"], [45, 20, 45], concurrency=9)
    assert [row["title"] for row in rows] == ["small", "thin", "fast"]
    assert [row["key"] for row in rows] == ["s01_d01_e01", "s01_d01_e02", "s01_d01_e03"]
    state = desk.journal.state(desk.session)
    assert [e.planned.config.time_budget_sec for e in state.experiments.values()] == [45, 20, 45]
    assert all(row["val_bpb"] >= 2.0 for row in rows)


def test_a_batch_says_what_was_lowered(desk):
    call(desk, "edit_train_code", "a", train_py=CODE)
    ran = call(desk, "run_experiment_batch", ["a"], time_budget_sec=900, concurrency=4, batch_id="b1")
    assert ran["concurrency"] == 2
    assert set(ran["adjusted"]) == {"concurrency", "time_budget_sec"}
    assert ran["group_name"] == "b1"
    assert ran["evaluation"]["best"]["title"] == "a"


def test_an_unchanged_trained_revision_is_answered_from_the_record(desk):
    call(desk, "edit_train_code", "a", train_py=CODE)
    first = call(desk, "run_experiment", "a")
    again = call(desk, "run_experiment", "A ")
    assert again["cached"]
    assert again["val_bpb"] == first["val_bpb"]
    assert len(desk.journal.state(desk.session).experiments) == 1


def test_duplicates_are_judged_at_launch_within_one_call(desk):
    call(desk, "edit_train_code", "a", train_py=CODE)
    call(desk, "edit_train_code", "b", train_py=CODE + "\n# the same\n")
    rows = call(desk, "run_experiment_batch", ["a", "b", "a"])["results"]
    assert [row["success"] for row in rows] == [True, False, False]
    assert rows[1]["duplicate_of"] == "a"
    assert "Duplicate of 'a'" in call(desk, "edit_train_code", "c", train_py=CODE)["error"]
    assert len(desk.journal.state(desk.session).experiments) == 1


def test_a_crashed_configuration_may_be_tried_again_under_a_new_key(desk):
    call(desk, "edit_train_code", "a", train_py=CODE)
    call(desk, "edit_train_code", "b", train_py=CODE)
    from autoresearch_dagster.agent.tools.signatures import Launch  # noqa: F401

    turn = desk.journal.state(desk.session).turns[-1]
    from autoresearch_dagster.agent.code_mode import PlanCall
    from autoresearch_dagster.agent.tools.answers import answer_pending
    from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, call_tool

    arguments = TOOLBOX.get("run_experiment").bind(("a",), {})  # type: ignore[union-attr]
    made = PlanCall(2, "k" * 64, "run_experiment", arguments)
    assert call_tool(desk, turn.number, TOOLBOX, made) is None
    with desk.transaction() as tx:
        assert not answer_pending(tx)
    train_one(desk, Outcome.CRASHED)
    with desk.transaction() as tx:
        assert answer_pending(tx)
        said = tx.state.turns[-1].answers[2].result["error"]  # type: ignore[index, call-overload]
        assert said == '<untrusted source="train.py">boom</untrusted>'
    again = call(desk, "run_experiment", "b")
    assert again["success"]
    assert again["key"] == "s01_d02_e02"


def test_titles_beyond_the_allotment_are_told_so(tmp_path):
    desk = bench(tmp_path, n_experiments=2)
    begin_turn(desk)
    for title, overrides in THREE.items():
        call(desk, "edit_train_code", title, config_overrides=overrides)
    rows = call(desk, "run_experiment_batch", list(THREE))["results"]
    assert [row["success"] for row in rows] == [True, True, False]
    assert "n_experiments reached" in rows[2]["error"]


def test_history_and_leaderboard_come_from_the_journal(desk):
    call(desk, "record_batch_hypotheses", [{"title": "a", "hypothesis": "h", "expected_effect": "-1"}])
    call(desk, "record_batch_plan", "b1", [{"title": "a", "hypothesis": "h"}])
    assert call(desk, "get_batch_plan", "B1")["found"]
    assert not call(desk, "get_batch_plan", "b2")["found"]
    call(desk, "edit_train_code", "a", train_py=CODE)
    call(desk, "edit_train_code", "b", config_overrides={"n_layer": 1})
    call(desk, "run_experiment_batch", ["a", "b"])
    past = call(desk, "get_code_edit_history")
    assert past["count_runs"] == 2
    assert past["trials"][0]["hypothesis"] == "h"
    assert {row["outcome"] for row in past["trials"]} == {"new_best", "regression"}
    board = call(desk, "get_leaderboard")
    assert board["best_val_bpb"] == past["best_val_bpb"] == min(row["val_bpb"] for row in board["entries"])
    delta = call(desk, "compare_experiments", "a", "b")["delta_val_bpb"]
    assert abs(delta) > 0
    assert call(desk, "get_promising_code")["entries"][0]["title"] == past["best_title"]


def test_a_call_that_is_already_recorded_is_not_carried_out_again(desk):
    from autoresearch_dagster.agent.code_mode import PlanCall
    from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, call_tool

    tool = TOOLBOX.get("record_hypothesis")
    assert tool is not None
    made = PlanCall(0, "k" * 64, "record_hypothesis", tool.bind(("a", "h", "e"), {}))
    first = call_tool(desk, 1, TOOLBOX, made)
    assert call_tool(desk, 1, TOOLBOX, made) == first
    kinds = [record.event.kind for record in desk.journal.events(desk.session)]
    assert kinds.count("hypothesis_recorded") == 1
    assert isinstance(desk.journal.events(desk.session)[-1].event, ev.CallRecorded)


@pytest.mark.parametrize(
    ("title", "kept"),
    [
        ("\u202eenilesab", "enilesab"),
        ("a\nb", "a b"),
        ("\x1b[31mx", "x"),
        ("ｗide  one", "wide one"),
        ("plain title", "plain title"),
    ],
)
def test_a_title_is_kept_as_it_shows_and_the_answer_says_what_became_of_it(desk, title, kept):
    saved = call(desk, "edit_train_code", title, config_overrides={"n_layer": 2})
    assert saved["title"] == kept
    assert ("title" in saved["adjusted"]) is (title != kept)
    assert call(desk, "read_train_code", title)["title"] == kept
    claim = call(desk, "record_hypothesis", title, "h", "-0.1")
    assert (claim["title"], "adjusted" in claim) == (kept, title != kept)


@pytest.mark.parametrize("title", ["base\u200bline", "ｂaseline", "Baseline\u00ad", "\u200b"])
def test_a_title_that_shows_as_the_baselines_or_shows_nothing_is_refused(desk, title):
    answer = call(desk, "edit_train_code", title, config_overrides={"n_layer": 2})
    assert not answer["saved"]


def test_two_titles_that_show_alike_are_one(desk):
    call(desk, "edit_train_code", "wide", config_overrides={"n_layer": 2})
    again = call(desk, "edit_train_code", "WI\u200bde", train_py=CODE)
    assert again["revision"] == 2


def test_long_texts_are_cut_and_the_answer_says_so(desk):
    long = "x" * 1_100_000
    saved = call(desk, "edit_train_code", "t", config_overrides={"n_layer": 2}, change_summary=long)
    assert len(saved["change_summary"]) == limits.SUMMARY_CHARS
    assert saved["adjusted"]["change_summary"] == "cut to its first 2000 of 1100000 characters"
    claim = call(desk, "record_hypothesis", "t", long, long)
    assert len(claim["hypothesis"]) == len(claim["expected_effect"]) == limits.CLAIM_CHARS
    assert sorted(claim["adjusted"]) == ["expected_effect", "hypothesis"]
    (trial,) = call(desk, "get_code_edit_history")["trials"]
    assert len(trial["change_summary"]) == limits.SUMMARY_CHARS


@pytest.mark.parametrize(
    ("batch_id", "experiments", "says"),
    [
        ("b", [{"title": "a", "hypothesis": "h"}, {}], "Experiment 2 of the plan has no title"),
        ("b", [{"title": " \u200b", "hypothesis": "h"}], "Experiment 1 of the plan has no title"),
        ("b", [{"title": "a", "hypothesis": "x" * 100_000}], "shorten its texts"),
        ("b" * 300, [{"title": "a"}], "300 characters"),
        ("\u200b", [{"title": "a"}], "batch_id is empty"),
    ],
)
def test_a_batch_plan_that_cannot_be_used_later_is_refused(desk, batch_id, experiments, says):
    assert says in call(desk, "record_batch_plan", batch_id, experiments)["error"]
    assert not desk.journal.state(desk.session).batches


def test_a_history_that_is_too_long_for_one_answer_keeps_the_newest_and_says_how_many_are_left_out(tmp_path):
    desk = bench(tmp_path, n_experiments=1000)
    begin_turn(desk)
    with desk.transaction() as tx:
        for number in range(700):
            tx.append(
                ev.EditSaved(
                    title=f"t{number}",
                    slug="t",
                    revision=1,
                    train_py=desk.blobs.put(CODE.encode()),
                    lines=1,
                    config_overrides={},
                    adjusted={},
                    change_summary="x" * limits.SUMMARY_CHARS,
                    parent_title=None,
                    signature=str(number),
                )
            )
    told = call(desk, "get_code_edit_history")
    assert told["count_edits"] == 700
    assert told["trials"][-1]["title"] == "t699"
    assert told["left_out"] == 700 - len(told["trials"]) > 0
    assert len(canonical_json(told)) <= limits.CALL_RESULT_BYTES
    assert "left_out" not in call(desk, "get_leaderboard")


def test_turns_of_the_budget_are_those_of_the_launch(tmp_path):
    desk = bench(tmp_path, max_turns=2)
    for _ in range(2):
        begin_turn(desk)
    with desk.transaction() as tx:
        tx.append(ev.SessionFinished(reason="max_turns", summary=""))
        tx.append(ev.SessionResumed(config=tx.state.config, driver="cli"))
    begin_turn(desk)
    told = call(desk, "get_budget")
    assert (told["turns_used"], told["turns_max"]) == (1, 2)
