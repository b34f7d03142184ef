"""A champion's weights and text in real containers, by an agent's code."""

import docker
import pytest
from safetensors.torch import load_file

from autoresearch_dagster.containers.arguments import OWNER_LABEL
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.build import find_bundle
from autoresearch_dagster.evaluation.generation import Sampling
from autoresearch_dagster.experiments.champion_weights import champion_weights
from autoresearch_dagster.experiments.generate import generate_text, source_of
from autoresearch_dagster.experiments.laboratory import scratch_prefix
from tests.champions import Home
from tests.daemon import require_daemon
from tests.frozen import NEXT, TIED

pytestmark = pytest.mark.docker
ESCAPES = """
import os
out = os.environ["AUTORESEARCH_OUT"] + "/model.safetensors"
os.symlink("/etc/shadow", out)
os._exit(0)
"""
LOOKS = """
import os, socket
assert os.getuid() == 65534
assert not os.access("/", os.W_OK) and not os.path.exists("/var/run/docker.sock")
try:
    socket.create_connection(("1.1.1.1", 53), 1)
except OSError:
    pass
else:
    raise RuntimeError("there is a network")
"""


@pytest.fixture
def home(tmp_path):
    """Make a home whose agent was a model: its code runs in containers only."""
    require_daemon()

    homes = []

    def home(*codes):
        made = Home(tmp_path, *codes, researcher="claude", runner="docker")
        homes.append(made)
        DockerRunner(made.settings).prepare(print)
        return made

    yield home
    for made in homes:
        filters = {"label": f"{OWNER_LABEL}={made.settings.home_id}"}
        assert docker.from_env().containers.list(all=True, filters=filters) == []
        assert find_folders(scratch_prefix(made.settings)) == []


def test_weights_are_converted_in_a_sealed_container(home):
    made = home(f"{TIED}# sealed\n{LOOKS}")
    (found,) = champion_weights(made.settings, made.store, made.state)

    assert found.why_not == ""
    weights = load_file(made.store.blobs.path(found.digest))
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        "head.weight": (256, 8),
        "view": (8, 256),
    }


def test_a_link_in_place_of_the_weights_is_not_followed(home):
    made = home(f"{TIED}# sealed\n{ESCAPES}")
    (found,) = champion_weights(made.settings, made.store, made.state)

    assert found.why_not == "the file was refused: model.safetensors is not a plain file that may be read"


def test_the_champion_writes_text_in_a_sealed_container(home):
    made = home(f"{NEXT}# sealed\n{LOOKS}")
    told = []
    text = "".join(
        generate_text(made.settings, source_of(made.store, "night"), "a", Sampling(5, 0, 0), told.append)
    )

    encoding = tokenizer.load(find_bundle(made.state.bundle, made.settings.bundles).tokenizer)
    last = encoding.encode_ordinary("a")[-1]
    assert text == encoding.decode([last + n for n in range(1, 6)])
    assert "each candidate in a sealed container" in told[-1]
