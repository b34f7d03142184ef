"""What the machinery costs, each figure as a ratio within one run.

1. A container against a local process: create, run, remove a no-op.
2. Eight experiments of 20 s at two slots with the docker runner, against the ideal 80 s.  A candidate sleeps: what
   is left over is the machinery's, not torch's.
3. A hundred no-op experiments through a whole session: seconds each.

    python -m benchmarks.overheads [--quick]
"""

import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, Mount, Runner
from autoresearch_dagster.core.limits import MIB
from autoresearch_dagster.core.settings import Settings, load_settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.data.layout import Bundle
from tests.trainers.driver import make_runner
from tests.trainers.drivers import Nursery, nursery
from tests.trainers.laboratory import World, code, order, remove, sleeps, trainer_image

SLOTS = 2
POLL_S = 0.01
QUICK = {"starts": 2, "batch": 2, "seconds": 1.0, "no_ops": 2}
FULL = {"starts": 10, "batch": 8, "seconds": 20.0, "no_ops": 100}


def start_s(runner: Runner, folder: Path, times: int) -> float:
    """Median seconds from the start of a job that does nothing to its removal."""
    for name in ("candidate", "out"):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(0o777)
    mounts = (Mount("CANDIDATE", folder / "candidate"), Mount("OUT", folder / "out", read_only=False))
    limits = JobLimits(128 * MIB, Slot((load_settings().cores[0],)))
    taken: list[float] = []
    for number in range(times + 1):
        begun = time.monotonic()
        job = runner.start(JobSpec(f"noop-{number}-train", "train", mounts, limits, {}))
        while job.status().exit_code is None:
            time.sleep(POLL_S)
        job.remove()
        taken.append(time.monotonic() - begun)
    return statistics.median(taken[1:])  # the first one warms caches up


def container_against_local(bundle: Bundle, image: str, place: Path, times: int) -> None:
    program = place / "noop.py"
    program.write_text("", encoding="utf-8")
    found: dict[str, float] = {}
    for name, which in (("local", ""), ("docker", image)):
        folder = place / name
        folder.mkdir(mode=0o755)
        settings = Settings(home=folder / "home")
        runner = make_runner(order(bundle, image=which, program=str(program)), settings)
        found[name] = start_s(runner, folder, times)
    ratio = found["docker"] / found["local"]
    print(f"no-op: docker {found['docker']:.2f} s, local {found['local']:.2f} s, ratio {ratio:.1f}")


def timed(world: World, doing: Callable[[World], str]) -> float:
    """Seconds of something, with the whole world removed afterwards."""
    begun = time.monotonic()
    try:
        ended = doing(world)
        assert ended == "finished final answer", ended
        assert all(result.accepted for result in world.results().values()), world.results()
        return time.monotonic() - begun
    finally:
        world.close()


def stages(world: World) -> dict[str, float]:
    """Mean seconds that an experiment was in each stage, by the times at which its driver told of them."""
    spent: dict[str, list[float]] = defaultdict(list)
    for driver in world.drivers:
        last: dict[str, tuple[str, float]] = {}
        for line in driver.lines:
            kind, *rest = line.split()
            if kind not in ("STAGE", "RESULT") or "_e" not in rest[0]:
                continue
            at, stage = float(rest[-1]), " ".join(rest[1:-1]) if kind == "STAGE" else ""
            if rest[0] in last:
                before, since = last[rest[0]]
                spent[before].append(at - since)
            last[rest[0]] = (stage, at)
    return {stage: statistics.mean(found) for stage, found in spent.items()}


def batch(
    warm: World, drivers: Nursery, bundle: Bundle, image: str, place: Path, number: int, seconds: float
) -> None:
    codes = [sleeps(seconds, 0.95 - at / 1000) for at in range(number)]
    world = World(
        place / "batch", drivers, order(bundle, *codes, image=image, batch=number, stamps=True), slots=SLOTS
    )
    world.adopt(warm)
    told: dict[str, float] = {}

    def doing(one: World) -> str:
        ended = one.drive().finish()
        told.update(stages(one))
        return ended

    wall, ideal = timed(world, doing), number / SLOTS * seconds
    print(
        f"batch: {number} x {seconds:.0f} s at {SLOTS} slots, docker: {wall:.1f} s, {ideal / wall:.0%} of the ideal"
    )
    print("  of each: " + ", ".join(f"{stage} {found:.2f} s" for stage, found in told.items()))


def no_ops(warm: World, drivers: Nursery, bundle: Bundle, image: str, place: Path, number: int) -> None:
    codes = [code(0.95 - at / 1000) for at in range(number)]
    for name, which in (("docker", image), ("local", "")):
        world = World(place / f"noops-{name}", drivers, order(bundle, *codes, image=which, batch=4), slots=SLOTS)
        if which:
            world.adopt(warm)
        wall = timed(world, lambda one: one.drive().finish())
        print(
            f"session: {number} no-op experiments at {SLOTS} slots, {name}: "
            f"{wall:.1f} s, {wall / number:.2f} s each"
        )


def main(sizes: dict[str, float]) -> None:
    place = Path(tempfile.mkdtemp(prefix="ar-bench-"))
    place.chmod(0o755)
    try:
        bundle = build_bundle("sample", 1, 32, place / "bundles", lambda _line: None)
        image = trainer_image(load_settings())
        container_against_local(bundle, image, place, int(sizes["starts"]))
        with nursery() as drivers:
            warm = World(place / "warm", drivers, order(bundle, code(), image=image, memory_key="warm"))
            assert warm.drive().finish() == "finished final answer"
            batch(warm, drivers, bundle, image, place, int(sizes["batch"]), sizes["seconds"])
            no_ops(warm, drivers, bundle, image, place, int(sizes["no_ops"]))
            warm.close()
    finally:
        remove(place)


if __name__ == "__main__":
    main(QUICK if "--quick" in sys.argv else FULL)
