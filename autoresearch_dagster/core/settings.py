"""What the environment may change.  No other module reads an environment variable."""

import hashlib
import os
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from autoresearch_dagster.core.errors import UserError

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PREFIX = "AUTORESEARCH_"
NO_GPUS = "none"
MODEL_KEY_VARIABLE = "ANTHROPIC_API_KEY"
MODEL_ADDRESS_VARIABLE = "ANTHROPIC_BASE_URL"

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
BUILD_VARIABLES = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
    *PROXY_VARIABLES,
    *(name.lower() for name in PROXY_VARIABLES),
)
CERTIFICATE_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


class Settings(BaseSettings):
    """Settings of this machine, each from `AUTORESEARCH_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, frozen=True)

    home: Path = PROJECT_ROOT / ".autoresearch"
    """Local state: journal, blobs, bundles, Dagster's instance."""
    database_url: str = ""
    """SQLAlchemy address of the journal; empty: SQLite in `home`."""
    mlruns: Path = PROJECT_ROOT / "mlruns"
    """MLflow's database and artifacts."""
    runner: Literal["auto", "docker", "local", "plain"] = "auto"
    """Where candidates run; `auto`: Docker where a daemon answers, else `local`: a sandbox of bubblewrap where that
    works, else plain processes; `plain`: these in any case."""
    slots: Annotated[int, Field(ge=0)] = 0
    """Experiments at a time; 0: one for each core this process may use, or for each GPU."""
    gpus: str = ""
    """GPUs or MIG instances that slots may have: UUIDs with commas between them, or `none`; empty: all that
    `nvidia-smi -L` lists.  With `none` CPU presets have every core."""
    image: str = "autoresearch/trainer:local"
    """The trainer image."""
    base_image: str = "python:3.11-slim"
    """What the trainer image is built from; `python@sha256:...` pins it."""
    torch: Annotated[str, Field(pattern=r"^(cpu|cu\d+|rocm[\d.]+|xpu|pypi)$")] = "cpu"
    """The build of torch in the trainer image, as PyTorch names it: `cpu`, `cu126`, ...; `pypi`: what PyPI has."""
    arxiv_url: Annotated[str, Field(pattern=r"^https?://[^?#\s{}]+$")] = "https://export.arxiv.org/api/query"
    """Where the agent searches for papers: arXiv, or a mirror that speaks its API."""
    allow_unsandboxed: bool = False
    """Let code that a model wrote run without a sandbox; its scores are marked `unsandboxed`."""
    webhook: SecretStr = SecretStr("")
    """Where a note is sent when a session ends or is in trouble: the address of an incoming webhook, as chats and
    phones have them; it is told `{"text": ..., "content": ...}`.  Empty: nowhere."""
    model_prices: str = ""
    """US$ per million input and output tokens of the model, as in `3,15`; empty: what genai-prices says."""
    require_docker: bool = False
    """Tests that need a container fail instead of being skipped."""
    require_bubblewrap: bool = False
    """Tests that need a sandbox of bubblewrap fail instead of being skipped."""

    @property
    def home_id(self) -> str:
        """Name this installation: two checkouts may share a daemon and a temporary folder."""
        return hashlib.sha256(str(self.home.resolve()).encode()).hexdigest()[:8]

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
        """The cores that slots without a GPU may lease, by number; those of GPUs are among them."""
        return available_cores()[: self.slots] if self.slots else available_cores()


@cache
def available_cores() -> tuple[int, ...]:
    """The cores that this process may use: as it was started, whatever a thread is pinned to now."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def load_settings() -> Settings:
    """Read the settings from the environment now.

    Raises:
        UserError: a variable has a value that cannot be used; the text says what is permitted.
    """
    try:
        return Settings()
    except ValidationError as fault:
        first = fault.errors()[0]
        name = PREFIX + "_".join(map(str, first["loc"])).upper().removeprefix(PREFIX)
        raise UserError(f"{name}={first['input']} cannot be used: {first['msg']}; correct or unset it.") from None


def environment_key() -> SecretStr:
    """The model key that stands in the environment; empty where there is none."""
    return SecretStr(os.environ.get(MODEL_KEY_VARIABLE, "").strip())


def environment_address() -> str:
    """Where the model is asked instead of at Anthropic's own address; empty: there."""
    return os.environ.get(MODEL_ADDRESS_VARIABLE, "").strip()


def environment_without_key() -> dict[str, str]:
    """This process's environment for one that has no business with the model key."""
    return {name: value for name, value in os.environ.items() if name != MODEL_KEY_VARIABLE}


def build_environment() -> dict[str, str]:
    """What a build of the trainer image needs of this process's environment: package indexes and proxies."""
    return {name: os.environ[name] for name in BUILD_VARIABLES if os.environ.get(name)}


def certificate_bundle() -> Path | None:
    """The certificates that this network asks for, where the environment names a file that is there."""
    named = [Path(os.environ[name]) for name in CERTIFICATE_VARIABLES if os.environ.get(name)]
    return next((path for path in named if path.is_file()), None)


def whole_environment() -> dict[str, str]:
    """This process's environment, to find out whether any of it reaches a job."""
    return dict(os.environ)
