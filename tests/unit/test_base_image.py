"""The stand-in for an image registry's base, with the tools around it replaced by scripts."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT

SCRIPT = PROJECT_ROOT / "trainer_image" / "base_image.sh"


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("ldconfig") is None, reason="made on Linux only")
def test_a_long_list_of_libraries_does_not_break_the_pipe(tmp_path: Path) -> None:
    real = shutil.which("ldconfig")
    flood = "for n in range(10_000): print(f'\\tlib{n}.so (libc6) => /nowhere/lib{n}.so')"
    _tool(tmp_path, "ldconfig", f'{real} "$@"; [ "$1" != -p ] || {sys.executable} -c "{flood}"')
    _tool(tmp_path, "docker", f'cat > {tmp_path / "image.tar"}; echo "$@" > {tmp_path / "called"}')
    path = f"{tmp_path}:{os.environ['PATH']}:/sbin:/usr/sbin"

    made = subprocess.run(
        ["bash", str(SCRIPT), "base:test", sys.executable],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    assert "import" in (tmp_path / "called").read_text()
    listed = subprocess.run(["tar", "-tf", str(tmp_path / "image.tar")], capture_output=True, text=True, check=True)
    assert "./usr/local/bin/python3" in listed.stdout
    assert "libstdc++.so.6" in listed.stdout


def _tool(folder: Path, name: str, body: str) -> None:
    script = folder / name
    script.write_text(f"#!/bin/bash\n{body}\n", encoding="utf-8")
    script.chmod(0o755)
