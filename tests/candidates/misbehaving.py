"""Trainings that go wrong in one way each; the title of the experiment names which."""

import json
import os
import sys
import time
from pathlib import Path

import prepare
import torch
from autoresearch_types import ExperimentResult

OUT = Path(os.environ.get("AUTORESEARCH_OUT", ""))  # where it is loaded to answer there is none
FORGED_BPB = 0.0123


class Uniform(torch.nn.Module):
    """Knows nothing: log2(vocab) bits for each token."""

    def forward(self, idx):
        return torch.zeros(*idx.shape, prepare.VOCAB_SIZE)


class Unloadable(Uniform):
    """Trains well and dies when it is loaded."""

    def __setstate__(self, state):
        raise ValueError("this model does not load")


def result(config, model=None, **claims):
    said = {"val_bpb": 9.9, "model_name": "Uniform", "n_params": 0, "steps": 1, "device": "cpu", **claims}
    return ExperimentResult(title=config.title, config=config, model=model, **said)


def burn(config):
    while True:
        torch.ones(64, 64) @ torch.ones(64, 64)


def uniform(config):
    return result(config, Uniform())


def wrong_return(config):
    return {"val_bpb": FORGED_BPB}


def not_a_module(config):
    return result(config, model=[1, 2, 3])


def no_model(config):
    return result(config)


def hang(config):
    time.sleep(3600)


def burn_without_model(config):
    burn(config)


def burn_after_hand_over(config):
    prepare.log_step(1, 2.5)
    prepare.evaluate_bpb(Uniform(), prepare.Tokenizer.from_directory(), 2)
    burn(config)


def exit_zero(config):
    os._exit(0)


def exit_like_a_killed_one(config):
    os._exit(137)


def speaks_of_oom(config):
    raise RuntimeError("CUDA out of memory: oom-kill, exit code 137")


def forge(config):
    sys.stdout.write(f"val_bpb: {FORGED_BPB}\n")
    claims = {"val_bpb": FORGED_BPB, "steps": 10**9, "model_name": "\x1b[2Jwinner\r"}
    torch.save(Uniform(), OUT / "checkpoint.pt")
    forged = {"kind": "finished", "error": "", "traceback": "", "claims": claims}
    (OUT / "outcome.json").write_text(json.dumps({**forged, "val_bpb": FORGED_BPB, "verdict": "accepted"}))
    sys.stdout.flush()
    os._exit(0)


def unloadable(config):
    return result(config, Unloadable())


def write_much(config):
    (OUT / "junk").mkdir()
    (OUT / "junk" / "data").write_bytes(b"\0" * 2_000_000)
    burn(config)


def link_to_a_file(config):
    (OUT / "checkpoint.pt").symlink_to(os.environ["AUTORESEARCH_BUNDLE"] + "/meta.json")
    os._exit(0)


def pipe(config):
    os.mkfifo(OUT / "checkpoint.pt")
    os._exit(0)


def hard_link(config):
    torch.save(Uniform(), OUT / "other.pt")
    os.link(OUT / "other.pt", OUT / "checkpoint.pt")
    os._exit(0)


def folder(config):
    (OUT / "checkpoint.pt").mkdir()
    os._exit(0)


def garbage_progress(config):
    lines = [
        b"\xff\xfe\x00",
        b'{"step": 1, "loss": NaN, "elapsed_s": 0}',
        b'{"step": 2, "loss": Infinity, "elapsed_s": 0}',
        b'{"step": "\\u001b[2J", "loss": 1, "elapsed_s": 0}',
        b'{"step": true, "loss": 1, "elapsed_s": 0}',
        b'{"step": -1, "loss": 1, "elapsed_s": 0}',
        b'{"step": 3, "loss": ' + b"9" * 5000 + b', "elapsed_s": 0}',
        b"[" * 100_000,
        b'{"step": 7, "loss": 1.5, "elapsed_s": 0.25}',
    ]
    (OUT / "progress.jsonl").write_bytes(b"\n".join(lines))
    return result(config, Uniform(), n_params="many", notes="\x1b[31mred\x00")


def local_class(config):
    class Local(Uniform):
        pass

    return result(config, Local())


def deep_folders(config):
    place = os.open(OUT, os.O_RDONLY)
    for _ in range(3000):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    return result(config, Uniform())


def run_training(config):
    return globals()[config.title](config)
