"""A bundle small enough for tests, laid out as the builders lay it out: random tokens, byte-level tokenizer."""

import json
from pathlib import Path

import numpy as np
import tiktoken

from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.core.limits import UPSTREAM_ROWS
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.data.arrays import save_array
from autoresearch_dagster.data.build import META
from autoresearch_dagster.data.folders import SHORT, file_digests
from autoresearch_dagster.data.layout import DOCUMENT_HASHES, TRUSTED_FOLDER, Bundle, Rows, Split
from autoresearch_dagster.data.splits import make_folders, rows_paths
from autoresearch_dagster.data.statistics import Tally

SPLITS: tuple[Split, ...] = ("train", "development", "selection", "confirmation", "decoy")
DOCUMENT_TOKENS = 8  # of a made-up document: a special token and seven others


def tiny_bundle(
    folder: Path, *, sequence_length: int = 32, vocab_size: int = 256, rows: int = 64, seed: int = 0
) -> Bundle:
    """Write a bundle with `rows` rows in every split (at least 32 to score upstream's) and open it.

    Tokens follow a fixed walk through the vocabulary with noise, so that a model can learn something.
    """
    shards, tokens, packed = (folder / name for name in ("shards", "tokenizer", "packed_rows"))
    for made in (shards, tokens, packed):
        made.mkdir(parents=True)
    encoding = _encoding(vocab_size)
    tokenizer.save(encoding, tokens)
    generator = np.random.default_rng(seed)
    made_rows = {
        split: _rows(generator, rows, sequence_length, vocab_size, place) for place, split in enumerate(SPLITS)
    }
    make_folders(packed)
    for split, made in made_rows.items():
        for path, array in zip(rows_paths(packed, split), (made.tokens, made.documents), strict=True):
            save_array(path, array)
    upstream = generator.permutation(rows)[:UPSTREAM_ROWS].astype(np.int32)
    save_array(packed / TRUSTED_FOLDER / "upstream_index.npy", upstream)
    last = max(int(made.documents.max()) for made in made_rows.values())
    save_array(packed / TRUSTED_FOLDER / DOCUMENT_HASHES, np.arange(last + 1, dtype=np.uint64))
    candidate = packed / "candidate"
    for name in (tokenizer.DESCRIPTION, tokenizer.RANKS):
        (candidate / name).write_bytes((tokens / name).read_bytes())
    (candidate / "token_bytes.npy").write_bytes((tokens / "token_bytes_seed.npy").read_bytes())
    facts = {"sequence_length": sequence_length, "vocab_size": vocab_size}
    meta = {**facts, "bos_token_id": tokenizer.bos_token_id(encoding)}
    (candidate / META).write_text(json.dumps(meta), encoding="utf-8")
    digest = digest_of(json.dumps(sorted(file_digests(packed).items())).encode())
    counts = dict.fromkeys(SPLITS, rows)
    tally = Tally()
    tally.add(np.full(last + 1, DOCUMENT_TOKENS), np.full(last + 1, 4 * DOCUMENT_TOKENS))
    tally.used = tally.documents
    found = tally.statistics(counts, nulls=0).model_dump(mode="json")
    manifest = {"digest": digest, "source": "tiny", "rows": counts, "statistics": found, **facts}
    (packed / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return Bundle(shards=shards, tokenizer=tokens, packed=packed)


def published(bundle: Bundle, root: Path) -> Bundle:
    """Move a bundle to where the builders would have put it, so that it is found by its digest."""
    name = bundle.digest[:SHORT]
    manifest = bundle.packed / "manifest.json"
    told = {**bundle.manifest, "shards": name, "tokenizer": name}
    manifest.write_text(json.dumps(told), encoding="utf-8")
    for kind in ("shards", "tokenizer", "packed_rows"):
        (root / kind).mkdir(parents=True, exist_ok=True)
        (bundle.packed.parent / kind).rename(root / kind / name)
    return Bundle(*(root / kind / name for kind in ("shards", "tokenizer", "packed_rows")))


def _encoding(vocab_size: int) -> tiktoken.Encoding:
    """One token for each of the first bytes; a vocabulary above 260 is filled up with tokens no text holds."""
    names = [bytes([value]) for value in range(min(256, vocab_size - len(tokenizer.SPECIAL_TOKENS)))]
    while len(names) < vocab_size - len(tokenizer.SPECIAL_TOKENS):
        names.append(b"\xff" + str(len(names)).encode())
    specials = {token: len(names) + place for place, token in enumerate(tokenizer.SPECIAL_TOKENS)}
    return tiktoken.Encoding(
        name="tiny",
        pat_str=tokenizer.PATTERN,
        mergeable_ranks={name: rank for rank, name in enumerate(names)},
        special_tokens=specials,
    )


def _rows(generator: np.random.Generator, rows: int, length: int, vocab_size: int, place: int) -> Rows:
    ordinary = vocab_size - len(tokenizer.SPECIAL_TOKENS)
    tokens = np.empty((rows, length + 1), dtype=np.uint16)
    tokens[:, 0] = generator.integers(0, ordinary, rows)
    for at in range(1, length + 1):
        walked = (tokens[:, at - 1].astype(np.int64) * 5 + 1) % ordinary
        tokens[:, at] = np.where(generator.random(rows) < 0.8, walked, generator.integers(0, ordinary, rows))
    tokens[:, ::DOCUMENT_TOKENS] = ordinary  # BOS, the first special token
    owner = (np.arange(1, length + 1) // DOCUMENT_TOKENS)[None, :]
    per_row = int(owner.max()) + 1
    documents = place * rows * per_row + np.arange(rows)[:, None] * per_row + owner
    return Rows(tokens=tokens, documents=documents.astype(np.int32))
