"""A session of many tiny experiments under constant harm: each result once, nothing left, no growth."""

import os
import random

import pytest

from autoresearch_dagster.core.limits import MIB
from tests.faults.conftest import MakeWorld
from tests.faults.soak import BATCH, SLOTS, codes, soak

FIXED_SEED = 7
GROWTH_BYTES = 64 * MIB
"""That a driver may grow by while it lives; its caches fill in its first minute."""

pytestmark = [pytest.mark.docker, pytest.mark.timeout(7 * 3600)]


@pytest.mark.parametrize(
    "number", [pytest.param(20, marks=pytest.mark.slow), pytest.param(200, marks=pytest.mark.night)]
)
def test_a_session_under_constant_harm_has_every_result_once_and_leaves_nothing(
    number: int, world: MakeWorld, image: str, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(10**6) if os.environ.get("AUTORESEARCH_NIGHT") == "1" else FIXED_SEED
    done = soak(world(*codes(number), image=image, slots=SLOTS, batch=BATCH), seed)
    with capsys.disabled():
        print(f"\n{done.line()}")  # noqa: T201
    assert done.results == number
    assert done.twice == 0
    assert done.left == []
    assert done.blamed == {}
    assert done.faults.total() > 0
    assert done.growth_bytes() < GROWTH_BYTES
