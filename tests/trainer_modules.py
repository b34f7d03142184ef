"""Load modules of the trainer image into this process, as the harness sees them inside its container."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

TRAINER_IMAGE = Path(__file__).resolve().parents[1] / "trainer_image"
NAMES = ("prepare", "autoresearch_types", "train", "serving", "progress", "harness")


@contextmanager
def trainer_modules(bundle_folder: Path | None) -> Iterator[dict[str, ModuleType]]:
    """Import them anew with this bundle, and forget them afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        if bundle_folder is None:
            patch.delenv("AUTORESEARCH_BUNDLE", raising=False)
        else:
            patch.setenv("AUTORESEARCH_BUNDLE", str(bundle_folder))
        patch.delenv("AUTORESEARCH_EVAL_TOKENS", raising=False)
        patch.syspath_prepend(str(TRAINER_IMAGE))
        for name in NAMES:
            patch.delitem(sys.modules, name, raising=False)
        try:
            yield {name: importlib.import_module(name) for name in NAMES}
        finally:
            for name in NAMES:
                sys.modules.pop(name, None)
