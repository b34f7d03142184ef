"""`bundle` and `image`: built once, found afterwards."""

import json
import uuid

import docker
import pytest

from autoresearch_dagster.core.presets import preset
from tests.command_line import is_one_sentence
from tests.daemon import require_daemon

LENGTH = preset("demo").sequence_length


def test_a_bundle_is_built_once_and_described(command, shared):
    first = command("bundle", "--preset", "demo", home=shared)
    again = command("bundle", "--sequence-length", LENGTH, home=shared)
    told = json.loads(command("bundle", "--preset", "demo", "--json", home=shared).out)

    assert (first.code, again.code) == (0, 0)
    assert "was already built." in again.out
    assert told["already_built"]
    assert told["digest"][:16] in first.out
    assert told["sequence_length"] == told["profile"]["sequence_length"] == LENGTH
    assert (shared / "bundles" / "packed_rows" / told["digest"][:16]).samefile(told["packed_rows"])
    assert told["bytes"] > 10**6


def test_another_length_shares_shards_and_tokenizer(command, shared):
    done = command("bundle", "--sequence-length", LENGTH // 2, home=shared)

    assert "is built." in done.out
    assert f"packing rows of {LENGTH // 2}" in done.err
    assert "training" not in done.err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--preset", "demo", "--sequence-length", "512"], "not both"),
        (["--sequence-length", "1"], "sequence_length=1"),
        (["--sequence-length", "long"], "sequence-length"),
        (["--num-shards", "0"], "num_shards=0"),
        (["--num-shards", "99"], "1 to 16"),
        (["--source", "nowhere"], "sample"),
        (["--preset", "huge"], "demo"),
    ],
)
def test_wrong_use_names_what_is_permitted(command, shared, arguments, named):
    done = command("bundle", *arguments, home=shared)

    assert done.code == 2
    assert is_one_sentence(done.err.splitlines()[-1])
    assert named in done.err


def test_without_a_daemon_image_says_what_to_do(command, monkeypatch, tmp_path):
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'nothing.sock'}")

    done = command("image")

    assert done.code == 1
    assert is_one_sentence(done.err)


@pytest.mark.docker
def test_an_image_is_described(command, monkeypatch):
    require_daemon()
    tag = f"autoresearch/trainer:test-{uuid.uuid4().hex[:8]}"
    monkeypatch.setenv("AUTORESEARCH_IMAGE", tag)
    try:
        first = command("image")
        again = json.loads(command("image", "--json").out)
    finally:
        client = docker.from_env()
        client.images.remove(tag, force=True)
        client.close()

    assert first.code == 0, first.err
    assert "Step " in first.err
    assert again["tag"] == tag
    assert again["id"].startswith("sha256:")
    assert again["id"] in first.out
    assert again["torch"].startswith("2.13.0")
    assert again["bytes"] > 10**8
