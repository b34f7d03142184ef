from hypothesis import given, strategies as st

from autoresearch_dagster.core.limits import MAINTENANCE_AGAIN_MAX_S, MAINTENANCE_AGAIN_S
from autoresearch_dagster.experiments.backoff import due, recall, retain


def test_something_new_is_asked_for_at_once_and_then_waits():
    asks, memory = due(["a"], {}, now=100.0)
    assert asks
    assert due(["a"], memory, now=100.0 + MAINTENANCE_AGAIN_S / 2)[0] is False
    assert due(["a"], memory, now=100.0 + MAINTENANCE_AGAIN_S)[0] is True


def test_something_new_does_not_wait_behind_something_old():
    _, memory = due(["a"], {}, now=0.0)

    assert due(["a", "b"], memory, now=1.0)[0] is True


def test_what_went_away_is_forgotten_and_is_new_when_it_comes_back():
    _, memory = due(["a"], {}, now=0.0)
    asks, memory = due([], memory, now=1.0)
    assert not asks
    assert memory == {}
    assert due(["a"], memory, now=2.0)[0] is True


@given(st.integers(2, 50))
def test_the_same_trouble_is_asked_for_ever_more_seldom_but_for_ever(times):
    now, memory, pauses = 0.0, {}, []
    for _ in range(times):
        asks, memory = due(["a"], memory, now)
        assert asks
        pauses.append(memory["a"].until - now)
        now = memory["a"].until
    assert pauses == sorted(pauses)
    assert pauses[0] == MAINTENANCE_AGAIN_S
    assert max(pauses) <= MAINTENANCE_AGAIN_MAX_S


def test_a_memory_survives_being_written_down():
    _, memory = due(["lost experiment: s01_d01_e01"], {}, now=5.0)

    assert recall(retain(memory)) == memory


def test_an_unreadable_memory_is_forgotten():
    assert recall("not json") == recall(None) == recall("") == recall('{"a": 1}') == {}
