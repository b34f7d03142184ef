"""Hooks of mkdocs: documents of the top level become pages, and links work on GitHub and in the site.

Everywhere in the repository a link is the path of a file, so that it works where the repository is shown.  In the
site a file of docs/ is its page, a document of the top level is the page made from it, and any other file of
the repository is named instead of linked.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
}
"""Documents outside docs/ that are pages of the site."""
SOURCE = {page: source for source, page in TOP.items()}
LINK = re.compile(r"(?P<text>!?\[(?:[^\[\]]|\[[^\]]*\])*\])\((?P<target>[^()\s]+)\)")
FENCE = re.compile(r"^ *(```|~~~~*)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents of the top level."""
    for source, page in TOP.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn the repository's links into the site's."""
    return in_the_site(markdown, page.file.src_uri)


def in_the_site(markdown: str, page: str) -> str:
    """Rewrite the links of a page, but not those in code blocks."""
    source = SOURCE.get(page, f"docs/{page}")
    lines, fenced = list[str](), ""
    # A link may be broken over two lines, so text between code blocks is rewritten as a whole.
    text = list[str]()
    for line in markdown.splitlines(keepends=True):
        fence = FENCE.match(line)
        if fence and (not fenced or fence[1] == fenced):
            fenced = "" if fenced else fence[1]
            lines += [*_rewritten(text, source, page), line]
            text = []
        elif fenced:
            lines.append(line)
        else:
            text.append(line)
    return "".join([*lines, *_rewritten(text, source, page)])


def _rewritten(text: list[str], source: str, page: str) -> list[str]:
    return [LINK.sub(lambda link: _link(link, source, page), "".join(text))]


def _link(link: re.Match[str], source: str, page: str) -> str:
    target, _, anchor = link["target"].partition("#")
    if not target or "://" in target or target.startswith("mailto:"):
        return link[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if path in TOP:
        found = TOP[path]
    elif (ROOT / path).is_dir() and (ROOT / path / "README.md").is_file():
        found = TOP.get(f"{path}/README.md", f"{path}/README.md".removeprefix("docs/"))
    elif path.startswith("docs/"):
        found = path.removeprefix("docs/")
    else:
        return f"{link['text'].strip('![]')} (`{path}` in the repository)"
    relative = posixpath.relpath(found, posixpath.dirname(page) or ".")
    return f"{link['text']}({relative}{'#' + anchor if anchor else ''})"
