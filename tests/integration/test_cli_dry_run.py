"""`run --dry-run` says what would be taken and takes nothing."""

import gc
import json

import pytest

from autoresearch_dagster.data.climbmix import REPOSITORY
from autoresearch_dagster.store.store import find_store
from tests.command_line import files_below, is_one_sentence
from tests.sessions import finished_session


def test_nothing_is_created_where_nothing_is(command):
    done = command("run", "--preset", "demo", "--dry-run")

    assert done.code == 0, done.err
    assert not command.home.exists()
    for said in ("a new session", "to be built", "about ", "US$ 0.00", "Nothing was started"):
        assert said in done.out


def test_nothing_changes_where_something_is(command, shared):
    finished_session(shared / "with-session", memory_key="done", n_experiments=2)
    command("bundle", "--preset", "demo", home=shared / "with-session")
    gc.collect()  # what made the session still has its journal open, and closing it writes
    before = files_below(shared / "with-session")

    done = command("run", "--preset", "demo", "--memory-key", "done", "--dry-run", "--json")

    found = json.loads(done.out)
    assert files_below(shared / "with-session") == before
    assert (found["session"], found["status"], found["experiments"], found["batches"]) == ("s01", "finished", 6, 2)
    assert found["bundle_bytes"] == 0
    assert found["bundle"] is not None
    assert found["image"] == "none needed"
    assert found["model_usd"] == 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--researcher", "oracle"], "oracle"),
        (["--source", "nowhere"], "nowhere"),
        (["--batch-size", "0"], "batch_size"),
        (["--preset", "huge"], "demo"),
    ],
)
def test_what_would_be_refused_is_refused(command, arguments, named):
    done = command("run", "--dry-run", *arguments)

    assert done.code == 2
    assert is_one_sentence(done.err)
    assert named in done.err


def test_other_terms_than_those_of_the_session_are_refused(command, tmp_path):
    finished_session(tmp_path / "home", memory_key="done", n_experiments=1)

    done = command("run", "--dry-run", "--memory-key", "done", "--preset", "workshop")

    assert done.code == 2
    assert "preset=demo" in done.err


def test_json_goes_with_the_dry_run(command):
    done = command("run", "--json")

    assert done.code == 2
    assert "--dry-run" in done.err


def test_a_store_is_only_found_where_there_is_one(tmp_path, monkeypatch):
    from autoresearch_dagster.core.settings import Settings

    assert find_store(Settings(home=tmp_path / "none", database_url="")) is None
    assert list(tmp_path.iterdir()) == []


def test_climbmix_is_estimated_from_the_record_alone(command):
    unknown = json.loads(command("run", "--source", "climbmix", "--dry-run", "--json").out)
    assert (unknown["bundle_bytes"], unknown["download_bytes"]) == (None, None)
    assert not command.home.exists()

    commit, names = "a" * 40, ("shard_00000.parquet", "shard_06542.parquet")
    files = {name: {"size_bytes": 1000, "sha256": "b" * 64} for name in names}
    record = {"repository": REPOSITORY, "revisions": {"main": commit}, "files": {commit: files}}
    downloads = command.home / "bundles" / "downloads" / "climbmix" / commit[:16]
    downloads.mkdir(parents=True)
    (command.home / "bundles" / "climbmix.json").write_text(json.dumps(record))
    (downloads / names[0]).write_bytes(bytes(1000))
    before = files_below(command.home)

    known = json.loads(command("run", "--source", "climbmix@main", "--dry-run", "--json").out)
    assert known["download_bytes"] == 1000
    assert known["bundle_bytes"] > 1000
    assert files_below(command.home) == before


def test_a_folder_is_not_hashed_for_an_estimate(command, tmp_path):
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "a.parquet").write_bytes(b"never read")

    found = json.loads(command("run", "--source", corpus, "--dry-run", "--json").out)

    assert (found["download_bytes"], found["bundle_bytes"]) == (0, None)
    assert not command.home.exists()
