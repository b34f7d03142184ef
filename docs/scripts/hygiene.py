"""Checks of files that no tool of ours has: `python -m docs.scripts.hygiene [FILE ...]`.

Python files of the package have at most `LINES` lines; no file is large; nothing looks like a private key.  Without
files, all that git knows are looked at.
"""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINES = 250
TABLES = ("autoresearch_dagster/core/limits.py",)
"""Not programs but one table, which has a line for each number of the system."""
FILE_BYTES = 300_000
EXAMPLE_BYTES = 1_500_000  # of a file of a stored session: its report has the drawing library in it
KEYS = re.compile(rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----|sk-ant-api\d\d-[A-Za-z0-9_-]{20}")


def problems_of(name: str, data: bytes) -> list[str]:
    """Say what is wrong with one file."""
    found: list[str] = []
    lines = data.count(b"\n")
    program = name.endswith(".py") and name.startswith(("autoresearch_dagster/", "trainer_image/"))
    if program and name not in TABLES and lines > LINES:
        found.append(f"{name} has {lines} lines and {LINES} are allowed; divide it")
    allowed = EXAMPLE_BYTES if name.startswith("examples/") else FILE_BYTES
    if len(data) > allowed:
        found.append(f"{name} has {len(data):,} bytes and {allowed:,} are allowed")
    if KEYS.search(data) and name != "docs/scripts/hygiene.py":
        found.append(f"{name} holds what looks like a private key")
    return found


def known_files() -> list[str]:
    """Every file that git knows, or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(set(listed.stdout.splitlines()))


def main(names: Iterable[str] = ()) -> int:
    """Look at some files, or at all of them; 1 if something is wrong."""
    named = list(names)
    contents = {name: (ROOT / name).read_bytes() for name in named or known_files() if (ROOT / name).is_file()}
    found = [problem for name, data in contents.items() for problem in problems_of(name, data)]
    for problem in found:
        sys.stderr.write(problem + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
