import json
import math

import numpy as np
import pytest
import torch

from tests.trainer_modules import trainer_modules


@pytest.fixture(scope="module")
def modules():
    with trainer_modules(None) as modules:
        yield modules


@pytest.fixture
def harness(modules):
    return modules["harness"]


@pytest.fixture
def watched(modules):
    return modules["progress"]


@pytest.fixture
def serving(modules):
    return modules["serving"]


class Fixed(torch.nn.Module):
    """Answers with given logits."""

    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, idx):
        return self.logits


TOKENS = np.zeros((1, 1), dtype=np.int32)


def answered(serving, values, dtype=torch.float16):
    model = Fixed(torch.tensor([[values]], dtype=torch.float32))
    return serving.logits_of(model, TOKENS, len(values), dtype)[0, 0].tolist()


def test_large_logits_survive_half_precision_by_their_differences(serving):
    assert answered(serving, [90_000.0, 89_999.0, 89_990.0]) == [0.0, -1.0, -10.0]


def test_far_logits_stay_finite_and_minus_infinity_stays_itself(serving):
    assert answered(serving, [0.0, -1e6, -math.inf]) == [0.0, -65504.0, -math.inf]


def test_nan_is_passed_on_for_the_evaluator_to_refuse(serving):
    assert all(math.isnan(value) for value in answered(serving, [0.0, math.nan]))


def test_dropout_is_off_even_if_the_model_switches_it_on(serving):
    class Wavering(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drop = torch.nn.Dropout(0.5)

        def forward(self, idx):
            logits = self.drop(torch.ones(1, 1, 64))
            self.train()
            return logits

    model = Wavering()
    for _ in range(3):
        assert torch.equal(serving.logits_of(model, TOKENS, 64, torch.float32), torch.ones(1, 1, 64))


def test_random_models_answer_the_same_twice(serving):
    class Random(torch.nn.Module):
        def forward(self, idx):
            return torch.randn(1, 1, 8)

    first, second = (serving.logits_of(Random(), TOKENS, 8, torch.float32) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("answer", "words"),
    [((torch.zeros(1, 1, 8), None), "returned a tuple"), (torch.zeros(1, 1, 7), r"return \(1, 1, 8\)")],
)
def test_other_answers_are_refused_with_a_sentence(serving, answer, words):
    with pytest.raises(serving.Refusal, match=words):
        serving.logits_of(Fixed(answer), TOKENS, 8, torch.float32)


def points_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_progress_takes_tensors_and_is_thinned_when_it_grows(watched, tmp_path):
    progress = watched.Progress(tmp_path)
    for step in range(watched.EVERY_POINT + 2000):
        progress.log_step(step, torch.tensor(1.5))
    points = points_of(tmp_path / "progress.jsonl")
    assert points[0]["loss"] == 1.5
    assert watched.EVERY_POINT <= len(points) < watched.EVERY_POINT + 1000


def test_batches_are_counted_only_until_a_step_is_logged(watched, tmp_path):
    progress = watched.Progress(tmp_path)
    progress.count_batch()
    progress.log_step(1, 2.0)
    progress._last = -math.inf
    progress.count_batch()
    assert [(point["step"], point["loss"]) for point in points_of(tmp_path / "progress.jsonl")] == [
        (1, None),
        (1, 2.0),
    ]


def test_claims_of_any_type_become_plain_values(harness):
    class Result:
        model_name = 5
        n_params = np.int64(12)
        steps = "seven"
        device = "cpu"
        val_bpb = torch.tensor(2.5)
        notes = "n" * 10_000

    claims = harness.claims_of(Result())
    assert (claims["n_params"], claims["val_bpb"], claims["model_name"]) == (12, 2.5, "5")
    assert "steps" not in claims
    assert len(claims["notes"]) < 2000
    json.dumps(claims, allow_nan=False)
