"""What is there, what is missing, and what to do about it."""

import importlib.metadata
import shutil
import sys

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.gpus import list_gpus
from autoresearch_dagster.containers.machine_slots import chosen_gpus, machine_slots
from autoresearch_dagster.containers.select import daemon_version, select_runner
from autoresearch_dagster.containers.taken_out import taken_out
from autoresearch_dagster.core.errors import AutoresearchError, UserError
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.limits import DISK_RESERVE_BYTES, GIB
from autoresearch_dagster.core.model_key import find_key
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.seals import PROBE, Tried, try_seals
from autoresearch_dagster.store.store import open_store

PACKAGES = ("dagster", "mlflow", "torch", "docker", "pydantic-monty", "anthropic")
MIN_PYTHON = (3, 11)
ASIDE = "Code that a model wrote does not run like this unless AUTORESEARCH_ALLOW_UNSANDBOXED=true."
SAID = {"sealed": "sealed", "open": "not sealed", "untried": "could not be tried"}


class Finding(Data):
    """One thing that was looked at; `advice` says what to do when it is not `ok`."""

    what: str
    ok: bool
    needed: bool
    found: str
    advice: str = ""


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that research needs here; starts one small job, leaves nothing but an empty journal."""
    return [
        _python(),
        _docker(),
        _gpu(),
        *_failed_gpus(settings),
        _key(settings),
        _disk(settings),
        _slots(settings),
        *_image(settings),
        *_seals(settings),
        _journal(settings),
        *(_package(name) for name in PACKAGES),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(
        what="Python",
        ok=sys.version_info >= MIN_PYTHON,
        needed=True,
        found=version,
        advice="Install Python 3.11 or newer and run `make install`.",
    )


def _docker() -> Finding:
    version = daemon_version()
    return Finding(
        what="Docker",
        ok=bool(version),
        needed=False,
        found=f"daemon {version}" if version else "no daemon answers",
        advice=""
        if version
        else "Start Docker to seal candidates; without it they need bubblewrap, or run unsealed.",
    )


def _gpu() -> Finding:
    devices = [f"{gpu.name} ({gpu.uuid}, {gpu.memory_mib or '?'} MiB on its card)" for gpu in list_gpus()]
    return Finding(
        what="GPU",
        ok=bool(devices),
        needed=False,
        found=", ".join(devices) or "none",
        advice="" if devices else "The presets demo and workshop need none.",
    )


def _failed_gpus(settings: Settings) -> list[Finding]:
    return [
        Finding(
            what="failed GPU",
            ok=False,
            needed=False,
            found=f"{one.name or one.gpu} ({one.gpu}) was taken out on {one.at:%Y-%m-%d %H:%M} UTC: {one.reason}.",
            advice="Repair or reset it, then put it back with `autoresearch doctor --retry-gpus`.",
        )
        for one in taken_out(settings)
    ]


def _key(settings: Settings) -> Finding:
    try:
        key = find_key(settings)
    except UserError as fault:
        return Finding(what="model key", ok=False, needed=False, found="unusable", advice=str(fault))
    return Finding(
        what="model key",
        ok=key is not None,
        needed=False,
        found=f"from {key.where}" if key else "none",
        advice="" if key else "researcher=scripted needs none; `autoresearch key set` keeps one.",
    )


def _disk(settings: Settings) -> Finding:
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        return Finding(
            what="disk",
            ok=False,
            needed=True,
            found=f"{settings.home} cannot be written ({fault.strerror})",
            advice="Set AUTORESEARCH_HOME to a folder that can.",
        )
    free = shutil.disk_usage(settings.home).free
    return Finding(
        what="disk",
        ok=free > DISK_RESERVE_BYTES,
        needed=True,
        found=f"{free / GIB:.0f} GiB free at {settings.home}",
        advice="Free some space, or set AUTORESEARCH_HOME to another disk.",
    )


def _slots(settings: Settings) -> Finding:
    try:
        plain = machine_slots(settings, "core", "demo")
    except UserError as fault:
        return Finding(what="slots", ok=False, needed=True, found="unusable", advice=str(fault))
    try:
        with_gpu = machine_slots(settings, "gpu", "gpu")
        beside = f", {len(with_gpu)} with a GPU and {len(with_gpu[0].cores)} core(s) each"
    except UserError as fault:
        beside = f", none with a GPU: {fault}" if chosen_gpus(settings) else ""
    return Finding(what="slots", ok=True, needed=True, found=f"{len(plain)} (one core each){beside}")


def _image(settings: Settings) -> list[Finding]:
    """Say where GPUs would lie idle: the image has another torch."""
    if settings.torch != "cpu" or not list_gpus():
        return []
    todo = "Set AUTORESEARCH_TORCH=cu126, or what the driver supports, and run `autoresearch image`."
    return [Finding(what="torch in images", ok=False, needed=False, found="for CPUs only", advice=todo)]


def _seals(settings: Settings) -> list[Finding]:
    """Try what the runner that would be used keeps; an open seal is a fault only where it claims to keep it."""
    try:
        selection = select_runner(settings, PROBE)
        runner = selection.runner
        if isinstance(runner, DockerRunner) and not runner.has_image():
            todo = "Run `autoresearch image`, then this again."
            return [
                Finding(what="runner", ok=False, needed=False, found=f"{selection.reason} Not tried.", advice=todo)
            ]
        tried = try_seals(runner, settings)
    except AutoresearchError as fault:
        return [Finding(what="runner", ok=False, needed=True, found="unusable", advice=str(fault))]
    said = Finding(
        what="runner", ok=runner.capabilities.sandboxed, needed=False, found=selection.reason, advice=ASIDE
    )
    return [said, *map(_seal, tried)]


def _seal(tried: Tried) -> Finding:
    return Finding(
        what=f"seal {tried.name}",
        ok=tried.state == "sealed",
        needed=tried.promised and tried.state == "open",
        found=f"{SAID[tried.state]}: {tried.found}",
        advice=tried.advice,
    )


def _journal(settings: Settings) -> Finding:
    try:
        count = len(open_store(settings).journal.sessions())
    except AutoresearchError as fault:
        return Finding(what="journal", ok=False, needed=True, found="unusable", advice=str(fault))
    return Finding(what="journal", ok=True, needed=True, found=counted(count, "session"))


def _package(name: str) -> Finding:
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return Finding(what=name, ok=False, needed=True, found="missing", advice="Run `make install`.")
    return Finding(what=name, ok=True, needed=True, found=found)
