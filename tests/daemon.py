"""Tests that need a Docker daemon."""

import pytest

from autoresearch_dagster.containers.docker_runner import ping
from autoresearch_dagster.core.settings import load_settings


def require_daemon() -> None:
    """Skip a test where no Docker daemon answers, or let it fail where one has to, as in CI."""
    if not ping():
        say = pytest.fail if load_settings().require_docker else pytest.skip
        say("no Docker daemon answers")
