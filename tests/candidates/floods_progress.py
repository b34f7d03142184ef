"""Writes progress that is endless and mostly nonsense, then hangs."""

import os
import time
from pathlib import Path


def run_training(config):
    with Path(os.environ["AUTORESEARCH_OUT"], "progress.jsonl").open("w") as file:
        file.write('{"step": 3, "loss": 1.5, "elapsed_s": 0.1}\n')
        file.write("[" * 100_000 + "\n")
        for step in range(200_000):
            file.write(f'{{"step": {step}, "loss": NaN, "elapsed_s": "soon"}}\n')
    time.sleep(3600)
