"""The model key: `key set`, `key show`, `key remove`."""

import getpass
import sys
import warnings
from typing import Annotated

from cyclopts import Parameter

from autoresearch_dagster.commands.console import DONE, FAILED, Json, out, print_json
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.limits import MODEL_KEY_CHARS
from autoresearch_dagster.core.model_key import find_key, remove_key, save_key
from autoresearch_dagster.core.settings import MODEL_KEY_VARIABLE, environment_key, load_settings

Typed = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]


def set_key(*typed: Typed) -> int:
    """Keep the model key in a file that only you can read.

    The key is read from a prompt without echo, or from standard input; never from an argument, which would
    stand in your shell's history. The scripted researcher needs none.

    Args:
        typed: Refused.

    Example:
        autoresearch key set
        pass show anthropic | autoresearch key set
    """
    if typed:
        raise UserError(
            "A key is never an argument, because your shell keeps it in its history (delete it there): "
            "run `autoresearch key set` alone and paste it at the prompt."
        )
    settings = load_settings()
    path = save_key(settings, _read())
    out.print(f"The key is kept in {path}.", markup=False, soft_wrap=True)
    if environment_key().get_secret_value():
        out.print(f"{MODEL_KEY_VARIABLE} is set too, and wins.", soft_wrap=True)
    return DONE


def show(*, json: Json = False) -> int:
    """Say whether there is a model key, and where; exit code 1 if there is none.

    Args:
        json: Print JSON for programs.

    Example:
        autoresearch key show
    """
    key = find_key(load_settings())
    if json:
        print_json(
            {"found": key is not None, "where": key.where if key else "", "ends_with": key.ending if key else ""}
        )
    elif key is None:
        out.print("There is no model key; `autoresearch key set` keeps one.")
    else:
        ending = f", ends with {key.ending}" if key.ending else ""
        out.print(f"The model key is from {key.where}{ending}.", markup=False, soft_wrap=True)
    return DONE if key else FAILED


def remove() -> int:
    """Delete the file that holds the model key.

    Example:
        autoresearch key remove
    """
    removed = remove_key(load_settings())
    out.print("The key is deleted." if removed else "There is no key file.")
    if environment_key().get_secret_value():
        out.print(f"{MODEL_KEY_VARIABLE} is still set in the environment.", soft_wrap=True)
    return DONE


def _read() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.read(MODEL_KEY_CHARS + 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass("Model key (not shown): ")
        except getpass.GetPassWarning:
            raise UserError(
                "This terminal would show the key; pipe it instead: `autoresearch key set < FILE`."
            ) from None
        except EOFError:
            return ""
