"""What the trainer image is built from: its sources, a base image, wheels.  Nothing is written in the checkout."""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import docker.errors

from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.core.limits import IMAGE_PULL_S
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import PROJECT_ROOT

SOURCES = PROJECT_ROOT / "trainer_image"
CONSTRAINTS = PROJECT_ROOT / "constraints.txt"
LOCAL_BASE = f"autoresearch/base:cpython-{platform.python_version()}"
PYPI = "pypi"
TORCH_INDEXES = "https://download.pytorch.org/whl"
OWN_SOURCES = ("global.index-url", "global.extra-index-url", "global.find-links", "global.no-index")
"""pip settings that a container does not see: with one of them the host fetches the wheels."""


def _files() -> list[Path]:
    return sorted([*SOURCES.glob("*.py"), SOURCES / "Dockerfile", SOURCES / "requirements.txt"])


def sources_digest(base_image: str, torch: str) -> Digest:
    """Name what the image is made from: harness, requirements, Dockerfile, the base and the torch it asks for."""
    parts = [f"{path.name}:{digest_of(path.read_bytes())}" for path in _files()]
    return digest_of("\n".join([base_image, torch, *parts]).encode())


def requirements(torch: str) -> str:
    """Return requirements.txt with torch in one build of its version, so that no other is installed unasked.

    PyPI's own torch for Linux on x86_64 is a CUDA build of 5 GB, under the plain version.
    """
    text = (SOURCES / "requirements.txt").read_text(encoding="utf-8")
    return text if torch == PYPI else re.sub(r"^(torch==[\d.]+)$", rf"\1+{torch}", text, flags=re.MULTILINE)


def torch_index(torch: str) -> str:
    """Return the address of PyTorch's own index that has a build; '' for PyPI's."""
    return "" if torch == PYPI else f"{TORCH_INDEXES}/{torch}"


@contextmanager
def build_context(torch: str) -> Iterator[Path]:
    """A build context with nothing in it but what the image is made from."""
    folder = Path(tempfile.mkdtemp(prefix="ar-image-"))
    try:
        for path in _files():
            shutil.copy(path, folder)
        (folder / "requirements.txt").write_text(requirements(torch), encoding="utf-8")
        shutil.copytree(SOURCES / "wheels", folder / "wheels")
        (folder / "certificates").mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def base_image(client: docker.DockerClient, wanted: str, report: Report) -> str:
    """Return a base that is here, can be pulled, or is made from this machine's Python.

    Raises:
        ContainerError: none of them; the text says what to do.
    """
    pinned = "@sha256:" in wanted  # then nothing may stand in for it
    for known in (wanted,) if pinned else (wanted, LOCAL_BASE):  # another base would mean to install torch again
        if _is_here(client, known):
            return known
    report(f"  fetching {wanted} ...")
    try:
        docker.from_env(timeout=IMAGE_PULL_S).images.pull(wanted)
    except (docker.errors.APIError, OSError):
        if not pinned:
            report("  no image registry answers: making a base from this machine's Python ...")
    else:
        return wanted
    if pinned or sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        raise ContainerError(
            f"{wanted} cannot be fetched and this system cannot stand in for it; pull it where there is a network, "
            "or set AUTORESEARCH_BASE_IMAGE to an image that is here."
        )
    _execute(["bash", str(SOURCES / "base_image.sh"), LOCAL_BASE, sys.executable], "make the base image")
    return LOCAL_BASE


def _is_here(client: docker.DockerClient, tag: str) -> bool:
    try:
        client.images.get(tag)
    except docker.errors.ImageNotFound:
        return False
    return True


def base_digest(client: docker.DockerClient, base: str) -> str:
    """Return what pins a base: its digest at the registry it came from, or its id where it was made here."""
    image = client.images.get(base)
    return str((image.attrs.get("RepoDigests") or [image.id])[0])


def needs_wheels(base: str) -> bool:
    """Whether the host fetches the wheels: the base has its Python, and perhaps alone a way to an index."""
    if base == LOCAL_BASE:
        return True
    alike = sys.platform == "linux" and f"python:{sys.version_info[0]}.{sys.version_info[1]}" in base
    return alike and _pip_has_own_sources()


def _pip_has_own_sources() -> bool:
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return any(line.startswith(OWN_SOURCES) for line in listed.splitlines())


def fetch_wheels(context: Path, torch: str) -> None:
    """Download what the context's requirements.txt asks for, in the versions that this project pins.

    Raises:
        ContainerError: they cannot be had; the text says what to do.
    """
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    pinned = ["--constraint", str(CONSTRAINTS)] if CONSTRAINTS.exists() else []
    wanted = ["--requirement", str(context / "requirements.txt"), "--dest", str(context / "wheels")]
    command += [*pinned, "--only-binary=:all:", *wanted]
    doing = f"fetch the trainer's wheels with torch for {torch} (AUTORESEARCH_TORCH)"
    try:
        _execute(command, doing)  # pip's own sources may have it, and they are near
    except ContainerError:
        if torch == PYPI:
            raise
        _execute([*command, "--extra-index-url", torch_index(torch)], doing)


def _execute(command: list[str], doing: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise ContainerError(f"Could not {doing} ({last[0][:300]}); AUTORESEARCH_RUNNER=local needs no image.")
