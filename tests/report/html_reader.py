"""Reading pages back."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Elements that are open at each point, and all start tags with attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    @property
    def shown(self) -> str:
        """The text without extra white space."""
        return " ".join(" ".join(self.text).split())

    @property
    def sections(self) -> list[str]:
        """Names of the sections that links can point to."""
        return [name for tag, attrs in self.tags if tag == "section" and (name := attrs.get("id"))]


def read(page: str) -> Reader:
    """A page whose elements are all closed, in order."""
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader
