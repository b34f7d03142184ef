"""What the agent is told about an error of its plan: the error, made short and stable, and what to do instead."""

import re
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from autoresearch_dagster.agent.tools.untrusted import spliced
from autoresearch_dagster.core import limits

LINE_CHARS: Final = 200
"""Of one line that is shown."""
MODULES: Final = [
    "asyncio",
    "base64",
    "binascii",
    "bisect",
    "collections",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "functools",
    "hashlib",
    "itertools",
    "json",
    "math",
    "os",
    "pathlib",
    "random",
    "re",
    "sys",
    "time",
    "tomllib",
    "typing",
]
"""What a plan may import."""
ONLY_CALLED: Final = "A tool can only be called, not passed on: write {}(...)."
NO_AWAIT: Final = (
    "Tools answer at once: call them without await and asyncio; run_experiment_batch trains several in parallel."
)
STOPPED: Final = (
    f"The sandbox was stopped by this plan: it went on beyond {limits.PLAN_FEED_S:g} seconds of computing, or took "
    "too much memory. Plans only prepare and launch; compute less, above all with huge numbers and endless loops."
)
NO_PLAN: Final = (
    "If this block was part of your final answer and no plan, send the answer without a Python block "
    "(tag what you quote ```text)."
)

_ADVICE: Final = (
    (
        r"ModuleNotFoundError|error\[unresolved-import\]",
        f"A plan may import: {', '.join(MODULES)}. What trains (torch, numpy) belongs into train_py.",
    ),
    (r"does not yet support class inheritance", "Write functions, or a class without a base."),
    (r"does not yet support yield", "Build a list and return it."),
    (r"does not yet support the 'del'", "Use pop(), or build a new list or dict without it."),
    (r"cannot suspend in this synchronous", "Call tools in a for loop first, then sort or filter their answers."),
    (r"can't be awaited|awaitable is required", NO_AWAIT),
    (
        r"^PermissionError|is not supported in this environment",
        "A plan has no files and no environment; what there is to read comes from the tools.",
    ),
    (r"^TimeoutError: .*limit exceeded", f"A plan may compute for {limits.PLAN_FEED_S:g} s; end its loops sooner."),
    (
        rf"^MemoryError: .*more than {limits.PLAN_STDOUT_BYTES} bytes",
        "Print less; what counts is the value of the last expression.",
    ),
    (
        rf"^MemoryError: .*(more than {limits.PLAN_MEMORY_BYTES} bytes|its memory limit)",
        "Hold less at a time; no huge lists, texts or numbers.",
    ),
    (
        r"suspension limit \d+ exceeded",
        f"A plan may make {limits.PLAN_SUSPENSIONS} calls; use the batch tools, or go on in your next turn.",
    ),
    (r"^RecursionError", f"Calls may be nested {limits.PLAN_RECURSION} deep; write a loop."),
    (r"'dict' object has no attribute", 'Answers of tools are dicts: write answer["name"].'),
    (
        r"'NoneType' and '(float|int)'|'(float|int)' and 'NoneType'",
        'val_bpb is None where an experiment failed; look at answer["success"] first.',
    ),
    (r"Exceeds the limit \(\d+ digits\)", "The plan's value or an argument holds too large an integer."),
    (r"Internal error in monty", "The sandbox does not know this construct; write it more plainly."),
)


def told(error: str, hints: Sequence[str] = ()) -> str:
    """Return an error of the sandbox as the agent reads it."""
    text = _stable(error.strip())
    advice = [sentence for pattern, sentence in _ADVICE if re.search(pattern, text, re.MULTILINE)]
    return "\n".join([_short(text), *dict.fromkeys([*hints, *advice])])


def cut_line(line: str) -> str:
    """Shorten one line that is shown; a fence of untrusted text in it is closed."""
    if len(line) <= LINE_CHARS:
        return line
    return spliced(line[:LINE_CHARS], f" [... {len(line) - LINE_CHARS} more characters]", "")


def _stable(text: str) -> str:
    """Leave out what differs from run to run: measured seconds and bytes."""
    text = text.replace('"<python-input-0>"', '"plan"')
    text = re.sub(r"limit exceeded: [\d.]+s > ([\d.]+)s", r"limit exceeded: more than \1 s", text)
    return re.sub(r"limit exceeded: \d+ bytes > (\d+) bytes", r"limit exceeded: more than \1 bytes", text)


def _short(text: str) -> str:
    """Tell equal frames of a traceback once, and cut long lines."""
    lines: list[str] = []
    for frame, same in groupby(re.split(r"\n(?=\S|  File )", text)):
        lines += map(cut_line, frame.split("\n"))
        repeated = len(list(same)) - 1
        if repeated:
            lines.append(f"  [the same {repeated} more times]")
    return "\n".join(lines)
