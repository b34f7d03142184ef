"""Out of memory in a real container: told from everything that only looks like it, and healed with more of it."""

from collections import Counter

import pytest

from autoresearch_dagster.core.experiment import Label, Outcome
from autoresearch_dagster.core.limits import GIB, MIB
from tests.faults.conftest import MakeWorld
from tests.trainers.laboratory import code

pytestmark = pytest.mark.docker

SMALL_BYTES = 96 * MIB
NEEDS = "kept = bytearray(300 << 20)\nfor place in range(0, len(kept), 4096): kept[place] = 1"
IN_CHILD = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {NEEDS!r}], check=True)"


@pytest.mark.parametrize(
    "needs",
    [pytest.param(NEEDS, marks=pytest.mark.slow), pytest.param(IN_CHILD, marks=pytest.mark.night)],
    ids=["parent", "child"],
)
def test_an_experiment_that_needs_more_memory_gets_it_and_the_next_of_like_shape_begins_with_it(
    needs: str, world: MakeWorld, image: str
) -> None:
    made = world(code(0.9, needs), code(0.8, needs), image=image, batch=1, memory_bytes=SMALL_BYTES)
    assert made.drive().finish() == "finished final answer"
    assert made.finished() == Counter(dict.fromkeys(made.finished(), 1))
    first, second = (made.results()[title] for title in ("t0", "t1"))
    assert [first.outcome, second.outcome] == [Outcome.TRAINED] * 2, (first, second)
    assert [first.oom_retries, second.oom_retries] == [1, 0]
    assert first.memory_bytes >= SMALL_BYTES + 2 * GIB
    assert first.peak_memory_bytes > SMALL_BYTES
    assert Label.HEALED not in first.labels, "host memory changes no score"
    assert first.accepted
    assert second.accepted
    assert made.leftovers() == []
