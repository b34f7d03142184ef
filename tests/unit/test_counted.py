"""A number and its noun agree, wherever a person or the agent is told how many."""

import re

import pytest

from autoresearch_dagster.core.progress import counted, in_unit
from autoresearch_dagster.core.settings import PROJECT_ROOT

PACKAGE = PROJECT_ROOT / "autoresearch_dagster"


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (0, "experiment", "0 experiments"),
        (1, "experiment", "1 experiment"),
        (2, "experiment", "2 experiments"),
        (1234, "small batch", "1,234 small batches"),
        (1, "hypothesis", "1 hypothesis"),
        (2, "hypothesis", "2 hypotheses"),
        (2, "try", "2 tries"),
        (2, "day", "2 days"),
        (2, "index", "2 indexes"),
    ],
)
def test_a_number_and_its_noun_agree(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said


@pytest.mark.parametrize(("value", "said"), [(1, "1 document"), (1.2, "1 document"), (2, "2 documents")])
def test_an_amount_and_its_unit_agree(value: float, said: str) -> None:
    assert in_unit(value, "documents") == said


NOUNS = "batches|candidates|documents|edits|experiments|hypotheses|jobs|sessions|slots|trainings|tries"
"""What is counted for a person, and is no verb."""


def test_no_text_puts_a_plural_behind_a_number_that_may_be_one() -> None:
    plural = re.compile(rf"\{{(?!limits\.)[^{{}}]*\}} (?:{NOUNS})\b")
    files = list(PACKAGE.rglob("*.py"))
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}

    assert len(files) > 300
    assert {name: found for name, text in texts.items() if (found := plural.findall(text))} == {}
    assert plural.search('f"{len(found)} experiments"')
