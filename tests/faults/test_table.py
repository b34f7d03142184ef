"""The table of faults: every row is a test, every test is a row, and the page shows the table."""

import importlib
from collections import Counter
from types import FunctionType

import pytest
from _pytest.mark.structures import ParameterSet

from tests.faults.fault import Fault
from tests.faults.table import FAULTS, PAGE, page
from tests.faults.test_hostile_outputs import ACTS

LEAST = 30
FILES = sorted({fault.file for fault in FAULTS})


def function(fault: Fault) -> FunctionType:
    module = importlib.import_module(f"tests.faults.{fault.file.removesuffix('.py')}")
    return getattr(module, fault.test)


def cases(test: FunctionType) -> set[str]:
    """The ids of a test's parameters; none where it has no parameters."""
    found: set[str] = set()
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            plain = [value.values[0] if isinstance(value, ParameterSet) else value for value in mark.args[1]]
            found |= set(mark.kwargs.get("ids") or map(str, plain))
    return found


def test_there_are_at_least_thirty_faults() -> None:
    assert len(FAULTS) >= LEAST


def test_the_page_shows_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `python -m tests.faults.table`"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.fault)
def test_every_row_is_a_test(fault: Fault) -> None:
    known = cases(function(fault))
    if fault.test == "test_a_hostile_candidate_is_labelled_and_the_host_unharmed":
        known = set(ACTS)
    elif fault.file == "test_soak.py":
        known = set()
    assert bool(fault.case) == bool(known), known
    assert not fault.case or fault.case in known, known


@pytest.mark.parametrize("file", FILES)
def test_every_test_is_a_row(file: str) -> None:
    module = importlib.import_module(f"tests.faults.{file.removesuffix('.py')}")
    tests = {name for name, value in vars(module).items() if name.startswith("test_") and callable(value)}
    assert tests == {fault.test for fault in FAULTS if fault.file == file}


def test_every_hostile_act_is_one_row() -> None:
    rows = Counter(fault.case for fault in FAULTS if fault.file == "test_hostile_outputs.py")
    assert rows == Counter(list(ACTS))
