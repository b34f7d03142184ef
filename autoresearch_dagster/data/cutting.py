r"""Where UTF-8 text may be cut without changing a token: places that the split pattern never spans.

Long documents are tokenised in pieces, and every text is cut where the pattern would otherwise have to look
ahead.  Both rest on one fact: the pattern has no look-behind and one look-ahead, `\s+(?!\S)`, so a place that
no match spans, whatever stands around it, may end one piece and begin the next.

All functions work on bytes, uint8 [n], that begin and end with a whole character.
"""

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

_WIDE_BLANKS = (
    "\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""White space beyond ASCII as the pattern's engine knows it; Python's `str.isspace` differs by U+001C to U+001F."""


def _table(characters: str) -> Mask:
    table = np.zeros(256, dtype=np.bool_)
    table[list(characters.encode("latin-1"))] = True
    return table


_LETTER = _table("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_DIGIT = _table("0123456789")
_NEWLINE = _table("\r\n")
_BLANK = _table(" \t")
_SPACE = _table("\t\n\x0b\x0c\r ")
_ASCII = _table("".join(map(chr, range(128))))
_WIDE_LEAD = _table("".join({chr(blank.encode()[0]) for blank in _WIDE_BLANKS}))
_WIDE_CODES = np.array(
    sorted(int.from_bytes(blank.encode().ljust(3, b"\0"), "big") for blank in _WIDE_BLANKS), dtype=np.int64
)
"""Each wide blank as a number: its bytes, most significant first, two-byte ones with a zero behind."""


def whitespace(text: Bytes) -> Mask:
    """Mark every byte of every white-space character."""
    found = _SPACE[text]
    lead = np.flatnonzero(_WIDE_LEAD[text])
    if not len(lead):
        return found
    padded = np.zeros((len(lead), 3), dtype=np.int64)
    for place in range(3):
        inside = lead + place < len(text)
        padded[inside, place] = text[lead[inside] + place]
    two = padded[:, 0] < 0xE0
    padded[two, 2] = 0
    wide = np.isin(padded @ np.array([1 << 16, 1 << 8, 1]), _WIDE_CODES)
    for place in range(3):
        marked = lead[wide & ~(two & (place == 2))] + place
        found[marked[marked < len(text)]] = True
    return found


def safe_cuts(text: Bytes) -> Places:
    r"""List places, ascending, each before a byte, where a match always ends and another begins.

    - before a blank that follows no white space: no alternative holds the two together;
    - before no white space after a newline: `[\r\n]*` and `\s*[\r\n]` take every newline, and nothing else
      holds one;
    - after an ASCII letter or digit before another kind of ASCII character: `\p{L}+`, the contractions and
      `\p{N}{1,2}` end there.
    """
    if len(text) < 2:
        return np.empty(0, dtype=np.int64)
    space = whitespace(text)
    before, after = text[:-1], text[1:]
    cut = ~space[:-1] & _BLANK[after]
    cut |= _NEWLINE[before] & ~space[1:]
    plain = _ASCII[after]
    cut |= _LETTER[before] & plain & ~_LETTER[after]
    cut |= _DIGIT[before] & plain & ~_DIGIT[after]
    return np.flatnonzero(cut) + 1


def look_ahead_cuts(text: Bytes, edges: Places) -> Places:
    r"""List the places where `\s+(?!\S)` ends because the next white space is followed by something else.

    That is before the last of two or more white spaces that stand before another character of the same
    document, where neither of the last two is a newline.  Nothing else in the pattern holds those two
    together.  With the text cut there, the pattern without its look-ahead finds the same matches.

    Shapes: edges int64 [documents + 1], the documents' places in `text`.
    """
    if len(text) < 3:
        return np.empty(0, dtype=np.int64)
    space = whitespace(text)
    last = np.flatnonzero(space[:-2] & space[1:-1] & ~space[2:]) + 1
    width = np.where(text[last] < 0x80, 1, np.where(text[last - 1] == 0xC2, 2, 3))
    begin = last - width + 1
    document = np.searchsorted(edges, begin, side="right") - 1
    inside = (begin > edges[document]) & (last + 1 < edges[document + 1])
    begin, last = begin[inside], last[inside]
    two = space[begin - 1] & ~_NEWLINE[text[begin - 1]] & ~_NEWLINE[text[last]]
    return begin[two]
