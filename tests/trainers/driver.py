"""A driver: a process that drives one session through the real `Desk`, or the Dagster job, to its end.

What differs from `autoresearch run`: the laboratory is a small one whose trainer is `numpy_trainer.py`, and the
researcher launches what it was told to.  It tells in lines what it does, and can stand still at a moment that a
test names, to be killed there.
"""

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from autoresearch_dagster.agent.researcher import Reply, ResearcherView
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, TrainConfig
from autoresearch_dagster.core.limits import MIB
from autoresearch_dagster.core.presets import PRESETS, Preset
from autoresearch_dagster.core.settings import Settings, load_settings
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.experiments import desk as desk_module, session as session_module
from autoresearch_dagster.experiments.desk import Desk
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.maintain import clear
from autoresearch_dagster.experiments.project import project
from autoresearch_dagster.experiments.reconcile import Kind, look
from autoresearch_dagster.experiments.session import open_session
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store import database
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.store import open_store
from tests.trainers.moments import STAMPS, break_points, halting, make_clock_jump, say

PROGRAM = Path(__file__).with_name("numpy_trainer.py")
ROWS = 8
STEPS = 10


@dataclass(frozen=True)
class Order:
    """All that a driver is told.  Units: seconds of resource time; bytes."""

    bundle: tuple[str, str, str]
    codes: tuple[str, ...]
    baseline: str
    image: str = ""
    """Id of the image of containers; empty: local processes."""
    memory_key: str = "faults"
    batch: int = 2
    budget_s: int = 1
    cpu_metered: bool = True
    memory_bytes: int = 256 * MIB
    way: str = "desk"
    """`desk`: dispatch after dispatch, plainly; `agent`: it thinks once and launches nothing; `loop`: the command
    line's loop around the Dagster job; `job`: one run of the job as a worker of Dagster executes it."""
    halt: str = ""
    """The moment at which to stand still; see `moments.break_points` and `TellingBoard`."""
    halt_s: float = 600.0
    """How long it stands still, once."""
    maintains: bool = False
    """Whether it drives nothing and does what the job `maintenance` does."""
    projects: str = ""
    """The session that it shows in MLflow, driving nothing."""
    stamps: bool = False
    """Whether each line ends with the time at which it was said, in seconds."""
    busy_timeout_s: float = 30.0
    clock_jumps: bool = False
    """Whether its clock is set back or forward by up to a day, again and again."""
    passes: int = 0
    """How often it passes by the moment before it stands still."""
    model_url: str = ""
    """Where Claude is asked, who then plans the session; empty: the codes are launched as they stand."""
    program: str = str(PROGRAM)
    preset: dict[str, Any] = field(default_factory=dict)
    """Other fields of the preset."""
    session: dict[str, Any] = field(default_factory=dict)
    """Other fields of the session's configuration."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Order":
        told = json.loads(text)
        return cls(**{**told, "bundle": tuple(told["bundle"]), "codes": tuple(told["codes"])})

    @property
    def config(self) -> SessionConfig:
        return SessionConfig(
            memory_key=self.memory_key,
            preset="demo",
            n_experiments=len(self.codes),
            batch_size=self.batch,
            concurrency=self.batch,
            time_budget_sec=self.budget_s,
            max_turns=10_000,
            researcher="claude" if self.model_url else "scripted",
            **self.session,
        )

    @property
    def terms(self) -> Preset:
        small = TrainConfig(max_steps=STEPS, time_budget_sec=self.budget_s)
        return replace(
            PRESETS["demo"],
            config=small,
            sequence_length=32,
            scored_rows=ROWS,
            confirmation_rows=ROWS,
            confirmation_share=0.0,
            cpu_metered=self.cpu_metered,
            memory_bytes=self.memory_bytes,
            **self.preset,
        )


class Planner:
    """A researcher that launches the codes it was given, a batch at a time."""

    def __init__(self, codes: Sequence[str], batch: int, reach: Callable[[str, object], None]) -> None:
        self._codes, self._batch, self._reach = codes, batch, reach

    def reply(self, view: ResearcherView) -> Reply:
        """Launch the next ones, or finish."""
        first = len(view.state.experiments)
        self._reach("thinking", f"turn{view.turns_taken}")
        chosen = self._codes[first : first + self._batch]
        if not chosen or view.last:
            return Reply("Done.", "end_turn")
        edits = [{"title": f"t{first + place}", "train_py": code} for place, code in enumerate(chosen)]
        titles = [edit["title"] for edit in edits]
        plan = f"saved = edit_train_code_batch({edits!r})\nrun_experiment_batch({titles!r})\nsaved['errors']"
        return Reply(f"```python\n{plan}\n```\n", "end_turn")


class TellingBoard(Board):
    """Tells what becomes of each experiment."""

    def __init__(self, reach: Callable[[str, object], None]) -> None:
        super().__init__()
        self._reach = reach

    def stage(self, key: ExperimentKey, stage: str, slot: Any = None) -> None:
        super().stage(key, stage, slot)
        say("STAGE", key, stage)
        self._reach(stage, key)

    def progress(self, key: ExperimentKey, point: Any, used_s: float, left_s: float) -> None:
        super().progress(key, point, used_s, left_s)
        if point is not None or used_s > 0:
            self._reach("trains", key)

    def finish(self, key: ExperimentKey, result: ExperimentResult) -> None:
        super().finish(key, result)
        say("RESULT", key, result.outcome.value, result.error)
        self._reach("committed", key)


def make_runner(order: Order, settings: Settings) -> Runner:
    program = Path(order.program)
    if order.image:
        return DockerRunner(settings, order.image, program)
    return LocalRunner(program, settings.home.resolve() / "jobs")


def make_laboratory(order: Order, settings: Settings) -> Laboratory:
    return Laboratory(
        settings=settings,
        store=open_store(settings),
        runner=make_runner(order, settings),
        image="docker numpy" if order.image else "numpy",  # the same on every daemon: noise floors hold for all
        runner_note="",
        bundle=Bundle(*map(Path, order.bundle)),
        preset=order.terms,
        baseline=order.baseline.encode(),
    )


def main(order: Order) -> None:
    """Drive the session until it is finished or paused."""
    settings = load_settings()
    database.connect.__defaults__ = (order.busy_timeout_s,)
    if order.clock_jumps:
        make_clock_jump()
    STAMPS.extend([True] * order.stamps)
    reach = halting(order.halt, order.halt_s, order.passes)
    break_points(reach)
    lab = make_laboratory(order, settings)
    PRESETS["demo"] = order.terms
    for module in (desk_module, session_module):
        module.laboratory_of = lambda *_args, **_options: lab
    if not order.model_url:
        planner = Planner(order.codes, order.batch, reach)
        session_module.make_researcher = lambda *_told: planner
    if lab.store.journal.find(order.memory_key) is None:
        lab.store.journal.create(order.config, "cli", lab.bundle.digest)
    board = TellingBoard(reach)
    try:
        if order.maintains:
            say("END", maintain(lab))
            return
        if order.projects:
            say("END", project(settings, lab.store, order.projects))
            return
        ways = {"desk": drive_plainly, "agent": think_once, "loop": drive_in_dagster, "job": run_the_job}
        ended = ways[order.way](order, settings, board)
        STAMPS.clear()
        say("END", ended)
    except AutoresearchError as fault:
        say("END", type(fault).__name__, fault)
    except BaseException:
        say("END", "fault", traceback.format_exc())
        raise


def maintain(lab: Laboratory) -> str:
    """Put right what dead drivers left; say what was left to do."""
    troubles = [one for one in look(lab.settings, lab.store, [lab.runner]) if one.kind is not Kind.MLFLOW_BEHIND]
    deeds = clear(lab.settings, lab.store, [lab.runner], troubles)
    return " ".join(deed.said for deed in deeds if not deed.done) or "clear"


def drive_plainly(order: Order, settings: Settings, board: Board) -> str:
    """Dispatch after dispatch at the desk, as the job does it."""
    session = open_session(open_store(settings), settings, order.config, "cli", print).id
    while True:
        with Desk(settings, board, lambda _line: None) as desk:
            for key in desk.advance(session, "plain", lambda _line: None):
                try:
                    desk.wait(key)
                except AutoresearchError as fault:
                    say("FAULT", key, type(fault).__name__, fault)
            state = desk.settle()
        if state.status != "active":
            return f"{state.status} {state.reason}"


def think_once(order: Order, settings: Settings, _board: Board) -> str:
    """Do what the agent's step does, and no more."""
    store = open_store(settings)
    state = open_session(store, settings, order.config, "cli", print)
    with store.leases.hold(session_module.lease_name(state.id), this_process()) as lease:
        lab = session_module.laboratory_of(state, settings, print)
        return session_module.advance_session(state.id, lab, lease)


def drive_in_dagster(order: Order, settings: Settings, board: Board) -> str:
    """The command line's own loop around the Dagster job."""
    from autoresearch_dagster.defs.drive import drive

    state = drive(order.config, settings, board, print, lambda _state: None)
    return f"{state.status} {state.reason}"


def run_the_job(order: Order, settings: Settings, _board: Board) -> str:
    """Execute the job once with the resources that Dagster gives it."""
    from autoresearch_dagster.defs.drive import open_instance
    from autoresearch_dagster.defs.research import research

    session = open_session(open_store(settings), settings, order.config, "daemon", print).id
    told = {"session": session, "quiet": True}
    done = research.execute_in_process(run_config=told, instance=open_instance(settings), raise_on_error=False)
    return "success" if done.success else "failure"


if __name__ == "__main__":
    import sys

    main(Order.from_json(Path(sys.argv[1]).read_text(encoding="utf-8")))
