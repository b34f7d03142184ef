"""The reference says what the code says."""

from typing import get_args

import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation import receipt
from autoresearch_dagster.store import events
from docs.scripts.reference import PAGES, written

TEXTS = {path.name: (path, text) for path, text in written().items()}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    path, text = TEXTS[name]

    assert path.read_text(encoding="utf-8") == text, "run `python -m docs.scripts.reference`"


def test_every_limit_is_documented() -> None:
    names = [name for name in vars(limits) if name.isupper() and name not in ("MIB", "GIB")]

    assert len(names) > 100
    assert [name for name in names if f"`{name}`" not in TEXTS["limits.md"][1]] == []


def test_every_event_setting_and_field_of_a_receipt_is_documented() -> None:
    kinds = [one.model_fields["kind"].default for one in get_args(get_args(events.Event)[0])]

    assert [kind for kind in kinds if f"## {kind}\n" not in TEXTS["events.md"][1]] == []
    assert [name for name in Settings.model_fields if name.upper() not in TEXTS["settings.md"][1]] == []
    fields = receipt.Receipt.model_fields
    assert [name for name in fields if f"| `{name}` |" not in TEXTS["receipt.md"][1]] == []


@pytest.mark.parametrize(
    "part", [receipt.Receipt, receipt.AuditRecord, receipt.Stratum, receipt.ServeRecord, receipt.ServerTimes]
)
def test_every_field_of_a_receipt_has_a_meaning(part: type[receipt.Data]) -> None:
    for name in part.model_fields:
        lines = [line for line in TEXTS["receipt.md"][1].splitlines() if line.startswith(f"| `{name}` |")]
        assert any(not line.endswith("|  |") for line in lines), name
