"""Images for other networks: PyTorch's index behind certificates of one's own, a base that is pinned."""

import shutil
import ssl
import subprocess
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import docker
import pytest

from autoresearch_dagster.containers import build_inputs, image
from autoresearch_dagster.containers.build_inputs import LOCAL_BASE, base_image
from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.settings import load_settings
from tests.daemon import require_daemon

pytestmark = pytest.mark.docker
TAG = "autoresearch/trainer:test-network"


@pytest.fixture
def settings(tmp_path):
    found = load_settings()
    require_daemon()
    return found.model_copy(update={"home": tmp_path / "home", "image": TAG, "torch": "cu126"})


@pytest.fixture
def client():
    made = docker.from_env()
    yield made
    made.close()


@pytest.fixture
def index(tmp_path):
    """PyTorch's index with one tiny torch, over TLS with a certificate of its own: its address, the bundle."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, bundle, served = tmp_path / "key.pem", tmp_path / "bundle.pem", tmp_path / "served"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names]
    subprocess.run([*command, "-keyout", str(key), "-out", str(bundle)], check=True, capture_output=True)
    tiny_torch(served / "whl" / "cu126" / "torch", "2.13.0+cu126")
    handler = partial(SimpleHTTPRequestHandler, directory=str(served))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(bundle, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}/whl", bundle
        server.shutdown()


def tiny_torch(folder: Path, version: str) -> None:
    folder.mkdir(parents=True)
    name = f"torch-{version}-py3-none-any.whl"
    info = f"torch-{version}.dist-info"
    with zipfile.ZipFile(folder / name, "w") as wheel:
        wheel.writestr("torch.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "index.html").write_text(f'<a href="{name}">{name}</a>')


def test_a_cuda_build_comes_from_pytorchs_index_and_the_networks_certificates_stay_out(
    settings, client, index, tmp_path, monkeypatch
):
    address, bundle = index
    sources = tmp_path / "trainer_image"
    shutil.copytree(build_inputs.SOURCES, sources)
    (sources / "requirements.txt").write_text("torch==2.13.0\n")
    monkeypatch.setattr(build_inputs, "SOURCES", sources)
    monkeypatch.setattr(build_inputs, "TORCH_INDEXES", address)
    monkeypatch.setattr(image, "needs_wheels", lambda _base: False)
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", f"{address}/cu126")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    said: list[str] = []
    try:
        facts = DockerRunner(settings).build_image(said.append, rebuild=False)

        assert facts.torch == "2.13.0+cu126"
        assert facts.base == client.images.get(TAG).labels["autoresearch.base"]
        assert facts.base.partition(":")[0] in {"sha256", "python@sha256"}
        looked = ["-c", "import pathlib; print(pathlib.Path('/build').exists())"]
        assert client.containers.run(TAG, looked, entrypoint=["python3"], remove=True).strip() == b"False"
    finally:
        client.images.remove(TAG, force=True)
        for stage in client.images.list(filters={"dangling": True}):  # the first stage, which had the certificates
            if any(address in step["CreatedBy"] for step in stage.history()):
                client.images.remove(stage.id, force=True)


def test_nothing_stands_in_for_a_base_that_is_named_by_its_digest(settings, client):
    DockerRunner(load_settings()).prepare(print)  # so that there is a base which could

    with pytest.raises(ContainerError, match="cannot be fetched"):
        base_image(client, f"autoresearch/nowhere@sha256:{'0' * 64}", print)


def test_a_base_that_is_here_is_kept_as_it_is_named(client, settings):
    DockerRunner(load_settings()).prepare(print)
    here = next(image for image in client.images.list() if image.tags)

    assert base_image(client, here.tags[0], print) == here.tags[0]
    assert LOCAL_BASE.startswith("autoresearch/base:")
