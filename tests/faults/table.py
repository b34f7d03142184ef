"""The faults that were injected for real, as data; `python -m tests.faults.table` writes docs/faults.md from it."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.core.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "faults.md"
HERE = Path(__file__).parent.relative_to(PROJECT_ROOT)

KILLED, HOSTILE, GONE, DEPENDS, MEMORY, RUNS, SOAK = (
    f"test_{name}.py"
    for name in (
        "drivers_killed",
        "hostile_outputs",
        "docker_gone",
        "dependencies",
        "memory",
        "dagster_runs",
        "soak",
    )
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what goes wrong, how a test brings it about, what must hold, what was seen.

    `test` is the name of the test function in `file` of this folder, or of `tests/` where it holds a slash; `case`
    the parameters of it that are this row's.
    """

    fault: str
    injected: str
    must_hold: str
    observed: str
    file: str
    test: str
    case: str = ""


AT_ANY_MOMENT = "test_a_driver_killed_at_any_moment_is_followed_by_one_that_ends_the_session"
HOSTILE_TEST = "test_a_hostile_candidate_is_labelled_and_the_host_unharmed"
ONCE = "the next driver ends the session; every result once, nothing left behind"
HARMLESS = "its experiment is labelled with the reason in one line; files of the host untouched; nothing left behind"


def killed(case: str, when: str, observed: str) -> Fault:
    return Fault(f"driver killed: {when}", "SIGKILL at a break point", ONCE, observed, KILLED, AT_ANY_MOMENT, case)


def hostile(case: str, what: str, observed: str) -> Fault:
    return Fault(what, "a candidate does it, in a container", HARMLESS, observed, HOSTILE, HOSTILE_TEST, case)


KILLS = (
    killed("thinking", "while the agent thinks", "one attempt; the turn is thought again"),
    killed("created", "container created, not started", "the container is started or made anew; Trained"),
    killed("trains", "while a container trains", "the container runs on and is taken over; Trained"),
    killed("scoring", "between training and scoring", "no container; scored from the kept checkpoint"),
    killed("scoring A", "while the first server answers", "the server ends by itself; scored again"),
    killed("scoring B", "while the second server audits", "the server ends by itself; scored again"),
    killed("committing", "inside the transaction of its result", "rolled back; the result is committed once"),
    killed("committed", "right after that transaction", "not trained again; maintenance removes the folder"),
    Fault(
        "driver killed: while it waits for a slot",
        "SIGKILL while another process holds the only core",
        ONCE,
        "its ticket is passed over; one attempt",
        KILLED,
        "test_a_driver_killed_while_it_waits_for_a_slot_leaves_its_place_in_the_line",
    ),
    Fault(
        "driver killed, container trains on",
        "SIGKILL; the successor is started while it trains",
        "the same container, no second attempt",
        "exit code 0 in the daemon's own events; one attempt",
        KILLED,
        "test_a_driver_killed_while_a_container_trains_is_followed_by_one_that_takes_the_container_over",
    ),
    Fault(
        "driver killed, container ends alone",
        "SIGKILL; the successor is started when it has exited",
        ONCE,
        "the exited container is collected",
        KILLED,
        "test_a_container_that_ended_while_no_driver_was_there_is_collected",
    ),
    Fault(
        "driver stands still",
        "SIGSTOP while a container trains",
        "a second driver is refused; later all goes on",
        "StoreConflict in one sentence",
        KILLED,
        "test_a_driver_that_stands_still_keeps_its_session_for_itself",
    ),
    *(
        Fault(
            f"{how} by somebody else",
            f"`{how}` of a training container",
            "another attempt; the session goes on",
            "two attempts, Trained",
            KILLED,
            "test_a_container_that_somebody_else_ends_is_trained_again",
            how,
        )
        for how in ("docker kill", "docker stop", "docker rm -f")
    ),
    *(
        Fault(
            f"model server removed while {what}",
            "`docker rm -f` of the server",
            "nobody's fault: never a refusal of the candidate",
            "another attempt, Trained",
            KILLED,
            "test_a_model_server_that_somebody_else_removes_is_nobodys_fault",
            case,
        )
        for case, what in (("scoring A", "it answers"), ("scoring B", "it audits"))
    ),
    Fault(
        "Dagster's worker killed",
        "SIGKILL of the process that executes the run",
        ONCE,
        "the next run takes the container over",
        RUNS,
        "test_a_worker_of_a_run_that_is_killed_is_followed_by_a_run_that_goes_on",
    ),
    Fault(
        "run terminated by a person",
        "the run is marked CANCELING and its worker interrupted, as Dagster does it",
        "containers stopped, candidates Stopped, session paused",
        "as it must; maintenance removes the folder",
        RUNS,
        "test_a_run_that_a_person_terminates_stops_its_containers_and_labels_its_experiments",
    ),
)

OUTPUTS = (
    hostile("symlink", "checkpoint is a symbolic link", "Refused: not a plain file"),
    hostile("symlink_folder", "symbolic link to a folder of the host", "Trained; not followed, not deleted through"),
    hostile("fifo", "checkpoint is a pipe", "Refused: not a plain file; nobody hangs"),
    hostile("fifo_progress", "progress file becomes a pipe while it is watched", "Trained; nobody hangs"),
    hostile("device", "device node", "Crashed: PermissionError"),
    hostile("hard_link", "checkpoint with a second name", "Refused: has several names"),
    hostile("huge_file", "file of 1 TiB", "Crashed: File too large"),
    hostile("huge_files", "sparse files of 400 MiB each", "Refused: wrote more than 512 MiB"),
    hostile("endless_file", "endless files", "Refused: wrote more than 512 MiB"),
    hostile("many_files", "100,000 files (2,000,000 at night)", "Trained (at night: Refused); all deleted"),
    hostile("deep_folders", "3,000 nested folders", "Refused: wrote more; all deleted"),
    hostile("control_characters", "control characters in log and error", "Crashed; escaped"),
    hostile("invalid_utf8", "invalid UTF-8 in outcome, progress and log", "Trained; escaped or passed over"),
    hostile("invalid_json", "200,000 brackets, NaN, Infinity", "Trained; passed over"),
    hostile("no_checkpoint", "no checkpoint", "Refused: no model was handed over"),
    hostile("checkpoint_truncated", "checkpoint cut short", "Refused, in the words of the server that loads it"),
    hostile("checkpoint_folder", "checkpoint is a folder", "Refused: not a plain file"),
    hostile("log_flood", "30 MiB of log", "Trained; the last 4,096 characters are kept"),
    hostile("fork_bomb", "fork bomb", "TimedOut; at most 128 processes"),
    hostile("kills_its_parent", "SIGKILL to its parent, to 1 and to everybody", "Crashed; nobody else is hurt"),
    hostile("interrupts_its_parent", "SIGINT, SIGTERM, SIGQUIT to its parent", "Crashed"),
)

OUT_OF_MEMORY = (
    hostile("memory_hog", "takes all memory there is", "HostOom after what healing may give"),
    hostile("memory_hog_in_child", "a child of it takes all memory, the parent lives", "HostOom"),
    hostile("beyond_the_address_space", "asks for more than there are addresses", "Crashed: MemoryError, not OOM"),
    hostile("says_oom", "says `oom` and `bathroom` and fails", "Crashed, not OOM"),
    hostile("exits_137", "exits with 137 by itself", "Crashed, not OOM"),
    hostile("kills_itself", "SIGKILL to itself", "Crashed, not OOM"),
    hostile("exits_86", "exits with 86 without a GPU", "Crashed, not DeviceOom"),
    *(
        Fault(
            f"needs more memory, in {who}",
            "touches 300 MiB under a limit of 96 MiB",
            "tried again with more; the next of like shape begins with it",
            "one retry, then none; Trained, no label",
            MEMORY,
            "test_an_experiment_that_needs_more_memory_gets_it_and_the_next_of_like_shape_begins_with_it",
            case,
        )
        for case, who in (("parent", "the trainer"), ("child", "a child of it"))
    ),
)

DEPENDENCIES = (
    *(
        Fault(
            f"Docker killed while a container trains, {how}",
            "SIGKILL of a daemon of our own, started again",
            "another attempt at most; Trained",
            observed,
            GONE,
            "test_a_daemon_killed_while_a_container_trains_costs_an_attempt_at_most",
            case,
        )
        for case, how, observed in (
            ("plain", "without live-restore", "two attempts, Trained"),
            ("live-restore", "with live-restore", "Trained"),
        )
    ),
    Fault(
        "Docker away between two experiments",
        "SIGKILL of a daemon of our own, started 3 s later",
        "waited for",
        "Trained; maintenance removes the folder",
        GONE,
        "test_a_daemon_that_is_away_for_seconds_between_two_experiments_is_waited_for",
    ),
    Fault(
        "Docker's socket gone while a container trains",
        "a proxy of the socket cut for 1 s",
        "another attempt at most; Trained",
        "Trained",
        GONE,
        "test_a_socket_that_is_gone_while_a_container_trains_and_comes_back",
    ),
    Fault(
        "Docker's socket gone while a model is scored",
        "a proxy of the socket cut for 2.5 s",
        "never a refusal of the candidate",
        "Trained",
        GONE,
        "test_a_socket_that_is_cut_while_a_model_is_scored_costs_an_attempt_and_no_score",
    ),
    Fault(
        "driver killed while Docker is away",
        "proxy cut, SIGKILL, proxy mended",
        ONCE,
        "Trained",
        GONE,
        "test_a_driver_killed_while_there_is_no_daemon_is_followed_by_one_that_ends_the_session",
    ),
    *(
        Fault(
            f"journal locked while an experiment {what}",
            "another process in BEGIN EXCLUSIVE for 1 s",
            "waited for",
            "one attempt, Trained",
            DEPENDS,
            "test_a_journal_that_is_locked_for_a_moment_is_waited_for",
            case,
        )
        for case, what in (("trains", "trains"), ("scoring", "is scored"))
    ),
    Fault(
        "journal locked beyond the busy timeout",
        "another process in BEGIN EXCLUSIVE for 4 s, timeout 0.5 s",
        "the finished training is not thrown away",
        "one attempt, Trained",
        DEPENDS,
        "test_a_journal_that_is_locked_beyond_the_busy_timeout_costs_no_result",
    ),
    Fault(
        "journal locked until the driver is killed",
        "BEGIN EXCLUSIVE, then SIGKILL",
        ONCE,
        "Trained",
        DEPENDS,
        "test_a_driver_that_could_not_write_its_result_is_followed_by_one_that_can",
    ),
    Fault(
        "clock jumps",
        "the driver's clock is off by up to a day, differently every few looks",
        "the session ends as any other",
        "Trained",
        DEPENDS,
        "test_a_session_whose_clock_jumps_by_hours_ends_as_any_other",
    ),
    Fault(
        "a process stands still in the line for a core",
        "SIGSTOP of one of two sessions on one core",
        "the other is served",
        "both finish",
        DEPENDS,
        "test_a_process_that_stands_still_holds_nobody_up_for_good",
    ),
    *(
        Fault(
            f"MLflow: {what}",
            "the file or folder is put there",
            "one sentence; catches up when it is gone",
            "as it must",
            DEPENDS,
            "test_an_mlflow_that_cannot_be_used_is_one_sentence_and_catches_up_when_it_can",
            what,
        )
        for what in (
            "a file where its folder should be",
            "a file that is no database",
            "a folder where its database should be",
        )
    ),
    Fault(
        "MLflow: locked",
        "another process in BEGIN EXCLUSIVE for 2 s",
        "waited for",
        "all runs are there",
        DEPENDS,
        "test_an_mlflow_that_another_process_has_locked_is_waited_for",
    ),
    Fault(
        "disk without the reserve",
        "a mounted disk of its own, filled up to half the reserve",
        "nothing is launched; paused with a sentence; goes on when there is room",
        "as it must",
        DEPENDS,
        "test_a_disk_without_the_reserve_pauses_the_session_with_a_sentence_and_it_goes_on_later",
    ),
    Fault(
        "disk fills up while an experiment trains",
        "the same disk filled to the last block: ENOSPC",
        "no traceback; nothing is lost; goes on when there is room",
        "as it must",
        DEPENDS,
        "test_a_disk_that_fills_up_while_an_experiment_trains_loses_nothing",
    ),
    Fault(
        "everything at random, again and again",
        "every 2 to 5 s: driver killed or stopped, container killed, removed or paused, journal locked",
        "every result once, nothing left behind, the driver's memory flat",
        "see benchmarks/README.md",
        SOAK,
        "test_a_session_under_constant_harm_has_every_result_once_and_leaves_nothing",
    ),
)

GROUPS = (
    ("Killed", KILLS),
    ("Hostile candidates", OUTPUTS),
    ("Out of memory, and what only looks like it", OUT_OF_MEMORY),
    ("What it stands on", DEPENDENCIES),
)
FAULTS = tuple(fault for _, group in GROUPS for fault in group)

HEAD = """\
# Faults

What was done to the system, for real, and what became of it. Each row is a test under `tests/faults/`: the short ones
run with `make test`, a fixed part with `make test-slow`, the rest with `make test-night`. Docker is never replaced: a
container is killed by the daemon, a daemon by the kernel. Candidates are trained by a stand-in for the harness without
torch (`tests/trainers/numpy_trainer.py`), which makes a container run take half a second; everything else is real.

This page is written by `python -m tests.faults.table`; a test compares the two.
"""


def page() -> str:
    """Return the page as it must be."""
    parts = [HEAD]
    for title, group in GROUPS:
        parts.append(f"## {title}\n\n| fault | injected by | must hold | observed | test |\n|---|---|---|---|---|")
        parts.extend(_row(fault) for fault in group)
        parts.append("")
    return "\n".join(parts)


def _row(fault: Fault) -> str:
    test = f"`{fault.file.removesuffix('.py').removeprefix('test_')}`" + (f" {fault.case}" if fault.case else "")
    return f"| {fault.fault} | {fault.injected} | {fault.must_hold} | {fault.observed} | {test} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
