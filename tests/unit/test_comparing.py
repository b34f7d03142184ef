"""Two train.py are compared in one way, and never for longer than a person waits."""

import pytest

from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.core.limits import COMPARED_LINES
from autoresearch_dagster.reports.comparing import TOO_LONG, unified
from autoresearch_dagster.tracking.describe import diff_against_parent
from tests.reported import Research


class Kept(dict[Digest, bytes]):
    """Blobs in memory."""

    def get(self, digest):
        return self[digest]


def shown(before: str, after: str) -> str:
    """What MLflow and Dagster show of a candidate whose code is `after`, where the baseline's is `before`."""
    research = Research().turn(1)
    planned = research.planned("e01", 1, "one", after)
    state = research.launch(1, (planned,)).view().state
    kept = Kept({digest_of(after.encode()): after.encode()})
    return diff_against_parent(state, state.experiments[planned.key], kept, baseline=before)


def test_a_diff_has_names_and_lines_of_context():
    before = "".join(f"line {number}\n" for number in range(9))
    found = unified(before, before.replace("line 4", "changed"), ("a", "b"), context=1)
    assert found == ["--- a", "+++ b", "@@ -4,3 +4,3 @@", " line 3", "-line 4", "+changed", " line 5"]


def test_the_last_lines_of_files_that_do_not_end_them_stay_apart():
    assert shown("a = 1", "a = 2").splitlines()[-2:] == ["-a = 1", "+a = 2"]


def test_code_that_is_too_long_is_compared_nowhere():
    long = "a = 1\n" * (COMPARED_LINES + 1)
    assert unified(long, "b = 2\n") == unified("b = 2\n", long) == [TOO_LONG]
    assert shown("a = 1\n", long) == f"{TOO_LONG}\n"


@pytest.mark.parametrize(
    ("after", "said"), [("a = 1\n", "only the config differs"), ("a = 1\r\n", "Only the ends of lines differ.")]
)
def test_code_without_another_line_says_what_differs(after, said):
    assert said in shown("a = 1\n", after)
