"""What early stop saves on bad candidates, and whom it would have stopped: real curves, replayed.

Trains the baseline at two seeds and candidates of both kinds on the demo's bundle for a fixed resource time, keeps
score and curve of each (benchmarks/early_stop.json), and plays every curve to the rule as if it ran now, with the
baseline and, as champion, the best of all beside it.  Without `train` only the stored curves are played.

Run: python -m benchmarks.early_stop [train] [seconds]
"""

import dataclasses
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.early_stop import POINTS, EarlyStop, curve_of
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.training.job import Halt

STORED = Path(__file__).with_name("early_stop.json")
STEP = "        optimizer.step()\n"
LOG = "prepare.log_step(steps, loss.item() * config.grad_accum_steps)"
SHARE = "prepare.used_s() / config.time_budget_sec"


def with_rate(expression: str) -> tuple[str, str]:
    """Set the learning rate before each step: a factor on the config's, of `share` of the budget."""
    lines = (
        f"share = {SHARE}",
        "for group in optimizer.param_groups:",
        f"    group['lr'] = config.learning_rate * ({expression})",
    )
    return STEP, "".join(f"        {line}\n" for line in lines) + STEP


BURN = (
    "        until = prepare.used_s() + {} * (prepare.used_s() / (steps + 1))\n"
    "        while prepare.used_s() < until:\n"
    "            pass\n"
)
CANDIDATES: dict[str, tuple[dict[str, float], tuple[str, str] | None]] = {
    "baseline": ({}, None),
    "baseline, seed 1": ({"seed": 1}, None),
    "rate x 3": ({"learning_rate": 1e-3}, None),
    "rate x 3, warm-up over 30 %": ({"learning_rate": 1e-3}, with_rate("min(1, share / 0.3)")),
    "rate x 10, warm-up over half": ({"learning_rate": 3e-3}, with_rate("min(1, share / 0.5)")),
    "warm-up over 30 %": ({}, with_rate("min(1, share / 0.3)")),
    "rate x 3, decays to nothing": ({"learning_rate": 1e-3}, with_rate("max(0.0, 1 - share)")),
    "8 times the batch": ({"grad_accum_steps": 8}, None),
    "6 layers, width 256": ({"n_layer": 6, "n_embd": 256}, None),
    "half the speed": ({}, (STEP, STEP + BURN.format(0.5))),
    "a tenth of the speed": ({}, (STEP, STEP + BURN.format(0.9))),
    "rate / 300": ({"learning_rate": 1e-6}, None),
    "rate 1": ({"learning_rate": 1.0}, None),
    "reports bits": ({}, (LOG, LOG[:-1] + " / 0.6931)")),
}
"""What differs from the baseline: its config, and one replacement in train.py."""


def laboratory(seconds: int) -> Laboratory:
    home = Path(os.environ.get("AUTORESEARCH_HOME", tempfile.mkdtemp(prefix="ar-bench-")))
    settings = Settings(home=home, runner="local", allow_unsandboxed=True)
    lab = open_laboratory(settings, preset_name="demo", source="sample", num_shards=1, report=lambda line: None)
    config = lab.preset.config.model_copy(update={"time_budget_sec": seconds, "max_steps": 100_000})
    return dataclasses.replace(lab, preset=dataclasses.replace(lab.preset, config=config))


def train_all(seconds: int) -> None:
    """Train every candidate and write what came of it."""
    lab = laboratory(seconds)
    core = Slot((lab.settings.cores[-1],))
    runs: dict[str, object] = {}
    for number, (name, (changes, edit)) in enumerate(CANDIDATES.items()):
        source = lab.baseline.decode()
        if edit is not None:
            assert edit[0] in source
            source = source.replace(*edit, 1)
        planned = PlannedExperiment(
            key=ExperimentKey(f"b00_d00_e{number:02}"),
            title=name,
            revision=1,
            train_py=lab.store.blobs.put(source.encode()),
            config=lab.preset.config.model_copy(update=changes),
        )
        attempt = Attempt(number=1, slot=core)
        result = run_planned(planned, lab, attempt, lambda *_: None, lambda stage: None, lambda: Halt.NO)
        lab.sweep(planned.key)
        curve = json.loads(lab.store.blobs.get(result.curve)) if result.curve else []
        resource_s = result.cpu_sec / result.duration_sec
        runs[name] = {"val_bpb": result.val_bpb, "resource_s": resource_s, "curve": curve}
        print(f"{name:30} {result.ending:8} {result.val_bpb}  {len(curve)} points {result.error}", flush=True)
    STORED.write_text(
        json.dumps({"seconds": seconds, "runs": runs}, separators=(",", ":")) + "\n", encoding="utf-8"
    )


Runs = dict[str, dict[str, Any]]


def stopped_at(name: str, champion: str, runs: Runs, seconds: int) -> float | None:
    """Play a curve beside baseline and champion; the second of resource time at which it is stopped."""
    curves = {of: POINTS.validate_python(runs[of]["curve"]) for of in (name, champion, "baseline")}
    rivals = [
        curve_of(role, curves[of], runs[of]["resource_s"])
        for role, of in (("baseline", "baseline"), ("champion", champion))
    ]
    rule = EarlyStop(seconds, [curve for curve in rivals if curve is not None])
    for point in curves[name]:
        at_s = point.elapsed_s * runs[name]["resource_s"]
        if rule(point, at_s):
            return at_s
    return None


def main() -> None:
    if "train" in sys.argv:
        train_all(int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    seconds, runs = stored["seconds"], stored["runs"]
    scores = {name: run["val_bpb"] for name, run in runs.items() if run["val_bpb"] is not None}
    noise = abs(scores["baseline"] - scores["baseline, seed 1"])
    best = min(scores, key=lambda name: scores[name])
    print(f"\n{seconds} s each; champion: {best}; the baseline's seeds differ by {noise:.4f} bpb")
    saved = 0.0
    for name in runs:
        at_s = stopped_at(name, best, runs, seconds)
        saved += seconds - at_s if at_s is not None else 0.0
        told = f"stopped at {at_s:.1f} s: saves {1 - at_s / seconds:.0%}" if at_s is not None else "not stopped"
        print(f"{name:30} {f'{scores[name]:.4f}' if name in scores else 'no score':9} {told}")
    print(f"saved {saved:.0f} of {seconds * len(runs)} s")
    champions = [name for name in scores if scores[name] <= scores["baseline"]]
    close = [(one, other) for one in scores for other in champions if scores[one] <= scores[other] + 2 * noise]
    wrong = [pair for pair in close if stopped_at(*pair, runs, seconds) is not None]
    print(f"{len(close)} pairs of a candidate and a champion that it beats or ties: {len(wrong)} stopped {wrong}")


if __name__ == "__main__":
    main()
