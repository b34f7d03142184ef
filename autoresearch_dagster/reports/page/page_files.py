"""What stands in the page besides its text: style, scripts, and the policy that allows these and nothing else."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from markupsafe import Markup

NO_CHARTS = ""
EXPORTED = "window.vegaEmbed = vegaEmbed;"
"""What the page's script needs of the library."""


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The page's own code, as it is inlined."""

    style: Markup
    script: Markup
    charts: Markup
    """Vega, Vega-Lite and Vega-Embed in one; empty: the page has its tables instead of charts."""

    @property
    def policy(self) -> str:
        """Allow the page's own style and scripts, by their digests; nothing may be fetched, sent or evaluated."""
        scripts = " ".join(_source(text) for text in (self.charts, self.script) if text)
        return (
            f"default-src 'none'; script-src {scripts}; style-src {_source(self.style)}; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        )


def _source(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def page_files(*, charts: bool = True) -> PageFiles:
    """Return what is inlined."""
    library = chart_library() if charts else NO_CHARTS
    return PageFiles(_own("report.css"), _own("report.js"), _inline(library))


@cache
def chart_library() -> str:
    """The drawing library for browsers, from the package that also has it for Python: one to two seconds."""
    import vl_convert

    return vl_convert.javascript_bundle(snippet=EXPORTED)


def _own(name: str) -> Markup:
    folder = resources.files("autoresearch_dagster.reports.page") / "static"
    return _inline((folder / name).read_text(encoding="utf-8"))


def _inline(code: str) -> Markup:
    """Take our own code as it is; it may not hold what would end its element."""
    lowered = code.lower()
    if any(mark in lowered for mark in ("</script", "</style", "<!--")):
        raise ValueError("This code cannot stand in a page: it holds a tag that ends its element.")
    return Markup(code)
