"""Every code block of README and docs, with how it is to be tried.

A comment above a block says what is done with it: nothing at all means that it runs in `make test`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from autoresearch_dagster.core.settings import PROJECT_ROOT

LANGUAGES = ("bash", "python", "json", "toml", "yaml", "text")
SLOW, SERVER, CLAUDE = "slow", "starts a server", "claude"
WAYS = (SLOW, SERVER, CLAUDE)
REASONS = (
    "needs a GPU",
    "needs the network",
    "installs software",
    "builds an image",
    "opens a browser",
)
"""Why a block may stand there without being run; `run by tests/...` names a test that does it instead."""
COMMENT = re.compile(r"^<!-- *(.*?) *-->\s*$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    language: str
    text: str
    mark: str

    @property
    def reason(self) -> str:
        """Why it is not run; '' if it is."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""

    @property
    def test(self) -> str:
        """The test that runs it instead; '' if there is none."""
        return self.mark.removeprefix("run by ") if self.mark.startswith("run by ") else ""

    @property
    def way(self) -> str:
        """How it is run: '' in `make test`, one of WAYS, or `not` at all."""
        return "not" if self.reason or self.test or self.language == "text" else self.mark

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[Path]:
    """README, CONTRIBUTING, ARCHITECTURE, the stored session's page, and all of docs/."""
    names = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "examples/README.md")
    top = [PROJECT_ROOT / name for name in names]
    return [*top, *sorted((PROJECT_ROOT / "docs").rglob("*.md"))]


def blocks_of(text: str, page: str = "") -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    before = ""
    for token in MarkdownIt().parse(text):
        if token.type == "fence" and token.map:
            yield Block(page, token.map[0] + 1, token.info.strip(), token.content, before)
        if token.type == "html_block":
            found = COMMENT.match(token.content.strip())
            before = found[1] if found else ""
        else:
            before = ""


def every_block() -> list[Block]:
    return [
        block
        for path in pages()
        for block in blocks_of(path.read_text(encoding="utf-8"), str(path.relative_to(PROJECT_ROOT)))
    ]


def problem_with(block: Block) -> str:
    """What is wrong with how a block is classified; '' if nothing is."""
    if block.language not in LANGUAGES:
        return f"{block.where}: a block in {block.language!r}; name one of {', '.join(LANGUAGES)}"
    if block.language == "text" or not block.mark:
        return ""
    if block.mark in WAYS:
        fits = block.language == "bash" or (block.language, block.mark) == ("python", SLOW)
        return "" if fits else f"{block.where}: {block.mark!r} is not for {block.language}"
    if block.test:
        return "" if (PROJECT_ROOT / block.test).is_file() else f"{block.where}: there is no {block.test}"
    return "" if block.reason in REASONS else f"{block.where}: {block.mark!r} is no reason; {', '.join(REASONS)}"
