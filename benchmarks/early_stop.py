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

from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, PlannedExperiment
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.early_stop import POINTS, EarlyStop, curve_of
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.experiments.run_one import Attempt, run_planned

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
        result = run_planned(planned, lab, attempt, lambda *_: None, lambda stage: None, lambda: False)
        curve = json.loads(lab.store.blobs.get(result.curve)) if result.curve else []
        resource_s = result.cpu_sec / result.duration_sec
        runs[name] = {"val_bpb": result.val_bpb, "resource_s": resource_s, "curve": curve}
        print(f"{name:30} {result.ending:8} {result.val_bpb}  {len(curve)} points {result.error}", flush=True)
    STORED.write_text(
        json.dumps({"seconds": seconds, "runs": runs}, separators=(",", ":")) + "\n", encoding="utf-8"
    )


def stopped_at(points: tuple[CurvePoint, ...], resource_s: float, rule: EarlyStop) -> float | None:
    """Play a curve; the second of resource time at which it is stopped."""
    for point in points:
        if rule(point, point.elapsed_s * resource_s):
            return point.elapsed_s * resource_s
    return None


def main() -> None:
    if "train" in sys.argv:
        train_all(int(sys.argv[2]) if len(sys.argv) > 2 else 20)
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    seconds, runs = stored["seconds"], stored["runs"]
    points = {name: POINTS.validate_python(run["curve"]) for name, run in runs.items()}
    noise = abs(runs["baseline"]["val_bpb"] - runs["baseline, seed 1"]["val_bpb"])
    scored = {name: run["val_bpb"] for name, run in runs.items() if run["val_bpb"] is not None}
    best = min(scored, key=lambda name: scored[name])
    print(f"\n{seconds} s each; champion: {best}; the baseline's seeds differ by {noise:.4f} bpb")
    wrong, saved = [], 0.0
    for name, run in runs.items():
        rivals = [
            curve_of(role, points[of], runs[of]["resource_s"])
            for role, of in (("baseline", "baseline"), ("champion", best))
        ]
        rule = EarlyStop(seconds, [curve for curve in rivals if curve is not None])
        at_s = stopped_at(points[name], run["resource_s"], rule)
        score = scored.get(name)
        close = score is not None and score <= scored["baseline"] + 2 * noise
        saved += seconds - at_s if at_s is not None else 0.0
        if at_s is not None and close:
            wrong.append(name)
        told = f"stopped at {at_s:.1f} s: saves {1 - at_s / seconds:.0%}" if at_s is not None else "not stopped"
        print(f"{name:30} {f'{score:.4f}' if score is not None else 'no score':9} {told}")
    print(f"saved {saved:.0f} of {seconds * len(runs)} s")
    print(f"stopped although within noise of the baseline: {', '.join(wrong) or 'none'}")


if __name__ == "__main__":
    main()
