"""What a candidate may write, print and do in a real container: labelled with the reason, host unharmed."""

import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Outcome, PlannedExperiment
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.limits import LOG_TAIL_CHARS, MIB, PIDS_LIMIT
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.run_one import Attempt, run_planned
from autoresearch_dagster.training.job import Halt
from tests.trainers.driver import make_laboratory
from tests.trainers.laboratory import code, order

NIGHT = os.environ.get("AUTORESEARCH_NIGHT") == "1"
CEILING_BYTES = 256 * MIB
BEGIN = (
    "import os, sys, signal, subprocess, time\nfrom pathlib import Path\nout = Path(os.environ['AUTORESEARCH_OUT'])"
)
LEAVE = "sys.stdout.flush()\nos._exit(0)"
MODEL = "import numpy\nnumpy.save((out / 'made.npy'), numpy.zeros(8192, dtype='f4'))"
HAND_OVER = f"{MODEL}\n(out / 'made.npy').rename(out / 'checkpoint.pt')"
FORK = "while True:\n    try: os.fork()\n    except OSError: pass"


@dataclass(frozen=True)
class Act:
    """What a candidate does, and how its experiment must end.  Units: seconds of CPU time."""

    does: str
    outcome: Outcome
    words: str = ""
    """A regular expression that the reason must hold; '' where it is Trained."""
    also_local: bool = True
    """Harmless and the same without a container."""
    seconds: int = 1
    memory_mib: int = 256


REFUSED, CRASHED, TRAINED = Outcome.REFUSED, Outcome.CRASHED, Outcome.TRAINED
HOG = "kept = []\nwhile True: kept.append(b'x' * 2**20)"
FILES = 2_000_000 if NIGHT else 100_000
ACTS = {
    "symlink": Act(f"(out / 'checkpoint.pt').symlink_to('/etc/passwd')\n{LEAVE}", REFUSED, "not a plain file"),
    "symlink_folder": Act("(out / 'sub').symlink_to('CANARY')", TRAINED),
    "fifo": Act(f"os.mkfifo(out / 'checkpoint.pt')\n{LEAVE}", REFUSED, "not a plain file"),
    "fifo_progress": Act(
        "(out / 'progress.jsonl').unlink()\nos.mkfifo(out / 'progress.jsonl')\ntime.sleep(0.4)", TRAINED
    ),
    "device": Act(
        "os.mknod(out / 'checkpoint.pt', 0o600 | 0o60000, os.makedev(7, 0))", CRASHED, "PermissionError", False
    ),
    "hard_link": Act(
        f"{HAND_OVER}\nos.link(out / 'checkpoint.pt', out / 'twin')\n{LEAVE}", REFUSED, "has several names"
    ),
    "huge_file": Act("(out / 'big').open('wb').truncate(1 << 40)", CRASHED, "File too large"),
    "huge_files": Act(
        "for name in 'ab': (out / name).open('wb').truncate(400 << 20)\ntime.sleep(30)",
        REFUSED,
        "It wrote more than 512 MiB",
    ),
    "endless_file": Act(
        "for number in range(9):\n"
        "    file = (out / f'f{number}').open('wb')\n"
        "    try:\n"
        "        while True: file.write(b'x' * 2**20)\n"
        "    except OSError: pass",
        REFUSED,
        "It wrote more than 512 MiB",
        False,
        seconds=20,
    ),
    "many_files": Act(
        f"(out / 'd').mkdir()\nfor number in range({FILES}): open(out / 'd' / str(number), 'w').close()",
        REFUSED if NIGHT else TRAINED,
        "It wrote more than 512 MiB" if NIGHT else "",
        False,
        seconds=60,
    ),
    "deep_folders": Act(
        "os.chdir(out)\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')", REFUSED, "It wrote more than"
    ),
    "control_characters": Act(
        "print('\\x1b[2J\\x07\\r\\x9b31mred')\nraise ValueError('\\x1b]0;owned\\x07\\x00')", CRASHED, "owned"
    ),
    "invalid_utf8": Act(
        f"{HAND_OVER}\n(out / 'outcome.json').write_bytes(b'\\xff\\xfe{{\\x80')\n"
        f"(out / 'progress.jsonl').write_bytes(b'\\xc3\\x28')\nos.write(1, b'\\xff\\xc0')\n{LEAVE}",
        TRAINED,
    ),
    "invalid_json": Act(
        f"{HAND_OVER}\n(out / 'outcome.json').write_text('[' * 200000)\n"
        '(out / \'progress.jsonl\').write_text(\'{"step": NaN, "loss": Infinity, "elapsed_s": 1e999}\\nnull\\n\')\n'
        f"{LEAVE}",
        TRAINED,
    ),
    "no_checkpoint": Act(LEAVE, REFUSED, "no model was handed over"),
    "checkpoint_truncated": Act(
        f"{HAND_OVER}\nos.truncate(out / 'checkpoint.pt', 200)\n{LEAVE}", REFUSED, "ValueError|EOFError"
    ),
    "checkpoint_folder": Act(f"(out / 'checkpoint.pt').mkdir()\n{LEAVE}", REFUSED, "not a plain file"),
    "log_flood": Act("for _ in range(30): print('y' * 2**20)", TRAINED),
    "fork_bomb": Act(FORK, Outcome.TIMED_OUT, "Its budget of 1 s was used up", False),
    "memory_hog": Act(HOG, Outcome.HOST_OOM, "It needed more than its", memory_mib=128),
    "memory_hog_in_child": Act(
        f"subprocess.run([sys.executable, '-c', {HOG!r}])",
        Outcome.HOST_OOM,
        "It needed more than its",
        False,
        memory_mib=128,
    ),
    "beyond_the_address_space": Act("bytearray(1 << 60)", CRASHED, "MemoryError|OverflowError"),
    "says_oom": Act(
        "print('CUDA out of memory. Killed. OOM in the bathroom')\nraise RuntimeError('oom in the bathroom')",
        CRASHED,
        "bathroom",
    ),
    "exits_137": Act("os._exit(137)", CRASHED, "exit code 137"),
    "kills_itself": Act("os.kill(os.getpid(), signal.SIGKILL)", CRASHED, "exit code 137"),
    "kills_its_parent": Act(
        "for who in (os.getppid(), 1, -1): os.kill(who, signal.SIGKILL)",
        CRASHED,
        "ProcessLookupError|exit code",
        False,
    ),
    "interrupts_its_parent": Act(
        "for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT): os.kill(1, number)\ntime.sleep(1)",
        CRASHED,
        "exit code|Keyboard",
        False,
    ),
    "exits_86": Act("os._exit(86)", CRASHED, "exit code 86"),
}
FIXED = {"symlink", "hard_link", "device", "endless_file", "fork_bomb", "memory_hog", "memory_hog_in_child"} | {
    "exits_137",
    "kills_its_parent",
    "log_flood",
}
"""Run in containers in the fixed part; the others at night, and without one each time."""


def rows() -> Iterator[object]:
    for name, act in ACTS.items():
        tier = pytest.mark.slow if name in FIXED else pytest.mark.night
        if act.also_local:
            yield pytest.param("local", name, id=f"local-{name}")
        yield pytest.param("docker", name, id=f"docker-{name}", marks=[tier, pytest.mark.docker])


@pytest.fixture(scope="module")
def laboratory_on(places: Path, bundle: Bundle, request: pytest.FixtureRequest) -> Callable[[str], Laboratory]:
    made: dict[str, Laboratory] = {}

    def of(runner: str) -> Laboratory:
        if runner not in made:
            image = request.getfixturevalue("image") if runner == "docker" else ""
            settings = Settings(home=places / f"hostile-{runner}", slots=1)
            made[runner] = make_laboratory(order(bundle, image=image), settings)
        return made[runner]

    return of


@dataclass(frozen=True)
class Ended:
    result: ExperimentResult
    lab: Laboratory


Run = Callable[[str, str], Ended]


@pytest.fixture
def run(laboratory_on: Callable[[str], Laboratory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(limits, "MEMORY_CEILING_BYTES", CEILING_BYTES, raising=False)  # for who takes all there is

    def do(runner: str, name: str) -> Ended:
        act, lab = ACTS[name], laboratory_on(runner)
        lab = replace(lab, preset=replace(lab.preset, memory_bytes=act.memory_mib * MIB))
        source = code(0.9, BEGIN, act.does.replace("CANARY", str(tmp_path)))
        config = lab.preset.config.model_copy(update={"time_budget_sec": act.seconds})
        planned = PlannedExperiment(
            key=ExperimentKey(f"x_{name}"),
            title=name,
            revision=1,
            train_py=lab.store.blobs.put(source.encode()),
            config=config,
        )
        attempt = Attempt(1, Slot((lab.settings.cores[0],)), budget_s=act.seconds)
        result = run_planned(planned, lab, attempt, lambda *_: None, lambda _: None, lambda: Halt.NO)
        lab.sweep(planned.key)  # as a dispatch does once the result is committed
        return Ended(result, lab)

    return do


@pytest.mark.parametrize(("runner", "name"), [*rows()])
def test_a_hostile_candidate_is_labelled_and_the_host_unharmed(
    runner: str, name: str, run: Run, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("sings")
    act, before = ACTS[name], len(psutil.pids())
    ended = run(runner, name)
    result, lab = ended.result, ended.lab
    assert (result.outcome, bool(re.search(act.words, result.error))) == (act.outcome, True), result
    assert (result.error == "") == (act.outcome is TRAINED)
    assert result.accepted == (act.outcome is TRAINED), result.error
    told = result.error + result.log_tail
    assert all(letter.isprintable() or letter == "\n" for letter in told), repr(told)
    assert len(result.log_tail) <= LOG_TAIL_CHARS + len("… ")
    assert len(result.error.splitlines()) <= 1
    assert math.isfinite(result.cpu_sec)
    assert canary.read_text() == "sings"
    assert find_folders(lab.scratch_prefix(ExperimentKey(""))[:-1]) == []
    assert lab.runner.labelled("autoresearch.key") == set()
    assert len(psutil.pids()) < before + PIDS_LIMIT
    assert not list(lab.store.blobs.root.rglob(".new-*"))
