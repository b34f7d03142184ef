"""Marks text that strangers wrote: what a candidate printed, what the network answered.

The model is told that nothing between the tags is an instruction.  So no text may end its own fence, and none may
hide what it says from the person who reads the journal.

What is covered: the tags in any case, with blanks, entities, escapes and look-alike letters; control, format and
invisible characters; length.
What is not covered: what the words between the tags talk the model into.
"""

import re
import unicodedata
from typing import Final

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.text import visible

WORD: Final = "untrusted"
_OPENS: Final = f"<{WORD} source="
_CLOSING: Final = f"</{WORD}>"
_LOOK_ALIKES: Final = dict(
    zip(
        "‹〈⟨❮❬《«≺˂ᐸ⧼⁄∕╱⧸սυμцոпտτтгѕꜱеҽԁɗғ∪",
        "<<<<<<<<<<<////uuuunntttrsseeddfu",
        strict=True,
    )
)
"""What stands for an angle bracket, a slash or a letter of the tag without being equivalent to it in Unicode."""
_TAG: Final = re.compile(rf"(?:<|&lt;?|&#0*60;?|&#x0*3c;?|\\u003c|\\x3c|\\74|%3c)[/\\]*{WORD}")


def fenced(text: str, source: str, limit: int) -> str:
    """Wrap text of a stranger so that it cannot pass for ours.

    Args:
        text: whatever it wrote.
        source: where it comes from, in a word of ours.
        limit: characters that are kept of it; head and tail are, and the number of the others is said.
    """
    shown = _neutral(_cut(visible(text), limit))
    return f'{_OPENS}"{identifier(source)}">{shown}{_CLOSING}'


def spliced(head: str, note: str, tail: str) -> str:
    """Join both ends of a text that had fences and was cut: what was inside one stays inside.

    Args:
        head: what is kept of the beginning.
        note: of ours, between them.
        tail: what is kept of the end; it may begin within a fence, or within a tag.
    """
    last = head.rfind("<")
    tag = head[last:] if last >= 0 else ""
    if tag and (_CLOSING.startswith(tag) or _OPENS.startswith(tag) or (tag.startswith(_OPENS) and ">" not in tag)):
        head = head[:last]  # the beginning of a tag that was cut
    if head.count(_OPENS) > head.count(_CLOSING):
        head += _CLOSING
    closes, opens = tail.find(_CLOSING), tail.find(_OPENS)
    if closes >= 0 and not 0 <= opens < closes:
        tail = f"<{WORD}>{tail}"
    return f"{head}{note}{tail}"


def identifier(text: str) -> str:
    """Return what remains of a name that a candidate gives itself: letters, digits and `._+-`, or ''."""
    joined = re.sub(r"\s+", "-", text.strip())
    return re.sub(r"[^A-Za-z0-9._+-]", "", joined)[: limits.IDENTIFIER_CHARS]


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    head = limit // 2
    tail = limit - head
    return f"{text[:head]}\n[... {len(text) - limit} characters left out ...]\n{text[len(text) - tail :]}"


def _neutral(text: str) -> str:
    """Replace the bracket of everything that reads as one of the tags."""
    folded, places = _folded(text)
    parts: list[str] = []
    begin = 0
    for found in _TAG.finditer(folded):
        place = places[found.start()]
        parts += [text[begin:place], "["]
        begin = place + 1
    return "".join([*parts, text[begin:]])


def _folded(text: str) -> tuple[str, list[int]]:
    """Return how text reads, without case, blanks and accents, and where each of its characters came from."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for plain in unicodedata.normalize("NFKD", character).casefold():
            if not plain.isspace() and not unicodedata.combining(plain):
                letters.append(_LOOK_ALIKES.get(plain, plain))
                places.append(place)
    return "".join(letters), places
