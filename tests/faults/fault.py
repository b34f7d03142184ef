"""One row of the table of faults."""

from dataclasses import dataclass

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
HARMLESS = (
    "its experiment is labelled with the reason in one line; files of the host untouched; nothing left behind"
)


def killed(case: str, when: str, observed: str) -> Fault:
    return Fault(f"driver killed: {when}", "SIGKILL at a break point", ONCE, observed, KILLED, AT_ANY_MOMENT, case)


def hostile(case: str, what: str, observed: str) -> Fault:
    return Fault(what, "a candidate does it, in a container", HARMLESS, observed, HOSTILE, HOSTILE_TEST, case)
