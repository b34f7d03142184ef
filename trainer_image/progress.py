"""The file in which people watch a training; what is in it is the candidate's claim."""

import json
import math
import time
from pathlib import Path

EVERY_POINT = 500  # points of the curve before it is thinned in time
THINNED_S = 0.1  # then at most one point in this time, so that the file stays small
BATCH_COUNT_S = 1.0  # seconds between two counts of batches, where train.py reports no steps


class Progress:
    """The file that people watch: the curve that train.py reports, or else how many batches it took."""

    def __init__(self, out: Path) -> None:
        self._file = (out / "progress.jsonl").open("w", encoding="utf-8")
        self._started = time.monotonic()
        self._points = 0
        self._batches = 0
        self._last = -math.inf

    def start(self) -> None:
        """Begin to count time: the candidate starts now."""
        self._started = time.monotonic()

    def log_step(self, step: int, loss: float) -> None:
        """Append one point of the training curve; `loss` may be a tensor."""
        elapsed = time.monotonic() - self._started
        if self._points >= EVERY_POINT and elapsed - self._last < THINNED_S:
            return
        self._points += 1
        self._write(int(step), float(loss), elapsed)

    def count_batch(self) -> None:
        """Note that train.py took a batch; shown only until it calls log_step."""
        self._batches += 1
        elapsed = time.monotonic() - self._started
        if self._points == 0 and elapsed - self._last >= BATCH_COUNT_S:
            self._write(self._batches, None, elapsed)

    def _write(self, step: int, loss: float | None, elapsed: float) -> None:
        self._last = elapsed
        self._file.write(json.dumps({"step": step, "loss": loss, "elapsed_s": round(elapsed, 3)}) + "\n")
        self._file.flush()
