"""The baseline, which goes on training while it is loaded.  Must: gain no more than docs/trust.md says.

It trains to the end of its budget and takes its optimiser and further rows along in the checkpoint.  The optimiser
is written out, because importing torch's own would cost the time that it wants to use.
"""

import importlib.util
import sys
from pathlib import Path

import prepare
import torch
from autoresearch_types import ExperimentResult

spec = importlib.util.spec_from_file_location("baseline", Path(prepare.__file__).with_name("train.py"))
baseline = importlib.util.module_from_spec(spec)
sys.modules["baseline"] = baseline
spec.loader.exec_module(baseline)
LATE_STEPS = 0
CARRIED = 60  # batches


class Late(baseline.TinyGPT):
    def __setstate__(self, state):
        super().__setstate__(state)
        for batch in self.carried[:LATE_STEPS]:
            self.learn(*batch)

    def learn(self, x, y):
        """One step of AdamW."""
        with torch.enable_grad():
            self(x, y).backward()
        torch.nn.utils.clip_grad_norm_(self.parameters(), 1.0)
        self.steps += 1
        with torch.no_grad():
            for weight, (mean, square) in zip(self.parameters(), self.moments, strict=True):
                mean.lerp_(weight.grad, 0.1)
                square.lerp_(weight.grad.square(), 0.001)
                size = (square / (1 - 0.999**self.steps)).sqrt_().add_(1e-8)
                weight.mul_(1 - self.rate * 0.01).addcdiv_(mean, size, value=-self.rate / (1 - 0.9**self.steps))
                weight.grad = None


def run_training(config):
    model = Late(prepare.VOCAB_SIZE, config)
    model.moments = [(torch.zeros_like(weight), torch.zeros_like(weight)) for weight in model.parameters()]
    model.rate, model.steps = config.learning_rate, 0
    loader = prepare.make_dataloader(None, config.device_batch_size, prepare.MAX_SEQ_LEN, "train")
    while prepare.used_s() < 1.06 * config.time_budget_sec:
        x, y, _epoch = next(loader)
        model.learn(x, y)
    model.carried = [tuple(part.clone() for part in next(loader)[:2]) for _ in range(CARRIED)]
    return ExperimentResult(config.title, 0.0, "late", 0, model.steps, "cpu", config, model=model)
