import itertools

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data.retries import Passing, Patience, RetryLimits, Stopped

BUSY = Passing("answers 503", "come back later")


class Time:
    """A clock that runs while somebody sleeps."""

    def __init__(self):
        self.now = 0.0
        self.slept = []

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)
        return False

    def patience(self, *, spread=0.0, **numbers):
        told = []
        return Patience(
            "climbmix",
            RetryLimits(**numbers),
            told.append,
            self.sleep,
            clock=lambda: self.now,
            spread=lambda: spread,
        )


def wait_for_ever(patience, faults):
    for fault in itertools.chain(faults, itertools.repeat(BUSY if not faults else faults[-1])):
        patience.wait(fault)


def test_waits_double_up_to_the_longest():
    time = Time()
    patience = time.patience(first_wait_s=1, longest_wait_s=5, patience_s=100)
    for _ in range(5):
        patience.wait(BUSY)
    assert time.slept == [1, 2, 4, 5, 5]


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (3600.0, 10.0), (0.0, 1.0)])
def test_the_wait_that_is_asked_for_is_kept_up_to_a_cap(asked, waited):
    time = Time()
    time.patience(retry_after_s=10, patience_s=100).wait(Passing("answers 429", "wait", retry_after_s=asked))
    assert time.slept == [waited]


def test_progress_moves_the_deadline_and_a_trickle_does_not():
    time = Time()
    patience = time.patience(patience_s=10, progress_bytes=100)
    for position in (100, 200, 300):
        time.now += 9
        patience.reached(position)
    time.now += 9
    patience.reached(399)
    time.now += 1
    with pytest.raises(BundleError, match="next to nothing"):
        patience.reached(399)


def test_beginning_anew_is_no_progress():
    time = Time()
    patience = time.patience(patience_s=10, progress_bytes=100)
    patience.reached(500)
    time.now += 10
    with pytest.raises(BundleError, match="next to nothing"):
        patience.reached(400)


def test_progress_makes_the_next_wait_short_again():
    time = Time()
    patience = time.patience(first_wait_s=1, progress_bytes=1)
    patience.wait(BUSY)
    patience.wait(BUSY)
    patience.reached(1)
    patience.wait(BUSY)
    assert time.slept == [1, 2, 1]


@given(
    spread=st.floats(0, 1),
    asked=st.lists(st.none() | st.floats(0, 1e6), max_size=50),
    patience_s=st.floats(1, 1000),
)
def test_nobody_waits_beyond_the_deadline_and_everybody_gives_up(spread, asked, patience_s):
    time = Time()
    patience = time.patience(spread=spread, patience_s=patience_s)
    with pytest.raises(BundleError) as refused:
        wait_for_ever(
            patience, [Passing("answers 429", "come back later", retry_after_s=wait_s) for wait_s in asked]
        )
    assert time.now <= patience_s * (1 + 1e-9)
    assert "come back later" in str(refused.value)


def test_without_a_network_patience_is_short():
    time = Time()
    patience = time.patience(patience_s=100, no_network_s=3)
    with pytest.raises(BundleError, match="for 3 s now"):
        wait_for_ever(patience, [Passing("cannot be reached", "check the network", reached=False)])
    assert time.now == pytest.approx(3)


def test_who_is_stopped_while_waiting_says_nothing():
    patience = Patience("climbmix", RetryLimits(), lambda line: None, lambda seconds: True)
    with pytest.raises(Stopped):
        patience.wait(BUSY)
