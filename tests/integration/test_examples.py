"""The stored session can be imported, and its report is the one that this version writes of it."""

import re
from pathlib import Path

import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.experiments.import_archive import import_session
from autoresearch_dagster.experiments.kept_receipts import receipt_problems, scores_of_record
from autoresearch_dagster.experiments.report import write_report
from autoresearch_dagster.store.leaderboard import leaderboard
from autoresearch_dagster.store.store import Store, open_store

EXAMPLE = PROJECT_ROOT / "examples" / "first-night"


@pytest.fixture
def imported(tmp_path: Path) -> tuple[Settings, Store]:
    settings = Settings(home=tmp_path / "home")
    import_session(settings, EXAMPLE / "session.tar")
    return settings, open_store(settings)


def panel(page: str, name: str) -> str:
    """The words of one tab."""
    found = re.search(rf'<section[^>]*id="{name}".*?</section>', page, re.S)
    assert found is not None, name
    return " ".join(re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", found[0], flags=re.S).split())


def test_every_score_of_the_example_rests_on_its_receipt(imported: tuple[Settings, Store]) -> None:
    _, store = imported
    state = store.journal.state("s01")
    assert list(receipt_problems(state, store.blobs)) == []
    assert scores_of_record(state) == 21
    assert state.champion is not None
    assert len(leaderboard(state)) == 12


def test_the_stored_report_is_what_this_version_writes(imported: tuple[Settings, Store], tmp_path: Path) -> None:
    settings, store = imported
    written = write_report(settings, store, "s01", tmp_path / "report.html").read_text()
    stored = (EXAMPLE / "report.html").read_text()
    for name in ("summary", "leaderboard", "edits", "memory", "costs"):
        assert panel(written, name) == panel(stored, name)
