"""The process inside a sealed container: `train` runs a candidate, `answer` serves its model.

Everything that this process writes or says is untrusted, because the candidate shares it.  Its only effects
are a checkpoint (`train`) and logits (`answer`); the evaluator outside measures what they are worth.

Environment: AUTORESEARCH_BUNDLE, _CANDIDATE (train.py, config.json), _OUT, _CHECKPOINT, _CHANNEL: folders.
Exit codes: 0 finished, 1 crashed, 86 device out of memory, 87 refused (the contract was not kept).
"""

import dataclasses
import importlib
import json
import os
import pickle
import socket
import struct
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch

FINISHED, CRASHED, DEVICE_OOM, REFUSED = 0, 1, 86, 87
HELLO = struct.Struct("<4sIIIII")  # magic, version, rows B, targets T, vocabulary V, itemsize
MAGIC = b"ARE1"
ERROR_BYTES = 1024
ANSWER_SEED = 0


class Refusal(Exception):
    """The candidate does not keep the contract; the text says how to."""


def folder(name: str) -> Path:
    """Path of a mounted folder."""
    return Path(os.environ[f"AUTORESEARCH_{name}"])


# --- train ---------------------------------------------------------------------


class Trainer:
    """Runs one candidate and keeps the last model that it handed over."""

    def __init__(self) -> None:
        self.out = folder("OUT")
        self.started = time.monotonic()
        self.progress = (self.out / "progress.jsonl").open("w", encoding="utf-8")
        self.handed_over = False

    def log_step(self, step: int, loss: float) -> None:
        """Append one point of the training curve."""
        point = {"step": step, "loss": loss, "elapsed_s": round(time.monotonic() - self.started, 3)}
        self.progress.write(json.dumps(point) + "\n")
        self.progress.flush()

    def hand_over(self, model: object) -> None:
        """Write the checkpoint so that it is whole or absent."""
        model = getattr(model, "_orig_mod", model)  # a compiled module wraps the one that can be pickled
        if not isinstance(model, torch.nn.Module):
            raise Refusal(f"The model is a {type(model).__name__}; hand over a torch.nn.Module.")
        temporary = self.out / "checkpoint.tmp"
        try:
            torch.save(model, temporary)
        except (pickle.PicklingError, AttributeError, TypeError) as fault:
            raise Refusal(
                f"The model cannot be saved ({fault}); define its classes and functions at module level."
            ) from fault
        temporary.replace(self.out / "checkpoint.pt")
        self.handed_over = True

    def run(self) -> dict:
        """Import the candidate, train, and return what it claims."""
        import prepare
        from autoresearch_types import ExperimentConfig, ExperimentResult

        config = ExperimentConfig(**json.loads((folder("CANDIDATE") / "config.json").read_text()))
        prepare._seed = config.seed
        prepare._on_step = self.log_step
        prepare._on_evaluate = self.hand_over
        torch.manual_seed(config.seed)
        candidate = import_candidate()
        run_training = getattr(candidate, "run_training", None)
        if not callable(run_training):
            raise Refusal("train.py must define run_training(config) at module level.")
        self.started = time.monotonic()
        result = run_training(config)
        if not isinstance(result, ExperimentResult):
            raise Refusal(f"run_training returned {type(result).__name__}; return an ExperimentResult.")
        if result.model is not None:
            self.hand_over(result.model)
        if not self.handed_over:
            raise Refusal("No model was handed over; set ExperimentResult.model to the trained module.")
        return claims_of(result)

    def report(self, kind: str, error: str, trace: str, claims: dict) -> None:
        """Write the outcome as the candidate's process sees it."""
        text = json.dumps({"kind": kind, "error": error, "traceback": trace, "claims": claims})
        (self.out / "outcome.json").write_text(text, encoding="utf-8")


def import_candidate() -> object:
    """Import train.py as module `train`, the name that its pickled classes carry."""
    sys.path.insert(0, str(folder("CANDIDATE")))
    return importlib.import_module("train")


def claims_of(result: object) -> dict:
    """Return the plain fields of a result."""
    names = ("model_name", "n_params", "steps", "device", "val_bpb", "notes")
    fields = {field.name for field in dataclasses.fields(result)}  # pyright: ignore[reportArgumentType]
    plain = {name: getattr(result, name) for name in names if name in fields}
    return {name: value for name, value in plain.items() if isinstance(value, str | int | float)}


def sentence(fault: BaseException) -> str:
    """Name an exception in one line."""
    return f"{type(fault).__name__}: {fault}".splitlines()[0]


def train() -> NoReturn:
    """Train a candidate; exits with the code that tells how it went."""
    trainer = Trainer()
    (folder("OUT") / "ready").touch()
    kind, error, trace, claims, code = "finished", "", "", {}, FINISHED
    try:
        claims = trainer.run()
    except Refusal as fault:
        kind, error, code = "refused", str(fault), REFUSED
    except torch.OutOfMemoryError as fault:
        kind, error, code = "device_oom", sentence(fault), DEVICE_OOM
    except Exception as fault:  # noqa: BLE001 (whatever a candidate does is its result)
        kind, error, trace, code = "crashed", sentence(fault), traceback.format_exc(), CRASHED
    trainer.report(kind, error, trace, claims)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that the candidate left behind do not keep the container alive


# --- answer --------------------------------------------------------------------


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
    connection.sendall(b"\1" + text.encode()[:ERROR_BYTES].ljust(ERROR_BYTES, b"\0"))


def load_model() -> torch.nn.Module:
    """Load the frozen checkpoint.  Unpickling runs code: that is why this happens in here."""
    import_candidate()
    path = folder("CHECKPOINT") / "checkpoint.pt"
    model = torch.load(path, map_location="cpu", weights_only=False)
    if not isinstance(model, torch.nn.Module):
        raise Refusal(f"The checkpoint holds a {type(model).__name__}, not a torch.nn.Module.")
    return model.eval()


def logits_of(model: torch.nn.Module, tokens: np.ndarray, vocab: int) -> torch.Tensor:
    """Run the model on int32 [B, T] and return float32 [B, T, V], shifted so that the largest is 0."""
    torch.manual_seed(ANSWER_SEED)
    with torch.no_grad():
        logits = model.eval()(torch.from_numpy(tokens.astype(np.int64)))
    if not isinstance(logits, torch.Tensor):
        raise Refusal(f"model(idx) returned a {type(logits).__name__}; return the logits alone.")
    expected = (*tokens.shape, vocab)
    if tuple(logits.shape) != expected:
        raise Refusal(f"model(idx) returned logits {tuple(logits.shape)}; return {expected}.")
    logits = logits.float()
    return logits - logits.amax(dim=-1, keepdim=True)


def answer() -> NoReturn:
    """Connect to the evaluator, load the model, answer requests until it hangs up."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(folder("CHANNEL") / "channel.sock"))
    magic, version, rows, targets, vocab, itemsize = HELLO.unpack(receive(connection, HELLO.size))
    if (magic, version) != (MAGIC, 1):
        raise SystemExit("another protocol")
    dtype = torch.float16 if itemsize == 2 else torch.float32
    try:
        model = load_model()
        connection.sendall(b"\0")
        while True:
            request = receive(connection, rows * targets * 4)
            if len(request) < rows * targets * 4:
                os._exit(FINISHED)
            tokens = np.frombuffer(request, dtype="<i4").reshape(rows, targets)
            payload = logits_of(model, tokens, vocab).to(dtype).contiguous().numpy()
            connection.sendall(b"\0")
            connection.sendall(memoryview(payload).cast("B"))
    except Refusal as fault:
        send_error(connection, str(fault))
    except Exception as fault:  # noqa: BLE001 (reported to the evaluator, which decides)
        send_error(connection, sentence(fault))
    os._exit(REFUSED)


if __name__ == "__main__":
    {"train": train, "answer": answer}[sys.argv[1]]()
