"""Throughput of our packer beside the tutorial's scan of the whole buffer, in one process.

Run: python benchmarks/packing.py [documents]
"""

import random
import sys
import time
from collections.abc import Iterator

from autoresearch_dagster.core import limits
from autoresearch_dagster.data.packing import pack

CAPACITY = 513


def batches(count: int) -> list[list[list[int]]]:
    rng = random.Random(0)
    documents = [[1] * min(20_000, max(2, int(rng.lognormvariate(5.3, 0.9)))) for _ in range(count)]
    size = limits.PACKING_BATCH_DOCUMENTS
    return [documents[start : start + size] for start in range(0, count, size)]


def by_scanning(source: Iterator[list[list[int]]]) -> int:
    """Count the rows that choosing by a scan over the whole buffer gives, as the tutorial chooses."""
    waiting: list[list[int]] = []
    rows = 0
    while True:
        row: list[int] = []
        while (room := CAPACITY - len(row)) > 0:
            while len(waiting) < limits.PACKING_BUFFER_DOCUMENTS:
                batch = next(source, None)
                if batch is None:
                    return rows
                waiting.extend(batch)
            best, longest = -1, 0
            for place, document in enumerate(waiting):
                if longest < len(document) <= room:
                    best, longest = place, len(document)
            if best < 0:
                best = min(range(len(waiting)), key=lambda place: len(waiting[place]))
            row.extend(waiting.pop(best)[:room])
        rows += 1


def main() -> None:
    source = batches(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
    begin = time.perf_counter()
    ours = sum(1 for _ in pack(iter(source), CAPACITY))
    between = time.perf_counter()
    theirs = by_scanning(iter(source))
    end = time.perf_counter()
    tokens = ours * CAPACITY
    print(f"rows                {ours} and {theirs}")
    print(f"packer, length index {tokens / (between - begin) / 1e6:8.2f} M tokens/s")
    print(f"reference, scan      {tokens / (end - between) / 1e6:8.2f} M tokens/s")
    print(f"ratio                {(end - between) / (between - begin):8.1f} x")


if __name__ == "__main__":
    main()
