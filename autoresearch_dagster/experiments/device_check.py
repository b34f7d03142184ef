"""After work on a GPU has failed: was it the candidate, or the device?  The host says."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress

from autoresearch_dagster.containers.gpus import Gpu, health
from autoresearch_dagster.containers.machine_slots import chosen_gpus
from autoresearch_dagster.containers.taken_out import take_out
from autoresearch_dagster.core.errors import ContainerError, DeviceLost, EvaluationFault, UserError
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot

log = logging.getLogger(__name__)

SUSPECT = (Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.REFUSED)
"""Endings that a broken device can cause: an exception of CUDA, a wait that never ends, an answer that never
comes or is no number.  An honest ending costs one question to the host, a fraction of a second."""


def on_sound_device(
    settings: Settings,
    slot: Slot,
    work: Callable[[], ExperimentResult],
) -> ExperimentResult:
    """Do some work on a slot; if it fails because the slot's GPU did, take that out and say so.

    A slot without a GPU is not looked at.  What the candidate printed or reported counts for nothing here.

    Raises:
        DeviceLost: the device has failed; the work is worth another try on another slot.
        AutoresearchError: what the work itself raised, the device being sound.
    """
    if not slot.gpu:
        return work()
    known = _gpu(settings, slot)
    begun = time.monotonic()
    try:
        result = work()
    except (ContainerError, EvaluationFault) as fault:
        lost = lost_device(settings, known, time.monotonic() - begun)
        if lost is not None:
            raise lost from fault
        raise
    if result.outcome in SUSPECT:
        lost = lost_device(settings, known, time.monotonic() - begun)
        if lost is not None:
            raise lost
    return result


def lost_device(settings: Settings, gpu: Gpu, since_s: float) -> DeviceLost | None:
    """Ask the host for a device; if it has failed, take it out and return the fault that says so."""
    reason = health(gpu, since_s)
    if not reason:
        return None
    try:
        take_out(settings, gpu.uuid, gpu.name, reason)
    except OSError as fault:  # a full disk; it will be found again by who gets it next
        log.warning("gpu failed and could not be taken out gpu=%s reason=%s fault=%s", gpu.uuid, reason, fault)
    where = f"{gpu.name} ({gpu.uuid})" if gpu.name else gpu.uuid
    return DeviceLost(
        f"{where} failed ({reason}) and was taken out: repair or reset it, then `autoresearch doctor --retry-gpus`."
    )


def _gpu(settings: Settings, slot: Slot) -> Gpu:
    """Return the device of a slot as it is listed before the work begins."""
    with suppress(UserError):
        for gpu in chosen_gpus(settings):
            if gpu.uuid == slot.gpu:
                return gpu
    return Gpu(slot.gpu, "", slot.gpu)
