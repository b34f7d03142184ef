"""Two experiments side by side, each on its core, beside one alone: time and score.

Run: python -m benchmarks.neighbours [steps]
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.experiments import laboratory, one_experiment


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    lab = laboratory(steps=steps, rows=16)
    if len(lab.settings.cores) < 2:
        sys.exit("This needs two cores.")
    begin = time.monotonic()
    alone = one_experiment(lab, 0, lab.settings.cores[0])
    between = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda number: one_experiment(lab, number, lab.settings.cores[number]), range(2)))
    end = time.monotonic()
    print(f"alone         {between - begin:7.1f} s wall, {alone.cpu_sec:6.1f} s CPU, val_bpb {alone.val_bpb:.9f}")
    for result in both:
        print(
            f"side by side  {end - between:7.1f} s wall, {result.cpu_sec:6.1f} s CPU, val_bpb {result.val_bpb:.9f}"
        )
    print(f"score moved   {max(abs(result.val_bpb - alone.val_bpb) for result in both):.1e} bpb")
    print(f"ratio         {2 * (between - begin) / (end - between):7.2f} x the experiments in the same time")


if __name__ == "__main__":
    main()
