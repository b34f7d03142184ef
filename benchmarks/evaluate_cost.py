"""What the trusted evaluation adds to a training: wall time of both, of one experiment.

Run: python -m benchmarks.evaluate_cost [steps] [rows]
"""

import sys
import time

from benchmarks.experiments import laboratory, one_experiment


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 64
    lab = laboratory(steps=steps, rows=rows)
    marks = {}
    result = one_experiment(lab, 0, lab.settings.cores[0], lambda stage: marks.setdefault(stage, time.monotonic()))
    end = time.monotonic()
    training, scoring = marks["scoring"] - marks["training"], end - marks["scoring"]
    print(f"training   {training:7.1f} s wall, start of the process included ({steps} steps)")
    print(f"evaluation {scoring:7.1f} s wall, start of the server included ({rows} rows)")
    print(f"val_bpb    {result.val_bpb:.6f}")
    print(f"ratio      {scoring / training:7.2f} of the training")


if __name__ == "__main__":
    main()
