"""What of a text shows: control, format and invisible characters are taken out of what is kept or compared."""

import re
import unicodedata
from typing import Final

_KEPT: Final = frozenset("\n\t")
_HIDING: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
"""Control, format (bidi, zero width, tags), surrogate, private and unassigned characters."""
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | frozenset(
    map(chr, [*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
)
"""Letters and marks that show nothing: fillers, joiners, variation selectors."""
_ESCAPES: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]P^_X]|[\x9d\x90\x9e\x9f\x98])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, ...: titles, links
    r"|\x1b[ -/]*[0-~]"
)
_LINE_ENDS: Final = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def visible(text: str) -> str:
    """Remove everything that does not show: escapes of terminals, control and format characters."""
    plain = _LINE_ENDS.sub("\n", _ESCAPES.sub("", text))
    return "".join(c for c in plain if c in _KEPT or not _hides(c))


def one_line(text: str) -> str:
    """Return a name as it is kept: only what shows, in one way of writing each letter (NFKC), blanks joined."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    return " ".join(visible(unicodedata.normalize("NFKC", visible(text))).split())


def _hides(character: str) -> bool:
    return character in _INVISIBLE or unicodedata.category(character) in _HIDING
