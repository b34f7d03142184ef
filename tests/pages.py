"""An HTML page as tests read it: its elements in order, with attributes and text, as a browser without scripts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

SILENT = {"script", "style"}
INLINE = {"a", "code", "em", "i", "span", "strong"}
ENDED_BY = {"tr": ("tr",), "td": ("td", "th"), "th": ("td", "th")}
VOID = {"meta", "br", "hr", "input", "link", "img"}


@dataclass
class Element:
    name: str
    attributes: dict[str, str]
    within: tuple[str, ...] = ()
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts)


class Page(HTMLParser):
    """Collects elements; `text` of one is all that stands in it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.html = html
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        element = Element(tag, attributes, within=tuple(one.name for one in self._open))
        self.elements.append(element)
        for name in ENDED_BY.get(tag, ()):  # rows and cells may leave their end tags out
            if any(one.name == name for one in self._open[-4:]):
                self.handle_endtag(name)
        if tag not in INLINE:
            self.handle_data(" ")
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        names = [one.name for one in self._open]
        if tag in names:
            while self._open.pop().name != tag:  # closes what has no end tag of its own
                pass

    def handle_data(self, data: str) -> None:
        told = self._open[-1:] if self._open and self._open[-1].name in SILENT else self._open
        for element in told:
            element.parts.append(data)

    def all(self, name: str, **attributes: str) -> list[Element]:
        wanted = {key.rstrip("_"): value for key, value in attributes.items()}
        return [one for one in self.elements if one.name == name and wanted.items() <= one.attributes.items()]

    def one(self, name: str, **attributes: str) -> Element:
        found = self.all(name, **attributes)
        assert len(found) == 1, (name, attributes, len(found))
        return found[0]

    def part(self, name: str) -> str:
        """The text of one tab, blanks joined."""
        return " ".join(self.one("section", id=name).text.split())

    @property
    def ids(self) -> list[str]:
        return [one.attributes["id"] for one in self.elements if "id" in one.attributes]

    @property
    def shown(self) -> str:
        """All that a reader sees: neither style nor scripts."""
        return " ".join(self.one("body").text.split())
