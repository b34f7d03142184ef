import pytest

from autoresearch_dagster.agent.rules.edit_rules import clamp, signature, source_problem
from autoresearch_dagster.core.presets import preset

WORKSHOP = preset("workshop")
GOOD = "def run_training(config):\n    return 1\n"


def test_signature_ignores_comments_and_formatting_but_not_code_or_overrides():
    other = "# note\ndef run_training( config ):\r\n    return (1)  # one\r\n"
    assert signature(GOOD, {"n_layer": 2}) == signature(other, {"n_layer": 2})
    assert signature(GOOD, {}) != signature(GOOD.replace("1", "2"), {})
    assert signature(GOOD, {}) != signature(GOOD, {"n_layer": 2})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def run_training(config:\n", "compile"),
        ("x = 'def run_training(config)'\n", "module level"),
        ("class A:\n    def run_training(config):\n        pass\n", "module level"),
        ("def run_training(config):\n    pass\nreturn 1\n", "compile"),
        (GOOD + "#" * 300_000, "larger"),
        (GOOD + "x = " + "+".join(["y"] * 400) + "\n", "nests expressions more than 100 deep"),
    ],
)
def test_sources_that_are_refused(source, says):
    assert says in str(source_problem(source))


def test_a_good_source_has_no_problem():
    assert source_problem(GOOD) is None


@pytest.mark.parametrize(
    ("asked", "values", "adjusted"),
    [
        ({"n_layer": 60}, {"n_layer": 6}, ["n_layer"]),
        ({"n_layer": 2.7}, {"n_layer": 2}, ["n_layer"]),
        ({"learning_rate": 5}, {"learning_rate": 1.0}, ["learning_rate"]),
        ({"time_budget_sec": 400}, {}, ["time_budget_sec"]),
        ({"n_head": 5}, {"n_head": 5, "n_embd": 125}, ["n_embd"]),
        ({"seed": 3, "n_layer": "4"}, {}, ["n_layer", "seed"]),
        ({"n_layer": 3}, {}, ["n_layer"]),
        ({"n_layer": 4}, {"n_layer": 4}, []),
    ],
)
def test_overrides_are_clamped_and_the_answer_says_so(asked, values, adjusted):
    found = clamp(asked, {}, WORKSHOP, 45)
    assert found.values == values
    assert sorted(found.adjusted) == adjusted


def test_a_fork_inherits_overrides_and_may_take_them_back():
    assert clamp({"n_layer": 3}, {"n_layer": 6, "n_embd": 64}, WORKSHOP, 45).values == {"n_embd": 64}
