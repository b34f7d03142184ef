"""The weights of a trained model as safetensors: a format that is read without running anything of the candidate.

Tensors that share memory (tied weights) are written once.  The file's metadata says under `aliases`, as JSON, which
name stands for which: {"head.weight": "tok.weight"}.
"""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from serving import Refusal

LENGTH_BYTES = 8  # at the beginning of a file: how long its header is, little-endian


def write_weights(model: torch.nn.Module, target: Path, told: dict[str, str]) -> None:
    """Write a model's state dict, and what was told of it, so that the file is whole or absent.

    Raises:
        Refusal: the state dict holds what the format has no word for.
    """
    tensors, aliases = deduplicated(model.state_dict())
    metadata = {**told, "format": "pt", "aliases": json.dumps(aliases, sort_keys=True)}
    plain, temporary = target.with_suffix(".plain"), target.with_suffix(".tmp")
    try:
        save_file(tensors, plain)
    except Exception as fault:
        text = str(fault).splitlines()[0] if str(fault) else ""
        raise Refusal(f"The weights cannot be written as safetensors ({type(fault).__name__}: {text}).") from fault
    with_metadata(plain, temporary, metadata)
    plain.unlink()
    temporary.replace(target)


def with_metadata(plain: Path, target: Path, metadata: dict[str, str]) -> None:
    """Copy a file with metadata in its header, sorted: safetensors writes them in another order each time."""
    with plain.open("rb") as source, target.open("wb") as written:
        header = json.loads(source.read(int.from_bytes(source.read(LENGTH_BYTES), "little")))
        header["__metadata__"] = metadata
        text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
        text = text.ljust(-(-len(text) // LENGTH_BYTES) * LENGTH_BYTES)  # tensors begin at a multiple of 8
        written.write(len(text).to_bytes(LENGTH_BYTES, "little") + text)
        shutil.copyfileobj(source, written)


def deduplicated(state: dict[str, object]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return every tensor once, dense and with memory of its own, and the other names of those that have several.

    Raises:
        Refusal: something in the state dict is no plain tensor.
    """
    tensors: dict[str, torch.Tensor] = {}
    aliases: dict[str, str] = {}
    seen: dict[tuple[object, ...], str] = {}
    for name in sorted(state):
        tensor = state[name]
        if not isinstance(tensor, torch.Tensor):
            raise Refusal(
                f"The state dict holds a {type(tensor).__name__} under {name!r}; only tensors are weights."
            )
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise Refusal(f"{name!r} is a sparse or quantised tensor, which safetensors does not have.")
        tensor = tensor.detach()
        place = (tensor.device, tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() and place in seen:
            aliases[name] = seen[place]
            continue
        seen[place] = name
        tensors[name] = tensor.cpu().clone(memory_format=torch.contiguous_format)  # of its own, if it was a view
    return tensors, aliases
