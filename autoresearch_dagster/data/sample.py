"""The sample corpus: climbmix's schema, made from the sources that ship with Python; needs no network."""

import ast
import re
import sys
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.data.shards import shard_name, write_shard

_SKIPPED = frozenset(
    {"test", "tests", "site-packages", "dist-packages", "__pycache__", "idlelib", "encodings", "lib-dynload"}
)
"""Folders that are not text of the language: tests, installed packages, machine-made tables."""
_OF_THIS_MACHINE = ("_sysconfigdata", "config-", "sitecustomize", "usercustomize")
"""Beginnings of names of sources that the build of this Python wrote, with its paths in them."""
_TOPICS = "topics.py"
_DEFINITION = re.compile(r"(    )?(@|(async )?def |class )")


def source_files(library: Path | None = None) -> list[Path]:
    """List the sources that the sample is made from, in a fixed order."""
    library = library or Path(sysconfig.get_path("stdlib"))
    files = (path for path in library.rglob("*.py") if path.is_file())
    named = {path.relative_to(library).as_posix(): path for path in files}
    return [named[name] for name in sorted(named) if not _skipped(name)]


def _skipped(name: str) -> bool:
    parts = name.split("/")
    return bool(_SKIPPED & set(parts)) or any(part.startswith(_OF_THIS_MACHINE) for part in parts)


def sources_digest(files: list[Path]) -> Digest:
    """Name the sources by their contents."""
    return digest_of("\n".join(digest_of(path.read_bytes()) for path in files).encode())


def documents(files: list[Path]) -> list[str]:
    """Cut the sources into short documents, without exact duplicates, in the order of their hashes.

    The order mixes all files, so that any two slices of the list are alike.
    """
    found = {digest_of(text.encode()): text for path in files for text in _of_file(path)}
    return [found[digest] for digest in sorted(found)]


def write_sample(folder: Path, num_shards: int, files: list[Path]) -> int:
    """Write the train shards and the validation shard; return the number of documents.

    Raises:
        BundleError: this Python ships too little text.
    """
    texts = documents(files)
    held_back = int(len(texts) * limits.SAMPLE_VALIDATION_SHARE)
    if held_back < 2 * limits.PACKING_BUFFER_DOCUMENTS:
        raise BundleError(
            f"{sys.executable} ships only {counted(len(texts), 'document')} of source text, too few for the sample "
            "corpus; install a Python with its full standard library."
        )
    write_shard(folder / shard_name(limits.VALIDATION_SHARD), texts[:held_back])
    train = texts[held_back:]
    for index in range(num_shards):
        start, stop = (len(train) * edge // num_shards for edge in (index, index + 1))
        write_shard(folder / shard_name(index), train[start:stop])
    return len(texts)


def _of_file(path: Path) -> Iterator[str]:
    try:
        with tokenize.open(path) as file:
            text = file.read()
    except (SyntaxError, UnicodeDecodeError):
        return
    if path.name == _TOPICS:
        for topic in _topics(text):
            yield from _sections(topic)
    else:
        yield from _sections(text)


def _topics(source: str) -> Iterator[str]:
    """Yield the help texts, which stand in one dictionary, instead of the Python that quotes them."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            yield from ast.literal_eval(node.value).values()


def _sections(text: str) -> Iterator[str]:
    """Cut at blank lines: before a definition, or where a document would become too long."""
    current = ""
    for paragraph in _paragraphs(text):
        begins = bool(_DEFINITION.match(paragraph)) and len(current) >= limits.SAMPLE_MIN_CHARS
        if current and (begins or len(current) + len(paragraph) > limits.SAMPLE_MAX_CHARS):
            yield from _kept(current)
            current = ""
        current += paragraph
    yield from _kept(current)


def _kept(document: str) -> Iterator[str]:
    document = document.strip("\n") + "\n"
    if len(document) >= limits.SAMPLE_MIN_CHARS:
        yield document


def _paragraphs(text: str) -> Iterator[str]:
    """Yield the text in pieces that end with their blank lines, too long ones cut between two lines."""
    current, after_blank = "", False
    for whole in text.splitlines(keepends=True):
        line = whole[: limits.SAMPLE_MAX_CHARS]
        blank = not line.strip()
        full = len(current) + len(line) > limits.SAMPLE_MAX_CHARS
        if current and (full or (after_blank and not blank)):
            yield current
            current = ""
        current += line
        after_blank = blank
    if current:
        yield current
