"""Rows of the table: who is killed."""

from tests.faults.fault import KILLED, ONCE, RUNS, Fault, killed

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
        "driver interrupted (Ctrl-C)",
        "SIGINT while a container trains",
        "the container trains to its end; the next driver collects it",
        "exit code 0 in the daemon's own events; one attempt",
        KILLED,
        "test_a_driver_that_is_interrupted_lets_its_container_train_to_its_end",
    ),
    Fault(
        "driver stands still",
        "SIGSTOP while a container trains",
        "a second driver is refused; later all goes on",
        "StoreConflict in one sentence",
        KILLED,
        "test_a_driver_that_stands_still_keeps_its_session_for_itself",
    ),
    Fault(
        "driver stands still for longer than its lease",
        "SIGSTOP for 32 s, SIGCONT when another has ended the session",
        "what it had is thrown away: one result each, nothing left behind",
        "the session ends without it; it is refused in one sentence",
        KILLED,
        "test_a_driver_that_stood_still_beyond_its_lease_finds_its_session_in_other_hands",
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
