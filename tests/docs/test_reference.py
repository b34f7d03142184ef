"""The reference says what the code says."""

import re
from typing import get_args

import pytest
from pydantic import BaseModel, Field, SecretStr

from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation import receipt
from autoresearch_dagster.store import events
from docs.scripts.reference import PAGES, written
from docs.scripts.tables import code, default_of, fields_of

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


def rows_of(text: str) -> list[list[str]]:
    """The rows of all tables of a page, without their heads; a bar behind a backslash divides nothing."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    heads = [number - 1 for number, row in enumerate(lines) if set("".join(row)) == {" ", "-"}]
    return [
        [cell.strip() for cell in row] for number, row in enumerate(lines) if {number, number - 1}.isdisjoint(heads)
    ]


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_the_reference_has_a_name_and_a_meaning_and_no_empty_backticks(name: str) -> None:
    text = TEXTS[name][1]
    rows = rows_of(text)

    assert rows
    assert [row for row in rows if not row[0] or not row[-1]] == []
    assert [line for line in text.splitlines() if re.search(r"(?<!`)``(?!`)", line)] == []


@pytest.mark.parametrize("name", ["events.md", "receipt.md", "cli.md"])
def test_every_event_type_and_command_is_told_in_a_sentence(name: str) -> None:
    told = dict(re.findall(r"^## (.+)\n\n(.*)$", TEXTS[name][1], re.MULTILINE))

    assert len(told) > 5
    assert [heading for heading, text in told.items() if not re.match(r"[A-Z].*[.:`]$", text)] == []


def test_every_tool_of_the_agent_is_told_in_a_sentence() -> None:
    told = dict(re.findall(r"^### `(\w+)`\n\n```python\n(?:.+\n)+```\n\n(.*)$", TOOLBOX.markdown, re.MULTILINE))

    assert [*told] == TOOLBOX.names
    assert [name for name, text in told.items() if not re.match(r"[A-Z].*[.:]$", text)] == []


def test_the_types_that_a_page_names_are_on_it() -> None:
    for name in ("events.md", "receipt.md"):
        text = TEXTS[name][1]
        headings = set(re.findall(r"^## (.+)$", text, re.MULTILINE))
        assert set(re.findall(r"\[(\w+)\]\(#\w+\)", text)) <= headings, name


def test_a_field_without_a_sentence_is_refused() -> None:
    class Silent(BaseModel):
        told: int = Field(0, description="How many.")
        untold: int = 0

    with pytest.raises(ValueError, match=r"at its definition in the code: `untold`\."):
        fields_of(Silent)


def test_nothing_is_never_shown_as_code() -> None:
    with pytest.raises(ValueError, match="Nothing"):
        code("")
    assert default_of(SecretStr("")) == "empty"
    assert default_of("") == "empty"
    assert default_of(None) == "none"
    assert default_of(False) == "`False`"
