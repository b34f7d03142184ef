"""A whole small world for tests of faults: a home, a real bundle, a session, drivers that may be killed."""

import os
import shutil
import subprocess
from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import docker
import docker.errors
import psutil
import sqlalchemy as sa
from docker.models.containers import Container

from autoresearch_dagster.containers.arguments import OWNER_LABEL
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.core.experiment import ExperimentResult
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.experiments.laboratory import scratch_prefix
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import is_dead
from autoresearch_dagster.store.store import Store, open_store
from tests.trainers.driver import Order
from tests.trainers.drivers import Driver, Nursery

MODEL_KEY = "sk-ant-test-0123456789-of-a-world"
BASELINE = "def run_training(config):\n    return {'sharpness': 1.0}\n"


def code(sharpness: float | str = 0.9, *before: str) -> str:
    """A candidate whose model is a little worse than the baseline's, so that it asks for no confirmation.

    Its structure is another than the baseline's: on a plateau other numbers alone are refused.
    """
    lines = "".join(f"    {line}\n" for text in before for line in text.splitlines())
    return f"def run_training(config):\n{lines}    made = {{'sharpness': {sharpness}}}\n    return made\n"


def sleeps(seconds: float, sharpness: float = 0.9) -> str:
    """A candidate that says that it trains, then does nothing for a while."""
    return code(sharpness, "import prepare, time", f"prepare.log_step(1, 9.0)\ntime.sleep({seconds})")


class World:
    """A folder with everything of one session in it."""

    def __init__(self, folder: Path, nursery: Nursery, order: Order, *, slots: int = 1, host: str = "") -> None:
        """`host` is the address of the Docker daemon; empty: the default one, for drivers and for us."""
        self.host = host
        self.folder, self.nursery, self.order = folder, nursery, order
        self.home = folder / "home"
        self.temporary = folder / "tmp"
        self.temporary.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(home=self.home, mlruns=folder / "mlruns", slots=slots)
        self.environment = {
            "AUTORESEARCH_HOME": str(self.home),
            "AUTORESEARCH_MLRUNS": str(folder / "mlruns"),
            "AUTORESEARCH_SLOTS": str(slots),
            "AUTORESEARCH_RUNNER": "docker" if order.image else "plain",
            "DAGSTER_HOME": str(folder / "dagster"),
            "TMPDIR": str(self.temporary),
            **({"DOCKER_HOST": host} if host else {}),
        }
        self.drivers: list[Driver] = []

    @property
    def bundle_digest(self) -> str:
        """Digest of the bundle that its sessions are measured on."""
        return Bundle(*map(Path, self.order.bundle)).digest

    @property
    def store(self) -> Store:
        """A store of its own for each look: nothing is remembered."""
        return open_store(self.settings)

    def drive(self, **changes: Any) -> Driver:
        """Start a driver; `changes` are other fields of the order."""
        says = self.folder / f"driver{len(self.drivers)}"
        told = replace(self.order, **changes)
        model = {"ANTHROPIC_BASE_URL": told.model_url, "ANTHROPIC_API_KEY": MODEL_KEY} if told.model_url else {}
        pid = self.nursery.start(told, {**self.environment, **model}, says)
        self.drivers.append(Driver(pid, says))
        return self.drivers[-1]

    def adopt(self, warm: "World") -> None:
        """Begin with what another world has measured: noise floor and tolerance."""
        shutil.copytree(warm.home, self.home)

    # --- what became of it -----------------------------------------------------------------------

    def events(self) -> list[ev.Recorded]:
        """The session's events."""
        journal = self.store.journal
        state = journal.find(self.order.memory_key)
        return journal.events(state.id) if state else []

    def finished(self) -> Counter[str]:
        """How often each experiment got a result."""
        return Counter(one.event.key for one in self.events() if isinstance(one.event, ev.ExperimentFinished))

    def attempts(self, key: str) -> int:
        """How often an experiment was begun."""
        return sum(isinstance(one.event, ev.AttemptStarted) and one.event.key == key for one in self.events())

    def ready(self, key: str) -> bool:
        """Whether the driver of an experiment has seen its harness become ready."""
        records = self.temporary.glob(f"{scratch_prefix(self.settings, key)}*/attempt.json")
        return any('"ready":{' in record.read_text() for record in records)

    def results(self) -> dict[str, ExperimentResult]:
        """The candidates' results by title."""
        state = self.store.journal.find(self.order.memory_key)
        assert state is not None
        return {one.planned.title: one.result for one in state.experiments.values() if one.result is not None}

    def leftovers(self) -> list[str]:
        """Everything that must not be there when a session has ended: name what is."""
        found = [f"container {name}" for name in self.containers()]
        prefix = scratch_prefix(self.settings)
        for parent in (self.temporary, Path("/tmp")):
            found += [str(path) for path in parent.glob(f"{prefix}*")]
        found += [str(path) for path in self.temporary.glob("ar-*") if not path.name.startswith(prefix)]
        found += [str(path) for path in self.home.glob("jobs/*.json")]
        found += [str(path) for path in self.home.glob("blobs/**/.new-*")]
        found += [f"process {one.pid} {one.cmdline()}" for one in self._processes()]
        with self.store.engine.connect() as connection:
            found += [f"held {one.name}" for one in self.store.leases.held(connection, "")]
            rows = connection.execute(sa.text("select * from slot_tickets where state != 'returned'")).mappings()
            found += [f"ticket {dict(row)}" for row in rows if not is_dead(row["owner"])]
        return found

    def maintain(self) -> str:
        """Do what the job `maintenance` does, in a process of its own; return what it could not put right."""
        return self.drive(maintains=True).finish()

    def containers(self) -> list[str]:
        """Names of this home's containers, whatever their state."""
        return [str(one.name) for one in self.all_containers()] if self.order.image else []

    def all_containers(self) -> list[Container]:
        """This home's containers, whatever their state, asked of the daemon itself."""
        runner = DockerRunner(self.settings, self.order.image)
        wanted = [f"{OWNER_LABEL}={runner._owner}"]
        with closing(self.client()) as client:
            return client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)

    def client(self) -> docker.DockerClient:
        """The daemon that the drivers use."""
        return docker.DockerClient(base_url=self.host) if self.host else docker.from_env()

    def _processes(self) -> list[psutil.Process]:
        """Every process that was told of this home."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if any(str(self.home) in value for value in process.environ().values()):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return [one for one in found if one.pid != os.getpid()]

    def close(self) -> None:
        """End what runs and remove what is left, whatever became of the test."""
        for driver in self.drivers:
            if not driver.ended:
                driver.kill()
        for process in self._processes():
            process.kill()
        if self.order.image:
            with suppress(docker.errors.DockerException):
                for container in self.all_containers():
                    container.remove(force=True)
        remove(self.folder)


def remove(folder: Path) -> None:
    """Delete a folder, however deep."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


def order(bundle: Bundle, *codes: str, image: str = "", **more: Any) -> Order:
    """An order on a bundle."""
    places = (str(bundle.shards), str(bundle.tokenizer), str(bundle.packed))
    return Order(bundle=places, codes=codes, baseline=BASELINE, image=image, **more)


def trainer_image(settings: Settings) -> str:
    """Id of the real trainer image."""
    return DockerRunner(settings).prepare(print)
