"""Which slots this machine has: the one place that knows cores, GPUs, settings and what has failed."""

from collections.abc import Sequence

from autoresearch_dagster.containers.gpus import Gpu, list_gpus
from autoresearch_dagster.containers.taken_out import taken_out
from autoresearch_dagster.core.errors import NoSlot, UserError
from autoresearch_dagster.core.settings import NO_GPUS, Settings, available_cores
from autoresearch_dagster.core.slot import Slot, SlotKind, divide


def machine_slots(settings: Settings, kind: SlotKind, preset: str) -> tuple[Slot, ...]:
    """Return the slots of a kind that experiments may use now, at least one.

    Args:
        settings: of this machine.
        kind: what the preset needs.
        preset: its name, for a person.

    Raises:
        NoSlot: there is none, or they are not alike; the text says what to do.
        UserError: the settings name a GPU that is not there.
    """
    gpus = chosen_gpus(settings)
    plain, with_gpu = divide(available_cores(), [gpu.uuid for gpu in gpus])
    if kind == "core":
        allowed = set(settings.cores)
        return tuple(slot for slot in plain if allowed.issuperset(slot.cores))
    if not with_gpu:
        raise NoSlot(_why_none(gpus, preset))
    kinds = sorted({gpu.name for gpu in gpus})
    if len(kinds) > 1:  # a budget of wall time trains more on the faster one
        raise NoSlot(
            f"This machine lists GPUs of different kinds ({', '.join(kinds)}), and scores from different devices "
            "cannot be compared: name the UUIDs of one kind in AUTORESEARCH_GPUS; `autoresearch doctor` lists them."
        )
    return still_in(settings, with_gpu[: settings.slots or None])


def still_in(settings: Settings, slots: Sequence[Slot]) -> tuple[Slot, ...]:
    """Leave out the slots whose GPU has failed; cheap enough to be asked twice a second.

    Raises:
        NoSlot: none is left.
    """
    if not any(slot.gpu for slot in slots):
        return tuple(slots)
    out = {record.gpu: record for record in taken_out(settings)}
    kept = tuple(slot for slot in slots if slot.gpu not in out)
    if not kept:
        why = "; ".join(f"{Slot((), slot.gpu)}: {out[slot.gpu].reason}" for slot in slots)
        raise NoSlot(
            f"Every GPU of this machine was taken out after it failed ({why}): repair or reset it and put it back "
            "with `autoresearch doctor --retry-gpus`."
        )
    return kept


def chosen_gpus(settings: Settings) -> tuple[Gpu, ...]:
    """Return the devices that slots may have, by the settings; those that have failed are among them.

    Raises:
        UserError: the settings name one that the machine does not list.
    """
    if settings.gpus == NO_GPUS:
        return ()
    listed = list_gpus()
    named = [name.strip() for name in settings.gpus.split(",") if name.strip()]
    known = {gpu.uuid for gpu in listed}
    out = {record.gpu for record in taken_out(settings)}
    for name in named:
        if name not in known | out:
            here = ", ".join(sorted(known)) or "none"
            raise UserError(f"AUTORESEARCH_GPUS names {name} and this machine lists {here}; correct or unset it.")
    return tuple(gpu for gpu in listed if not named or gpu.uuid in named)


def _why_none(gpus: Sequence[Gpu], preset: str) -> str:
    if gpus:
        return (
            f"The preset {preset} needs an NVIDIA GPU and a core beside it, and the one core that this process may "
            "use is kept for CPU presets; give it more cores, or choose --preset workshop."
        )
    return (
        f"The preset {preset} needs an NVIDIA GPU and this machine lists none; choose --preset workshop, or look "
        "at `nvidia-smi -L` and AUTORESEARCH_GPUS if there is one."
    )
