"""Compares coverage.json with a threshold for each package: `make coverage`.

The aim is every branch of core, evaluation and the ledger.  A threshold is what was reached when it was set; it may
only become larger.  What is missing are other platforms (no affinity, no /proc), disks and devices that fail, and a
model server that Docker or a person ends.  The processes that candidates run in are not counted: their code is
`trainer_image/`, not the package.
"""

import json
import sys
from pathlib import Path
from typing import Any

THRESHOLDS = {
    "autoresearch_dagster/core/": 97.0,
    "autoresearch_dagster/evaluation/": 98.5,
    "autoresearch_dagster/store/ledger": 100.0,
}
"""Percent of lines and branches together, by the beginning of a path."""


def reached(files: dict[str, Any], beginning: str) -> tuple[float, dict[str, list[Any]]]:
    """Return the percentage, and what is missing by file: lines, and branches as pairs of lines."""
    chosen = {name: data for name, data in files.items() if name.startswith(beginning)}
    covered = sum(one["summary"]["covered_lines"] + one["summary"]["covered_branches"] for one in chosen.values())
    total = sum(one["summary"]["num_statements"] + one["summary"]["num_branches"] for one in chosen.values())
    missing = {
        name: [*one["missing_lines"], *one["missing_branches"]]
        for name, one in chosen.items()
        if one["missing_lines"] or one["missing_branches"]
    }
    return (100.0 * covered / total if total else 0.0), missing


def main(file: str) -> int:
    """Say what was reached; 1 if a package fell below its threshold."""
    files = json.loads(Path(file).read_text(encoding="utf-8"))["files"]
    low = False
    for beginning, least in THRESHOLDS.items():
        percent, missing = reached(files, beginning)
        low |= percent < least
        sys.stdout.write(f"{beginning}: {percent:.2f} %, at least {least:.2f} %\n")
        for name, what in missing.items():
            sys.stdout.write(f"  {name}: {' '.join(map(str, what))}\n")
    return int(low)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
