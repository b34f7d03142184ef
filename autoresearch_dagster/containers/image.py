"""The trainer image: found by the digest of its sources, or built, with progress, on first use."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors
from filelock import FileLock

from autoresearch_dagster.containers.protocol import Report
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.core.limits import IMAGE_PULL_S
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings

SOURCES = PROJECT_ROOT / "trainer_image"
SOURCE_LABEL = "autoresearch.sources"
LOCAL_BASE = "autoresearch/base:local"
LOG_LINES = 200
PASSED_ON = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def sources_digest(base_image: str) -> Digest:
    """Name what the image is made from: harness, requirements, Dockerfile and the base it asks for."""
    files = sorted([*SOURCES.glob("*.py"), SOURCES / "Dockerfile", SOURCES / "requirements.txt"])
    parts = [f"{path.name}:{digest_of(path.read_bytes())}" for path in files]
    return digest_of("\n".join([base_image, *parts]).encode())


def ensure_image(client: docker.DockerClient, settings: Settings, report: Report) -> str:
    """Return the id of an up-to-date trainer image, building it where there is none.

    Raises:
        ContainerError: it cannot be built; the text names the log.
    """
    wanted = sources_digest(settings.base_image)
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "image.lock"):  # two processes build once
        found = _current(client, settings.image, wanted)
        if found:
            return found
        started = time.monotonic()
        report("Building the trainer image (once; a few minutes with torch) ...")
        image = _build(client, settings, wanted, report)
        report(f"Trainer image {settings.image} ready after {time.monotonic() - started:.0f} s.")
        return image


def _current(client: docker.DockerClient, tag: str, wanted: Digest) -> str:
    try:
        image = client.images.get(tag)
    except docker.errors.ImageNotFound:
        return ""
    return str(image.id) if image.labels.get(SOURCE_LABEL) == wanted else ""


def _build(client: docker.DockerClient, settings: Settings, wanted: Digest, report: Report) -> str:
    base, is_local = _base_image(client, settings.base_image, report)
    arguments = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    with _context() as context:
        if is_local:  # same interpreter and libraries as here, so wheels that fit here fit there
            _fetch_wheels(context / "wheels", report)
            arguments["PIP_NO_INDEX"] = "1"
        report(f"  installing torch on {base} ...")
        return _run_build(client, settings, context, wanted, {"BASE_IMAGE": base, **arguments})


def _base_image(client: docker.DockerClient, wanted: str, report: Report) -> tuple[str, bool]:
    """Return a base that is here, can be pulled, or is made from this machine; and whether it is the last."""
    try:
        client.images.get(wanted)
        return wanted, False
    except docker.errors.ImageNotFound:
        report(f"  fetching {wanted} ...")
    try:
        patient = docker.from_env(timeout=IMAGE_PULL_S)
        patient.images.pull(wanted)
        return wanted, False
    except (docker.errors.APIError, OSError):
        report("  no image registry answers: making a base from this machine's Python ...")
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        raise ContainerError(
            f"{wanted} cannot be fetched and this system cannot stand in for it; pull it where there is a network, "
            "or set AUTORESEARCH_BASE_IMAGE to an image that is here."
        )
    _execute(["bash", str(SOURCES / "base_image.sh"), LOCAL_BASE, sys.executable], "make the base image")
    return LOCAL_BASE, True


def _fetch_wheels(folder: Path, report: Report) -> None:
    report("  fetching wheels for the trainer ...")
    requirements = str(SOURCES / "requirements.txt")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    constraints = ["--constraint", str(PROJECT_ROOT / "constraints.txt")]
    _execute([*command, *constraints, "-r", requirements, "-d", str(folder)], "fetch the trainer's wheels")


def _execute(command: list[str], doing: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no message"]
        raise ContainerError(f"Could not {doing} ({last[0][:300]}); AUTORESEARCH_RUNNER=local needs no image.")


@contextmanager
def _context() -> Iterator[Path]:
    """A build context with nothing in it but what the image is made from."""
    folder = Path(tempfile.mkdtemp(prefix="ar-image-"))
    try:
        for path in [*SOURCES.glob("*.py"), SOURCES / "Dockerfile", SOURCES / "requirements.txt"]:
            shutil.copy(path, folder)
        shutil.copytree(SOURCES / "wheels", folder / "wheels")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_build(
    client: docker.DockerClient,
    settings: Settings,
    context: Path,
    wanted: Digest,
    arguments: dict[str, str],
) -> str:
    try:
        image, _log = client.images.build(
            path=str(context),
            tag=settings.image,
            buildargs=arguments,
            labels={SOURCE_LABEL: wanted},
            rm=True,
            forcerm=True,
            network_mode="host",
        )
    except docker.errors.BuildError as fault:
        log = settings.home / "image-build.log"
        lines = [str(entry.get("stream") or entry.get("error") or json.dumps(entry)) for entry in fault.build_log]
        log.write_text("".join(lines[-LOG_LINES:]), encoding="utf-8")
        raise ContainerError(
            f"The trainer image could not be built ({fault.msg}); see {log}, or set AUTORESEARCH_RUNNER=local."
        ) from fault
    return str(image.id)
