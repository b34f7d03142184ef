"""The trainer image: found by the digest of its sources, or built, with progress, on first use.

What is covered: a changed harness is a new image, an unchanged one is used at once; two processes build once;
the build needs no network where the base was made here.
What is not covered: a base image that changes under the same tag; `autoresearch image` says the digest that
pins it.
"""

import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors
from filelock import FileLock

from autoresearch_dagster.containers.build_inputs import (
    base_digest,
    base_image,
    build_context,
    fetch_wheels,
    needs_wheels,
    sources_digest,
    torch_index,
)
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.limits import IMAGE_BUILD_S
from autoresearch_dagster.core.progress import Amount, Report
from autoresearch_dagster.core.settings import Settings, build_environment, certificate_bundle

SOURCE_LABEL = "autoresearch.sources"
BASE_LABEL = "autoresearch.base"
LOG_LINES = 200
PYTHON = "/opt/trainer-env/bin/python"


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What a person wants to know of the trainer image; `base` is what pins the image that it was built on."""

    tag: str
    id: str
    size_bytes: int
    torch: str
    base: str


def find_image(client: docker.DockerClient, settings: Settings) -> str:
    """Return the id of an up-to-date trainer image, or '' where there is none."""
    return _current(client, settings.image, sources_digest(settings.base_image, settings.torch))


def describe_image(client: docker.DockerClient, settings: Settings, image: str) -> ImageFacts:
    """Look at an image; the version of torch is asked of the image itself, in a sealed container."""
    asked = "from importlib.metadata import version; print(version('torch'))"
    said = client.containers.run(
        image,
        entrypoint=[PYTHON, "-c", asked],
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        remove=True,
    )
    found = client.images.get(image)
    base = str(found.labels.get(BASE_LABEL, "unknown"))
    return ImageFacts(settings.image, image, int(found.attrs["Size"]), bytes(said).decode().strip(), base)


def ensure_image(client: docker.DockerClient, settings: Settings, report: Report, *, rebuild: bool = False) -> str:
    """Return the id of an up-to-date trainer image, building it where there is none.

    Args:
        client: of the daemon.
        settings: of this machine.
        report: receives each step of a build.
        rebuild: build anew, from the base up, whatever is there.

    Raises:
        ContainerError: it cannot be built; the text names the log.
    """
    wanted = sources_digest(settings.base_image, settings.torch)
    settings.home.mkdir(parents=True, exist_ok=True)
    with FileLock(settings.home / "image.lock"):  # two processes build once
        found = "" if rebuild else _current(client, settings.image, wanted)
        if found:
            return found
        started = time.monotonic()

        def timed(line: str | Amount) -> None:
            report(f"[{time.monotonic() - started:4.0f} s] {line}")

        timed("Building the trainer image (once; a few minutes with torch) ...")
        image = _build(client, settings, wanted, timed, rebuild)
        timed(f"Trainer image {settings.image} is ready.")
        return image


def _current(client: docker.DockerClient, tag: str, wanted: Digest) -> str:
    try:
        image = client.images.get(tag)
    except docker.errors.ImageNotFound:
        return ""
    return str(image.id) if image.labels.get(SOURCE_LABEL) == wanted else ""


def _build(client: docker.DockerClient, settings: Settings, wanted: Digest, report: Report, rebuild: bool) -> str:
    base = base_image(client, settings.base_image, report)
    arguments = build_environment()
    with build_context(settings.torch) as context:
        if needs_wheels(base):
            report("  fetching wheels for the trainer ...")
            fetch_wheels(context, settings.torch)
            arguments["PIP_NO_INDEX"] = "1"
        else:
            arguments["TORCH_INDEX"] = torch_index(settings.torch)
            if bundle := certificate_bundle():
                shutil.copy(bundle, context / "certificates" / "bundle.pem")
        output = docker.from_env(timeout=IMAGE_BUILD_S).api.build(
            path=str(context),
            tag=settings.image,
            buildargs={"BASE_IMAGE": base, **arguments},
            labels={SOURCE_LABEL: wanted, BASE_LABEL: base_digest(client, base)},
            rm=True,
            forcerm=True,
            nocache=rebuild,
            network_mode="host",
            decode=True,
        )
        _follow(output, settings.home / "image-build.log", report)
    return str(client.images.get(settings.image).id)


def _follow(output: Iterable[dict[str, Any]], log: Path, report: Report) -> None:
    """Report each step of a build as it begins; keep the end of its output when it fails."""
    lines: list[str] = []
    for entry in output:
        text = str(entry.get("stream", ""))
        lines.append(text)
        if text.startswith("Step "):
            report(f"  {text.strip().splitlines()[0][:100]}")
        if "error" in entry:
            log.write_text("".join(lines[-LOG_LINES:]) + f"\n{entry['error']}\n", encoding="utf-8")
            raise ContainerError(
                f"The trainer image could not be built; read the end of {log}, then try again "
                "or set AUTORESEARCH_RUNNER=local."
            )
