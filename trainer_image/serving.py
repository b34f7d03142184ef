"""How a model answers: the frames of the wire, the logits, and the stand-in that is asked before any candidate.

The other end is `autoresearch_dagster/evaluation/channel.py`.
"""

import importlib.util
import math
import os
import socket
import struct
from pathlib import Path

import numpy as np
import torch

HELLO = struct.Struct("<4s7I")  # magic, version, rows B, targets T, vocabulary V, itemsize, single, stand-ins
MAGIC, VERSION = b"ARE1", 2
LOAD = b"L"
ERROR_BYTES = 1024
ANSWER_SEED = 0
STAND_IN_SHARPNESS = 20.0  # times the untrained head's weights: logits as far apart as a trained model's


class Refusal(Exception):
    """The candidate does not keep the contract; the text says how to."""


def receive(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes; fewer only at the end of the stream."""
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            break
        parts += part
    return bytes(parts)


def send_error(connection: socket.socket, text: str) -> None:
    """Report an error in the fixed frame."""
    connection.sendall(b"\1" + text.encode(errors="replace")[:ERROR_BYTES].ljust(ERROR_BYTES, b"\0"))


def greeting(connection: socket.socket) -> tuple[tuple[int, ...], int]:
    """Wait for the evaluator's hello: (B, T, V, itemsize, single) and the number of stand-in requests."""
    hello = receive(connection, HELLO.size)
    if len(hello) < HELLO.size:
        os._exit(0)  # the evaluator went away
    magic, version, *shape, stand_ins = HELLO.unpack(hello)
    if (magic, version) != (MAGIC, VERSION):
        raise SystemExit("another protocol")
    return tuple(shape), stand_ins


def device() -> torch.device:
    """Where models answer: on the GPU, if this container was given one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def stand_in(vocab: int) -> torch.nn.Module:
    """Make the shipped baseline, untrained: it shows how exactly this machine repeats an honest model's answers."""
    from autoresearch_types import ExperimentConfig

    spec = importlib.util.spec_from_file_location("stand_in", Path(__file__).with_name("train.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    torch.manual_seed(ANSWER_SEED)
    model = module.TinyGPT(vocab, ExperimentConfig()).to(device())
    with torch.no_grad():
        model.head.weight.mul_(STAND_IN_SHARPNESS)
    return model


def logits_of(
    model: torch.nn.Module, tokens: np.ndarray, vocab: int, dtype: torch.dtype, positions: np.ndarray | None = None
) -> torch.Tensor:
    """Run the model on int32 [B, T] and return logits [B, T, V] in the wire's type.

    With `positions`, one for each row, the model computes the same and only [B, V] of it is returned.  For half
    precision they are shifted so that the largest is 0, and clamped; minus infinity stays what it is.
    """
    torch.manual_seed(ANSWER_SEED)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(tokens.astype(np.int64)).to(device()))
    if not isinstance(logits, torch.Tensor):
        raise Refusal(
            f"model(idx) returned a {type(logits).__name__}; return the logits alone: "
            "one tensor of [B, T, vocabulary]."
        )
    expected = (*tokens.shape, vocab)
    if tuple(logits.shape) != expected:
        raise Refusal(f"model(idx) returned logits {tuple(logits.shape)}; return {expected}.")
    if logits.is_complex():
        raise Refusal("model(idx) returned complex numbers; return real logits.")
    if positions is not None:
        logits = logits[torch.arange(len(positions)), torch.from_numpy(positions.astype(np.int64))]
    logits = logits.detach().float()
    if dtype is not torch.float32:
        logits = logits - logits.amax(dim=-1, keepdim=True)
        impossible = logits == -math.inf
        logits = logits.clamp_(min=torch.finfo(dtype).min).masked_fill_(impossible, -math.inf)
    return logits.to(dtype).cpu()


def serve(connection: socket.socket, model: torch.nn.Module, shape: tuple[int, ...], count: int | None) -> bool:
    """Answer `count` requests, or all; whether the evaluator is still there afterwards."""
    rows, targets, vocab, itemsize, single = shape
    dtype = torch.float16 if itemsize == 2 else torch.float32
    size = 4 * rows * (targets + single)
    answered = 0
    while count is None or answered < count:
        request = receive(connection, size)
        if len(request) < size:
            return False
        numbers = np.frombuffer(request, dtype="<i4")
        tokens = numbers[: rows * targets].reshape(rows, targets)
        positions = numbers[rows * targets :] if single else None
        payload = logits_of(model, tokens, vocab, dtype, positions).contiguous().numpy()
        connection.sendall(b"\0")
        connection.sendall(memoryview(payload).cast("B"))
        answered += 1
    return True
