"""How text becomes HTML.

What is covered: whatever a candidate, a model or a person wrote is text here.  Templates escape every value;
control and direction characters are written out; Markdown loses HTML, links and images; what is embedded for
scripts cannot end its element.
What is not covered: that such text says something false.
"""

from functools import cache
from typing import Any

import nh3
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.text import clipped, one_line, passage

DEEPER = 3  # levels by which headings of a foreign text are put below ours
TAGS = {
    *("p", "br", "hr", "blockquote", "ul", "ol", "li", "pre", "code", "em", "strong", "s"),
    *("h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}


def short(text: object) -> str:
    """Make one line of a text."""
    return one_line(str(text), limits.REPORT_LINE_CHARS)


def in_short(text: str) -> str:
    """Cut a line where not all of them have room."""
    return clipped(text, limits.REPORT_BRIEF_CHARS)


def markdown(text: str) -> Markup:
    """Render Markdown that somebody else wrote, without HTML, links and images."""
    told = passage(text, limits.REPORT_CONCLUSION_CHARS)
    more = Markup("<p>… {} more characters.</p>").format(f"{told.left_out:,}") if told.left_out else Markup()
    safe = _rendered(told.text)
    if len(safe.encode()) > limits.REPORT_CONCLUSION_BYTES:  # a table may have more cells than it has characters
        safe = Markup("<pre>{}</pre>").format(body(told.text))
    return safe + more


def _rendered(text: str) -> Markup:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["link", "image", "autolink"])
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + DEEPER)}"
    html = parser.renderer.render(tokens, parser.options, {})
    return Markup(nh3.clean(html, tags=TAGS, attributes={}))


def body(text: str) -> Markup:
    """Escape a text that stands between tags: quotes end nothing there, and code is full of them."""
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def number(count: int) -> str:
    """Write a count."""
    return f"{count:,}"


@cache
def environment() -> Environment:
    """The templates, which escape what they are given and fail where a value is missing."""
    found = Environment(
        loader=PackageLoader("autoresearch_dagster.reports.page", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    ours: dict[str, Any] = {
        "short": short,
        "markdown": markdown,
        "body": body,
        "counted": counted,
        "number": number,
    }
    found.filters.update(ours)
    return found
