"""Make untrusted text printable: what a candidate wrote must not move a cursor or forge a line."""

KEPT = frozenset("\n\t")


def printable(data: bytes | str, limit: int) -> str:
    """Decode leniently, escape control characters, keep the last `limit` characters."""
    shown = readable(data.decode("utf-8", errors="replace") if isinstance(data, bytes) else data)
    return shown if len(shown) <= limit else "… " + shown[-limit:]


def readable(text: str) -> str:
    """Escape the control characters of a text, all of which is kept; lines stay lines."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(c if c in KEPT or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def printable_line(data: bytes | str, limit: int) -> str:
    """Make one printable line of it: a reason of several lines could forge one of ours."""
    return " ".join(printable(data, limit).split())
