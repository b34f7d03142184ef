"""What tests of the graph share: a home, its store, and an instance of Dagster that ends with the test."""

import dagster as dg
import pytest

from autoresearch_dagster.core.settings import Settings, load_settings
from autoresearch_dagster.store.store import Store, open_store


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("AUTORESEARCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AUTORESEARCH_MLRUNS", str(tmp_path / "mlruns"))
    monkeypatch.setenv("AUTORESEARCH_RUNNER", "plain")
    return load_settings()


@pytest.fixture
def store(settings) -> Store:
    return open_store(settings)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as made:
        yield made
