"""What a train.py may import of the data: tokenizer, batches, and bits per byte on the development rows.

The validation rows are not here, nor anywhere in this container: `split="val"` and `evaluate_bpb` use the
development slice, rows held back from the *training* shards.  `dev_bpb` guides; it is never a score.
"""

import base64
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

MAX_SEQ_LEN = 512  # targets in a row, unless the bundle says otherwise
VOCAB_SIZE = 8192  # tokens, special ones included
EVAL_ROWS = 32  # rows that evaluate_bpb reads unless AUTORESEARCH_EVAL_TOKENS says otherwise

_FOLDER = os.environ.get("AUTORESEARCH_BUNDLE", "")
if _FOLDER:
    _META = json.loads(Path(_FOLDER, "meta.json").read_text(encoding="utf-8"))
    MAX_SEQ_LEN = int(_META["sequence_length"])
    VOCAB_SIZE = int(_META["vocab_size"])

# Set by the harness; a train.py that sets them changes its own progress display and nothing else.
_seed = 0
_ready_cpu_s = _ready_wall_s = 0.0
_on_evaluate: Callable[[torch.nn.Module], None] | None = None
_on_step: Callable[[int, float], None] | None = None
_on_batch: Callable[[], None] | None = None


def bundle_folder() -> Path:
    """Folder of the training rows and the tokenizer."""
    if not _FOLDER:
        raise RuntimeError("AUTORESEARCH_BUNDLE is not set: train.py runs inside the trainer container.")
    return Path(_FOLDER)


def log_step(step: int, loss: float) -> None:
    """Show a step and its training loss to whoever watches; call it as often as you like."""
    if _on_step is not None:
        _on_step(step, loss)


def used_s() -> float:
    """Seconds of the budget that are used, as they are metered from outside since the harness was ready.

    CPU seconds of this process, so that neighbours change nothing; wall seconds on a GPU, which is ours alone.
    """
    if torch.cuda.is_available():
        return time.monotonic() - _ready_wall_s
    return time.process_time() - _ready_cpu_s


class Tokenizer:
    """The bundle's byte-pair encoding; tiktoken is imported when text is first encoded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        self._encoding = None

    @classmethod
    def from_directory(cls, tokenizer_dir_path: str | None = None) -> "Tokenizer":
        """Open the tokenizer of this bundle."""
        return cls(Path(tokenizer_dir_path) if tokenizer_dir_path else bundle_folder())

    def get_vocab_size(self) -> int:
        """Tokens, special ones included."""
        return int(self._meta["vocab_size"])

    def get_bos_token_id(self) -> int:
        """Id of the token that begins every document."""
        return int(self._meta["bos_token_id"])

    @property
    def enc(self):  # noqa: ANN201 (tiktoken is imported late)
        """The tiktoken encoding."""
        if self._encoding is None:
            import tiktoken

            spec = json.loads((self._folder / "tokenizer.json").read_text(encoding="utf-8"))
            lines = (self._folder / "tokenizer.tiktoken").read_bytes().splitlines()
            ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}
            self._encoding = tiktoken.Encoding(
                name="autoresearch",
                pat_str=spec["pattern"],
                mergeable_ranks=ranks,
                special_tokens=spec["special_tokens"],
            )
        return self._encoding

    def encode(self, text, prepend=None, num_threads: int = 8):  # noqa: ANN001, ANN201
        """Encode a text, or a list of texts; `prepend` is a token id or the name of a special token."""
        first = self.enc.encode_single_token(prepend) if isinstance(prepend, str) else prepend
        texts = [text] if isinstance(text, str) else list(text)
        rows = self.enc.encode_ordinary_batch(texts, num_threads=num_threads)
        if first is not None:
            rows = [[first, *row] for row in rows]
        return rows[0] if isinstance(text, str) else rows

    def decode(self, ids: list[int]) -> str:
        """Return the text of some tokens."""
        return self.enc.decode(ids)


def get_token_bytes() -> torch.Tensor:
    """Bytes of each token, int32 [vocab]; special tokens 0."""
    return torch.from_numpy(np.load(bundle_folder() / "token_bytes.npy", allow_pickle=False))


def _device(device: torch.device | None) -> torch.device:
    return device or torch.device("cuda" if torch.cuda.is_available() else "cpu")


def make_dataloader(
    tokenizer: Tokenizer,
    B: int,
    T: int,
    split: str,
    buffer_size: int = 1000,
    device: torch.device | None = None,
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """Yield (inputs, targets, epoch) forever: int64 [B, T] each, from packed rows.

    The rows come in the tutorial's order, whatever B is; a seed other than 0 permutes them.  `tokenizer` and
    `buffer_size` are accepted for compatibility: the rows are packed already.  A T below MAX_SEQ_LEN takes the
    beginning of each row, which is the beginning of a document.

    Raises:
        ValueError: the rows are shorter than T, B or T is not positive, or the split is unknown.
    """
    if split not in ("train", "val"):
        raise ValueError(f"split is 'train' or 'val', not {split!r}.")
    if B < 1 or not 1 <= T <= MAX_SEQ_LEN:
        raise ValueError(f"B is at least 1 and T from 1 to prepare.MAX_SEQ_LEN = {MAX_SEQ_LEN}, not {B}, {T}.")
    name = "train" if split == "train" else "development"
    rows = np.load(bundle_folder() / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    order = np.arange(len(rows))
    if split == "train" and _seed:
        order = np.random.default_rng(_seed).permutation(len(rows))
    taken = _on_batch if split == "train" else None
    return _batches(rows[:, : T + 1], order, B, _device(device), taken)


def _batches(
    rows: np.ndarray, order: np.ndarray, B: int, device: torch.device, taken: Callable[[], None] | None
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    position = 0
    while True:
        chosen = [order[(position + offset) % len(order)] for offset in range(B)]
        epoch = (position + B - 1) // len(order) + 1
        batch = torch.from_numpy(rows[chosen].astype(np.int64))
        if taken is not None:
            taken()
        yield batch[:, :-1].contiguous().to(device), batch[:, 1:].contiguous().to(device), epoch
        position += B


def eval_tokens() -> int:
    """Development tokens that `evaluate_bpb` reads; `AUTORESEARCH_EVAL_TOKENS` changes it, up to all of them."""
    rows = len(np.load(bundle_folder() / "development.npy", mmap_mode="r", allow_pickle=False))
    return min(int(os.environ.get("AUTORESEARCH_EVAL_TOKENS", EVAL_ROWS * MAX_SEQ_LEN)), rows * MAX_SEQ_LEN)


def evaluate_bpb(
    model: torch.nn.Module, tokenizer: Tokenizer, batch_size: int, device: torch.device | None = None
) -> float:
    """Hand the model over to the evaluator, then return its bits per byte on the development rows.

    `model(x, y, reduction="none")` gives the loss of each target; a model without targets gives logits.
    """
    if _on_evaluate is not None:
        _on_evaluate(model)
    device = _device(device)
    was_training = model.training
    model.eval()
    table = get_token_bytes()
    loader = make_dataloader(tokenizer, batch_size, MAX_SEQ_LEN, "val", device=device)
    nats, n_bytes = 0.0, 0
    with torch.no_grad():
        for _ in range(max(1, eval_tokens() // (batch_size * MAX_SEQ_LEN))):
            x, y, _epoch = next(loader)
            loss = _losses(model, x, y).reshape(-1).cpu()
            lengths = table[y.reshape(-1).cpu()]
            nats += float((loss * (lengths > 0)).sum())
            n_bytes += int(lengths.sum())
    model.train(was_training)
    return nats / (math.log(2) * n_bytes)


def _losses(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    try:
        loss = model(x, y, reduction="none")
    except TypeError:  # a model that takes no targets
        logits = model(x)
        loss = torch.nn.functional.cross_entropy(
            logits.reshape(-1, logits.size(-1)).float(), y.reshape(-1), reduction="none"
        )
    if not isinstance(loss, torch.Tensor) or loss.numel() != y.numel():
        raise ValueError('model(x, y, reduction="none") must return the loss of each target, [B, T].')
    return loss
