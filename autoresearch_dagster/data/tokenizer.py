"""The byte-pair tokenizer: trained by rustbpe, used through tiktoken, kept as data and never as a pickle."""

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tiktoken
from pydantic import BaseModel, ConfigDict

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError

SPECIAL_TOKENS = tuple(f"<|reserved_{number}|>" for number in range(4))
BOS_TOKEN = SPECIAL_TOKENS[0]
PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,2}"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
)
"""GPT-4's split pattern with numbers of at most two digits; part of the metric's identity."""
DESCRIPTION = "tokenizer.json"
RANKS = "tokenizer.tiktoken"


class TokenizerDescription(BaseModel):
    """Everything of a tokenizer besides its ranks; the file `tokenizer.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pattern: str
    special_tokens: dict[str, int]
    bos_token_id: int
    vocab_size: int


def train(texts: Iterable[str], vocab_size: int = limits.VOCAB_SIZE) -> tiktoken.Encoding:
    """Train on the beginnings of the texts.

    Raises:
        BundleError: the texts hold fewer different pairs than the vocabulary needs.
    """
    import rustbpe

    trainer = rustbpe.Tokenizer()  # pyright: ignore[reportAttributeAccessIssue]
    trainer.train_from_iterator(_capped(texts), vocab_size - len(SPECIAL_TOKENS), pattern=PATTERN)
    ranks = {bytes(token): rank for token, rank in trainer.get_mergeable_ranks()}
    if len(ranks) != vocab_size - len(SPECIAL_TOKENS):
        raise BundleError(
            f"The text yields only {len(ranks) + len(SPECIAL_TOKENS)} of {vocab_size} tokens; "
            "use more shards or a larger corpus."
        )
    return _encoding(
        TokenizerDescription(
            name="rustbpe",
            pattern=PATTERN,
            special_tokens={token: len(ranks) + place for place, token in enumerate(SPECIAL_TOKENS)},
            bos_token_id=len(ranks),
            vocab_size=vocab_size,
        ),
        ranks,
    )


def _capped(texts: Iterable[str]) -> Iterator[str]:
    characters = 0
    for text in texts:
        document = text[: limits.TOKENIZER_DOCUMENT_CHARS]
        characters += len(document)
        yield document
        if characters >= limits.TOKENIZER_MAX_CHARS:
            return


def save(encoding: tiktoken.Encoding, folder: Path) -> None:
    """Write the description, the ranks and both byte tables."""
    specials = {token: encoding.encode_single_token(token) for token in SPECIAL_TOKENS}
    described = TokenizerDescription(
        name=encoding.name,
        pattern=PATTERN,
        special_tokens=specials,
        bos_token_id=specials[BOS_TOKEN],
        vocab_size=encoding.n_vocab,
    )
    text = json.dumps(described.model_dump(), indent=1, ensure_ascii=False)
    (folder / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    ordinary = [token for token in range(encoding.n_vocab) if token not in specials.values()]
    lines = (
        f"{base64.b64encode(encoding.decode_single_token_bytes(token)).decode()} {token}\n" for token in ordinary
    )
    (folder / RANKS).write_text("".join(lines), encoding="ascii")
    np.save(folder / "token_bytes_seed.npy", seed_token_bytes(encoding), allow_pickle=False)
    np.save(folder / "token_bytes_exact.npy", exact_token_bytes(encoding), allow_pickle=False)


def load(folder: Path) -> tiktoken.Encoding:
    """Read a tokenizer back.

    Raises:
        BundleError: the folder is missing or damaged.
    """
    return _encoding(*read(folder))


def read(folder: Path) -> tuple[TokenizerDescription, dict[bytes, int]]:
    """Read what a tokenizer is made of: its description and the rank of every ordinary token.

    Raises:
        BundleError: the folder is missing or damaged.
    """
    try:
        described = TokenizerDescription.model_validate_json((folder / DESCRIPTION).read_bytes())
        pairs = (line.split() for line in (folder / RANKS).read_bytes().splitlines() if line)
        return described, {base64.b64decode(token, validate=True): int(rank) for token, rank in pairs}
    except (OSError, ValueError) as fault:
        raise BundleError(
            f"The tokenizer {folder} is not readable ({type(fault).__name__}); delete it and build it again."
        ) from fault


def _encoding(described: TokenizerDescription, ranks: dict[bytes, int]) -> tiktoken.Encoding:
    return tiktoken.Encoding(
        name=described.name,
        pat_str=described.pattern,
        mergeable_ranks=ranks,
        special_tokens=described.special_tokens,
        explicit_n_vocab=described.vocab_size,
    )


def bos_token_id(encoding: tiktoken.Encoding) -> int:
    """Return the token that begins every document."""
    return encoding.encode_single_token(BOS_TOKEN)


def seed_token_bytes(encoding: tiktoken.Encoding) -> npt.NDArray[np.int32]:
    """Bytes of each token after decoding it alone: an incomplete character counts as 3; int32 [vocab]."""
    counts = [len(encoding.decode([token]).encode()) for token in range(encoding.n_vocab)]
    return _without_specials(encoding, counts)


def exact_token_bytes(encoding: tiktoken.Encoding) -> npt.NDArray[np.int32]:
    """Bytes that each token stands for; int32 [vocab]."""
    counts = [len(encoding.decode_single_token_bytes(token)) for token in range(encoding.n_vocab)]
    return _without_specials(encoding, counts)


def _without_specials(encoding: tiktoken.Encoding, counts: list[int]) -> npt.NDArray[np.int32]:
    table = np.array(counts, dtype=np.int32)
    table[[encoding.encode_single_token(token) for token in SPECIAL_TOKENS]] = 0
    return table
