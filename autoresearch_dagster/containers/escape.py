"""Make untrusted text printable: what a candidate wrote must not move a cursor or forge a line."""

KEPT = frozenset("\n\t")


def printable(data: bytes | str, limit: int) -> str:
    """Decode leniently, escape control characters, keep the last `limit` characters."""
    text = data.decode("utf-8", errors="replace") if isinstance(data, bytes) else data
    shown = text
    if not text.replace("\n", "").replace("\t", "").isprintable():
        shown = "".join(c if c in KEPT or c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return shown if len(shown) <= limit else "… " + shown[-limit:]


def printable_line(data: bytes | str, limit: int) -> str:
    """Make one printable line of it: a reason of several lines could forge one of ours."""
    return " ".join(printable(data, limit).split())
