"""Scoring and audit beside the tutorial's own `evaluate_bpb`, CPU seconds a row, process starts apart.

Run: python -m benchmarks.audit_cost [rows]

Everything runs on one core with one thread.  `evaluate_bpb` computes the loss inside the model's process; the
evaluator lets two servers answer and does the softmax itself.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from autoresearch_dagster.containers.environment import ONE_THREAD
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.experiment import TrainConfig, digest_of
from autoresearch_dagster.core.limits import ANSWER_BATCH_ROWS, GIB
from autoresearch_dagster.evaluation.evaluator import EvaluationJob, Score, evaluate
from autoresearch_dagster.evaluation.score import row_nats
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from benchmarks.experiments import laboratory

ALONE = """
import json, sys, time
import prepare, torch, train
from autoresearch_types import ExperimentConfig
model = train.TinyGPT(prepare.VOCAB_SIZE, ExperimentConfig(**json.loads(sys.argv[1])))
torch.save(model, sys.argv[2])
tokenizer = prepare.Tokenizer.from_directory()
prepare.evaluate_bpb(model, tokenizer, 2)
wall, cpu = time.monotonic(), time.process_time()
prepare.evaluate_bpb(model, tokenizer, 2)
print(json.dumps([time.process_time() - cpu, time.monotonic() - wall]))
"""


def alone(bundle, config, rows, checkpoint, core):
    """Let the tutorial's function evaluate as many rows in a process of its own: CPU and wall seconds."""
    environment = {
        **os.environ,
        **dict.fromkeys(ONE_THREAD, "1"),
        "PYTHONPATH": str(HARNESS.parent),
        "AUTORESEARCH_BUNDLE": str(bundle.candidate_folder),
        "AUTORESEARCH_EVAL_TOKENS": str(rows * bundle.sequence_length),
    }
    command = [sys.executable, "-c", ALONE, json.dumps(config.model_dump()), str(checkpoint)]
    os.sched_setaffinity(0, {core})
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    lab = laboratory(steps=1, rows=rows)
    core = lab.settings.cores[-1]
    folder = Path(tempfile.mkdtemp(prefix="ar-bench-"))
    checkpoint = folder / "checkpoint.pt"
    plain_cpu, plain_wall = alone(lab.bundle, TrainConfig(), rows, checkpoint, core)
    row_nats(np.zeros((1, 2), np.float32), np.zeros(1, int))  # imports torch
    job = EvaluationJob(
        key=f"bench-{digest_of(str(folder).encode())[:8]}",
        checkpoint=checkpoint,
        train_py=BASELINE_FILE.read_bytes(),
        bundle=lab.bundle,
        limits=JobLimits(4 * GIB, core),
        labels={},
        n_rows=rows,
        tolerances=folder,
    )
    runner = LocalRunner(HARNESS, folder / "jobs")
    evaluate(job, runner)  # measures the tolerance
    before, started = time.process_time(), time.monotonic()
    score = evaluate(job, runner)
    ours, wall = time.process_time() - before, time.monotonic() - started
    assert isinstance(score, Score), score
    a, (b,) = score.serve.answering, score.serve.auditing
    batches = rows / ANSWER_BATCH_ROWS
    both = (a.median_s + b.median_s) * batches + ours
    print(f"evaluate_bpb        {plain_cpu:6.2f} s CPU, {plain_wall:6.2f} s wall for {rows} rows")
    print(f"server A            {a.served_s:6.2f} s CPU ({a.median_s:.2f} a batch, load {a.load_s:.2f})")
    print(f"server B            {b.served_s:6.2f} s CPU ({b.median_s:.2f} a batch, load {b.load_s:.2f})")
    print(f"our process         {ours:6.2f} s CPU; the whole {wall:.1f} s wall, two process starts included")
    print(f"scored and audited  {both / plain_cpu:6.2f} times evaluate_bpb, CPU seconds of all three processes")
    print(f"with preflight      {(a.served_s + b.served_s + ours) / plain_cpu:6.2f} times")


if __name__ == "__main__":
    main()
