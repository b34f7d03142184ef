"""The command line as tests drive it: in this process, or as a process of its own."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from autoresearch_dagster import cli
from autoresearch_dagster.core.settings import PROJECT_ROOT

BASELINE = PROJECT_ROOT / "trainer_image" / "train.py"
PROGRAM = [sys.executable, "-m", "autoresearch_dagster.cli"]


def is_one_sentence(text: str) -> bool:
    return text.strip() != "" and len(text.strip().splitlines()) == 1 and "Traceback" not in text


def environment(home: Path) -> dict[str, str]:
    """The environment of a command of its own, with everything that it writes below `home`."""
    own = {"AUTORESEARCH_HOME": home, "AUTORESEARCH_MLRUNS": home / "mlruns", "DAGSTER_HOME": home / "dagster"}
    return {**os.environ, "AUTORESEARCH_RUNNER": "plain", **{name: str(value) for name, value in own.items()}}


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and time of change; empty where there is no folder."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


class CommandLine:
    """Runs commands in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], home: Path) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        self.home = home
        monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
        for name, value in environment(home).items():
            if name.startswith(("AUTORESEARCH_", "DAGSTER_HOME")):
                monkeypatch.setenv(name, value)

    def __call__(self, *arguments: object, home: Path | None = None) -> SimpleNamespace:
        """Run one command; return its exit code and what it printed."""
        if home is not None:
            self._monkeypatch.setenv("AUTORESEARCH_HOME", str(home))
        with pytest.raises(SystemExit) as ended:
            cli.main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        return SimpleNamespace(code=ended.value.code, out=printed.out, err=printed.err)
