"""Stands in for `trainer_image/harness.py` without torch: a container trains and answers in half a second.

A candidate is a real train.py with `run_training(config)` at module level.  It may do anything, as a real one may;
what it returns, a dict, says how good its model is (`sharpness`: 1 is the best, 0 knows nothing).  The files that
are handed over, the exit codes and the wire are the harness's own; the model counts the tokens of the train rows
that its seed chooses, and finds the token at hand less likely to come next.  It sees the past alone.
"""

import importlib
import json
import os
import socket
import struct
import sys
import time
import traceback
import types
from pathlib import Path
from typing import NoReturn

import numpy as np

HELLO = struct.Struct("<4s7I")
MAGIC, VERSION, LOAD = b"ARE1", 2, b"L"
ERROR_BYTES, TRACEBACK_CHARS = 1024, 8192
FINISHED, CRASHED, DEVICE_OOM, REFUSED = 0, 1, 86, 87
ROWS_SEEN = 400
REPEATED = 1.0  # nats by which the token at hand is less likely to come next


class OutOfMemoryError(RuntimeError):
    """As torch's: raised by a candidate that pretends its accelerator was full."""


def folder(name: str) -> Path:
    return Path(os.environ[f"AUTORESEARCH_{name}"])


# --- train ---------------------------------------------------------------------


def train() -> NoReturn:
    out = folder("OUT")
    progress = (out / "progress.jsonl").open("w", encoding="utf-8")
    started = time.monotonic()

    def log_step(step: int, loss: float) -> None:
        elapsed = round(time.monotonic() - started, 3)
        progress.write(json.dumps({"step": step, "loss": loss, "elapsed_s": elapsed}) + "\n")
        progress.flush()

    told = json.loads((folder("CANDIDATE") / "config.json").read_text())
    config = types.SimpleNamespace(**told)
    sys.modules["prepare"] = types.ModuleType("prepare")
    sys.modules["prepare"].log_step = log_step
    sys.modules["prepare"].OutOfMemoryError = OutOfMemoryError
    (out / "ready").touch()
    while not (folder("CANDIDATE") / "go").exists():
        time.sleep(0.005)
    kind, error, trace, claims, code = "finished", "", "", {}, FINISHED
    try:
        sys.path.insert(0, str(folder("CANDIDATE")))
        said = importlib.import_module("train").run_training(config) or {}
        log_step(config.max_steps, 3.0)
        hand_over(out, counted(config.seed, float(said.get("sharpness", 1.0))))
        claims = {"model_name": "counts", "steps": config.max_steps, "val_bpb": 0.0}
    except OutOfMemoryError as fault:
        kind, error, code = "device_oom", f"OutOfMemoryError: {fault}", DEVICE_OOM
    except BaseException as fault:  # noqa: BLE001 (as the harness: whatever a candidate does is its result)
        error = f"{type(fault).__name__}: {fault}".splitlines()[0]
        kind, trace, code = "crashed", traceback.format_exc(), CRASHED
    report = {"kind": kind, "error": error[:ERROR_BYTES], "traceback": trace[-TRACEBACK_CHARS:], "claims": claims}
    (out / "outcome.json").write_text(json.dumps(report), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def counted(seed: int, sharpness: float) -> np.ndarray:
    """Count tokens: logits, float32 [V]."""
    meta = json.loads((folder("BUNDLE") / "meta.json").read_text())
    rows = np.load(folder("BUNDLE") / "train.npy", mmap_mode="r")
    chosen = np.sort(np.random.default_rng(seed).choice(len(rows), min(ROWS_SEEN, len(rows)), replace=False))
    counts = np.bincount(np.asarray(rows[chosen]).ravel(), minlength=meta["vocab_size"]) + 0.1
    return (sharpness * np.log(counts / counts.sum())).astype(np.float32)


def hand_over(out: Path, logits: np.ndarray) -> None:
    with (out / "checkpoint.tmp").open("wb") as file:
        np.save(file, logits)
    (out / "checkpoint.tmp").replace(out / "checkpoint.pt")


# --- answer --------------------------------------------------------------------


def answer() -> NoReturn:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(folder("CHANNEL") / "channel.sock"))
    hello = receive(connection, HELLO.size)
    if len(hello) < HELLO.size:
        os._exit(FINISHED)
    magic, version, *shape, stand_ins = HELLO.unpack(hello)
    assert (magic, version) == (MAGIC, VERSION)
    if stand_ins:
        serve(connection, np.zeros(shape[2], dtype=np.float32), shape, stand_ins)
    if receive(connection, 1) != LOAD:
        os._exit(FINISHED)
    try:
        model = np.load(folder("CHECKPOINT") / "checkpoint.pt", allow_pickle=False)
        connection.sendall(b"\0")
        serve(connection, model, shape, None)
    except Exception as fault:  # noqa: BLE001 (reported to the evaluator, which decides)
        said = f"{type(fault).__name__}: {fault}".encode()[:ERROR_BYTES]
        connection.sendall(b"\1" + said.ljust(ERROR_BYTES, b"\0"))
        os._exit(REFUSED)
    os._exit(FINISHED)


def serve(connection: socket.socket, model: np.ndarray, shape: list[int], count: int | None) -> None:
    """Answer `count` requests, or all."""
    rows, targets, vocab, itemsize, single = shape
    size = 4 * rows * (targets + single)
    answered = 0
    while count is None or answered < count:
        request = receive(connection, size)
        if len(request) < size:
            return
        numbers = np.frombuffer(request, dtype="<i4")
        tokens = numbers[: rows * targets].reshape(rows, targets)
        if single:
            tokens = tokens[np.arange(rows), numbers[rows * targets :]]
        logits = np.broadcast_to(model, (*tokens.shape, vocab)).copy()
        np.put_along_axis(logits, tokens[..., None], model[tokens][..., None] - REPEATED, axis=-1)
        if itemsize == 2:
            logits = np.maximum(logits - logits.max(axis=-1, keepdims=True), np.finfo(np.float16).min)
        connection.sendall(b"\0")
        connection.sendall(logits.astype(np.float16 if itemsize == 2 else np.float32).tobytes())
        answered += 1


def receive(connection: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes; fewer only at the end of the stream."""
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            break
        parts += part
    return bytes(parts)


if __name__ == "__main__":
    {"train": train, "answer": answer}[sys.argv[1]]()
