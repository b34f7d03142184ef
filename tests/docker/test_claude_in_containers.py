"""A session that Claude plans, as a person starts it: real trainings in containers, real requests, on loopback."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import docker
import pytest

from autoresearch_dagster.containers.arguments import OWNER_LABEL
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store
from tests.anthropic_server import MODEL, AnthropicServer
from tests.claude import FINAL, KEY, LOOK, batch, by_turn
from tests.daemon import require_daemon
from tests.trainers.laboratory import remove

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.timeout(900)]

# The command line on a smaller demo, which ends by its steps; nothing is confirmed, so that five trainings suffice.
PROGRAM = """
import dataclasses, sys
from autoresearch_dagster.cli import main
from autoresearch_dagster.core.presets import PRESETS
demo = PRESETS["demo"]
config = demo.config.model_copy(update={"max_steps": 8, "time_budget_sec": 45})
PRESETS["demo"] = dataclasses.replace(demo, config=config, scored_rows=8, confirmation_share=0.0)
main(sys.argv[1:])
"""
BASELINE = BASELINE_FILE.read_text(encoding="utf-8")
BATCH = batch(
    {"title": "silu", "train_py": BASELINE.replace("F.gelu(", "F.silu("), "change_summary": "SiLU for GELU"},
    {"title": "faster", "config_overrides": {"learning_rate": 0.002}, "change_summary": "twice as fast"},
)
KEY_OF_SESSION = "claude-in-containers"


@dataclass(frozen=True)
class Ended:
    """What a session left."""

    folder: Path
    environment: dict[str, str]
    code: int
    said: str
    requests: int

    @property
    def settings(self) -> Settings:
        return Settings(home=self.folder / "home")

    @property
    def store(self) -> Store:
        return open_store(self.settings)

    @property
    def state(self) -> SessionState:
        state = self.store.journal.find(KEY_OF_SESSION)
        assert state is not None
        return state


def command(arguments: list[str], environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=PROJECT_ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=800,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def ended() -> Iterator[Ended]:
    """One whole session, and what it said."""
    require_daemon()
    folder = Path(tempfile.mkdtemp(prefix="claude-"))
    folder.chmod(0o755)  # containers read the bundle under it as another user
    (folder / "tmp").mkdir(mode=0o755)
    with AnthropicServer(by_turn(LOOK, BATCH, FINAL), key=KEY) as server:
        environment = {
            **os.environ,
            "AUTORESEARCH_HOME": str(folder / "home"),
            "AUTORESEARCH_MLRUNS": str(folder / "mlruns"),
            "DAGSTER_HOME": str(folder / "dagster"),
            "TMPDIR": str(folder / "tmp"),
            "AUTORESEARCH_RUNNER": "docker",
            "ANTHROPIC_BASE_URL": server.url,
            "ANTHROPIC_API_KEY": KEY,
        }
        told = ["run", "--researcher", "claude", "--preset", "demo", "--memory-key", KEY_OF_SESSION]
        told += ["--n-experiments", "2", "--batch-size", "2", "--max-usd", "2"]
        code, said = command(told, environment)
        yield Ended(folder, environment, code, said, len(server.sent))
    remove(folder)


def test_both_candidates_are_trained_sealed_and_scored(ended: Ended) -> None:
    assert ended.code == 0, ended.said
    state = ended.state
    assert (state.reason, state.summary) == ("final answer", FINAL)
    assert [one.planned.title for one in state.experiments.values()] == ["silu", "faster"]
    assert {
        one.event.title
        for one in ended.store.journal.events(state.id)
        if isinstance(one.event, ev.HypothesisRecorded)
    } == {"silu", "faster"}
    for experiment in state.experiments.values():
        result = experiment.result
        assert result is not None
        assert result.accepted, result.error
        assert result.val_bpb is not None
        assert 1.0 < result.val_bpb < 8.0
        receipt = Receipt.model_validate_json(ended.store.blobs.get(result.receipt))
        assert receipt.sandboxed


def test_each_reply_was_paid_once_within_the_cap(ended: Ended) -> None:
    ledger = ended.state.ledger
    assert ended.requests == ledger.calls == 3
    assert Decimal(0) < ledger.usd == ledger.usd_committed <= Decimal(2)
    assert ledger.asked == {}


def test_the_key_is_nowhere(ended: Ended) -> None:
    assert KEY not in ended.said
    files = [path for path in ended.folder.rglob("*") if path.is_file()]
    assert any(path.name == "journal.db" for path in files)
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


def test_the_audit_names_the_model(ended: Ended) -> None:
    code, said = command(["history", KEY_OF_SESSION, "--audit", "--json"], ended.environment)
    assert code == 0, said
    trail = json.loads(said)
    edits = [entry for entry in trail if entry["what"].startswith("code and config of ")]
    assert {entry["who"] for entry in edits} == {MODEL}
    assert len(edits) == 2
    assert MODEL in command(["history", KEY_OF_SESSION, "--audit"], ended.environment)[1]


def test_no_container_is_left(ended: Ended) -> None:
    runner = DockerRunner(ended.settings)
    client = docker.from_env()
    try:
        owner = f"{OWNER_LABEL}={runner._owner}"
        assert client.containers.list(all=True, filters={"label": [owner]}) == []
    finally:
        client.close()
