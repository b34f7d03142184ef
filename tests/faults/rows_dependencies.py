"""Rows of the table: what the system stands on."""

from tests.faults.fault import DEPENDS, GONE, ONCE, SOAK, Fault

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
