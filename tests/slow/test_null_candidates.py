"""Candidates that are no better than the baseline, really trained, in a real session."""

from pathlib import Path

import pytest

from benchmarks.null_candidates import CANDIDATES, measure

pytestmark = [pytest.mark.night, pytest.mark.timeout(7_200)]


def test_a_session_of_candidates_that_differ_by_luck_alone_promotes_none_or_one_at_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The session's error rate is 5 %: none is what to expect, two would be a broken rule."""
    with capsys.disabled():
        found = measure(tmp_path / "home", slots=1)

    assert found["candidates"] == found["scored"] == CANDIDATES
    assert len(set(found["gains_bpb"])) == CANDIDATES, "they must differ, or nothing was tested"
    assert 0.0 not in found["gains_bpb"]
    assert found["false_promotions"] <= 1
    assert found["luckiest_confirmed_anyway"], "no confirmation was tried on real trainings"
    assert sum(one["would_be"] == "confirmed" for one in found["luckiest_confirmed_anyway"]) <= 1
    assert all(p > rate for p, rate in zip(found["p_values"], found["error_rates"], strict=True)) or (
        found["false_promotions"] == 1
    )
