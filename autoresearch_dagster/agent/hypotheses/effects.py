"""What an agent predicted, read from its free text: a direction and a size in bpb, never more than it says."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autoresearch_dagster.core import limits

Direction = Literal["better", "worse", "same"]

_MINUS = str.maketrans({"−": "-", "–": "-", "—": "-", "‒": "-", "﹣": "-", "*": " ", "`": " ", "≈": "~", "∼": "~"})
_ARROWS = str.maketrans({"↓": " lower ", "↑": " higher "})
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?"
_RANGE_WORD = r"\s*(?:%|bpb)?\s*(?:-|to|and|or|\.\.+|/)\s*"
_FIGURE = re.compile(
    rf"(?P<bound><=?|>=?|≤|≥|±|\+/-)?\s*~?\s*"
    rf"(?P<sign>(?<![\w.])[-+])?\s*(?P<first>(?<![\w.=^]){_NUMBER})"
    rf"(?:(?P<between>{_RANGE_WORD})~?(?P<sign2>[-+])?(?P<second>{_NUMBER}))?"
    rf"(?:\s*(?:±|\+/-)\s*(?P<spread>{_NUMBER}))?"
    rf"\s*(?P<unit>%|percent\b|m?bpb\b|bits?[ -]per[ -]byte\b|bits?/byte\b|nats?\b|x\b)?\s*(?P<after>[a-z_]+)?"
)
_BETTER = re.compile(
    r"\b(?:better|lower\w*|decreas\w*|reduc\w*|improv\w*|drops?|dropping|falls?|gains?|cuts?|wins?|down|less|beats?)\b"
)
_WORSE = re.compile(
    r"\b(?:worse\w*|higher|increas\w*|hurts?|degrad\w*|regress\w*|rises?|raises?|loses?|goes up|up by)\b"
)
_SAME = re.compile(
    r"\bno (?:\w+ )?(?:change|effect|difference|impact|gain|improvement)\b"
    r"|\b(?:neutral|unchanged|same|negligible|flat|none|zero|ties?)\b|\b(?:with)?in (?:the )?noise\b"
    r"|\b(?:does|will|would|do)(?: not|n't) (?:help|change|improve|matter)\b"
)
_NOT_WORSE = re.compile(r"\b(?:no|not|never|without|n't)(?: \w+)? (?:worse\w*|hurt\w*|regress\w*|degrad\w*|loss)\b")
_AT_MOST = re.compile(r"(?:up to|at most|less than|no more than|within|<=?|≤)\s*$")
_AT_LEAST = re.compile(r"(?:at least|more than|over|>=?|≥)\s*$")
_TARGET = re.compile(
    r"(?:\bto|reach\w*|achiev\w*|target\w*|below|under|land\w* (?:at|near)|score of)\s*(?:~|about|around)?\s*$"
)
_FROM = re.compile(r"\bfrom\s*(?:~|about|around)?\s*$")
_BEFORE = re.compile(
    r"(?:^|[(:;,~]|bpb\s*=?|\b(?:by|of|about|around|roughly|approx\w*\.?|maybe|perhaps|between|some|another|expect\w*|"
    r"than|most|least|to|within|better|worse|lower|higher|improv\w*|decreas\w*|increas\w*|reduc\w*|drops?|gains?|"
    r"slight\w*|small|change|from|reach\w*|achiev\w*|target\w*|below|under|effect|delta|an?|is|minus|plus)\.?)\s*$"
)
_FOREIGN_AFTER = re.compile(
    r"^(?:lr|learning|dropout|steps?|layers?|heads?|seconds?|s|nats?|loss|ppl|perplexity|faster|slower|fewer|params?|"
    r"parameters|tokens?|warm\w*|decay|momentum|accuracy|of|width|wider|deeper|times|epochs?|rows?)$"
)
_PERCENT = ("%", "percent")
_BPB = ("bpb", "bit per byte", "bits per byte", "bit/byte", "bits/byte", "bits-per-byte")
LEAST_TARGET_BPB = 1.0
"""From here on a number without a sign is a score, not a change; smaller ones where a reference is near."""
LONGEST_FIGURE = 80
"""Characters of a figure with its unit; what is longer is no number that a person writes."""
NEAR_REFERENCE = 0.3
"""How far from the reference, as a share of it, a smaller number may be to be a score."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A predicted change of val_bpb, in bpb: negative is better.

    `low` and `high` bound it, the better end first; None: that end is open.  Both None: no size was given.
    """

    direction: Direction | None = None
    low: float | None = None
    high: float | None = None

    @property
    def middle_bpb(self) -> float | None:
        """The middle of what was predicted, or the one end that was given."""
        ends = [end for end in (self.low, self.high) if end is not None]
        return sum(ends) / len(ends) if ends else None


UNKNOWN = Effect()


def parse_effect(text: str, *, relative_to: float | None = None) -> Effect:
    """Read a prediction; `relative_to` is the score in bpb that percentages and target scores refer to.

    A number without a sign and without a word for its direction says nothing that can be scored.
    """
    told = text[: limits.EFFECT_CHARS].lower().translate(_MINUS).translate(_ARROWS)
    plain = re.sub(r"\s+", " ", told).strip()
    word = _word(plain)
    sizes = _sizes(plain, word, relative_to)
    if sizes is None or not all(size is None or math.isfinite(size) for size in sizes):
        return Effect(word or _sign_alone(plain))
    low, high = sizes
    return Effect(_direction(low, high, word), low, high)


def _sign_alone(text: str) -> Direction | None:
    """Return the direction of a signed figure whose size cannot be told in bpb."""
    units = (*_PERCENT, "nat", "nats")
    signs = {match["sign"] for match in _FIGURE.finditer(text) if (match["unit"] or "").strip() in units}
    return "better" if signs == {"-"} else "worse" if signs == {"+"} else None


def _word(text: str) -> Direction | None:
    """Return the one direction that words name; None: none, or both."""
    if _SAME.search(text):
        return "same"
    rest = re.sub(
        r"\bup to\b|\b(?:more|less) than\b|\b(?:higher|increas\w*|rais\w*|lower\w*) (?:the )?(?:lr|learning)\b",
        " ",
        text,
    )
    if _NOT_WORSE.search(rest):
        rest = _NOT_WORSE.sub(" ", rest)
    better, worse = bool(_BETTER.search(rest)), bool(_WORSE.search(rest))
    return None if better == worse else "better" if better else "worse"


def _direction(low: float | None, high: float | None, word: Direction | None) -> Direction | None:
    if word == "same":
        return "same"
    if low is not None and high is not None and low < 0 < high:
        return word or ("same" if low == -high else None)
    if high is not None and high <= 0 and low != 0:
        return "better"
    return "worse" if low is not None and low >= 0 and high != 0 else "same" if low == high == 0 else word


Sizes = tuple[float | None, float | None]


def _sizes(text: str, word: Direction | None, reference: float | None) -> Sizes | None:
    """Return the ends of the first change that the text states; None: it states none, or contradicts itself."""
    found: list[Sizes] = []
    about_loss = re.search(r"\b(?:loss|perplexity|ppl|nats?)\b", text) and "bpb" not in text
    for match in _FIGURE.finditer(text):
        unit = (match["unit"] or "").strip()
        if unit in ("x", "nat", "nats") or (about_loss and unit not in _BPB) or len(match[0]) > LONGEST_FIGURE:
            continue
        if _FOREIGN_AFTER.match(match["after"] or "") or (
            not _BEFORE.search(text[: match.start()]) and not match["sign"] and not match["bound"]
        ):
            continue
        sizes = _of(match, text[: match.start()], word, reference)
        if sizes is not None:
            found.append(sizes)
    if not found or any(_sign(one) * _sign(found[0]) < 0 for one in found[1:]):
        return None
    return found[0]


def _sign(sizes: Sizes) -> int:
    low, high = sizes
    return -1 if high is not None and high <= 0 else 1 if low is not None and low >= 0 else 0


def _of(match: re.Match[str], before: str, word: Direction | None, reference: float | None) -> Sizes | None:
    first, second = float(match["first"]), float(match["second"]) if match["second"] else None
    percent = (match["unit"] or "") in _PERCENT
    signed = match["sign"] is not None or match["sign2"] is not None
    if not percent and not signed and match["unit"] != "mbpb":
        if second is not None and _FROM.search(before):
            return _ends(second - first, second - first)
        if _is_score(first, before, reference):
            return _target(first, second, reference)
    if percent and reference is None:
        return None
    scale = (reference or 0.0) / 100 if percent else 0.001 if match["unit"] == "mbpb" else 1.0
    return _change(match, before, word, [value * scale for value in (first, second) if value is not None])


def _is_score(value: float, before: str, reference: float | None) -> bool:
    if re.search(r"\bby\s*(?:~|about|around|roughly)?\s*$", before):
        return False
    near = reference is not None and abs(value - reference) <= NEAR_REFERENCE * reference
    return near or value >= LEAST_TARGET_BPB or bool(_TARGET.search(before) and value >= LEAST_TARGET_BPB / 2)


def _target(first: float, second: float | None, reference: float | None) -> Sizes | None:
    if reference is None:
        return None
    return _ends(first - reference, (first if second is None else second) - reference)


def _change(match: re.Match[str], before: str, word: Direction | None, sizes: Sequence[float]) -> Sizes | None:
    bound = match["bound"] or ""
    if bound in ("±", "+/-"):
        return _ends(-sizes[0], sizes[0])
    signs = [match["sign"], match["sign2"] or match["sign"]][: len(sizes)]
    if "-" in signs and word == "worse":
        return None
    if word == "better" and "-" not in signs:
        signs = ["-"] * len(sizes)
    elif word == "worse":
        signs = ["+"] * len(sizes)
    at_most = bool(bound[:1] in ("<", "≤") and bound) or bool(_AT_MOST.search(before))
    if None in signs:
        return _ends(-sizes[0], sizes[0]) if word == "same" or (at_most and len(sizes) == 1) else None
    values = [-size if sign == "-" else size for sign, size in zip(signs, sizes, strict=True)]
    if match["spread"]:
        spread = float(match["spread"])
        return _ends(values[0] - spread, values[0] + spread)
    if at_most:
        return _ends(0.0, values[0])
    if (bound and bound[:1] in (">", "≥")) or _AT_LEAST.search(before):
        value = round(values[0], 6)
        return (None, value) if value < 0 else (value, None)
    return _ends(values[0], values[-1])


def _ends(one: float, other: float) -> Sizes:
    low, high = sorted((round(one, 6) + 0.0, round(other, 6) + 0.0))
    return low, high
