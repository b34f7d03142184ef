"""What the trainer image is made from: one build of torch, and never another unasked."""

import pytest

from autoresearch_dagster.containers.build_inputs import build_context, requirements, sources_digest, torch_index
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.settings import build_environment, certificate_bundle, load_settings


@pytest.mark.parametrize("torch", ["cpu", "cu126"])
def test_torch_is_asked_for_in_one_build(torch):
    lines = requirements(torch).splitlines()

    assert f"torch==2.13.0+{torch}" in lines
    assert "numpy>=2" in lines
    assert torch_index(torch) == f"https://download.pytorch.org/whl/{torch}"


def test_pypis_own_build_has_to_be_asked_for():
    assert "torch==2.13.0" in requirements("pypi").splitlines()
    assert torch_index("pypi") == ""
    assert load_settings().torch == "cpu"


def test_another_build_of_torch_is_another_image():
    names = {sources_digest(base, torch) for base in ("a", "b") for torch in ("cpu", "cu126")}

    assert len(names) == 4


def test_the_build_context_asks_for_the_same_torch_and_has_no_certificates_of_its_own():
    with build_context("cu126") as context:
        assert "torch==2.13.0+cu126" in (context / "requirements.txt").read_text()
        assert list((context / "certificates").iterdir()) == []
        assert (context / "wheels").is_dir()
    assert not context.exists()


@pytest.mark.parametrize("value", ["cuda", "cpu; rm", "cu", "https://elsewhere"])
def test_a_build_that_pytorch_does_not_name_is_refused(monkeypatch, value):
    monkeypatch.setenv("AUTORESEARCH_TORCH", value)

    with pytest.raises(UserError, match="AUTORESEARCH_TORCH"):
        load_settings()


def test_a_build_gets_indexes_and_proxies_and_nothing_else(monkeypatch):
    for name in ("PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "secret")

    assert build_environment() == {
        "PIP_INDEX_URL": "https://index.example/simple",
        "https_proxy": "http://proxy.example:3128",
    }


def test_certificates_are_those_that_the_environment_names_and_has(monkeypatch, tmp_path):
    for name in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    assert certificate_bundle() is None

    monkeypatch.setenv("PIP_CERT", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "own.pem"))
    assert certificate_bundle() is None

    (tmp_path / "own.pem").write_text("certificate")
    assert certificate_bundle() == tmp_path / "own.pem"
