"""gc frees what nobody needs and touches nothing else, beside running sessions and through kills."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment, Standing, TrainConfig, digest_of
from autoresearch_dagster.core.folders import find_folders, remove_tree
from autoresearch_dagster.core.limits import CHECKPOINT_MIN_AGE_S, KEPT_CHECKPOINTS, STALE_BUILD_S, STALE_S
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.experiments.collect_garbage import collect_garbage
from autoresearch_dagster.experiments.laboratory import experiment_lease, scratch_prefix
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.normal_form import normal_form
from autoresearch_dagster.store.store import open_store
from tests.agent_bench import begin_turn, bench
from tests.researched import checkpoint_of, finish_one, research, scored

MANY = KEPT_CHECKPOINTS + 6
OLD_S = 30 * 24 * 3600.0


def home(folder: Path) -> Settings:
    return Settings(home=folder)


def collect(folder: Path, *, dry_run: bool = False, later_s: float = OLD_S):
    """Collect garbage as of a month from now: everything that is there is old."""
    return collect_garbage(home(folder), dry_run=dry_run, clock=lambda: time.time() + later_s)


def planned(key: str) -> PlannedExperiment:
    return PlannedExperiment(
        key=ExperimentKey(key), title=key, revision=1, train_py=digest_of(b"x"), config=TrainConfig()
    )


def many(folder: Path):
    """A session with more results than checkpoints are kept of; the best is the second."""
    desk = bench(folder)
    begin_turn(desk)
    keys = [f"s01_d01_e{number:02}" for number in range(1, MANY + 1)]
    with desk.transaction() as tx:
        tx.append(
            ev.CallPending(
                turn=1,
                sequence=0,
                call="c",
                function="run_experiment_batch",
                arguments={"titles": keys},
                dispatch=1,
                planned=tuple(planned(key) for key in keys),
                answers=tuple(keys),
            )
        )
        for number, item in enumerate(tx.state.unfinished):
            result = scored(item.planned, desk.blobs)
            score = 1.0 if number == 1 else 2.0 + number / 100
            standing = {3: Standing.CONFIRMED, 4: Standing.CHAMPION}.get(number, Standing.SCREENED)
            update = {"val_bpb": score, "standing": standing}
            tx.append(ev.ExperimentFinished(key=item.planned.key, result=result.model_copy(update=update)))
        tx.append(ev.CallAnswered(turn=1, sequence=0, call="c", result=None))
        tx.append(ev.PlanFinished(turn=1, observation="", failed=False))
    return desk


def contents(folder: Path) -> set[str]:
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and "journal.db" not in path.name
    }


def test_old_checkpoints_go_and_the_best_confirmed_champion_and_newest_stay(tmp_path):
    desk = many(tmp_path)
    results = [experiment.result for experiment in desk.journal.state("s01").experiments.values()]
    before, board = contents(tmp_path), desk.journal.leaderboard("s01")
    told = collect(tmp_path, dry_run=True)
    assert contents(tmp_path) == before
    done = collect(tmp_path)
    assert [item.path for item in done.removed] == [item.path for item in told.removed]
    gone = {number for number, result in enumerate(results) if not desk.blobs.has(result.checkpoint)}
    assert gone == set(range(MANY - KEPT_CHECKPOINTS)) - {1, 3, 4}
    assert before - contents(tmp_path) == {
        str(desk.blobs.path(results[number].checkpoint).relative_to(tmp_path)) for number in gone
    }
    assert desk.journal.leaderboard("s01") == board
    for number in gone:
        with pytest.raises(StoreUnavailable, match="was removed by `autoresearch gc`; train the experiment again"):
            desk.blobs.get(results[number].checkpoint)
        with pytest.raises(StoreUnavailable, match="removed by `autoresearch gc`"):
            desk.blobs.require(results[number].checkpoint)
    again = collect(tmp_path)
    assert (again.removed, again.left, again.bytes) == ((), (), 0)


def test_the_size_that_is_told_is_the_size_that_is_freed(tmp_path):
    many(tmp_path)

    def size():
        return sum(path.stat().st_size for path in (tmp_path / "blobs").rglob("*") if path.is_file())

    before = size()
    done = collect(tmp_path)
    assert done.removed
    assert before - size() == done.bytes == sum(item.bytes for item in done.removed)


def test_what_is_kept_in_one_session_is_not_removed_for_another(tmp_path):
    desk = many(tmp_path)
    first = next(iter(desk.journal.state("s01").experiments.values())).result
    desk.journal.create(ev.SessionConfig(memory_key="other"), "cli", "b")
    with desk.journal.transaction("s02") as tx:
        tx.append(ev.ModelReplied(turn=1, reply="", stop_reason=None))
        one = planned("s02_d01_e01")
        tx.append(
            ev.CallPending(
                turn=1, sequence=0, call="c", function="f", arguments={}, dispatch=1, planned=(one,), answers=()
            )
        )
        tx.append(ev.ExperimentFinished(key=one.key, result=first))
    collect(tmp_path)
    assert desk.blobs.has(first.checkpoint)


def test_a_checkpoint_that_was_written_anew_may_be_about_to_be_scored(tmp_path):
    """A reproduction can leave the very bytes of an old result; nothing in the journal speaks of it yet."""
    desk = many(tmp_path)
    old = next(iter(desk.journal.state("s01").experiments.values()))
    assert collect(tmp_path, later_s=CHECKPOINT_MIN_AGE_S / 2).removed == ()
    collect(tmp_path)
    assert not desk.blobs.has(old.result.checkpoint)
    (tmp_path / "again.pt").write_bytes(checkpoint_of(old.planned.title))
    assert desk.blobs.put_file(tmp_path / "again.pt") == old.result.checkpoint
    collect(tmp_path, later_s=CHECKPOINT_MIN_AGE_S / 2)
    assert desk.blobs.get(old.result.checkpoint) == checkpoint_of(old.planned.title)


def test_the_experiments_of_an_undecided_dispatch_keep_their_checkpoints(tmp_path):
    desk = research(tmp_path, dispatches=1)
    state = desk.journal.state("s01")
    assert state.pending is not None
    waiting = [state.experiments[item.key].result for item in state.pending.planned]
    collect(tmp_path)
    assert all(desk.blobs.has(result.checkpoint) for result in waiting if result is not None)
    while finish_one(desk):
        pass


def test_checkpoints_of_no_session_go_after_a_day_and_other_blobs_stay(tmp_path):
    store = open_store(home(tmp_path))
    stray = store.blobs.put(checkpoint_of("evaluated"))
    others = [store.blobs.put(data) for data in (b"def run_training(config): ...", b'{"receipt": 1}', b"\x93NUMPY")]
    assert collect(tmp_path, later_s=STALE_S / 2).removed == ()
    assert [item.kind for item in collect(tmp_path).removed] == ["checkpoint"]
    assert not store.blobs.has(stray)
    assert all(store.blobs.has(digest) for digest in others)


def test_snapshots_of_ended_plans_go_and_sleeping_ones_stay(tmp_path):
    asleep = research(tmp_path / "a", dispatches=1)
    (kept,) = (tmp_path / "a" / "snapshots").iterdir()
    (tmp_path / "a" / "snapshots" / "0123456789abcdef-3.monty").write_bytes(b"ended")
    (tmp_path / "a" / "snapshots" / "0123456789abcdef-3.monty.77").write_bytes(b"draft")
    (tmp_path / "a" / "snapshots" / "notes.txt").write_bytes(b"not ours")
    removed = collect(tmp_path / "a").removed
    assert [item.path.name for item in removed] == ["0123456789abcdef-3.monty", "0123456789abcdef-3.monty.77"]
    assert kept.exists()
    assert asleep.journal.state("s01").status == "active"


def test_half_written_blobs_go_after_a_day(tmp_path):
    store = open_store(home(tmp_path))
    store.blobs.put(b"x")
    (tmp_path / "blobs" / ".new-abc").write_bytes(b"half")
    assert collect(tmp_path, later_s=STALE_S / 2).removed == ()
    assert [item.path.name for item in collect(tmp_path).removed] == [".new-abc"]


@pytest.fixture
def scratch(tmp_path):
    prefix = scratch_prefix(home(tmp_path))
    yield lambda key: Path("/tmp", f"{prefix}{key}-{os.urandom(4).hex()}")
    for folder in find_folders(prefix):
        remove_tree(folder)


def test_temporary_folders_go_when_their_experiment_is_surely_not_running(tmp_path, scratch):
    store, folders = open_store(home(tmp_path)), {}
    for key in ("s01_d01_e01", "s01_d01_e02", "x_1234", "unknown"):
        folders[key] = scratch(key)
        (folders[key] / "deep" / "er").mkdir(parents=True)
    store.leases.acquire(experiment_lease("s01_d01_e01"), "elsewhere:1:1")
    ended = store.leases.acquire(experiment_lease("s01_d01_e02"), this_process())
    store.leases.release(ended)
    store.leases.release(store.leases.acquire(experiment_lease("x_1234"), this_process()))
    foreign = Path("/tmp", f"ar-00000000-s01_d01_e02-{os.urandom(4).hex()}")
    foreign.mkdir()
    removed = {item.path for item in collect(tmp_path).removed}
    assert removed == {folders["s01_d01_e02"], folders["x_1234"]}
    assert folders["s01_d01_e01"].exists()
    assert folders["unknown"].exists()
    assert foreign.exists()
    foreign.rmdir()


def test_only_interrupted_builds_and_downloads_go_after_a_week_and_not_under_a_builder(tmp_path):
    open_store(home(tmp_path))
    bundles = tmp_path / "bundles"
    finished = bundles / "packed_rows" / "0123456789abcdef" / "manifest.json"
    busy = bundles / "shards" / ".aaaabbbbccccdddd.xyz12345.tmp" / "shard.parquet"
    dead = bundles / "packed_rows" / ".0123456789abcdef.abc12345.tmp" / "rows.npy"
    cached = bundles / "tokenized" / "fedcba9876543210" / "heads.npy"
    whole = bundles / "downloads" / "climbmix" / "0123" / "shard.parquet"
    part = whole.with_suffix(".parquet.part")
    for path in (finished, busy, dead, cached, whole, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
    assert collect(tmp_path, later_s=STALE_BUILD_S / 2).removed == ()
    with FileLock(busy.parent.parent / ".aaaabbbbccccdddd.lock"):
        done = collect(tmp_path)
    assert {item.path for item in done.removed} == {dead.parent, cached.parent, part}
    assert [item.path for item in done.left] == [busy.parent]
    assert finished.exists()
    assert whole.exists()


def test_two_at_once_are_refused_and_looking_is_not(tmp_path):
    store = open_store(home(tmp_path))
    with store.leases.hold("gc", "elsewhere:1:1"):
        assert collect(tmp_path, dry_run=True).dry_run
        with pytest.raises(StoreConflict, match="gc is held by elsewhere"):
            collect(tmp_path)


DYING = """
import os, signal, sys, time
from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.collect_garbage import collect_garbage
left = int(sys.argv[2])
def watch(event, arguments):
    global left
    if event == "os.remove" and "blobs" in str(arguments[0]):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
collect_garbage(Settings(home=Path(sys.argv[1])), dry_run=False, clock=lambda: time.time() + 30 * 24 * 3600)
"""


@pytest.mark.parametrize("moment", [1, 2])
def test_a_kill_leaves_nothing_unexplained_and_the_next_run_ends_the_work(tmp_path, moment):
    desk = many(tmp_path)
    results = [experiment.result for experiment in desk.journal.state("s01").experiments.values()]
    wanted = {item.path for item in collect(tmp_path, dry_run=True).removed}
    command = [sys.executable, "-c", DYING, str(tmp_path), str(moment)]
    killed = subprocess.run(command, cwd=PROJECT_ROOT, check=False)
    assert killed.returncode == -9
    assert sum(not path.exists() for path in wanted) == moment - 1
    for result in results:
        if not desk.blobs.has(result.checkpoint):
            with pytest.raises(StoreUnavailable, match="removed by `autoresearch gc`"):
                desk.blobs.get(result.checkpoint)
    left = {path for path in wanted if path.exists()}
    assert {item.path for item in collect(tmp_path).removed} == left
    assert not any(path.exists() for path in wanted)
    assert collect(tmp_path).removed == ()


def test_research_goes_on_beside_gc(tmp_path):
    """A session that is collected after every result ends as an undisturbed one."""
    calm = research(tmp_path / "calm")
    desk = bench(tmp_path / "collected")
    while advance(desk, ScriptedResearcher()) == "waiting":
        while finish_one(desk):
            collect(tmp_path / "collected")
    assert normal_form(desk.journal.events("s01")) == normal_form(calm.journal.events("s01"))
