"""What the environment may change.  No other module reads an environment variable."""

import os
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_ROOT = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """Settings of this machine, each from `AUTORESEARCH_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="AUTORESEARCH_", frozen=True)

    home: Path = PROJECT_ROOT / ".autoresearch"
    """Local state: journal, blobs, bundles, Dagster's instance."""
    database_url: str = ""
    """SQLAlchemy address of the journal; empty: SQLite in `home`."""
    mlruns: Path = PROJECT_ROOT / "mlruns"
    """MLflow's database and artifacts."""
    runner: Literal["auto", "docker", "local"] = "auto"
    """Where candidates run; `auto`: Docker where a daemon answers, else local."""
    slots: int = 0
    """Experiments at a time; 0: one for each core this process may use."""
    image: str = "autoresearch/trainer:local"
    """The trainer image."""
    base_image: str = "python:3.11-slim"
    """What the trainer image is built from."""
    allow_unsandboxed: bool = False
    """Let code that a model wrote run without a sandbox; its scores are marked `unsandboxed`."""
    require_docker: bool = False
    """Tests that need a container fail instead of being skipped."""

    @cached_property
    def journal_url(self) -> str:
        """SQLAlchemy address of the journal."""
        return self.database_url or f"sqlite:///{self.home.resolve() / 'journal.db'}"

    @property
    def bundles(self) -> Path:
        """Where shards, tokenizers and packed rows are kept."""
        return self.home.resolve() / "bundles"

    @cached_property
    def cores(self) -> tuple[int, ...]:
        """The cores that slots may lease, by number."""
        return available_cores()[: self.slots] if self.slots else available_cores()


@cache
def available_cores() -> tuple[int, ...]:
    """The cores that this process may use: as it was started, whatever a thread is pinned to now."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def load_settings() -> Settings:
    """Read the settings from the environment now."""
    return Settings()
