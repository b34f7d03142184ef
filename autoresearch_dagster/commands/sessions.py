"""Upkeep of sessions: `session list`, `archive`, `restore`, `export`, `import`; and `gc`, which frees disk."""

from pathlib import Path

from rich.table import Table

from autoresearch_dagster.commands.console import DONE, FAILED, Json, out, print_json, tell
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.progress import counted, in_unit
from autoresearch_dagster.core.settings import load_settings


def list_sessions(*, all: bool = False, json: Json = False) -> int:
    """List sessions: state, experiments, best score.

    Args:
        all: Show archived ones too.
        json: Print JSON for programs.

    Example:
        autoresearch session list --all
    """
    from autoresearch_dagster.experiments.overview import overview
    from autoresearch_dagster.reports.tables import print_table
    from autoresearch_dagster.reports.text import cell

    sessions = overview(load_settings(), archived=all)
    if json:
        print_json(sessions)
        return DONE
    if not sessions:
        out.print(
            "No session; `autoresearch demo` runs one, `autoresearch session list --all` shows archived ones."
        )
        return DONE
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("session", "memory key", "state", "experiments", "best val_bpb", "last event"):
        table.add_column(heading, overflow="fold")
    for row in sessions:
        best = bpb(row.best_val_bpb)
        marks = [row.status, *(word for word in ("archived", "imported") if getattr(row, word))]
        last = row.updated_at.astimezone().strftime("%Y-%m-%d %H:%M")
        cells = (row.session, row.memory_key, ", ".join(marks), f"{row.finished}/{row.planned}", best, last)
        table.add_row(*map(cell, cells))
    print_table(out, table)
    return DONE


def archive(key: str) -> int:
    """Hide a session from lists and from `status`; nothing is deleted.

    Args:
        key: Memory key or id of the session.

    Example:
        autoresearch session archive my-research
    """
    from autoresearch_dagster.experiments.archive import put_away

    found = put_away(load_settings(), key)
    tell(f"{found.session} ({found.memory_key}) is archived; `session restore {found.session}` shows it again.")
    return DONE


def restore(key: str) -> int:
    """Show an archived session again.

    Args:
        key: Memory key or id of the session.

    Example:
        autoresearch session restore my-research
    """
    from autoresearch_dagster.experiments.archive import take_out

    found = take_out(load_settings(), key)
    tell(f"{found.session} ({found.memory_key}) is in the lists again; it is {found.status}.")
    return DONE


def export(key: str, file: Path, *, with_checkpoints: bool = False) -> int:
    """Write a session into one file that another home can import.

    Args:
        key: Memory key or id of the session.
        file: The archive, a tar; it must not exist yet.
        with_checkpoints: Also write the checkpoints that are still here; they are large.

    Example:
        autoresearch session export my-research research.tar
    """
    from autoresearch_dagster.experiments.archive import export_session

    manifest = export_session(load_settings(), key, file, checkpoints=with_checkpoints)
    without = f", without {counted(len(manifest.without), 'checkpoint')}" if manifest.without else ""
    size = in_unit(file.stat().st_size, "bytes")
    name = f"{manifest.session} ({manifest.memory_key})"
    tell(f"{name}: {counted(manifest.n_events, 'event')} in {file}, {size}{without}.")
    return DONE


def import_archive(file: Path, *, memory_key: str = "") -> int:
    """Take over a session from an archive; everything is checked before anything is written.

    Args:
        file: What `session export` wrote.
        memory_key: Another name for it here; needed where its own is taken.

    Example:
        autoresearch session import research.tar --memory-key theirs
    """
    from autoresearch_dagster.experiments.import_archive import import_session

    state = import_session(load_settings(), file, memory_key)
    key, preset = state.config.memory_key, state.config.preset
    tell(f"{state.id} ({key}) has {counted(len(state.experiments), 'experiment')} and is {state.status}.")
    tell(f"Go on with `autoresearch run --memory-key {key} --preset {preset}`; its code runs in a sandbox only.")
    return DONE


def gc(*, dry_run: bool = False, json: Json = False) -> int:
    """Free disk: old checkpoints, ended plans' snapshots, what dead processes left. Scores and code stay.

    Args:
        dry_run: Only say what would go.
        json: Print JSON for programs.

    Example:
        autoresearch gc --dry-run
    """
    from autoresearch_dagster.experiments.collect_garbage import collect_garbage

    done = collect_garbage(load_settings(), dry_run=dry_run)
    if json:
        print_json(done)
    else:
        for item in done.removed:
            tell(f"{item.kind:18} {in_unit(item.bytes, 'bytes'):>9}  {item.path}: {item.why}")
        for item in done.left:
            tell(f"{item.kind:18} left: {item.path} cannot be removed, or somebody is at it now.")
        verb = "would be freed" if dry_run else "freed"
        tell(f"{in_unit(done.bytes, 'bytes')} {verb}: {counted(len(done.removed), 'file')} or folders.")
    return FAILED if done.left else DONE
