"""Where the blocks of a page run: a folder, a home with sessions in it, and a PATH on which our commands stand."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store.store import open_store
from tests.command_line import BASELINE

KEY = "sk-ant-test-0123456789-of-a-document"
PATIENCE_S = 60.0
PLACEHOLDER = "3f9a2c11"
"""The digest that pages name; the receipt of `PLACED` stands for it."""
PLACED = "s01_d02_e05"
CORPUS_SHARDS, DOCUMENT_CHARS = 9, 400


class Scratch:
    """One page's place; `program` is the module that `autoresearch` runs."""

    def __init__(self, folder: Path, home: Path | None, program: str) -> None:
        self.folder, self.home = folder / "project", folder / "home"
        self.folder.mkdir(parents=True)
        if home is not None:
            shutil.copytree(home, self.home, symlinks=True)
        shutil.copy(PROJECT_ROOT / "workspace.yaml", self.folder)
        shutil.copy(PROJECT_ROOT / "Makefile", self.folder)
        shutil.copy(BASELINE, self.folder / "my_train.py")
        self.bin = self.folder / ".venv" / "bin"
        self._commands(program)
        self._receipt()
        self.environment = self._environment(folder)

    def _commands(self, program: str) -> None:
        """An environment as `make install` makes it, whose programs run this checkout."""
        self.bin.mkdir(parents=True)
        (self.bin / "activate").write_text(f'PATH="{self.bin}:$PATH"\n')
        for name, line in {
            "autoresearch": f'exec "{sys.executable}" -m {program} "$@"',
            "python": f'exec "{sys.executable}" "$@"',
            "dagster": f'exec "{sys.executable}" -m dagster "$@"',
            "pass": f"echo {KEY}",
        }.items():
            file = self.bin / name
            file.write_text(f"#!/bin/sh\n{line}\n")
            file.chmod(0o755)

    def _receipt(self) -> None:
        """Lay down a receipt as somebody might have sent it, with its train.py."""
        self.digest = ""
        store = open_store(Settings(home=self.home, database_url=""))
        state = store.journal.find("demo")
        experiment = state.experiments.get(PLACED) if state else None  # pyright: ignore[reportArgumentType]
        if experiment is None or experiment.result is None or experiment.result.receipt is None:
            return
        self.digest = experiment.result.receipt
        theirs = self.folder / "theirs"
        theirs.mkdir()
        (theirs / "receipt.json").write_bytes(store.blobs.get(self.digest))
        (theirs / "train.py").write_bytes(store.blobs.get(experiment.planned.train_py))

    def _environment(self, folder: Path) -> dict[str, str]:
        mine = ("AUTORESEARCH_", "DAGSTER_", "ANTHROPIC_", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(mine)}
        (folder / "user").mkdir()
        return {
            **kept,
            "HOME": str(folder / "user"),
            "PATH": f"{self.bin}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}",
            "PYTHONPATH": f"{PROJECT_ROOT}{os.pathsep}{PROJECT_ROOT / 'trainer_image'}",
            "AUTORESEARCH_HOME": str(self.home),
            "AUTORESEARCH_MLRUNS": str(self.home / "mlruns"),
            "DAGSTER_HOME": str(self.home / "dagster"),
            "AUTORESEARCH_RUNNER": "plain",
        }

    def corpus(self) -> None:
        """Put a corpus where the pages have theirs: ~/corpora/mine."""
        mine = Path(self.environment["HOME"]) / "corpora" / "mine"
        mine.mkdir(parents=True)
        library = Path(sysconfig.get_path("stdlib"))
        files = [*sorted(library.glob("*.py")), *sorted(library.glob("[a-r]*/*.py"))]
        text = "".join(file.read_text(encoding="utf-8", errors="ignore") for file in files)
        pieces = [text[at : at + DOCUMENT_CHARS] for at in range(0, len(text), DOCUMENT_CHARS)]
        for shard in range(CORPUS_SHARDS):
            pq.write_table(pa.table({"text": pieces[shard::CORPUS_SHARDS]}), mine / f"part-{shard}.parquet")

    def bash(self, text: str, *, timeout_s: float = PATIENCE_S, extra: Mapping[str, str] | None = None) -> str:
        """Run a block to its end; return all that it printed, or fail with it."""
        done = subprocess.run(
            ["bash", "-c", f"set -euo pipefail\n{self._filled(text)}"],
            cwd=self.folder,
            env={**self.environment, **(extra or {})},
            input=KEY + "\n",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == 0, f"exit code {done.returncode} of\n{text}\n{done.stdout[-4000:]}"
        assert "Traceback" not in done.stdout, done.stdout[-4000:]
        return done.stdout

    def _filled(self, text: str) -> str:
        return text.replace(PLACEHOLDER, self.digest[: len(PLACEHOLDER)]) if self.digest else text

    def python(self, text: str) -> None:
        """Run a block of Python."""
        done = subprocess.run(
            [sys.executable, "-c", f"from typing import Any, Literal\n{text}"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stderr[-4000:]}"

    def server(self, text: str) -> None:
        """Start what serves, on ports that are free, wait until it answers, and stop it."""
        lines = [line.partition("  #")[0].strip() for line in text.replace("\\\n", " ").splitlines()]
        for command in filter(None, lines):
            first, second = _free_port(), _free_port()
            if command == "autoresearch dev":
                told = f"{command} --dagster-port {first} --mlflow-port {second}"
                self._serve(told, {first: _page, second: _page})
            elif command == "dagster dev -w workspace.yaml":
                self._serve(f"{command} -p {first}", {first: _page})
            elif command.startswith("dagster api grpc ") and " -p 4000 " in command:
                self._serve(command.replace(" -p 4000 ", f" -p {first} "), {first: _connection})
            else:
                raise AssertionError(f"how is the port of {command!r} chosen?")

    def _serve(self, command: str, ports: Mapping[int, Callable[[int], object]]) -> None:
        log = self.folder / "server.log"
        with log.open("w") as said:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self.folder,
                env=self.environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            for port, asked in ports.items():
                _wait_for(port, asked, process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _page(port: int) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        assert answer.status == 200


def _connection(port: int) -> None:
    socket.create_connection(("127.0.0.1", port), timeout=5).close()


def _wait_for(port: int, asked: Callable[[int], object], process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 2 * PATIENCE_S
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            asked(port)
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise AssertionError(f"nothing answers at port {port}: {log.read_text()[-4000:]}")
