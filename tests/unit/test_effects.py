import pytest

from autoresearch_dagster.agent.hypotheses.effects import Effect, parse_effect

CASES: list[tuple[str, str | None, float | None, float | None]] = [
    ("-0.03", "better", -0.03, -0.03),
    ("−0.03", "better", -0.03, -0.03),
    ("- 0.03 bpb", "better", -0.03, -0.03),
    ("val_bpb -0.03", "better", -0.03, -0.03),
    ("−0.02 to −0.05", "better", -0.05, -0.02),
    ("-0.02 to -0.05 bpb", "better", -0.05, -0.02),
    ("−0.02–0.05", "better", -0.05, -0.02),
    ("between -0.01 and -0.02", "better", -0.02, -0.01),
    ("-0.03 ± 0.01", "better", -0.04, -0.02),
    ("lower by 0.05 bpb", "better", -0.05, -0.05),
    ("decrease by 0.05", "better", -0.05, -0.05),
    ("Decrease val_bpb by roughly 0.05.", "better", -0.05, -0.05),
    ("improves 0.01-0.03", "better", -0.03, -0.01),
    ("improvement of -0.02", "better", -0.02, -0.02),
    ("+0.02 improvement", "better", -0.02, -0.02),
    ("0.04 bpb better", "better", -0.04, -0.04),
    ("**~0.01 bpb lower**", "better", -0.01, -0.01),
    ("reduce val_bpb by 1e-3", "better", -0.001, -0.001),
    ("-1e-3", "better", -0.001, -0.001),
    ("-.02", "better", -0.02, -0.02),
    ("up to 0.02 better", "better", -0.02, 0.0),
    ("<0.01 improvement", "better", -0.01, 0.0),
    ("at least 0.02 lower", "better", None, -0.02),
    ("drop of more than 0.1 bpb", "better", None, -0.1),
    ("-0.02 bpb (2x the parameters)", "better", -0.02, -0.02),
    ("with 4 layers and lr=0.003, lower by 0.02", "better", -0.02, -0.02),
    ("warm up over 10% of the steps: lower by 0.02", "better", -0.02, -0.02),
    ("from 2.90 to 2.85", "better", -0.05, -0.05),
    ("slightly better", "better", None, None),
    ("should reduce loss by 0.1 nats", "better", None, None),
    ("lower loss by 0.1", "better", None, None),
    ("improves after 100 steps", "better", None, None),
    ("decrease val_bpb by ~2%", "better", None, None),
    ("+0.01 (worse)", "worse", 0.01, 0.01),
    ("+0.02", "worse", 0.02, 0.02),
    ("hurts by 0.01 to 0.02", "worse", 0.01, 0.02),
    ("a bit higher", "worse", None, None),
    ("no change", "same", None, None),
    ("no significant change", "same", None, None),
    ("within noise", "same", None, None),
    ("neutral (±0.005)", "same", -0.005, 0.005),
    ("±0.01", "same", -0.01, 0.01),
    ("-0.01 to +0.01", "same", -0.01, 0.01),
    ("does not help", "same", None, None),
    ("-0.03 to +0.01", None, -0.03, 0.01),
    ("<0.01", "same", -0.01, 0.01),
    ("0.02", None, None, None),
    ("0.01 to 0.03 bpb", None, None, None),
    ("2%", None, None, None),
    ("val_bpb ~ 2.85", None, None, None),
    ("better or worse, hard to say", None, None, None),
    ("-0.02 early but +0.03 late", None, None, None),
    ("not worse", None, None, None),
    ("", None, None, None),
    ("faster convergence", None, None, None),
    ("worse by -0.02", "worse", None, None),
    ("n_layer=0.5", None, None, None),
    ("lower: 2.85", "better", None, None),
    ("improve by 1 bpb", "better", -1.0, -1.0),
    ("10-20 mbpb lower", "better", -0.02, -0.01),
    ("val_bpb ↓ 0.03", "better", -0.03, -0.03),
    ("-0.02 nats", "better", None, None),
    ("-3%", "better", None, None),
    ("0.02 nats", None, None, None),
]


@pytest.mark.parametrize(("text", "direction", "low", "high"), CASES)
def test_a_prediction_is_read_as_it_is_written(text, direction, low, high):
    assert parse_effect(text) == Effect(direction, low, high)


@pytest.mark.parametrize(
    ("text", "direction", "low", "high"),
    [
        ("decrease val_bpb by ~2%", "better", -0.05, -0.05),
        ("-1% to -2%", "better", -0.05, -0.025),
        ("1-2% lower", "better", -0.05, -0.025),
        ("+4 percent (worse)", "worse", 0.1, 0.1),
        ("2%", None, None, None),
        ("val_bpb ~ 2.45", "better", -0.05, -0.05),
        ("reach 2.40-2.45", "better", -0.1, -0.05),
        ("val_bpb = 2.6", "worse", 0.1, 0.1),
        ("lower to 2.4", "better", -0.1, -0.1),
        ("-0.02", "better", -0.02, -0.02),
        ("reduce training loss by 2%", "better", None, None),
    ],
)
def test_percentages_and_target_scores_need_a_reference(text, direction, low, high):
    assert parse_effect(text, relative_to=2.5) == Effect(direction, low, high)


def test_a_score_below_one_is_a_target_beside_a_reference_of_its_size():
    assert parse_effect("val_bpb of 0.95", relative_to=1.0) == Effect("better", -0.05, -0.05)


def test_the_middle_is_the_mean_of_both_ends_or_the_one_that_is_given():
    assert parse_effect("-0.02 to -0.04").middle_bpb == pytest.approx(-0.03)
    assert parse_effect("at least 0.02 lower").middle_bpb == -0.02
    assert parse_effect("better").middle_bpb is None


@pytest.mark.parametrize(
    "text", ["(" * 5000, "-" * 5000, "0." * 3000, "1-" * 5000, "no " * 5000, "9" * 5000, "-" + "9" * 5000]
)
def test_any_text_is_read(text):
    assert isinstance(parse_effect(text, relative_to=2.5), Effect)


def test_a_size_beyond_all_numbers_says_only_its_direction():
    effect = parse_effect("decrease by 1e400 bpb")
    assert (effect.direction, effect.low, effect.high) == ("better", None, None)
