"""The process inside a sealed container: `train` runs a candidate, `answer` serves its model, `convert` writes it.

Everything that this process writes or says is untrusted, because the candidate shares it.  Its only effects
are a checkpoint (`train`), logits (`answer`) and weights (`convert`); what they are worth is measured outside.

Environment: AUTORESEARCH_BUNDLE, _CANDIDATE (train.py, config.json), _OUT, _CHECKPOINT, _CHANNEL: folders.
Exit codes: 0 finished, 1 crashed, 86 device out of memory, 87 refused (the contract was not kept).
"""

import importlib
import json
import os
import pickle
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import NoReturn

import torch
from progress import Progress
from serving import ERROR_BYTES, LOAD, Refusal, device, greeting, receive, send_error, serve, stand_in

FINISHED, CRASHED, DEVICE_OOM, REFUSED = 0, 1, 86, 87
TRACEBACK_CHARS = 4096
LARGEST_COUNT = 10**15
GO_AGAIN_S = 0.02  # seconds between two looks whether we may begin


def folder(name: str) -> Path:
    """Path of a mounted folder."""
    return Path(os.environ[f"AUTORESEARCH_{name}"])


# --- train ---------------------------------------------------------------------


class Trainer:
    """Runs one candidate and keeps the last model that it handed over."""

    def __init__(self) -> None:
        self.out = folder("OUT")
        self.progress = Progress(self.out)
        self.handed_over = False

    def hand_over(self, model: object) -> None:
        """Write the checkpoint so that it is whole or absent."""
        model = getattr(model, "_orig_mod", model)  # a compiled module wraps the one that can be pickled
        if not isinstance(model, torch.nn.Module):
            raise Refusal(f"The model is a {type(model).__name__}; hand over a torch.nn.Module.")
        temporary = self.out / "checkpoint.tmp"
        try:
            torch.save(model, temporary)
        except torch.OutOfMemoryError:
            raise
        except Exception as fault:
            raise Refusal(
                f"The model cannot be saved because of {culprit(model)} ({sentence(fault)}); "
                "define classes at module level and keep functions out of the model's attributes."
            ) from fault
        temporary.replace(self.out / "checkpoint.pt")
        self.handed_over = True

    def run(self) -> dict:
        """Import the candidate, train, and return what it claims."""
        import prepare
        from autoresearch_types import ExperimentConfig, ExperimentResult

        config = ExperimentConfig(**json.loads((folder("CANDIDATE") / "config.json").read_text()))
        prepare._seed = config.seed
        prepare._on_step = self.progress.log_step
        prepare._on_batch = self.progress.count_batch
        prepare._on_evaluate = self.hand_over
        torch.manual_seed(config.seed)
        candidate = import_candidate()
        run_training = getattr(candidate, "run_training", None)
        if not callable(run_training):
            raise Refusal("train.py must define run_training(config) at module level.")
        self.progress.start()
        result = run_training(config)
        if not isinstance(result, ExperimentResult):
            raise Refusal(
                f"run_training returned {type(result).__name__}; return autoresearch_types.ExperimentResult."
            )
        if result.model is not None:
            self.hand_over(result.model)
        if not self.handed_over:
            raise Refusal("No model was handed over; set ExperimentResult.model to the trained module.")
        return claims_of(result)

    def report(self, kind: str, error: str, trace: str, claims: dict) -> None:
        """Write the outcome as the candidate's process sees it."""
        said = {"kind": kind, "error": error[:ERROR_BYTES], "traceback": trace[-TRACEBACK_CHARS:]}
        text = json.dumps({**said, "claims": claims})
        (self.out / "outcome.json").write_text(text, encoding="utf-8")


def import_candidate() -> object:
    """Import train.py as module `train`, the name that its pickled classes carry."""
    sys.path.insert(0, str(folder("CANDIDATE")))
    return importlib.import_module("train")


def culprit(model: torch.nn.Module) -> str:
    """Name the part of a model that keeps it from being pickled."""
    for path, module in model.named_modules():
        kind = type(module)
        if "<locals>" in kind.__qualname__:
            return f"the class {kind.__name__}, which is defined inside a function"
        for name, value in vars(module).items():
            if name in ("_modules", "_parameters", "_buffers"):
                continue
            try:
                pickle.dumps(value)
            except Exception:  # noqa: BLE001 (pickling runs any object's own code)
                return f"its attribute {f'{path}.{name}'.lstrip('.')}"
    return f"its class {type(model).__name__}"


def claims_of(result: object) -> dict:
    """Return the plain fields of a result, numbers of any library as Python's own."""
    claims = {}
    for name in ("model_name", "device", "notes"):
        claims[name] = str(getattr(result, name, ""))[:ERROR_BYTES]
    for name in ("n_params", "steps", "val_bpb"):
        try:
            number = float(getattr(result, name))
        except Exception:  # noqa: BLE001 (any object may stand here)
            continue
        if abs(number) < LARGEST_COUNT:
            claims[name] = number if name == "val_bpb" else int(number)
    return claims


def sentence(fault: BaseException) -> str:
    """Name an exception in one line."""
    return f"{type(fault).__name__}: {fault}".splitlines()[0].rstrip(": ")


def warm_up() -> None:
    """Pay once for what the first optimiser step imports, seconds of it: that is start-up and not budget."""
    weight = torch.nn.Parameter(torch.zeros(1, device="cuda" if torch.cuda.is_available() else "cpu"))
    optimizer = torch.optim.AdamW([weight], fused=True)
    weight.sum().backward()
    optimizer.step()
    optimizer.zero_grad()


def train() -> NoReturn:
    """Train a candidate; exits with the code that tells how it went."""
    import prepare

    trainer = Trainer()
    warm_up()
    (folder("OUT") / "ready").touch()
    while not (folder("CANDIDATE") / "go").exists():  # its clock runs when our driver has seen that we are ready
        time.sleep(GO_AGAIN_S)
    prepare._ready_cpu_s, prepare._ready_wall_s = time.process_time(), time.monotonic()
    kind, error, trace, claims, code = "finished", "", "", {}, FINISHED
    try:
        claims = trainer.run()
    except Refusal as fault:
        kind, error, code = "refused", str(fault), REFUSED
    except torch.OutOfMemoryError as fault:
        kind, error, code = "device_oom", sentence(fault), DEVICE_OOM
    except BaseException as fault:  # noqa: BLE001 (whatever a candidate does, exit included, is its result)
        kind, error, trace, code = "crashed", sentence(fault), traceback.format_exc(), CRASHED
    trainer.report(kind, error, trace, claims)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that the candidate left behind do not keep the container alive


# --- answer --------------------------------------------------------------------


def load_model() -> torch.nn.Module:
    """Load the frozen checkpoint.  Unpickling runs code: that is why this happens in here."""
    import_candidate()
    path = folder("CHECKPOINT") / "checkpoint.pt"
    model = torch.load(path, map_location=device(), weights_only=False)
    if not isinstance(model, torch.nn.Module):
        raise Refusal(f"The checkpoint holds a {type(model).__name__}, not a torch.nn.Module.")
    return model.eval()


def answer() -> NoReturn:
    """Connect to the evaluator, load the model when told to, answer requests until it hangs up.

    Nothing of the candidate runs before the order to load: not while the other server has validation rows, and
    not while the stand-in answers.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(str(folder("CHANNEL") / "channel.sock"))
    shape, stand_ins = greeting(connection)
    try:
        import prepare  # noqa: F401 (ours: not on the candidate's clock)

        if stand_ins:
            serve(connection, stand_in(shape[2]), shape, stand_ins)
        if receive(connection, 1) != LOAD:
            os._exit(FINISHED)
        model = load_model()
        connection.sendall(b"\0")
        serve(connection, model, shape, None)
        os._exit(FINISHED)
    except Refusal as fault:
        send_error(connection, str(fault))
    except BaseException as fault:  # noqa: BLE001 (reported to the evaluator, which decides)
        send_error(connection, sentence(fault))
    os._exit(REFUSED)


# --- convert -------------------------------------------------------------------


def convert() -> NoReturn:
    """Write the weights of the frozen checkpoint as `model.safetensors`, with what CANDIDATE/weights.json tells."""
    trainer = Trainer()
    kind, error, code = "finished", "", FINISHED
    try:
        import prepare  # noqa: F401 (the model's file may look for it)
        from converting import write_weights

        told = json.loads((folder("CANDIDATE") / "weights.json").read_text(encoding="utf-8"))
        write_weights(load_model(), folder("OUT") / "model.safetensors", told)
    except Refusal as fault:
        kind, error, code = "refused", str(fault), REFUSED
    except BaseException as fault:  # noqa: BLE001 (unpickling runs whatever the candidate left there)
        kind, error, code = "crashed", sentence(fault), CRASHED
    trainer.report(kind, error, "", {})
    os._exit(code)


if __name__ == "__main__":
    {"train": train, "answer": answer, "convert": convert}[sys.argv[1]]()
