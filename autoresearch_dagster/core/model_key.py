"""The model key: where it stands, and a file that only its owner can read.

What is covered: the file is never readable by others, not even while it is written; a key is shown by its last
characters at most and never stands in `.env`, the journal, a log, or the environment of a container or job.
What is not covered: programs of the same user.  The local runner is no sandbox: what it runs can read the file.
"""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from autoresearch_dagster.core.errors import AutoresearchError, UserError
from autoresearch_dagster.core.limits import MODEL_KEY_CHARS, MODEL_KEY_SHOWN_CHARS, MODEL_KEY_SHOWN_FROM
from autoresearch_dagster.core.settings import MODEL_KEY_VARIABLE, Settings, environment_key

FILE = "model_key"
UNFINISHED = f".{FILE}-"
OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class ModelKey:
    """A key and where it was found: the name of a variable or the path of a file."""

    secret: SecretStr
    where: str

    @property
    def ending(self) -> str:
        """Its last characters; nothing of a key so short that they would give much of it away."""
        text = self.secret.get_secret_value()
        return text[-MODEL_KEY_SHOWN_CHARS:] if len(text) >= MODEL_KEY_SHOWN_FROM else ""


def key_file(settings: Settings) -> Path:
    """Where `autoresearch key set` keeps the key."""
    return settings.home.resolve() / FILE


def find_key(settings: Settings) -> ModelKey | None:
    """Return the model key: the environment's where it has one, else the file's.

    Raises:
        UserError: the file cannot be read, can be read by other users, or holds no key.
    """
    named = environment_key()
    if named.get_secret_value():
        return ModelKey(named, MODEL_KEY_VARIABLE)
    path = key_file(settings)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read(MODEL_KEY_CHARS + 1).decode("ascii", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as fault:
        raise UserError(f"{path} cannot be read ({fault.strerror}); run `autoresearch key set` again.") from fault
    if mode & OTHERS:
        raise UserError(f"Other users may read {path}; run `chmod 600 {path}`, and consider a new key.")
    return ModelKey(_checked(text), str(path))


def save_key(settings: Settings, text: str) -> Path:
    """Keep a key in its file, whole or not at all; an earlier one is replaced.

    Raises:
        UserError: the text is no key.
        AutoresearchError: the file cannot be written.
    """
    secret, path = _checked(text), key_file(settings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, secret.get_secret_value().encode("ascii") + b"\n")
    except OSError as fault:
        raise AutoresearchError(
            f"{path} cannot be written ({fault.strerror}); set {MODEL_KEY_VARIABLE} in the environment instead, "
            "or AUTORESEARCH_HOME to a folder that can be written."
        ) from fault
    return path


def _replace(path: Path, data: bytes) -> None:
    """Write a file that is on the disk, whole, before it takes its place; what was begun is removed."""
    handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=path.parent)  # 0600 from its first instant
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def remove_key(settings: Settings) -> bool:
    """Delete the file and what a killed `save_key` left of it; whether there was one.

    Raises:
        AutoresearchError: it cannot be deleted.
    """
    path = key_file(settings)
    found = [*path.parent.glob(f"{UNFINISHED}*"), *([path] if path.is_symlink() or path.exists() else [])]
    try:
        for file in found:
            file.unlink(missing_ok=True)
    except OSError as fault:
        raise AutoresearchError(f"{path} cannot be deleted ({fault.strerror}); delete it yourself.") from fault
    return path in found


def _checked(text: str) -> SecretStr:
    """Refuse what cannot be a key; the text itself is never repeated."""
    key = text.strip()
    if not key:
        raise UserError("The key is empty; copy it where you got it and run `autoresearch key set` again.")
    if len(key) > MODEL_KEY_CHARS or not all("!" <= character <= "~" for character in key):
        raise UserError(
            "That is no key: one line without blanks is expected; copy it again and run `autoresearch key set`."
        )
    return SecretStr(key)
