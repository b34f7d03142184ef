"""What several tiers share."""

import pytest

from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.data.layout import Bundle
from tests.bundles import tiny_bundle
from tests.zygote import ZygoteRunner


@pytest.fixture(scope="session")
def sample_root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def sample_bundle(sample_root) -> Bundle:
    """The real sample bundle at T = 512, built once for all tests."""
    return build_bundle("sample", 2, 512, sample_root, lambda line: None)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of 64 short rows, made in no time; each module has its own."""
    return tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def zygote():
    """Real harness processes without their start-up: torch is imported once for all tests."""
    with ZygoteRunner() as runner:
        yield runner
