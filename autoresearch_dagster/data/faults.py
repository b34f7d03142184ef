"""How broken shards are named to a person."""

from pathlib import Path

from autoresearch_dagster.core.errors import BundleError

_REASON_CHARS = 120


def shard_unreadable(shard: Path, fault: Exception, where: str = "") -> BundleError:
    """Say that a shard is not what a shard should be; `where` names a place in it."""
    return BundleError(
        f"The shard {shown(shard)} is not readable{where} ({reason(fault)}); replace it by a whole parquet file."
    )


def reason(fault: BaseException) -> str:
    """Return the first line of a fault's text, not too long and without a full stop."""
    text = fault.strerror if isinstance(fault, OSError) and fault.strerror else str(fault)
    line = next(iter(text.splitlines()), "") or type(fault).__name__
    return line[:_REASON_CHARS].rstrip(" .")


def shown(shard: Path) -> Path:
    """Return the path by which a person knows a shard: what the link in our folder points to."""
    return shard.readlink() if shard.is_symlink() else shard
