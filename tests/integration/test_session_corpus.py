"""A session over the user's own corpus: found again from anywhere, refused when the corpus changed."""

import pytest

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.session import laboratory_of, open_session
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.store import open_store
from tests import corpora


def silent(_told):
    """Nobody listens."""


def test_session_of_an_own_corpus_is_resumed_from_another_folder_and_refused_when_it_changed(tmp_path, monkeypatch):
    documents = corpora.texts()
    corpora.write_corpus(tmp_path / "corpus", documents, 3000)
    settings = Settings(home=tmp_path / "home", runner="plain")
    store = open_store(settings)
    monkeypatch.chdir(tmp_path)
    config = SessionConfig(memory_key="own", source="corpus", num_shards=2, preset="demo", time_budget_sec=1)
    began = open_session(store, settings, config, "cli", silent)
    assert began.config.source == str(tmp_path / "corpus")
    monkeypatch.chdir("/")
    assert laboratory_of(began, settings, silent).bundle.digest == began.bundle
    other = config.model_copy(update={"source": str(tmp_path / "corpus")})
    assert open_session(store, settings, other, "cli", silent).id == began.id
    corpora.write(tmp_path / "corpus" / "part-9.parquet", documents[:2900])
    with pytest.raises(UserError, match="changed since the session 'own' began"):
        laboratory_of(began, settings, silent)
