"""Writes docs/reference/ from the code: `python -m docs.scripts.reference`; `--check` only compares."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

from autoresearch_dagster.core import limits, settings as settings_module
from autoresearch_dagster.core.experiment import TrainConfig
from autoresearch_dagster.core.presets import PRESETS, RANGES
from autoresearch_dagster.core.settings import PREFIX, Settings
from autoresearch_dagster.defs.config import BundleConfig, ResearchConfig
from autoresearch_dagster.evaluation import receipt as receipts
from autoresearch_dagster.store import events
from docs.scripts.command_pages import commands
from docs.scripts.source import constants, field_docs, first_sentence, whole_text
from docs.scripts.tables import code, default_of, fields_of, parts_of, section, table

FOLDER = Path(__file__).resolve().parents[1] / "reference"
WRITTEN = "<!-- Written by `python -m docs.scripts.reference` from the code; edit the code instead. -->\n"

OTHERS = {
    settings_module.MODEL_KEY_VARIABLE: "The model key; it comes before the one that `autoresearch key set` keeps.",
    settings_module.MODEL_ADDRESS_VARIABLE: "Where the model is asked: a gateway or proxy of the Messages API.",
    "DAGSTER_HOME": "Dagster's instance; `make install` writes it into `.env`.",
    "HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE": "The Hugging Face hub, for the source `climbmix`.",
    ", ".join(settings_module.PROXY_VARIABLES): "The proxy, for downloads and for the build of the trainer image.",
    "PIP_INDEX_URL, PIP_EXTRA_INDEX_URL": "Package index for the build of the trainer image.",
    ", ".join(settings_module.CERTIFICATE_VARIABLES): "Your network's certificates, for the same build; the first "
    "that is there.",
}
FOR_TESTS = ("require_docker", "require_bubblewrap", "require_browser")


def settings() -> str:
    """Every variable of the environment."""
    docs = field_docs(Settings)
    missing = [name for name in Settings.model_fields if not docs.get(name)]
    assert not missing, f"without a docstring in core/settings.py: {missing}"
    defaults = {"home": "`.autoresearch` in the project", "mlruns": "`mlruns` in the project"}
    rows = [
        (code(f"{PREFIX}{name.upper()}"), defaults.get(name, default_of(field.default)), docs[name])
        for name, field in Settings.model_fields.items()
    ]
    own = table(("variable", "default", "meaning"), [row for row in rows if not _for_tests(row[0])])
    tests = table(("variable", "default", "meaning"), [row for row in rows if _for_tests(row[0])])
    others = table(
        ("variable", "meaning"),
        [(", ".join(code(name) for name in names.split(", ")), text) for names, text in OTHERS.items()],
    )
    return (
        "# Settings\n\nSettings are variables of the environment; no file is read but Dagster's `.env`. A value "
        "that cannot be used is refused in one sentence. What a session is started with is its "
        f"[configuration](config.md).\n\n{own}\n## Variables with names of others\n\n{others}\n"
        f"## For tests\n\n{tests}"
    )


def _for_tests(variable: str) -> bool:
    return variable.strip("`").removeprefix(PREFIX).lower() in FOR_TESTS


def config() -> str:
    """What a session and a bundle may be asked for."""
    hidden = ("session", "quiet")
    research = [
        (code(name), default_of(field.default), field.description or "")
        for name, field in ResearchConfig.model_fields.items()
        if name not in hidden
    ]
    bundle = [
        (code(name), default_of(field.default), field.description or "")
        for name, field in BundleConfig.model_fields.items()
    ]
    presets = [
        ("sequence length (T)", *(str(one.sequence_length) for one in PRESETS.values())),
        ("rows that are scored", *(str(one.scored_rows) for one in PRESETS.values())),
        ("rows of a confirmation", *(str(one.confirmation_rows) for one in PRESETS.values())),
        ("time is metered as", *("CPU" if one.cpu_metered else "wall" for one in PRESETS.values())),
        ("runs on a", *(one.slot_kind for one in PRESETS.values())),
        ("early stop", *("on" if one.early_stop else "off" for one in PRESETS.values())),
        *(
            (code(name), *(f"{getattr(one.config, name):g}" for one in PRESETS.values()))
            for name in TrainConfig.model_fields
        ),
    ]
    ranges = [
        (code(name), f"{low:g}", "the session's" if name == "time_budget_sec" else f"{high:g}")
        for name, (low, high) in RANGES.items()
    ]
    head = ("field", "default", "meaning")
    return (
        "# Session configuration\n\nThe fields of the job `research`. `autoresearch run` has them as options, with "
        "dashes: `--n-experiments`. The command line takes `time_budget_sec` from the preset.\n\n"
        f"{table(head, research)}\n## Presets\n\n{table(('what', *PRESETS), presets)}\n"
        "## Overrides\n\nWhat an edit of the agent may set with `config_overrides`; more or less is brought into "
        "the range, and the agent is told. `time_budget_sec` goes up to the session's own budget.\n\n"
        f"{table(('field', 'from', 'to'), ranges)}\n"
        f"## The job `bundle`\n\n{table(head, bundle)}"
    )


def receipt() -> str:
    """Every field of a receipt, from its parts up."""
    sections = "\n".join(section(part) for part in parts_of(receipts.Receipt))
    return (
        "# Receipt\n\nA receipt is one JSON object, written by the evaluator and never changed. Its digest, "
        "SHA-256 of the object with sorted keys and without blanks, is its name. [Trust](../trust.md) says what it "
        "proves, [Verify a receipt](../how-to/verify_a_receipt.md) how to check one.\n\n"
        f"Version of the evaluator: {receipts.EVALUATOR_VERSION}.\n\n"
        f"{fields_of(receipts.Receipt)}\n{sections}"
    )


def journal() -> str:
    """Every kind of event with its fields."""
    kinds: list[type[BaseModel]] = list(get_args(get_args(events.Event)[0]))
    rows = [(f"[`{_kind(one)}`](#{_kind(one)})", first_sentence(one)) for one in kinds]
    parts = "\n".join(section(part) for part in parts_of(*kinds))
    sections = "\n".join(
        f"## {_kind(one)}\n\n{whole_text(one)}\n\n{fields_of(one, without=('kind',))}"
        if len(one.model_fields) > 1
        else f"## {_kind(one)}\n\n{whole_text(one)}\n"
        for one in kinds
    )
    return (
        "# Events\n\nA session is its events; everything else is computed from them. Each is one JSON object with "
        "a `kind`, stored with the session, its `sequence` in it from 0, and the time `at` (UTC). `autoresearch "
        "history KEY --json` prints them.\n\nA key names an experiment (`s03_d02_e05`), a digest is a SHA-256 that "
        "names a blob, a time is text in ISO 8601, an amount is a decimal number as text. What the fields are made "
        f"of stands below the events.\n\n{table(('kind', 'what it says'), rows)}\n{sections}\n{parts}"
    )


def _kind(event: type[BaseModel]) -> str:
    return str(event.model_fields["kind"].default)


def limits_page() -> str:
    """Every number that bounds the system."""
    found = [one for one in constants(limits) if one.name not in ("MIB", "GIB")]
    silent = [one.name for one in found if not one.comment]
    assert not silent, f"without a comment in core/limits.py: {silent}"
    headings = list(dict.fromkeys(one.section for one in found))
    shown = "\n".join(
        f"## {heading[:1].upper()}{heading[1:]}\n\n"
        + table(
            ("name", "value", "unit and why"),
            [(code(one.name), code(_amount(one.written)), one.comment) for one in found if one.section == heading],
        )
        for heading in headings
    )
    return (
        "# Limits\n\nEvery number that bounds the system stands once, in `core/limits.py`. Names that end in `_S` "
        f"are seconds, `_BYTES` bytes, `_CHARS` characters.\n\n{shown}"
    )


def _amount(written: str) -> str:
    for unit, name in (("GIB", "GiB"), ("MIB", "MiB")):
        if written.endswith(f" * {unit}"):
            return f"{written.removesuffix(f' * {unit}')} {name}"
    return f"{int(written):,}".replace(",", "_") if written.isdecimal() and len(written) > 4 else written


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "cli.md": commands,
    "config.md": config,
    "receipt.md": receipt,
    "events.md": journal,
    "limits.md": limits_page,
}


def written() -> dict[Path, str]:
    """Every page as the code has it now."""
    return {FOLDER / name: f"{WRITTEN}{make().rstrip()}\n" for name, make in PAGES.items()}


def main(*arguments: str) -> int:
    """Write the pages, or say which of them are not as the code has it."""
    behind = [
        path for path, text in written().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    for path in behind:
        if "--check" in arguments:
            sys.stderr.write(f"{path.name} is not what the code says: run `python -m docs.scripts.reference`.\n")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(written()[path], encoding="utf-8")
    return 1 if behind and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
